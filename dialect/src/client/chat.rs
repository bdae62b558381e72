//! A chat request, as other clients' requests are told in it.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json::{self, Object};

/// A message.
#[derive(Debug, Serialize)]
pub(super) struct Message<'a> {
    pub(super) role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_call_id: Option<Cow<'a, str>>,
    pub(super) content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) thinking_blocks: Vec<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<ToolCall<'a>>,
    /// Of a tool's result as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<&'a RawValue>,
}

/// The content of a message.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    /// A JSON string.
    Text(Cow<'a, RawValue>),
    /// Parts.
    Parts(Vec<Part<'a>>),
}

/// A part of a message's content.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part<'a> {
    Text {
        text: Cow<'a, RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a RawValue>,
    },
    ImageUrl {
        image_url: ImageUrl<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a RawValue>,
    },
    File {
        file: File<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<&'a RawValue>,
    },
}

/// Where an image is.
#[derive(Debug, Serialize)]
pub(super) struct ImageUrl<'a> {
    pub(super) url: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<&'a RawValue>,
}

/// A file.
#[derive(Debug, Serialize)]
pub(super) struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) filename: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_data: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) file_id: Option<Cow<'a, str>>,
}

/// A call that the model made.
#[derive(Debug, Serialize)]
pub(super) struct ToolCall<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) r#type: &'static str,
    pub(super) function: FunctionCall<'a>,
}

/// What a [`ToolCall`] calls.
#[derive(Debug, Serialize)]
pub(super) struct FunctionCall<'a> {
    pub(super) name: Cow<'a, str>,
    /// JSON in a string.
    pub(super) arguments: Cow<'a, str>,
}

/// A tool that the model may call.
#[derive(Debug, Serialize)]
pub(super) struct Tool<'a> {
    pub(super) r#type: &'static str,
    pub(super) function: Function<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cache_control: Option<&'a RawValue>,
}

/// The function of a [`Tool`].
#[derive(Debug, Serialize)]
pub(super) struct Function<'a> {
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parameters: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strict: Option<bool>,
}

/// `tool_choice`.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum ToolChoice<'a> {
    Word(&'static str),
    Function {
        r#type: &'static str,
        function: FunctionName<'a>,
    },
}

/// The function that must be called.
#[derive(Debug, Serialize)]
pub(super) struct FunctionName<'a> {
    pub(super) name: Cow<'a, str>,
}

/// `response_format` with a schema.
#[derive(Debug, Serialize)]
pub(super) struct ResponseFormat<'a> {
    pub(super) r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) json_schema: Option<JsonSchema<'a>>,
}

/// The schema of a [`ResponseFormat`].
#[derive(Debug, Serialize)]
pub(super) struct JsonSchema<'a> {
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a RawValue>,
    pub(super) schema: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) strict: Option<bool>,
}

impl<'a> Message<'a> {
    /// A message with nothing but its content.
    pub(super) fn new(role: &'static str, content: Option<Content<'a>>) -> Self {
        Self {
            role,
            tool_call_id: None,
            content,
            thinking_blocks: Vec::new(),
            tool_calls: Vec::new(),
            cache_control: None,
        }
    }

    /// The result of a call.
    pub(super) fn result(call: Cow<'a, str>, content: Option<Content<'a>>) -> Self {
        Self {
            tool_call_id: Some(call),
            // A result must have content; it may say nothing.
            content: content.or_else(|| text("").map(Content::Text)),
            ..Self::new("tool", None)
        }
    }
}

impl<'a> Content<'a> {
    /// As parts, whatever it is.
    pub(super) fn into_parts(self) -> Vec<Part<'a>> {
        match self {
            Self::Text(text) => vec![Part::text(text)],
            Self::Parts(parts) => parts,
        }
    }
}

impl<'a> ToolChoice<'a> {
    /// The function `name` must be called.
    pub(super) fn function(name: Cow<'a, str>) -> Self {
        Self::Function {
            r#type: "function",
            function: FunctionName { name },
        }
    }
}

impl<'a> Part<'a> {
    /// Text, as a JSON string.
    pub(super) fn text(text: Cow<'a, RawValue>) -> Self {
        Self::Text {
            text,
            cache_control: None,
        }
    }

    /// The image at `url`.
    pub(super) fn image(url: Cow<'a, str>) -> Self {
        Self::ImageUrl {
            image_url: ImageUrl { url, detail: None },
            cache_control: None,
        }
    }

    /// The same with the client's `cache_control`.
    pub(super) fn cached(mut self, mark: Option<&'a RawValue>) -> Self {
        match &mut self {
            Self::Text { cache_control, .. }
            | Self::ImageUrl { cache_control, .. }
            | Self::File { cache_control, .. } => *cache_control = mark,
        }
        self
    }
}

/// Parts as content: one string where they are nothing but text, because many providers take no
/// parts; `separator` goes between them, escaped as in JSON. `None` when there are none.
pub(super) fn content<'a>(parts: Vec<Part<'a>>, separator: &str) -> Option<Content<'a>> {
    let mut texts = Vec::with_capacity(parts.len());
    for part in &parts {
        match part {
            Part::Text {
                text,
                cache_control: None,
            } => texts.push(text),
            _ => return Some(Content::Parts(parts)),
        }
    }
    let joined = match texts.as_slice() {
        [] => return None,
        [one] => (*one).clone(),
        several => {
            let texts: Vec<&str> = several.iter().map(|raw| json::inner(raw)).collect();
            let joined = format!("\"{}\"", texts.join(separator));
            match RawValue::from_string(joined) {
                Ok(raw) => Cow::Owned(raw),
                Err(_) => return Some(Content::Parts(parts)),
            }
        }
    };
    Some(Content::Text(joined))
}

/// Plain text as a JSON string.
pub(super) fn text<'a>(plain: &str) -> Option<Cow<'a, RawValue>> {
    serde_json::value::to_raw_value(plain).ok().map(Cow::Owned)
}

/// Reads a member of a client's request; the error names it, and never quotes what stands there.
pub(super) fn read<'a, T: Deserialize<'a>>(
    request: &'a Object<'_>,
    name: &str,
) -> Result<Option<T>, ApiError> {
    request
        .some(name)
        .map(|raw: &'a RawValue| {
            serde_json::from_str(raw.get()).map_err(|error| {
                let column = error.column();
                invalid(name, &format!("is not readable at column {column}"))
            })
        })
        .transpose()
}

/// The error of a request's member.
pub(super) fn invalid(place: &str, what: &str) -> ApiError {
    ApiError::invalid(format!("{place} {what}")).param(place)
}
