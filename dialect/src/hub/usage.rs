//! Usage as OpenAI's endpoints write it, and as those that imitate them do.

use dragoman_proto::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct UsageIn {
    prompt_tokens: Option<u64>,
    input_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    output_tokens: Option<u64>,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<Details>,
    input_tokens_details: Option<Details>,
    input_token_details: Option<Details>,
    completion_tokens_details: Option<Details>,
    output_tokens_details: Option<Details>,
    /// DeepSeek's place for it.
    prompt_cache_hit_tokens: Option<u64>,
    /// Transcriptions that are charged by time.
    seconds: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Details {
    cached_tokens: Option<u64>,
    audio_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
    image_tokens: Option<u64>,
}

/// The usage in `raw`; `None` when there is none in it.
pub(crate) fn read_usage(raw: &RawValue) -> Option<Usage> {
    let usage: UsageIn = serde_json::from_str(raw.get()).ok()?;
    let input_tokens = usage.prompt_tokens.or(usage.input_tokens);
    let output_tokens = usage.completion_tokens.or(usage.output_tokens);
    if input_tokens
        .or(output_tokens)
        .or(usage.total_tokens)
        .is_none()
        && usage.seconds.is_none()
    {
        return None;
    }
    let output = output_tokens.unwrap_or_default();
    let input = input_tokens.unwrap_or_else(|| {
        usage
            .total_tokens
            .unwrap_or_default()
            .saturating_sub(output)
    });
    let input_details = usage
        .prompt_tokens_details
        .or(usage.input_tokens_details)
        .or(usage.input_token_details)
        .unwrap_or_default();
    let output_details = usage
        .completion_tokens_details
        .or(usage.output_tokens_details)
        .unwrap_or_default();
    Some(Usage {
        input_tokens: input,
        cached_tokens: input_details
            .cached_tokens
            .or(usage.prompt_cache_hit_tokens)
            .unwrap_or_default()
            .min(input),
        audio_input_tokens: input_details.audio_tokens.unwrap_or_default(),
        output_tokens: output,
        reasoning_tokens: output_details.reasoning_tokens.unwrap_or_default(),
        audio_output_tokens: output_details.audio_tokens.unwrap_or_default(),
        image_output_tokens: output_details.image_tokens.unwrap_or_default(),
        audio_ms: milliseconds(usage.seconds),
        ..Usage::default()
    })
}

/// Milliseconds of a number of seconds, which may be written as text.
pub(crate) fn read_seconds(raw: &RawValue) -> Option<u64> {
    let seconds: f64 = match json::string(raw) {
        Some(text) => text.trim().parse().ok()?,
        None => serde_json::from_str(raw.get()).ok()?,
    };
    Some(milliseconds(Some(seconds))).filter(|ms| *ms > 0)
}

/// Whole milliseconds, rounded up, of a number of seconds that may be anything.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded before"
)]
fn milliseconds(seconds: Option<f64>) -> u64 {
    const DAY: f64 = 86_400.0;
    match seconds {
        Some(seconds) if seconds > 0.0 => (seconds.min(DAY) * 1000.0).ceil() as u64,
        _ => 0,
    }
}

/// Usage on its way to a client.
#[derive(Debug, Serialize)]
pub(crate) struct UsageOut {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
    prompt_tokens_details: PromptDetails,
    #[serde(skip_serializing_if = "Option::is_none")]
    completion_tokens_details: Option<CompletionDetails>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_creation_input_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_read_input_tokens: Option<u64>,
}

#[derive(Debug, Serialize)]
struct PromptDetails {
    cached_tokens: u64,
}

#[derive(Debug, Serialize)]
struct CompletionDetails {
    reasoning_tokens: u64,
}

impl UsageOut {
    /// OpenAI's fields.
    pub(crate) fn new(usage: &Usage) -> Self {
        Self {
            prompt_tokens: usage.input_tokens,
            completion_tokens: usage.output_tokens,
            total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
            prompt_tokens_details: PromptDetails {
                cached_tokens: usage.cached_tokens,
            },
            completion_tokens_details: (usage.reasoning_tokens > 0).then_some(CompletionDetails {
                reasoning_tokens: usage.reasoning_tokens,
            }),
            cache_creation_input_tokens: None,
            cache_read_input_tokens: None,
        }
    }

    /// With the fields in which LiteLLM's clients find what a prompt cache did.
    pub(crate) fn with_cache(usage: &Usage) -> Self {
        Self {
            cache_creation_input_tokens: Some(usage.cache_write_tokens),
            cache_read_input_tokens: Some(usage.cached_tokens),
            ..Self::new(usage)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Usage> {
        read_usage(serde_json::from_str(text).unwrap())
    }

    #[test]
    fn details_are_read_from_either_api() {
        let chat = read(
            r#"{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,
            "prompt_tokens_details":{"cached_tokens":4,"audio_tokens":1},
            "completion_tokens_details":{"reasoning_tokens":3,"audio_tokens":2}}"#,
        )
        .unwrap();
        assert_eq!((chat.cached_tokens, chat.reasoning_tokens), (4, 3));
        assert_eq!((chat.audio_input_tokens, chat.audio_output_tokens), (1, 2));
        let responses = read(
            r#"{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":5,
            "output_tokens_details":{"reasoning_tokens":3},"total_tokens":15}"#,
        )
        .unwrap();
        assert_eq!((responses.input_tokens, responses.output_tokens), (10, 5));
        assert_eq!(
            (responses.cached_tokens, responses.reasoning_tokens),
            (4, 3)
        );
    }

    #[test]
    fn null_and_nonsense_are_no_usage() {
        assert_eq!(read("null"), None);
        assert_eq!(read("{}"), None);
        assert_eq!(read(r#"{"prompt_tokens":"many"}"#), None);
    }

    #[test]
    fn time_is_counted_in_milliseconds() {
        let usage = read(r#"{"type":"duration","seconds":1.5}"#).unwrap();
        assert_eq!(usage.audio_ms, 1500);
    }
}
