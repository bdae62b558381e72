//! How a request is treated: what goes wrong, and in what form the bytes are sent.
//!
//! A behaviour is written as words, in a script, in the header `x-scripted`, or after `!` in the
//! name of a model (`gpt-4o!error-503`, `demo!slow-50!split-7`):
//!
//! | word | effect |
//! |---|---|
//! | `error-429-7` | that status in the provider's error shape, with `retry-after: 7` when given |
//! | `context-length`, `content-policy` | the provider's 400 for a long prompt, for a refused one |
//! | `html`, `broken-json`, `empty` | a 200 that holds a web page, half a JSON text, nothing |
//! | `length+9`, `length-9` | a content-length that is too long, too short |
//! | `close`, `reset`, `stall` | instead of headers: FIN, RST, nothing at all |
//! | `close-after-3` (`reset-`, `stall-`) | the same after three events of the stream |
//! | `end-after-3` | a clean end after three events, without the terminator |
//! | `error-after-3` | the provider's error event after three events, and the end |
//! | `junk-after-3` | an event that is no JSON after three events, and the end |
//! | `delay-80`, `slow-80` | milliseconds before the headers, before each event |
//! | `crlf`, `tight`, `pings` | CRLF line ends, `data:` without a space, comments and pings |
//! | `split-7`, `joined` | writes of seven bytes each, the whole body in one write |
//! | `open-end`, `no-done`, `no-usage` | no final blank line, no terminator, no usage |
//! | `gzip`, `gzip-hidden`, `unframed` | a gzip body, also without its header; no length at all |
//! | `words-5000`, `big-1000000` | an answer of so many words; of one word of so many bytes |
//! | `cached-5`, `cache-write-5` | so many of the input tokens come from, go to the cache |
//! | `reasoning` | thinks before it answers |
//! | `redacts` | some of what it thinks is not shown |
//! | `cites` | says which pages the answer is from |

use std::{str::FromStr, time::Duration};

/// How one request is treated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Behaviour {
    /// What goes wrong.
    pub fault: Option<Fault>,
    /// In what form the answer is sent.
    pub form: Form,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// An error in the provider's shape.
    Error {
        /// The HTTP status.
        status: u16,
        /// Seconds, for `retry-after`.
        retry_after: Option<u32>,
    },
    /// The provider's 400 for a prompt that does not fit.
    ContextLength,
    /// The provider's 400 for a prompt that it refuses.
    ContentPolicy,
    /// A web page with status 200.
    Html,
    /// A 200 that holds the first half of a JSON text.
    BrokenJson,
    /// A 200 with no body.
    Empty,
    /// A content-length that differs from the body's by so many bytes.
    WrongLength(i64),
    /// The answer breaks off.
    Break {
        /// Where.
        at: Point,
        /// And how.
        how: Break,
    },
}

/// A point in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    /// Before a byte is sent.
    BeforeHeaders,
    /// After so many events of a stream; in an answer that is no stream, half way.
    AfterEvents(usize),
}

/// How an answer breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// The connection is closed (FIN).
    Close,
    /// The connection is reset (RST).
    Reset,
    /// Nothing more is sent until the peer leaves.
    Stall,
    /// The message ends as HTTP wants it, but the stream's terminator is missing.
    End,
    /// The provider's error event, then the end.
    ErrorEvent,
    /// An event that is no JSON, then the end.
    Junk,
}

/// In what form an answer is sent, and what is in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form {
    /// Wait before the headers.
    pub delay: Duration,
    /// Wait before each event.
    pub event_delay: Duration,
    /// CRLF line ends.
    pub crlf: bool,
    /// `data:` without a space.
    pub tight: bool,
    /// Comments and pings between events.
    pub pings: bool,
    /// Bytes per write.
    pub split: Option<usize>,
    /// Everything in one write.
    pub joined: bool,
    /// No blank line after the last event.
    pub open_end: bool,
    /// No terminator (`[DONE]`, `message_stop`).
    pub no_done: bool,
    /// No usage.
    pub no_usage: bool,
    /// Compression.
    pub gzip: Gzip,
    /// Neither content-length nor chunks: the end is where the connection closes.
    pub unframed: bool,
    /// Words in the answer, in place of the echo.
    pub words: Option<usize>,
    /// Bytes of the one word that the answer then is.
    pub big: Option<usize>,
    /// Input tokens that were read from the cache.
    pub cached: u64,
    /// Input tokens that were written to the cache.
    pub cache_write: u64,
    /// The model thinks before it answers.
    pub reasoning: bool,
    /// Some of what the model thinks is not shown.
    pub redacts: bool,
    /// The model says which pages the answer is from.
    pub cites: bool,
}

/// Compression of a body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Gzip {
    /// None.
    #[default]
    No,
    /// With `content-encoding: gzip`.
    Declared,
    /// Without saying so.
    Hidden,
}

/// A text that is no behaviour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BehaviourError(String);

impl std::fmt::Display for BehaviourError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unknown word `{}`", self.0)
    }
}

impl std::error::Error for BehaviourError {}

