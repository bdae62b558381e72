//! Parameters of a chat request that come in several forms: `tool_choice` and `stop`.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::{self, Object};

/// `tool_choice`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ToolChoice<'a> {
    /// The model may call tools.
    Auto,
    /// The model may call no tool.
    None,
    /// The model must call a tool.
    Required,
    /// The model must call this tool.
    Named(Cow<'a, str>),
}

/// Reads `tool_choice`, also in the forms of Anthropic's and older clients.
pub(crate) fn tool_choice(raw: &RawValue) -> Result<ToolChoice<'_>, ApiError> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow, default)]
        r#type: Cow<'a, str>,
        #[serde(borrow, default)]
        function: Option<FunctionName<'a>>,
        #[serde(borrow, default)]
        name: Option<Cow<'a, str>>,
    }
    #[derive(Deserialize)]
    struct FunctionName<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
    }
    let word = json::string(raw);
    let named: Option<Named<'_>> = serde_json::from_str(raw.get()).ok();
    let kind = word
        .as_deref()
        .or_else(|| named.as_ref().map(|named| &*named.r#type));
    let name = named.as_ref().and_then(|named| {
        named
            .function
            .as_ref()
            .map(|f| &f.name)
            .or(named.name.as_ref())
    });
    match (kind, name) {
        (Some("auto"), _) => Ok(ToolChoice::Auto),
        (Some("required" | "any"), _) => Ok(ToolChoice::Required),
        (Some("none"), _) => Ok(ToolChoice::None),
        (Some("function" | "tool" | ""), Some(name)) => Ok(ToolChoice::Named(name.clone())),
        _ => Err(
            ApiError::invalid("tool_choice must be auto, none, required, or name a function")
                .param("tool_choice"),
        ),
    }
}

/// Reads `stop`: one or several.
pub(crate) fn stop<'a>(request: &'a Object<'_>) -> Result<Vec<Cow<'a, str>>, ApiError> {
    let Some(raw) = request.some("stop") else {
        return Ok(Vec::new());
    };
    match json::string(raw) {
        Some(one) => Ok(vec![one]),
        None => serde_json::from_str::<Vec<json::Name<'a>>>(raw.get())
            .map(|names| names.into_iter().map(|name| name.0).collect())
            .map_err(|_| {
                ApiError::invalid("stop must be a string or an array of strings").param("stop")
            }),
    }
}
