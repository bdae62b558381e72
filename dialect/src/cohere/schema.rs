//! Cohere's shapes (<https://docs.cohere.com/reference/chat>, <https://docs.cohere.com/reference/chat-stream>).

use std::borrow::Cow;

use dragoman_proto::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json::Object;

/// A chat request, but for what is passed through.
#[derive(Debug, Serialize)]
pub(super) struct ChatRequest<'a> {
    pub(super) model: &'a str,
    pub(super) messages: Vec<OutputMessage<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<OutputTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_choice: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) strict_tools: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_format: Option<JsonFormat<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking: Option<Thinking<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stop_sequences: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) k: Option<&'a RawValue>,
    pub(super) stream: bool,
    /// `temperature`, `seed`, the penalties, and what only Cohere knows.
    #[serde(flatten)]
    pub(super) rest: &'a Object<'a>,
}

/// A message.
#[derive(Debug, Serialize)]
pub(super) struct OutputMessage<'a> {
    pub(super) role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_call_id: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_plan: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<OutputCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<OutputContent<'a>>,
}

/// Text, or blocks.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum OutputContent<'a> {
    Text(Cow<'a, RawValue>),
    Blocks(Vec<OutputBlock<'a>>),
}

/// A block of a message.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutputBlock<'a> {
    Text { text: Cow<'a, RawValue> },
    Thinking { thinking: &'a RawValue },
    ImageUrl { image_url: ImageUrl<'a> },
}

/// The address of an image, which may be a data URL.
#[derive(Debug, Serialize)]
pub(super) struct ImageUrl<'a> {
    pub(super) url: Cow<'a, str>,
}

/// A tool call of the history.
#[derive(Debug, Serialize)]
pub(super) struct OutputCall<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) r#type: &'static str,
    pub(super) function: OutputFunction<'a>,
}

/// What it called.
#[derive(Debug, Serialize)]
pub(super) struct OutputFunction<'a> {
    pub(super) name: Cow<'a, str>,
    /// JSON in a string.
    pub(super) arguments: Cow<'a, str>,
}

/// A tool.
#[derive(Debug, Serialize)]
pub(super) struct OutputTool<'a> {
    pub(super) r#type: &'static str,
    pub(super) function: ToolFunction<'a>,
}

/// The function of a tool.
#[derive(Debug, Serialize)]
pub(super) struct ToolFunction<'a> {
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a RawValue>,
    /// Required here.
    pub(super) parameters: Cow<'a, RawValue>,
}

/// `response_format`: JSON, of a schema or of any.
#[derive(Debug, Serialize)]
pub(super) struct JsonFormat<'a> {
    pub(super) r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) json_schema: Option<&'a RawValue>,
}

/// `thinking`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Thinking<'a> {
    Typed {
        r#type: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        token_budget: Option<u64>,
    },
    Raw(&'a RawValue),
}

/// A whole answer.
#[derive(Debug, Deserialize)]
pub(super) struct ChatAnswer<'a> {
    #[serde(borrow)]
    pub(super) message: AnswerMessage<'a>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) usage: Option<UsageIn>,
}

/// The message of an answer.
#[derive(Debug, Deserialize)]
pub(super) struct AnswerMessage<'a> {
    #[serde(borrow, default)]
    pub(super) content: Option<Vec<Piece<'a>>>,
    #[serde(borrow, default)]
    pub(super) tool_plan: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<AnswerCall<'a>>>,
    #[serde(borrow, default)]
    pub(super) citations: Option<&'a RawValue>,
}

/// A block of an answer, or what a stream's event adds to it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Piece<'a> {
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) thinking: Option<&'a RawValue>,
}

/// A tool call, or a piece of one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AnswerCall<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) function: AnswerFunction<'a>,
}

/// What it calls.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AnswerFunction<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<&'a RawValue>,
    /// JSON in a string.
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
}

/// The data of a stream's event.
#[derive(Debug, Deserialize)]
pub(super) struct StreamEvent<'a> {
    #[serde(borrow)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) delta: Option<StreamDelta<'a>>,
}

/// What an event adds.
#[derive(Debug, Default, Deserialize)]
pub(super) struct StreamDelta<'a> {
    /// Its shape depends on the event's type.
    #[serde(borrow, default)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) usage: Option<UsageIn>,
}

/// The message of `content-start` and `content-delta`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ContentDelta<'a> {
    #[serde(borrow, default)]
    pub(super) content: Piece<'a>,
}

/// The message of `tool-plan-delta`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct PlanDelta<'a> {
    #[serde(borrow, default)]
    pub(super) tool_plan: Option<&'a RawValue>,
}

/// The message of `citation-start`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct CitationDelta<'a> {
    #[serde(borrow, default)]
    pub(super) citations: Option<&'a RawValue>,
}

/// The message of `tool-call-start` and `tool-call-delta`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct CallDelta<'a> {
    #[serde(borrow, default)]
    pub(super) tool_calls: AnswerCall<'a>,
}

/// `usage`, and the `meta` of other endpoints.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub(super) struct UsageIn {
    /// What is paid for: without the tokens of Cohere's own prompts.
    billed_units: Option<Counts>,
    tokens: Option<Counts>,
    cached_tokens: Option<f64>,
}

/// Whole numbers that are written with a decimal point.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Counts {
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
}

impl UsageIn {
    /// What is paid for; `None` when nothing of it is counted.
    pub(super) fn usage(&self) -> Option<Usage> {
        let counts = self
            .billed_units
            .filter(|counts| counts.input_tokens.or(counts.output_tokens).is_some())
            .or(self.tokens)?;
        counts.input_tokens.or(counts.output_tokens)?;
        let input_tokens = whole(counts.input_tokens);
        Some(Usage {
            input_tokens,
            cached_tokens: whole(self.cached_tokens).min(input_tokens),
            output_tokens: whole(counts.output_tokens),
            ..Usage::default()
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded before"
)]
fn whole(number: Option<f64>) -> u64 {
    const MOST: f64 = 1e12;
    match number {
        Some(number) if number > 0.0 => number.min(MOST).ceil() as u64,
        _ => 0,
    }
}

/// OpenAI's finish reason; `None` when the model failed.
pub(super) fn finish_reason(reason: Option<&str>) -> Option<&'static str> {
    match reason {
        Some("MAX_TOKENS") => Some("length"),
        Some("TOOL_CALL") => Some("tool_calls"),
        Some("ERROR_TOXIC") => Some("content_filter"),
        Some("ERROR" | "TIMEOUT") => None,
        _ => Some("stop"),
    }
}
