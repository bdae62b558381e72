//! Responses' shapes: requests as clients write them, answers and events as they read them.

use std::borrow::Cow;

use dragoman_proto::{ApiError, ErrorKind, Usage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{super::blocks::Finish, echo::Echo};
use crate::{
    hub::UrlCitation,
    json::{self, Text},
    request::ResponseContext,
};

/// An item of the input; members that are missing are another kind's.
#[derive(Debug, Deserialize)]
pub(super) struct ItemIn<'a> {
    #[serde(borrow, default)]
    pub(super) r#type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) role: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) call_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) output: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) summary: Option<Vec<PartIn<'a>>>,
    #[serde(borrow, default)]
    pub(super) encrypted_content: Option<Cow<'a, str>>,
}

/// A part of an item's content.
#[derive(Debug, Deserialize)]
pub(super) struct PartIn<'a> {
    #[serde(borrow, default)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) image_url: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) detail: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) file_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) file_data: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) file_url: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) filename: Option<Cow<'a, str>>,
}

/// A tool.
#[derive(Debug, Deserialize)]
pub(super) struct ToolIn<'a> {
    #[serde(borrow)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) description: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) parameters: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) strict: Option<bool>,
}

/// `text`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct TextConfig<'a> {
    #[serde(borrow, default)]
    pub(super) format: Option<Format<'a>>,
    #[serde(borrow, default)]
    pub(super) verbosity: Option<&'a RawValue>,
}

/// The form of the answer.
#[derive(Debug, Deserialize)]
pub(super) struct Format<'a> {
    #[serde(borrow)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) description: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) schema: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) strict: Option<bool>,
}

/// A response.
#[derive(Debug, Serialize)]
pub(super) struct ResponseOut<'a> {
    pub(super) id: &'a str,
    pub(super) object: &'static str,
    pub(super) created_at: u64,
    pub(super) status: &'static str,
    pub(super) background: bool,
    pub(super) error: Option<ErrorOut<'a>>,
    pub(super) incomplete_details: Option<IncompleteOut>,
    pub(super) model: &'a str,
    pub(super) output: &'a [Box<RawValue>],
    pub(super) previous_response_id: Option<()>,
    pub(super) store: bool,
    pub(super) usage: Option<UsageOut>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) echo: Option<&'a Echo>,
}

/// Why a response failed.
#[derive(Debug, Serialize)]
pub(super) struct ErrorOut<'a> {
    code: &'static str,
    message: &'a str,
}

/// Why a response is not complete.
#[derive(Debug, Serialize)]
pub(super) struct IncompleteOut {
    reason: &'static str,
}

/// Usage.
#[derive(Debug, Serialize)]
pub(super) struct UsageOut {
    input_tokens: u64,
    input_tokens_details: InputDetails,
    output_tokens: u64,
    output_tokens_details: OutputDetails,
    total_tokens: u64,
}

#[derive(Debug, Serialize)]
struct InputDetails {
    cached_tokens: u64,
    cache_write_tokens: u64,
}

#[derive(Debug, Serialize)]
struct OutputDetails {
    reasoning_tokens: u64,
}

/// An item of the output.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ItemOut<'a> {
    Message {
        id: &'a str,
        status: &'static str,
        role: &'static str,
        content: Vec<PartOut<'a>>,
    },
    FunctionCall {
        id: &'a str,
        status: &'static str,
        call_id: &'a str,
        name: &'a str,
        arguments: Text<'a>,
    },
    Reasoning {
        id: &'a str,
        summary: Vec<PartOut<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
}

/// A part of an item.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum PartOut<'a> {
    OutputText {
        text: Text<'a>,
        annotations: &'a [PageOut],
        logprobs: [(); 0],
    },
    SummaryText {
        text: Text<'a>,
    },
}

/// An annotation of a text: a page, flat as this API has it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PageOut {
    r#type: &'static str,
    #[serde(flatten)]
    page: UrlCitation,
}

