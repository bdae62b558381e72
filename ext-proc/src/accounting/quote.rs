//! The most that a request can cost at each deployment of its plan.
//!
//! Under a budget this is a promise: whatever the provider reports within its own limits costs no more.
//! So each kind of request says here what bounds each unit that it can be charged by.

use dragoman_config::UnknownPrice;
use dragoman_policy::plan::Attempt;
use dragoman_policy::prices::Ceiling;
use dragoman_policy::{Price, Quote, Refusal};
use dragoman_proto::{Facts, Operation};

use super::Estimate;
use crate::live::{Live, Sizes};

/// Output tokens of a model of which no maximum is known, when the client sets none. Under a budget
/// the cap is sent to the provider, so nothing depends on the guess but how long the answer may be.
const UNKNOWN_OUTPUT: u64 = 16_384;
/// Input tokens of a second of sound: Gemini has 32, OpenAI 10, Mistral 12.5.
const SOUND_TOKENS_PER_SECOND: u64 = 50;
/// The slowest speech: 300 ms a character, where people take some 70.
const SPEECH_MS_PER_BYTE: u64 = 300;
/// Output tokens of a second of speech: Gemini has 25, OpenAI 21.
const SPEECH_TOKENS_PER_SECOND: u64 = 30;

/// The prices of all deployments of the plan, and the most that the request can use there. Refused,
/// where it must be `bounded`, when nobody knows how much that is.
pub(super) fn quote(
    live: &Live,
    estimate: &Estimate<'_>,
    alias: &str,
    bounded: bool,
) -> Result<Quote, Refusal> {
    let allow_unknown = live.config.own.unknown_price == UnknownPrice::Allow;
    let unknown = if allow_unknown {
        Price::FREE
    } else {
        Price::default()
    };
    let line = |attempt: &Attempt| {
        let captured = attempt.captured.as_deref().unwrap_or_default();
        let price = live
            .price(&attempt.deployment, captured)
            .map_or(unknown, |(price, _)| price);
        let sizes = live.sizes(&attempt.deployment, captured);
        if bounded {
            check(estimate.facts, &sizes, alias)?;
        }
        Ok((price, ceiling(estimate.facts, &sizes)))
    };
    let lines: Result<_, Refusal> = estimate.attempts.iter().map(line).collect();
    Ok(Quote::new(lines?))
}

fn check(facts: &Facts, sizes: &Sizes, alias: &str) -> Result<(), Refusal> {
    let unbounded = facts.extent.unbounded.as_ref();
    if let Some(member) = unbounded.or(sizes.unbounded.as_ref()) {
        return Err(Refusal::Unbounded {
            member: member.clone(),
        });
    }
    if facts.extent.unseen && sizes.max_input_tokens.is_none() {
        return Err(Refusal::UnknownContext {
            model: alias.to_owned(),
        });
    }
    Ok(())
}

fn ceiling(facts: &Facts, sizes: &Sizes) -> Ceiling {
    let choices = facts.choices.max(sizes.choices).max(1);
    let extent = &facts.extent;
    let sound = tokens(extent.audio_ms, SOUND_TOKENS_PER_SECOND);
    let longest = sizes.max_output_tokens.unwrap_or(UNKNOWN_OUTPUT);
    let none = Ceiling {
        input_tokens: input_tokens(facts, sizes),
        audio_tokens: sound,
        choices,
        ..Ceiling::default()
    };
    match facts.operation {
        Operation::Embeddings
        | Operation::Moderations
        | Operation::Rerank
        | Operation::CountTokens => none,
        Operation::ImagesGenerations | Operation::ImagesEdits | Operation::ImagesVariations => {
            Ceiling {
                images: choices.into(),
                uncapped_tokens: sizes.image_output_tokens.saturating_mul(choices.into()),
                ..none
            }
        }
        Operation::AudioSpeech => {
            let spoken_ms = facts.prompt_bound.saturating_mul(SPEECH_MS_PER_BYTE);
            Ceiling {
                characters: facts.prompt_bound,
                audio_ms: spoken_ms,
                uncapped_tokens: tokens(spoken_ms, SPEECH_TOKENS_PER_SECOND).min(longest),
                ..none
            }
        }
        Operation::AudioTranscriptions | Operation::AudioTranslations => Ceiling {
            audio_ms: extent.audio_ms,
            uncapped_tokens: longest,
            ..none
        },
        Operation::ChatCompletions
        | Operation::Completions
        | Operation::Responses
        | Operation::Messages => Ceiling {
            output_tokens: facts.max_tokens.or(sizes.max_tokens).unwrap_or(longest),
            uncapped_tokens: extent.output_tokens,
            ..none
        },
    }
}

/// What is in the request and what the deployment adds; the model's whole context, where the request
/// names what nobody here can see.
fn input_tokens(facts: &Facts, sizes: &Sizes) -> u64 {
    let images = facts.extent.images.saturating_mul(sizes.image_tokens);
    let seen = facts
        .prompt_bound
        .saturating_add(images)
        .saturating_add(sizes.added_bytes);
    match sizes.max_input_tokens {
        Some(context) if facts.extent.unseen => context.max(seen),
        _ => seen,
    }
}

const fn tokens(ms: u64, per_second: u64) -> u64 {
    ms.saturating_mul(per_second).div_ceil(1000)
}

#[cfg(test)]
mod tests;
