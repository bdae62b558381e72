//! What the edge filter states about a request, in headers that only it may set.

use serde::{Deserialize, Serialize};

use crate::{Operation, names};

/// The facts of one request: all that the service learns of it. Never a word of the prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The model that the client asked for; `None` when it named none (`completion_model` decides).
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The endpoint.
    #[serde(rename = "op")]
    pub operation: Operation,
    /// Whether the client wants a stream.
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// Estimated input tokens.
    #[serde(rename = "pt")]
    pub prompt_tokens: u64,
    /// An upper bound of the tokens of the text and of the documents in it.
    #[serde(rename = "pb")]
    pub prompt_bound: u64,
    /// What else it may use.
    #[serde(rename = "x", default, skip_serializing_if = "Extent::is_empty")]
    pub extent: Extent,
    /// The output tokens that the client allows per choice, when it says so.
    #[serde(rename = "max", default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// How many choices (or images) the client wants; 1 when it says nothing.
    #[serde(rename = "n")]
    pub choices: u32,
    /// The client's `user` field.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// What it asks for that not every provider has, such as `seed` or `temperature>1`: names in the
    /// dialects' table of demands.
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    pub demands: Vec<String>,
    /// The path as received.
    #[serde(rename = "p")]
    pub path: String,
    /// Whether the body is still on its way: it goes on to the provider as the client sends it.
    #[serde(rename = "w", default, skip_serializing_if = "std::ops::Not::not")]
    pub arriving: bool,
    /// Routing wishes in the body, which LiteLLM's clients send.
    #[serde(rename = "o", default, skip_serializing_if = "Overrides::is_empty")]
    pub overrides: Overrides,
}

/// What a request may use besides its text and its answer. How many tokens, and at which price, that
/// is depends on the model, which the edge does not know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Extent {
    /// Images that are to be read.
    #[serde(rename = "i", skip_serializing_if = "is_zero")]
    pub images: u64,
    /// The most milliseconds that the sound in it can last.
    #[serde(rename = "a", skip_serializing_if = "is_zero")]
    pub audio_ms: u64,
    /// Output tokens that no cap covers, over all choices.
    #[serde(rename = "o", skip_serializing_if = "is_zero")]
    pub output_tokens: u64,
    /// Whether it names what the provider will read and the edge cannot: a conversation or a file
    /// that is stored there, a file elsewhere. With it the input may be as long as the model's context.
    #[serde(rename = "u", skip_serializing_if = "std::ops::Not::not")]
    pub unseen: bool,
    /// A member of the body, such as `tools.web_search`, that lets the provider do and charge more than
    /// can be told beforehand.
    #[serde(rename = "b", skip_serializing_if = "Option::is_none")]
    pub unbounded: Option<String>,
}

/// Routing wishes of a client, taken out of the body (they are never forwarded).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overrides {
    /// Aliases to fall back to, in place of the configured ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallbacks: Option<Vec<String>>,
    /// No fallbacks for this request.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_fallbacks: bool,
    /// Retries within the alias, in place of the configured number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_retries: Option<u32>,
    /// Milliseconds for an attempt, in place of the configured timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// Whether parameters that a provider lacks are dropped, in place of what is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop_params: Option<bool>,
    /// Tags for the ledger.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
}

impl Extent {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Overrides {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Facts that do not read back: the edge filter is missing, or another version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FactsError {
    /// A header is not there.
    #[error("header {0} is missing")]
    Missing(&'static str),
    /// A header does not parse.
    #[error("header {0} does not parse")]
    Malformed(&'static str),
}

impl Facts {
    /// The header that states these facts, name and value.
    pub fn to_header(&self) -> (&'static str, String) {
        let json = serde_json::to_string(self).unwrap_or_default();
        (names::FACTS, percent_encode(&json))
    }

    /// Reads the facts back; `get` looks a header up by its lower-case name.
    pub fn from_headers<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Self, FactsError> {
        let value = get(names::FACTS).ok_or(FactsError::Missing(names::FACTS))?;
        let json = percent_decode(value).ok_or(FactsError::Malformed(names::FACTS))?;
        serde_json::from_slice(&json).map_err(|_| FactsError::Malformed(names::FACTS))
    }
}

/// Any text as a header value: what is not a visible ASCII character, and `%`, becomes `%XX`.
fn percent_encode(text: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |b: u8| {
                char::from(b)
                    .to_digit(16)
                    .and_then(|d| u8::try_from(d).ok())
            };
            let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
            bytes.push(high << 4 | low);
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn read_back(facts: &Facts) -> Result<Facts, FactsError> {
        let headers: HashMap<_, _> = [facts.to_header()].into();
        Facts::from_headers(|name| headers.get(name).map(String::as_str))
    }

    prop_compose! {
        fn any_facts()(
            model in proptest::option::of(".*"),
            operation in proptest::sample::select(&Operation::ALL[..]),
            (stream, arriving) in any::<(bool, bool)>(),
            prompt_tokens: u64,
            prompt_bound: u64,
            (images, audio_ms, output_tokens, unseen) in any::<(u64, u64, u64, bool)>(),
            unbounded in proptest::option::of(".*"),
            max_tokens in proptest::option::of(any::<u64>()),
            choices: u32,
            user in proptest::option::of(".*"),
            demands in proptest::collection::vec(".*", 0..3),
            path in ".*",
            fallbacks in proptest::option::of(proptest::collection::vec(".*", 0..3)),
        ) -> Facts {
            let overrides = Overrides { fallbacks, ..Overrides::default() };
            let extent = Extent { images, audio_ms, output_tokens, unseen, unbounded };
            Facts {
                model, operation, stream, prompt_tokens, prompt_bound, extent, max_tokens, choices,
                user, demands, path, arriving, overrides,
            }
        }
    }

    proptest! {
        #[test]
        fn facts_survive_their_headers(facts in any_facts()) {
            prop_assert_eq!(read_back(&facts), Ok(facts));
        }

        #[test]
        fn header_values_are_visible_ascii(facts in any_facts()) {
            let (name, value) = facts.to_header();
            prop_assert!(value.bytes().all(|b| b.is_ascii_graphic()), "{}: {}", name, value);
        }
    }

    #[test]
    fn a_missing_header_is_named() {
        assert_eq!(
            Facts::from_headers(|_| None),
            Err(FactsError::Missing(names::FACTS))
        );
    }
}
