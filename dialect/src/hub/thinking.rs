//! Thinking with what proves it: LiteLLM's `thinking_blocks`, in the pieces of a stream, in answers, and
//! as clients send it back (<https://docs.litellm.ai/docs/reasoning_content>).

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::Numbered;
use crate::json::{self, Object, Text};

/// The thinking blocks of a delta.
#[derive(Debug)]
pub(crate) enum ThinkingBlocks<'a> {
    /// As it came.
    Raw(&'a RawValue),
    /// As we write it.
    One([Numbered<ThinkingBlock<'a>>; 1]),
}

/// Thinking or, in a stream, a piece of it: words, or their signature.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum ThinkingBlock<'a> {
    /// Thinking in words.
    Thinking {
        thinking: Text<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<Text<'a>>,
    },
    /// Thinking that only the provider can read.
    RedactedThinking { data: Text<'a> },
}

/// A block of thinking that is read; members that are missing are another kind's.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub(crate) struct ThinkingIn<'a> {
    #[serde(borrow, default)]
    pub(crate) thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) signature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) data: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for ThinkingBlocks<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(Self::Raw)
    }
}

impl Serialize for ThinkingBlocks<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raw(raw) => raw.serialize(serializer),
            Self::One(blocks) => blocks.serialize(serializer),
        }
    }
}

impl<'a> ThinkingBlock<'a> {
    /// Thinking in words, and what signs them; `None` when there is neither.
    pub(crate) fn signed(words: Option<Text<'a>>, signature: Option<Text<'a>>) -> Option<Self> {
        let there = |text: &Text<'_>| !text.is_empty();
        let (words, signature) = (words.filter(there), signature.filter(there));
        (words.is_some() || signature.is_some()).then(|| Self::Thinking {
            thinking: words.unwrap_or(Text::Plain("")),
            signature,
        })
    }

    /// Its words, if it has some.
    pub(crate) fn words(&self) -> Option<Text<'a>> {
        match self {
            Self::Thinking { thinking, .. } if !thinking.is_empty() => Some(*thinking),
            _ => None,
        }
    }
}

impl ThinkingIn<'_> {
    /// Whether it is thinking in words that nothing proves: whose it is cannot be told, and those who
    /// sign theirs do not take it back.
    pub(crate) fn is_unproven(&self) -> bool {
        let signed = |raw: &RawValue| !json::inner(raw).is_empty();
        self.data.is_none() && self.thinking.is_some() && !self.signature.is_some_and(signed)
    }
}

/// A block that a client sends back, as its provider wrote it: without the `index` that it had in a
/// stream, by which clients join pieces and which they keep.
pub(crate) fn unnumbered(raw: &RawValue) -> Cow<'_, RawValue> {
    let without = || {
        let mut block = Object::parse(raw.get().as_bytes()).ok()?;
        block.remove("index").then(|| to_raw_value(&block).ok())?
    };
    without().map_or(Cow::Borrowed(raw), Cow::Owned)
}
