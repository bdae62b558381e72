//! What an attempt used, known or estimated, at every moment.

use dragoman_proto::{Usage, UsageSource};

/// Bytes of text that make about one token.
const BYTES_PER_TOKEN: u64 = 4;

/// Tokens that `bytes` of text are likely to be.
pub(crate) const fn estimate(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

/// Tokens of a second of speech, as the models that count it do.
const TOKENS_PER_SECOND: u64 = 21;

/// Counts while the answer passes, so that a cancelled answer is not free.
#[derive(Debug)]
pub(crate) struct Meter {
    prompt_tokens: u64,
    output_bytes: u64,
    counted: Usage,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// Nothing came from the provider that costs.
    Idle,
    /// Output passed, and the provider has not counted.
    Estimating,
    /// The provider has counted the input; the output is an estimate so far.
    Input,
    /// The provider has counted.
    Counted,
}

impl Meter {
    pub(crate) const fn new(prompt_tokens: u64) -> Self {
        Self {
            prompt_tokens,
            output_bytes: 0,
            counted: Usage {
                input_tokens: 0,
                cached_tokens: 0,
                cache_write_tokens: 0,
                audio_input_tokens: 0,
                output_tokens: 0,
                reasoning_tokens: 0,
                audio_output_tokens: 0,
                images: 0,
                audio_ms: 0,
                characters: 0,
                image_output_tokens: 0,
            },
            state: State::Idle,
        }
    }

    /// With what will be charged once there is an answer, where the provider counts nothing else:
    /// characters to speak, milliseconds of sound to hear.
    pub(crate) const fn expecting(mut self, characters: u64, audio_ms: u64) -> Self {
        self.counted.characters = characters;
        self.counted.audio_ms = audio_ms;
        self
    }

    /// So much sound to hear has been sent so far, which counts as long as the provider does not.
    pub(crate) const fn hear(&mut self, audio_ms: u64) {
        if !matches!(self.state, State::Counted) {
            self.counted.audio_ms = audio_ms;
        }
    }

    /// The provider has spoken for so many milliseconds so far.
    pub(crate) fn spoken(&mut self, audio_ms: u64) {
        let tokens = audio_ms.saturating_mul(TOKENS_PER_SECOND).div_ceil(1000);
        self.units(|usage| {
            usage.audio_ms = audio_ms;
            usage.output_tokens = tokens;
            usage.audio_output_tokens = tokens;
        });
    }

    /// The provider has begun to answer with `bytes` of text.
    pub(crate) fn output(&mut self, bytes: usize) {
        self.output_bytes = self.output_bytes.saturating_add(bytes as u64);
        self.state = self.state.max(State::Estimating);
    }

    /// The provider has counted the input; the output is still to come.
    pub(crate) fn input(&mut self, usage: Usage) {
        if self.state < State::Counted {
            self.counted = usage;
            self.state = State::Input;
        }
    }

    /// The provider has counted (and may do so again: a later count replaces an earlier one).
    pub(crate) fn counted(&mut self, usage: Usage) {
        let counts_time = usage.audio_ms > 0 || usage.input_tokens > 0;
        self.counted = Usage {
            images: usage.images.max(self.counted.images),
            characters: usage.characters.max(self.counted.characters),
            audio_ms: if counts_time {
                usage.audio_ms
            } else {
                self.counted.audio_ms
            },
            ..usage
        };
        self.state = State::Counted;
    }

    /// What the provider has counted so far.
    pub(crate) const fn known(&self) -> Usage {
        self.counted
    }

    /// Adds units that are counted by us and that no estimate changes: images, characters.
    pub(crate) fn units(&mut self, add: impl FnOnce(&mut Usage)) {
        add(&mut self.counted);
        self.state = self.state.max(State::Estimating);
    }

    pub(crate) fn usage(&self) -> Usage {
        let estimated_output = estimate(self.output_bytes);
        match self.state {
            State::Idle => Usage::default(),
            State::Counted => self.counted,
            State::Input => Usage {
                output_tokens: self.counted.output_tokens.max(estimated_output),
                ..self.counted
            },
            State::Estimating => Usage {
                input_tokens: self.prompt_tokens,
                output_tokens: self.counted.output_tokens.max(estimated_output),
                ..self.counted
            },
        }
    }

    pub(crate) const fn source(&self) -> UsageSource {
        match self.state {
            State::Idle => UsageSource::Unspecified,
            State::Counted => UsageSource::Provider,
            State::Input | State::Estimating => UsageSource::Estimated,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_that_is_cut_is_estimated() {
        let mut meter = Meter::new(10);
        assert_eq!(meter.source(), UsageSource::Unspecified);
        meter.output(9);
        let usage = meter.usage();
        assert_eq!((usage.input_tokens, usage.output_tokens), (10, 3));
        assert_eq!(meter.source(), UsageSource::Estimated);
    }

    #[test]
    fn what_is_expected_is_charged_once_there_is_an_answer() {
        let mut meter = Meter::new(10).expecting(7, 1500);
        assert_eq!(meter.usage(), Usage::default());
        meter.output(0);
        assert_eq!(
            (meter.usage().characters, meter.usage().audio_ms),
            (7, 1500)
        );
        meter.counted(Usage {
            audio_ms: 1400,
            ..Usage::default()
        });
        assert_eq!(meter.usage().audio_ms, 1400);
    }

    #[test]
    fn speech_is_estimated_by_its_length() {
        let mut meter = Meter::new(10).expecting(7, 0);
        meter.spoken(1000);
        meter.spoken(2000);
        let usage = meter.usage();
        assert_eq!((usage.audio_ms, usage.audio_output_tokens), (2000, 42));
        assert_eq!((usage.output_tokens, usage.input_tokens), (42, 10));
        assert_eq!(meter.source(), UsageSource::Estimated);
    }

    #[test]
    fn the_provider_s_count_wins() {
        let mut meter = Meter::new(10);
        meter.output(400);
        meter.counted(Usage {
            input_tokens: 7,
            output_tokens: 2,
            ..Usage::default()
        });
        assert_eq!(meter.usage().output_tokens, 2);
        assert_eq!(meter.source(), UsageSource::Provider);
    }
}
