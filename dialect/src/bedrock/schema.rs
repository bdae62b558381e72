//! Converse's shapes
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>,
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html>).

use std::borrow::Cow;

use dragoman_proto::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{hub::Turns, json::Object};

/// A request. The model is in the path.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConverseRequest<'a> {
    pub(super) messages: Turns<Block<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) system: Vec<SystemBlock<'a>>,
    #[serde(skip_serializing_if = "InferenceConfig::is_empty")]
    pub(super) inference_config: InferenceConfig<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_config: Option<OutputConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_tier: Option<ServiceTier>,
    #[serde(skip_serializing_if = "Object::is_empty")]
    pub(super) additional_model_request_fields: Object<'a>,
    /// What only Bedrock knows: `guardrailConfig`, `performanceConfig` …
    #[serde(flatten)]
    pub(super) own: Object<'a>,
}

/// `inferenceConfig`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InferenceConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_p: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stop_sequences: Vec<Cow<'a, str>>,
}

impl InferenceConfig<'_> {
    fn is_empty(&self) -> bool {
        self.max_tokens.is_none()
            && self.temperature.is_none()
            && self.top_p.is_none()
            && self.stop_sequences.is_empty()
    }
}

/// A content block: an object with one member, whose name is the kind.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Block<'a> {
    Text(Cow<'a, RawValue>),
    Image(Media<'a>),
    Document(Document<'a>),
    Audio(Media<'a>),
    ToolUse(ToolUse<'a>),
    ToolResult(ToolResult<'a>),
    ReasoningContent(Reasoning<'a>),
    CachePoint(CachePoint<'a>),
}

/// A block of the system prompt.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum SystemBlock<'a> {
    Text(Cow<'a, RawValue>),
    CachePoint(CachePoint<'a>),
}

/// What stands before it is kept in the provider's cache.
#[derive(Debug, Serialize)]
pub(super) struct CachePoint<'a> {
    pub(super) r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ttl: Option<Cow<'a, str>>,
}

/// An image or a sound.
#[derive(Debug, Serialize)]
pub(super) struct Media<'a> {
    pub(super) format: Cow<'a, str>,
    pub(super) source: Source<'a>,
}

/// A document.
#[derive(Debug, Serialize)]
pub(super) struct Document<'a> {
    pub(super) format: &'static str,
    pub(super) name: String,
    pub(super) source: Source<'a>,
}

/// The bytes of a medium.
#[derive(Debug, Serialize)]
pub(super) struct Source<'a> {
    /// In base64.
    pub(super) bytes: Cow<'a, str>,
}

/// A call of a tool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolUse<'a> {
    pub(super) tool_use_id: Cow<'a, str>,
    pub(super) name: Cow<'a, str>,
    pub(super) input: Cow<'a, RawValue>,
}

/// What a tool answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolResult<'a> {
    pub(super) tool_use_id: Cow<'a, str>,
    pub(super) content: Vec<Block<'a>>,
}

/// Thinking on its way back to the model.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Reasoning<'a> {
    ReasoningText {
        text: &'a RawValue,
        signature: &'a RawValue,
    },
    /// In base64.
    RedactedContent(&'a RawValue),
}

/// `toolConfig`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    pub(super) tools: Vec<OutputTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<ToolChoice<'a>>,
}

/// A tool: one of ours, or one that only Bedrock knows.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum OutputTool<'a> {
    Raw(&'a RawValue),
    Typed(TypedTool<'a>),
}

/// A tool that we write.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum TypedTool<'a> {
    ToolSpec(ToolSpec<'a>),
    CachePoint(CachePoint<'a>),
}

/// A function.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolSpec<'a> {
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a RawValue>,
    pub(super) input_schema: InputSchema<'a>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) strict: bool,
}

/// The schema of a function's input.
#[derive(Debug, Serialize)]
pub(super) struct InputSchema<'a> {
    pub(super) json: Cow<'a, RawValue>,
}

/// `toolChoice`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ToolChoice<'a> {
    Auto {},
    Any {},
    Tool { name: Cow<'a, str> },
}

/// `outputConfig`, for an answer that a schema describes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputConfig<'a> {
    pub(super) text_format: TextFormat<'a>,
}

/// The form of the answer's text.
#[derive(Debug, Serialize)]
pub(super) struct TextFormat<'a> {
    pub(super) r#type: &'static str,
    pub(super) structure: Structure<'a>,
}

/// What the text holds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Structure<'a> {
    pub(super) json_schema: SchemaText<'a>,
}