impl Behaviour {
    /// The behaviour that a model's name asks for, after its first `!`.
    pub(crate) fn of_model(model: &str) -> Result<Self, BehaviourError> {
        match model.split_once('!') {
            Some((_, words)) => words.parse(),
            None => Ok(Self::default()),
        }
    }

    fn apply(&mut self, word: &str) -> Option<()> {
        if let Some(fault) = fault(word) {
            self.fault = Some(fault);
            return Some(());
        }
        self.form.apply(word)
    }
}

impl FromStr for Behaviour {
    type Err = BehaviourError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut behaviour = Self::default();
        for word in text.split(['!', ' ', ',']).filter(|word| !word.is_empty()) {
            behaviour
                .apply(word)
                .ok_or_else(|| BehaviourError(word.to_owned()))?;
        }
        Ok(behaviour)
    }
}

fn fault(word: &str) -> Option<Fault> {
    match word {
        "context-length" => return Some(Fault::ContextLength),
        "content-policy" => return Some(Fault::ContentPolicy),
        "html" => return Some(Fault::Html),
        "broken-json" => return Some(Fault::BrokenJson),
        "empty" => return Some(Fault::Empty),
        _ => {}
    }
    if let Some(delta) = word.strip_prefix("length") {
        return delta.parse().ok().map(Fault::WrongLength);
    }
    if let Some((how, events)) = word.split_once("-after-") {
        let at = Point::AfterEvents(events.parse().ok()?);
        let how = match how {
            "end" => Break::End,
            "error" => Break::ErrorEvent,
            "junk" => Break::Junk,
            other => abrupt(other)?,
        };
        return Some(Fault::Break { at, how });
    }
    if let Some(error) = word.strip_prefix("error-") {
        let (status, retry_after) = match error.split_once('-') {
            Some((status, seconds)) => (status, Some(seconds.parse().ok()?)),
            None => (error, None),
        };
        let status = status.parse().ok()?;
        return Some(Fault::Error {
            status,
            retry_after,
        });
    }
    let at = Point::BeforeHeaders;
    abrupt(word).map(|how| Fault::Break { at, how })
}

fn abrupt(word: &str) -> Option<Break> {
    match word {
        "close" => Some(Break::Close),
        "reset" => Some(Break::Reset),
        "stall" => Some(Break::Stall),
        _ => None,
    }
}

impl Form {
    fn apply(&mut self, word: &str) -> Option<()> {
        match word {
            "crlf" => self.crlf = true,
            "tight" => self.tight = true,
            "pings" => self.pings = true,
            "joined" => self.joined = true,
            "open-end" => self.open_end = true,
            "no-done" => self.no_done = true,
            "no-usage" => self.no_usage = true,
            "gzip" => self.gzip = Gzip::Declared,
            "gzip-hidden" => self.gzip = Gzip::Hidden,
            "unframed" => self.unframed = true,
            "reasoning" => self.reasoning = true,
            "redacts" => self.redacts = true,
            "cites" => self.cites = true,
            _ => {
                let (name, number) = word.rsplit_once('-')?;
                self.set(name, number.parse().ok()?)?;
            }
        }
        Some(())
    }

    fn set(&mut self, name: &str, number: u64) -> Option<()> {
        let size = usize::try_from(number).ok()?;
        match name {
            "delay" => self.delay = Duration::from_millis(number),
            "slow" => self.event_delay = Duration::from_millis(number),
            "split" => self.split = (size > 0).then_some(size),
            "words" => self.words = Some(size),
            "big" => self.big = Some(size),
            "cached" => self.cached = number,
            "cache-write" => self.cache_write = number,
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(text: &str) -> Option<Fault> {
        text.parse::<Behaviour>().unwrap().fault
    }

    #[test]
    fn faults_are_read_from_their_words() {
        let after = |how, events| Fault::Break {
            at: Point::AfterEvents(events),
            how,
        };
        let cases = [
            (
                "error-429-7",
                Fault::Error {
                    status: 429,
                    retry_after: Some(7),
                },
            ),
            (
                "error-503",
                Fault::Error {
                    status: 503,
                    retry_after: None,
                },
            ),
            ("error-after-2", after(Break::ErrorEvent, 2)),
            ("close-after-0", after(Break::Close, 0)),
            (
                "stall",
                Fault::Break {
                    at: Point::BeforeHeaders,
                    how: Break::Stall,
                },
            ),
            ("length+9", Fault::WrongLength(9)),
            ("length-9", Fault::WrongLength(-9)),
        ];
        for (text, fault) in cases {
            assert_eq!(fault_of(text), Some(fault), "{text}");
        }
    }

    #[test]
    fn a_model_s_name_carries_several_words() {
        let behaviour = Behaviour::of_model("x!slow-50!split-7!reset-after-1").unwrap();
        assert_eq!(behaviour.form.event_delay, Duration::from_millis(50));
        assert_eq!(behaviour.form.split, Some(7));
        assert!(matches!(behaviour.fault, Some(Fault::Break { .. })));
    }

    #[test]
    fn an_unknown_word_is_refused() {
        assert_eq!(
            "slow-50 frobnicate".parse::<Behaviour>(),
            Err(BehaviourError("frobnicate".into()))
        );
    }
}
