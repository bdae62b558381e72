//! A chat request, as far as other dialects need it typed.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::Object;

/// A message of the conversation.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct InputMessage<'a> {
    #[serde(borrow)]
    pub(crate) role: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) tool_calls: Option<Vec<InputToolCall<'a>>>,
    #[serde(borrow, default)]
    pub(crate) tool_call_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) function_call: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) thinking_blocks: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    pub(crate) cache_control: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) extra_content: Option<&'a RawValue>,
}

/// A tool call of the history.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct InputToolCall<'a> {
    #[serde(borrow, default)]
    pub(crate) id: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) function: Option<InputFunction<'a>>,
    #[serde(borrow, default)]
    pub(crate) extra_content: Option<&'a RawValue>,
}

/// What a tool call of the history called.
#[derive(Debug, Deserialize)]
pub(crate) struct InputFunction<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) arguments: Cow<'a, str>,
}

/// A function that a message calls, with its place in the request.
#[derive(Debug)]
pub(crate) struct Called<'a> {
    pub(crate) id: Cow<'a, str>,
    pub(crate) function: InputFunction<'a>,
    pub(crate) extra_content: Option<&'a RawValue>,
    pub(crate) place: String,
}

impl<'a> InputMessage<'a> {
    /// The error for a role that `provider` does not have.
    pub(crate) fn strange_role(&self, place: &str, provider: &str) -> ApiError {
        let role = &self.role;
        let error = format!("{place}.role is {role:?}, which {provider} does not have");
        ApiError::invalid(error).param(format!("{place}.role"))
    }

    /// Refuses what calls were before there was `tool_calls`.
    pub(crate) fn without_function_call(&self, place: &str) -> Result<(), ApiError> {
        if self.function_call.is_none_or(|raw| raw.get() == "null") {
            return Ok(());
        }
        let place = format!("{place}.function_call");
        let error = format!("{place} is not supported: use tool_calls");
        Err(ApiError::invalid(error).param(place))
    }

    /// The functions that it calls.
    pub(crate) fn calls(&mut self, place: &str) -> Result<Vec<Called<'a>>, ApiError> {
        let calls = self.tool_calls.take().into_iter().flatten().enumerate();
        calls
            .map(|(at, call)| {
                let place = format!("{place}.tool_calls[{at}]");
                match call.function {
                    Some(function) => Ok(Called {
                        id: call.id,
                        function,
                        extra_content: call.extra_content,
                        place,
                    }),
                    None => {
                        let error = format!("{place} is not a call of a function");
                        Err(ApiError::invalid(error).param(place))
                    }
                }
            })
            .collect()
    }

    /// What was thought, in words.
    pub(crate) fn reasoning(&self) -> Option<&'a RawValue> {
        self.reasoning_content
            .filter(|raw| !crate::json::inner(raw).is_empty())
    }
}

/// Stands before a system message in the middle of a conversation, where a provider has no place for
/// it: moving it to the top would change what it refers to.
pub(crate) fn system_label() -> Option<&'static RawValue> {
    serde_json::from_str(r#""[System message]""#).ok()
}

/// The messages of a request.
pub(crate) fn messages<'a>(request: &'a Object<'_>) -> Result<Vec<InputMessage<'a>>, ApiError> {
    let invalid = |what: &str| ApiError::invalid(what.to_owned()).param("messages");
    let raw = request
        .some("messages")
        .ok_or_else(|| invalid("messages is missing"))?;
    serde_json::from_str(raw.get()).map_err(|error| {
        // The position is within the array; the text of the error never quotes the content.
        invalid(&format!(
            "messages is not readable at column {}",
            error.column()
        ))
    })
}

/// The content of a message.
#[derive(Debug)]
pub(crate) enum Content<'a> {
    /// None, or null.
    Nothing,
    /// A JSON string.
    Text(&'a RawValue),
    /// Parts.
    Parts(Vec<Part<'a>>),
}

/// A part of a message's content.
#[derive(Debug, Deserialize)]
pub(crate) struct Part<'a> {
    #[serde(borrow, default)]
    pub(crate) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) image_url: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) file: Option<FilePart<'a>>,
    #[serde(borrow, default)]
    pub(crate) input_audio: Option<AudioPart<'a>>,
    #[serde(borrow, default)]
    pub(crate) cache_control: Option<&'a RawValue>,
}

/// A file in a message.
#[derive(Debug, Deserialize)]
pub(crate) struct FilePart<'a> {
    #[serde(borrow, default)]
    pub(crate) file_data: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) file_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(crate) filename: Option<Cow<'a, str>>,
}

/// Sound in a message.
#[derive(Debug, Deserialize)]
pub(crate) struct AudioPart<'a> {
    /// In base64.
    #[serde(borrow)]
    pub(crate) data: Cow<'a, str>,
    /// `wav`, `mp3` …
    #[serde(borrow, default)]
    pub(crate) format: Cow<'a, str>,
}

/// Reads a message's content; `place` names it in the error.
pub(crate) fn content<'a>(raw: Option<&'a RawValue>, place: &str) -> Result<Content<'a>, ApiError> {
    match raw {
        None => Ok(Content::Nothing),
        Some(raw) if raw.get().starts_with('"') => Ok(Content::Text(raw)),
        Some(raw) if raw.get() == "null" => Ok(Content::Nothing),
        Some(raw) => serde_json::from_str(raw.get())
            .map(Content::Parts)
            .map_err(|_| {
                ApiError::invalid(format!(
                    "{place} must be a string or an array of content parts"
                ))
                .param(place)
            }),
    }
}

impl<'a> Part<'a> {
    /// The error for a part of a kind that its provider does not take.
    pub(crate) fn strange(&self, place: &str) -> ApiError {
        let kind = &self.r#type;
        let error = format!("{place} is of type {kind:?}, which this provider does not take");
        ApiError::invalid(error).param(place)
    }

    /// The address of an `image_url` part, which is an object or, in the wild, a string.
    pub(crate) fn image(&self) -> Option<Cow<'a, str>> {
        #[derive(Deserialize)]
        struct ImageUrl<'a> {
            #[serde(borrow)]
            url: Cow<'a, str>,
        }
        let raw = self.image_url?;
        crate::json::string(raw).or_else(|| {
            serde_json::from_str::<ImageUrl<'a>>(raw.get())
                .ok()
                .map(|image| image.url)
        })
    }
}

/// A tool that the model may call.
#[derive(Debug, Deserialize)]
pub(crate) struct Tool<'a> {
    #[serde(borrow, default)]
    pub(crate) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) function: Option<Function<'a>>,
    #[serde(borrow, default)]
    pub(crate) cache_control: Option<&'a RawValue>,
}

/// The function of a [`Tool`].
#[derive(Debug, Deserialize)]
pub(crate) struct Function<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(crate) description: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) parameters: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) strict: Option<bool>,
    #[serde(borrow, default)]
    pub(crate) cache_control: Option<&'a RawValue>,
}
