//! Anthropic's shapes. Requests: <https://docs.anthropic.com/en/api/messages>; streams:
//! <https://docs.anthropic.com/en/docs/build-with-claude/streaming>.

use std::borrow::Cow;

use dragoman_proto::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::search::Search;
use crate::{hub::Turns, json::Object};

/// A request, but for what is passed through.
#[derive(Debug, Serialize)]
pub(super) struct MessagesRequest<'a> {
    pub(super) model: &'a str,
    pub(super) max_tokens: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) system: Vec<Block<'a>>,
    pub(super) messages: Turns<Block<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<OutputTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<ToolChoice<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) stop_sequences: Option<Vec<Cow<'a, str>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking: Option<Thinking<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) metadata: Option<Metadata<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) stream: bool,
    /// `temperature`, `top_p`, `top_k`, and what only Anthropic knows.
    #[serde(flatten)]
    pub(super) rest: &'a Object<'a>,
}

/// A content block: one of ours, or one that the client had from Anthropic.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Block<'a> {
    Raw(Cow<'a, RawValue>),
    Typed(TypedBlock<'a>),
}

/// A content block that we write.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum TypedBlock<'a> {
    Text {
        text: Cow<'a, RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a RawValue>,
    },
    Image {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a RawValue>,
    },
    Document {
        source: Source<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a RawValue>,
    },
    ToolUse {
        id: Cow<'a, str>,
        name: Cow<'a, str>,
        input: Cow<'a, RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a RawValue>,
    },
    ToolResult {
        tool_use_id: Cow<'a, str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Block<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a RawValue>,
    },
}

/// Where an image or a document is.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source<'a> {
    Base64 {
        media_type: Cow<'a, str>,
        data: Cow<'a, str>,
    },
    Url {
        url: Cow<'a, str>,
    },
    File {
        file_id: Cow<'a, str>,
    },
    Text {
        media_type: &'static str,
        data: String,
    },
}

/// A tool: one of ours, or one that only Anthropic knows.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum OutputTool<'a> {
    Raw(&'a RawValue),
    Search(Search<'a>),
    Function {
        name: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a RawValue>,
        input_schema: Cow<'a, RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a RawValue>,
    },
}

/// `tool_choice`.
#[derive(Debug, Serialize)]
pub(super) struct ToolChoice<'a> {
    pub(super) r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) disable_parallel_tool_use: Option<bool>,
}

/// `thinking`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Thinking<'a> {
    Raw(&'a RawValue),
    Typed(TypedThinking),
}

/// `thinking` that we write.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum TypedThinking {
    Enabled { budget_tokens: u64 },
    Adaptive,
}

/// `output_config`.
#[derive(Debug, Serialize)]
pub(crate) struct OutputConfig<'a> {
    pub(crate) effort: &'a str,
}

/// `metadata`.
#[derive(Debug, Serialize)]
pub(super) struct Metadata<'a> {
    pub(super) user_id: Cow<'a, str>,
}

/// A whole answer.
#[derive(Debug, Deserialize)]
pub(super) struct MessageAnswer<'a> {
    #[serde(borrow)]
    pub(super) content: Vec<AnswerBlock<'a>>,
    #[serde(borrow, default)]
    pub(super) stop_reason: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) usage: Option<UsageIn>,
}

/// A block of an answer, or of the start of one in a stream.
#[derive(Debug, Deserialize)]
pub(super) struct AnswerBlock<'a> {
    #[serde(borrow)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) signature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) citations: Option<&'a RawValue>,
}

/// The data of a stream's event.
#[derive(Debug, Deserialize)]
pub(super) struct StreamEvent<'a> {
    #[serde(borrow)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) message: Option<StartedMessage<'a>>,
    #[serde(borrow, default)]
    pub(super) content_block: Option<AnswerBlock<'a>>,
    #[serde(borrow, default)]
    pub(super) delta: Option<StreamDelta<'a>>,
    #[serde(default)]
    pub(super) usage: Option<UsageIn>,
}

/// The message of `message_start`.
#[derive(Debug, Deserialize)]
pub(super) struct StartedMessage<'a> {
    #[serde(default)]
    pub(super) usage: Option<UsageIn>,
    #[serde(borrow, default)]
    #[expect(
        dead_code,
        reason = "gives the struct its lifetime: ids are ours in this direction"
    )]
    pub(super) id: Option<&'a RawValue>,
}

/// The delta of `content_block_delta` and `message_delta`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct StreamDelta<'a> {
    #[serde(borrow, default)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) partial_json: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) signature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) citation: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) stop_reason: Option<Cow<'a, str>>,
}

/// `usage`. The input tokens exclude those from and to the cache; in a stream the counts are
/// cumulative, and what `message_delta` leaves out stays as `message_start` said.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct UsageIn {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens_details: Option<OutputDetails>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct OutputDetails {
    thinking_tokens: Option<u64>,
    reasoning_tokens: Option<u64>,
}

impl UsageIn {
    /// This usage on top of what was `known` before.
    pub(super) fn onto(&self, known: &Usage) -> Usage {
        let cached = self.cache_read_input_tokens.unwrap_or(known.cached_tokens);
        let written = self
            .cache_creation_input_tokens
            .unwrap_or(known.cache_write_tokens);
        let plain = self.input_tokens.unwrap_or_else(|| {
            known
                .input_tokens
                .saturating_sub(known.cached_tokens)
                .saturating_sub(known.cache_write_tokens)
        });
        let details = self.output_tokens_details.unwrap_or_default();
        Usage {
            input_tokens: plain.saturating_add(cached).saturating_add(written),
            cached_tokens: cached,
            cache_write_tokens: written,
            output_tokens: self.output_tokens.unwrap_or(known.output_tokens),
            reasoning_tokens: details
                .thinking_tokens
                .or(details.reasoning_tokens)
                .unwrap_or(known.reasoning_tokens),
            ..*known
        }
    }
}

/// OpenAI's finish reason for a stop reason.
pub(super) fn finish_reason(stop_reason: Option<&str>) -> &'static str {
    match stop_reason {
        Some("max_tokens" | "model_context_window_exceeded") => "length",
        Some("tool_use") => "tool_calls",
        Some("refusal") => "content_filter",
        _ => "stop",
    }
}
