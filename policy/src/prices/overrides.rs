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

const ABOVE_200K: u64 = 200_000;

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
            long_context: long_context(
                read("input_cost_per_token_above_200k_tokens")?,
                read("output_cost_per_token_above_200k_tokens")?,
            ),
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

fn long_context(input: Option<PicoPrice>, output: Option<PicoPrice>) -> Option<LongContext> {
    Some(LongContext {
        above: ABOVE_200K,
        input: input?,
        cached_input: None,
        cache_write: None,
        output: output?,
    })
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
