//! A whole answer, as dialects other than OpenAI's write it.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{Annotation, ExtraContent, ProviderFields, UsageOut};
use crate::{
    json::{self, Text},
    request::ResponseContext,
};

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'a str,
    created: u64,
    model: &'a str,
    choices: &'a [CompletionChoice<'a>],
    usage: UsageOut,
}

/// The client's answer, a `chat.completion` with these `choices`.
pub(crate) fn completion(
    context: &ResponseContext,
    choices: &[CompletionChoice<'_>],
    usage: UsageOut,
) -> Vec<u8> {
    let completion = Completion {
        id: &format!("chatcmpl-{}", context.request_id),
        object: "chat.completion",
        created: context.created,
        model: &context.alias,
        choices,
        usage,
    };
    let mut out = Vec::new();
    json::write(&mut out, &completion);
    out
}

/// A choice.
#[derive(Debug, Serialize)]
pub(crate) struct CompletionChoice<'a> {
    pub(crate) index: u64,
    pub(crate) message: Message<'a>,
    pub(crate) logprobs: Option<Box<RawValue>>,
    pub(crate) finish_reason: &'a str,
}

impl<'a> CompletionChoice<'a> {
    /// The only choice, which ended for this `reason`. Calls that the client does not see are none.
    pub(crate) fn only(message: Message<'a>, reason: &'a str) -> Self {
        let finish_reason = match reason {
            "tool_calls" if message.tool_calls.is_empty() => "stop",
            reason => reason,
        };
        Self {
            index: 0,
            message,
            logprobs: None,
            finish_reason,
        }
    }
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
