//! `response_format`, read once for all dialects.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::Object;

/// What an answer's text has to be.
#[derive(Debug)]
pub(crate) enum Format<'a> {
    /// Anything.
    Text,
    /// A JSON object.
    Json,
    /// JSON that follows a schema.
    Schema(JsonSchema<'a>),
}

/// The schema of a [`Format`].
#[derive(Debug, Deserialize)]
pub(crate) struct JsonSchema<'a> {
    #[serde(borrow, default)]
    pub(crate) name: Option<&'a RawValue>,
    #[serde(default)]
    pub(crate) strict: Option<bool>,
    #[serde(borrow, default)]
    pub(crate) description: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(crate) schema: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct ResponseFormat<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    json_schema: Option<JsonSchema<'a>>,
}

/// The format that a request asks for; `None` where it says nothing of it.
pub(crate) fn format<'a>(request: &'a Object<'_>) -> Result<Option<Format<'a>>, ApiError> {
    const FIELD: &str = "response_format";
    let Some(raw) = request.some(FIELD) else {
        return Ok(None);
    };
    let invalid = |what: &str| ApiError::invalid(what.to_owned()).param(FIELD);
    let format: ResponseFormat<'a> =
        serde_json::from_str(raw.get()).map_err(|_| invalid("response_format is not readable"))?;
    match &*format.r#type {
        "text" => Ok(Some(Format::Text)),
        "json_object" => Ok(Some(Format::Json)),
        "json_schema" => format
            .json_schema
            .map(|schema| Some(Format::Schema(schema)))
            .ok_or_else(|| invalid("response_format.json_schema is missing")),
        kind => Err(invalid(&format!(
            "response_format.type is {kind:?}; it must be text, json_object or json_schema"
        ))),
    }
}

impl<'a> Format<'a> {
    /// The schema itself, where there is one.
    pub(crate) fn schema(&self) -> Option<&'a RawValue> {
        match self {
            Self::Schema(schema) => schema.schema.filter(|raw| raw.get() != "null"),
            Self::Text | Self::Json => None,
        }
    }
}
