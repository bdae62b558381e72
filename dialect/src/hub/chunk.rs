//! A stream's chunk, taken apart no further than the role, the text and the finish.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{ExtraContent, ThinkingBlocks};
use crate::{
    json::{Text, open_object},
    request::ResponseContext,
};

open_object! {
    /// `chat.completion.chunk`, and the chunk of a legacy completion.
    Chunk {
        id: Text<'a>,
        object: Text<'a>,
        created: Text<'a>,
        model: Text<'a>,
        choices: Vec<Choice<'a>>,
        usage: &'a RawValue,
        error: &'a RawValue,
    }
    always {}
}

open_object! {
    /// One choice of a chunk.
    Choice {
        index: u64,
        delta: Delta<'a>,
        text: Text<'a>,
    }
    always {
        finish_reason: Text<'a>,
    }
}

open_object! {
    /// What a chunk adds to a choice.
    Delta {
        role: Text<'a>,
        content: Text<'a>,
        reasoning_content: Text<'a>,
        reasoning: Text<'a>,
        thinking_blocks: ThinkingBlocks<'a>,
        refusal: Text<'a>,
        tool_calls: ToolCalls<'a>,
        function_call: &'a RawValue,
        audio: &'a RawValue,
    }
    always {}
}

/// The tool calls of a delta.
#[derive(Debug)]
pub(crate) enum ToolCalls<'a> {
    /// As a provider of this dialect wrote them.
    Raw(&'a RawValue),
    /// As we write them.
    One([ToolCallDelta<'a>; 1]),
}

/// A piece of a tool call.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ToolCallDelta<'a> {
    #[serde(default)]
    pub(crate) index: u64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<Text<'a>>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(crate) r#type: Option<&'a str>,
    #[serde(borrow, default)]
    pub(crate) function: FunctionDelta<'a>,
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    pub(crate) extra_content: Option<ExtraContent<'a>>,
}

/// The function of a [`ToolCallDelta`].
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct FunctionDelta<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) arguments: Option<Text<'a>>,
}

impl<'de: 'a, 'a> Deserialize<'de> for ToolCalls<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(Self::Raw)
    }
}

impl Serialize for ToolCalls<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Raw(raw) => raw.serialize(serializer),
            Self::One(calls) => calls.serialize(serializer),
        }
    }
}

impl ToolCalls<'_> {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Raw(raw) if raw.get() == "[]")
    }

    /// Bytes of names and arguments, which become tokens.
    fn len(&self) -> usize {
        let one = |call: &ToolCallDelta<'_>| {
            call.function.name.map_or(0, |name| name.len())
                + call.function.arguments.map_or(0, |text| text.len())
        };
        match self {
            Self::Raw(raw) => serde_json::from_str::<Vec<ToolCallDelta<'_>>>(raw.get())
                .map_or(0, |calls| calls.iter().map(one).sum()),
            Self::One(calls) => calls.iter().map(one).sum(),
        }
    }
}

impl Delta<'_> {
    /// Bytes of text, which become tokens.
    pub(crate) fn len(&self) -> usize {
        let text = |text: &Option<Text<'_>>| text.map_or(0, |t| t.len());
        text(&self.content)
            + text(&self.reasoning_content).max(text(&self.reasoning))
            + text(&self.refusal)
            + self.tool_calls.as_ref().map_or(0, ToolCalls::len)
            + self.function_call.map_or(0, |call| call.get().len())
    }

    /// Whether a client sees more than that there will be an answer.
    pub(crate) fn is_meaningful(&self) -> bool {
        let text = |text: &Option<Text<'_>>| text.is_some_and(|t| !t.is_empty());
        text(&self.content)
            || text(&self.reasoning_content)
            || text(&self.reasoning)
            || text(&self.refusal)
            || self.thinking_blocks.is_some()
            || self
                .tool_calls
                .as_ref()
                .is_some_and(|calls| !calls.is_empty())
            || self.function_call.is_some()
            || self.audio.is_some()
            || self.rest.some("images").is_some()
    }
}

impl Choice<'_> {
    /// Bytes of text, which become tokens.
    pub(crate) fn len(&self) -> usize {
        self.delta.as_ref().map_or(0, Delta::len) + self.text.map_or(0, |text| text.len())
    }

    /// Whether a client sees more than that there will be an answer.
    pub(crate) fn is_meaningful(&self) -> bool {
        self.finish_reason.is_some()
            || self.delta.as_ref().is_some_and(Delta::is_meaningful)
            || self.text.is_some_and(|text| !text.is_empty())
    }
}

/// What is the same in all chunks of a stream.
#[derive(Debug, Clone)]
pub(crate) struct StreamFrame {
    pub(crate) id: String,
    pub(crate) object: &'static str,
    pub(crate) created: u64,
    pub(crate) model: String,
}

#[derive(Serialize)]
struct UsageChunk<'a, U: ?Sized> {
    id: &'a str,
    object: &'a str,
    created: u64,
    model: &'a str,
    choices: [(); 0],
    usage: &'a U,
}

#[derive(Serialize)]
struct Framed<'a, C> {
    id: &'a str,
    object: &'a str,
    created: u64,
    model: &'a str,
    choices: &'a [C],
}

impl StreamFrame {
    /// Of a chat.
    pub(crate) fn of_chat(context: &ResponseContext) -> Self {
        Self::of("chatcmpl", "chat.completion.chunk", context)
    }

    /// Of a text completion.
    pub(crate) fn of_text(context: &ResponseContext) -> Self {
        Self::of("cmpl", "text_completion", context)
    }

    fn of(prefix: &str, object: &'static str, context: &ResponseContext) -> Self {
        Self {
            id: format!("{prefix}-{}", context.request_id),
            object,
            created: context.created,
            model: context.alias.clone(),
        }
    }

    /// A chunk with `choices`.
    pub(crate) fn chunk<'a, C: Serialize>(&'a self, choices: &'a [C]) -> impl Serialize + 'a {
        Framed {
            id: &self.id,
            object: self.object,
            created: self.created,
            model: &self.model,
            choices,
        }
    }

    /// The chunk that ends a stream whose client asked for the usage.
    pub(crate) fn usage<'a, U: Serialize + ?Sized>(&'a self, usage: &'a U) -> impl Serialize + 'a {
        UsageChunk {
            id: &self.id,
            object: self.object,
            created: self.created,
            model: &self.model,
            choices: [],
            usage,
        }
    }
}