impl From<UrlCitation> for PageOut {
    fn from(page: UrlCitation) -> Self {
        Self {
            r#type: "url_citation",
            page,
        }
    }
}

/// An event; members that are not set are another type's.
#[derive(Debug, Default, Serialize)]
pub(super) struct EventOut<'a> {
    pub(super) r#type: &'a str,
    pub(super) sequence_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<ResponseOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary_index: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<ItemOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<PartOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<Text<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation: Option<&'a PageOut>,
}

impl<'a> ResponseOut<'a> {
    /// A response that has just begun.
    pub(super) fn new(id: &'a str, model: &'a str, created_at: u64) -> Self {
        Self {
            id,
            object: "response",
            created_at,
            status: "in_progress",
            background: false,
            error: None,
            incomplete_details: None,
            model,
            output: &[],
            previous_response_id: None,
            store: false,
            usage: None,
            echo: None,
        }
    }

    /// The same at its end.
    pub(super) fn finished(self, finish: Finish, usage: &Usage) -> Self {
        let reason = match finish {
            Finish::Length => Some("max_output_tokens"),
            Finish::Filter => Some("content_filter"),
            Finish::Stop | Finish::Calls => None,
        };
        Self {
            status: if reason.is_some() {
                "incomplete"
            } else {
                "completed"
            },
            incomplete_details: reason.map(|reason| IncompleteOut { reason }),
            usage: Some(UsageOut::new(usage)),
            ..self
        }
    }

    /// The same, broken off.
    pub(super) fn failed(self, error: &'a ApiError) -> Self {
        Self {
            status: "failed",
            error: Some(ErrorOut::new(error)),
            ..self
        }
    }
}

impl<'a> ErrorOut<'a> {
    fn new(error: &'a ApiError) -> Self {
        Self {
            code: match error.kind {
                ErrorKind::RateLimit | ErrorKind::InsufficientQuota => "rate_limit_exceeded",
                ErrorKind::InvalidRequest | ErrorKind::ContextLength | ErrorKind::ContentPolicy => {
                    "invalid_prompt"
                }
                _ => "server_error",
            },
            message: &error.message,
        }
    }
}

impl UsageOut {
    fn new(usage: &Usage) -> Self {
        Self {
            input_tokens: usage.input_tokens,
            input_tokens_details: InputDetails {
                cached_tokens: usage.cached_tokens,
                cache_write_tokens: usage.cache_write_tokens,
            },
            output_tokens: usage.output_tokens,
            output_tokens_details: OutputDetails {
                reasoning_tokens: usage.reasoning_tokens,
            },
            total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
        }
    }
}

impl<'a> PartOut<'a> {
    /// What the model says.
    pub(super) const fn text(text: Text<'a>, annotations: &'a [PageOut]) -> Self {
        Self::OutputText {
            text,
            annotations,
            logprobs: [],
        }
    }
}

/// Writes the event of a response that broke: `id` and the next `sequence_number` are as far as they
/// are known.
pub(crate) fn failure_event(
    context: &ResponseContext,
    id: Option<&str>,
    sequence_number: u64,
    error: &ApiError,
    out: &mut Vec<u8>,
) {
    let ours = format!("resp_{}", context.request_id);
    let id = id.unwrap_or(&ours);
    let response = ResponseOut::new(id, &context.alias, context.created).failed(error);
    write_failure(response, sequence_number, out);
}

/// Writes the event with a response that failed.
pub(super) fn write_failure(response: ResponseOut<'_>, sequence_number: u64, out: &mut Vec<u8>) {
    let event = EventOut {
        r#type: "response.failed",
        sequence_number,
        response: Some(response),
        ..EventOut::default()
    };
    out.extend_from_slice(b"event: response.failed\ndata: ");
    json::write(out, &event);
    out.extend_from_slice(b"\n\n");
}
