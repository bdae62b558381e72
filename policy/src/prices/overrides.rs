//! Prices that a configuration sets, under LiteLLM's names.

use serde_json::{Map, Value};

use super::{LongContext, Price};
use crate::money::{DecimalError, PicoPrice};

/// A price setting that does not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {reason}")]
pub struct OverrideError {
    /// The setting's name.
    pub setting: &'static str,
    /// What is wrong with its value.
    pub reason: DecimalError,
}

/// Thresholds of long prompts, as LiteLLM's settings name them.
const LONG: [LongNames; 4] = [
    LongNames {
        above: 128_000,
        input: "input_cost_per_token_above_128k_tokens",
        cached_input: "cache_read_input_token_cost_above_128k_tokens",
        cache_write: "cache_creation_input_token_cost_above_128k_tokens",
        output: "output_cost_per_token_above_128k_tokens",
    },
    LongNames {
        above: 200_000,
        input: "input_cost_per_token_above_200k_tokens",
        cached_input: "cache_read_input_token_cost_above_200k_tokens",
        cache_write: "cache_creation_input_token_cost_above_200k_tokens",
        output: "output_cost_per_token_above_200k_tokens",
    },
    LongNames {
        above: 256_000,
        input: "input_cost_per_token_above_256k_tokens",
        cached_input: "cache_read_input_token_cost_above_256k_tokens",
        cache_write: "cache_creation_input_token_cost_above_256k_tokens",
        output: "output_cost_per_token_above_256k_tokens",
    },
    LongNames {
        above: 272_000,
        input: "input_cost_per_token_above_272k_tokens",
        cached_input: "cache_read_input_token_cost_above_272k_tokens",
        cache_write: "cache_creation_input_token_cost_above_272k_tokens",
        output: "output_cost_per_token_above_272k_tokens",
    },
];

/// LiteLLM's settings that are read, besides those of [`LONG`].
const NAMES: [&str; 16] = [
    "input_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "output_cost_per_token",
    "output_cost_per_reasoning_token",
    "input_cost_per_audio_token",
    "output_cost_per_audio_token",
    "output_cost_per_image_token",
    "output_cost_per_image",
    "input_cost_per_image",
    "output_cost_per_second",
    "input_cost_per_second",
    "input_cost_per_character",
    "output_cost_per_character",
    "input_cost_per_request",
    "input_cost_per_query",
];

struct LongNames {
    above: u64,
    input: &'static str,
    cached_input: &'static str,
    cache_write: &'static str,
    output: &'static str,
}

impl LongNames {
    const fn all(&self) -> [&'static str; 4] {
        [self.input, self.cached_input, self.cache_write, self.output]
    }
}

/// Whether a price setting of LiteLLM's is read; one that is not leaves what it prices at the price of
/// ordinary tokens.
pub fn is_read(setting: &str) -> bool {
    NAMES.contains(&setting) || LONG.iter().any(|names| names.all().contains(&setting))
}

impl Price {
    /// Reads LiteLLM's price settings out of `model_info` or `litellm_params` (the first map that
    /// has a setting wins); `None` when none is set. A price that stays unset keeps what `listed`
    /// says, except that cache, audio and reasoning prices of a list do not survive a new base
    /// price: they would no longer fit it.
    pub fn overridden(
        settings: &[&Map<String, Value>],
        listed: Option<&Self>,
    ) -> Result<Option<Self>, OverrideError> {
        let read = |name: &'static str| read(settings, name);
        let set = Self {
            input: read("input_cost_per_token")?,
            cached_input: read("cache_read_input_token_cost")?,
            cache_write: read("cache_creation_input_token_cost")?,
            output: read("output_cost_per_token")?,
            reasoning: read("output_cost_per_reasoning_token")?,
            audio_input: read("input_cost_per_audio_token")?,
            audio_output: read("output_cost_per_audio_token")?,
            image_output: read("output_cost_per_image_token")?,
            image: first(
                read("output_cost_per_image")?,
                read("input_cost_per_image")?,
            ),
            audio_second: first(
                read("output_cost_per_second")?.filter(|p| *p != PicoPrice::FREE),
                read("input_cost_per_second")?,
            ),
            character: first(
                read("input_cost_per_character")?,
                read("output_cost_per_character")?,
            ),
            request: first(
                read("input_cost_per_request")?,
                read("input_cost_per_query")?,
            ),
            long_context: long_context(settings, listed.copied().unwrap_or_default())?,
        };
        if set.is_unknown() {
            return Ok(None);
        }
        Ok(Some(set.over(listed.unwrap_or(&Self::UNKNOWN))))
    }

    /// `self` where it says something, `listed` elsewhere.
    fn over(self, listed: &Self) -> Self {
        let keep_input = self.input.is_none();
        let keep_output = self.output.is_none();
        let kept = |own: Option<PicoPrice>, listed: Option<PicoPrice>, keep: bool| {
            own.or(listed.filter(|_| keep))
        };
        let both_free = self.input == Some(PicoPrice::FREE) && self.output == Some(PicoPrice::FREE);
        if both_free && self == Self::per_token(PicoPrice::FREE, PicoPrice::FREE) {
            return Self::FREE;
        }
        Self {
            input: self.input.or(listed.input),
            cached_input: kept(self.cached_input, listed.cached_input, keep_input),
            cache_write: kept(self.cache_write, listed.cache_write, keep_input),
            output: self.output.or(listed.output),
            reasoning: kept(self.reasoning, listed.reasoning, keep_output),
            audio_input: kept(self.audio_input, listed.audio_input, keep_input),
            audio_output: kept(self.audio_output, listed.audio_output, keep_output),
            image_output: kept(self.image_output, listed.image_output, keep_output),
            image: self.image.or(listed.image),
            audio_second: self.audio_second.or(listed.audio_second),
            character: self.character.or(listed.character),
            request: self.request.or(listed.request),
            long_context: self
                .long_context
                .or(listed.long_context.filter(|_| keep_input && keep_output)),
        }
    }
}

fn first(a: Option<PicoPrice>, b: Option<PicoPrice>) -> Option<PicoPrice> {
    a.or(b)
}

/// The prices of a long prompt. One of input and output may stay as it is for a shorter one.
fn long_context(
    settings: &[&Map<String, Value>],
    listed: Price,
) -> Result<Option<LongContext>, OverrideError> {
    for names in &LONG {
        let [input, cached_input, cache_write, output] =
            names.all().map(|name| read(settings, name));
        let (input, output) = (input?, output?);
        if input.or(output).is_none() {
            continue;
        }
        let short = |name, listed: Option<PicoPrice>| Ok(read(settings, name)?.or(listed));
        let (Some(input), Some(output)) = (
            input.or(short("input_cost_per_token", listed.input)?),
            output.or(short("output_cost_per_token", listed.output)?),
        ) else {
            continue;
        };
        return Ok(Some(LongContext {
            above: names.above,
            input,
            cached_input: cached_input?,
            cache_write: cache_write?,
            output,
        }));
    }
    Ok(None)
}

fn read(
    settings: &[&Map<String, Value>],
    setting: &'static str,
) -> Result<Option<PicoPrice>, OverrideError> {
    let found = settings.iter().find_map(|map| match map.get(setting) {
        None | Some(Value::Null) => None,
        found => found,
    });
    let parsed = match found {
        None => return Ok(None),
        Some(Value::Number(number)) => number.to_string().parse(),
        Some(Value::String(text)) => text.parse(),
        Some(_) => Err(DecimalError::Malformed),
    };
    parsed
        .map(Some)
        .map_err(|reason| OverrideError { setting, reason })
}
