//! A whole answer, as dialects other than OpenAI's write it.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Annotation, ExtraContent, ProviderFields, UsageOut};
use crate::json::Text;

/// `chat.completion`; `C` are its choices, of which most dialects have one.
#[derive(Debug, Serialize)]
pub(crate) struct Completion<'a, C = [CompletionChoice<'a>; 1]> {
    pub(crate) id: &'a str,
    pub(crate) object: &'a str,
    pub(crate) created: u64,
    pub(crate) model: &'a str,
    pub(crate) choices: C,
    pub(crate) usage: UsageOut,
}

/// A choice.
#[derive(Debug, Serialize)]
pub(crate) struct CompletionChoice<'a> {
    pub(crate) index: u64,
    pub(crate) message: Message<'a>,
    pub(crate) logprobs: Option<Box<RawValue>>,
    pub(crate) finish_reason: &'a str,
}

/// The message of a choice.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Message<'a> {
    pub(crate) role: &'a str,
    pub(crate) content: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) thinking_blocks: Vec<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<ToolCall<'a>>,
    /// What the model drew, where LiteLLM's clients look for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) images: Vec<Picture<'a>>,
    /// What only the provider can read, and wants back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) extra_content: Option<ExtraContent<'a>>,
    /// The pages of the web that it cites.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) annotations: Vec<Annotation>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) provider_specific_fields: Option<ProviderFields<'a>>,
}

/// A picture in an answer.
#[derive(Debug, Serialize)]
pub(crate) struct Picture<'a> {
    r#type: &'static str,
    image_url: PictureUrl<'a>,
}

#[derive(Debug, Serialize)]
struct PictureUrl<'a> {
    url: &'a str,
}

impl<'a> Picture<'a> {
    /// With a data URL.
    pub(crate) const fn new(url: &'a str) -> Self {
        Self {
            r#type: "image_url",
            image_url: PictureUrl { url },
        }
    }
}

/// A tool call.
#[derive(Debug, Serialize)]
pub(crate) struct ToolCall<'a> {
    pub(crate) id: Text<'a>,
    pub(crate) r#type: &'a str,
    pub(crate) function: FunctionCall<'a>,
    /// What only the provider can read, and wants back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) extra_content: Option<ExtraContent<'a>>,
}

/// What a tool call calls.
#[derive(Debug, Serialize)]
pub(crate) struct FunctionCall<'a> {
    pub(crate) name: Text<'a>,
    /// JSON in a string.
    pub(crate) arguments: &'a str,
}