/// A schema in a string.
#[derive(Debug, Serialize)]
pub(super) struct SchemaText<'a> {
    pub(super) schema: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a RawValue>,
}

/// `serviceTier`.
#[derive(Debug, Serialize)]
pub(super) struct ServiceTier {
    pub(super) r#type: &'static str,
}

/// A whole answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ConverseAnswer<'a> {
    #[serde(borrow)]
    pub(super) output: AnswerOutput<'a>,
    #[serde(borrow)]
    pub(super) stop_reason: Cow<'a, str>,
    #[serde(default)]
    pub(super) usage: Option<UsageIn>,
}

/// `output`.
#[derive(Debug, Deserialize)]
pub(super) struct AnswerOutput<'a> {
    #[serde(borrow)]
    pub(super) message: AnswerMessage<'a>,
}

/// The message of an answer.
#[derive(Debug, Deserialize)]
pub(super) struct AnswerMessage<'a> {
    #[serde(borrow)]
    pub(super) content: Vec<AnswerBlock<'a>>,
}

/// A block of an answer: one of the members is there.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AnswerBlock<'a> {
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_use: Option<AnswerCall<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<AnswerReasoning<'a>>,
    #[serde(borrow)]
    pub(super) citations_content: Option<CitedContent<'a>>,
}

/// A call of a tool, whole or the start of one in a stream.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AnswerCall<'a> {
    #[serde(borrow)]
    pub(super) tool_use_id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
    /// There for tools that Bedrock runs itself.
    #[serde(borrow)]
    pub(super) r#type: Option<&'a RawValue>,
}

/// Thinking in an answer.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct AnswerReasoning<'a> {
    #[serde(borrow)]
    pub(super) reasoning_text: Option<ReasoningText<'a>>,
    #[serde(borrow)]
    pub(super) redacted_content: Option<&'a RawValue>,
}

/// Thinking in words.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReasoningText<'a> {
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) signature: Option<&'a RawValue>,
}

/// Text with its sources.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CitedContent<'a> {
    #[serde(borrow)]
    pub(super) content: Vec<CitedText<'a>>,
}

/// A piece of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct CitedText<'a> {
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
}

/// `contentBlockStart`.
#[derive(Debug, Deserialize)]
pub(super) struct BlockStart<'a> {
    #[serde(borrow)]
    pub(super) start: StartedBlock<'a>,
}

/// What starts.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct StartedBlock<'a> {
    #[serde(borrow)]
    pub(super) tool_use: Option<AnswerCall<'a>>,
}

/// `contentBlockDelta`.
#[derive(Debug, Deserialize)]
pub(super) struct BlockDelta<'a> {
    #[serde(borrow)]
    pub(super) delta: PieceOfBlock<'a>,
}

/// What is added.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PieceOfBlock<'a> {
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_use: Option<PieceOfInput<'a>>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<PieceOfReasoning<'a>>,
}

/// A piece of a call's input.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct PieceOfInput<'a> {
    #[serde(borrow)]
    pub(super) input: Option<&'a RawValue>,
}

/// A piece of thinking: one of the members is there.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct PieceOfReasoning<'a> {
    #[serde(borrow)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) signature: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) redacted_content: Option<&'a RawValue>,
}

/// `messageStop`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MessageStop<'a> {
    #[serde(borrow)]
    pub(super) stop_reason: Cow<'a, str>,
}

/// `metadata`, the last event.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    #[serde(default)]
    pub(super) usage: Option<UsageIn>,
}

/// `usage`. The input tokens exclude those from and to the cache.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct UsageIn {
    input_tokens: u64,
    output_tokens: u64,
    cache_read_input_tokens: Option<u64>,
    cache_write_input_tokens: Option<u64>,
}

impl UsageIn {
    /// As the ledger counts.
    pub(super) fn usage(&self) -> Usage {
        let cached = self.cache_read_input_tokens.unwrap_or_default();
        let written = self.cache_write_input_tokens.unwrap_or_default();
        Usage {
            input_tokens: self
                .input_tokens
                .saturating_add(cached)
                .saturating_add(written),
            cached_tokens: cached,
            cache_write_tokens: written,
            output_tokens: self.output_tokens,
            ..Usage::default()
        }
    }
}

/// OpenAI's finish reason; `None` when the model failed.
pub(super) fn finish_reason(reason: &str) -> Option<&'static str> {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => Some("length"),
        "tool_use" => Some("tool_calls"),
        "guardrail_intervened" | "content_filtered" => Some("content_filter"),
        "malformed_model_output" | "malformed_tool_use" => None,
        _ => Some("stop"),
    }
}
