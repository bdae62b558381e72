//! `web_search_options` as Anthropic's own tool
//! (<https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool>).

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::schema::OutputTool;
use crate::json::Object;

/// OpenAI's options.
#[derive(Deserialize)]
struct Options<'a> {
    #[serde(borrow, default)]
    search_context_size: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    user_location: Option<Location<'a>>,
}

#[derive(Deserialize)]
struct Location<'a> {
    #[serde(borrow, default)]
    approximate: Option<Place<'a>>,
}

/// Where the user is, in words that both have.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Place<'a> {
    #[serde(default = "approximate")]
    r#type: Cow<'a, str>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    city: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    region: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    country: Option<&'a RawValue>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    timezone: Option<&'a RawValue>,
}

/// The tool.
#[derive(Debug, Serialize)]
pub(super) struct Search<'a> {
    r#type: &'static str,
    name: &'static str,
    max_uses: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_location: Option<Place<'a>>,
}

fn approximate<'a>() -> Cow<'a, str> {
    Cow::Borrowed("approximate")
}

/// The tool that a request asks for with `web_search_options`.
pub(super) fn tool<'a>(request: &'a Object<'_>) -> Result<Option<OutputTool<'a>>, ApiError> {
    const FIELD: &str = "web_search_options";
    let invalid = |what: &str| ApiError::invalid(format!("{FIELD}{what}")).param(FIELD);
    let Some(raw) = request.some(FIELD) else {
        return Ok(None);
    };
    let options: Options<'a> =
        serde_json::from_str(raw.get()).map_err(|_| invalid(" is not readable"))?;
    let max_uses = match options.search_context_size.as_deref() {
        Some("low") => 1,
        None | Some("medium") => 5,
        Some("high") => 10,
        Some(_) => return Err(invalid(".search_context_size must be low, medium or high")),
    };
    let place = options
        .user_location
        .and_then(|location| location.approximate);
    Ok(Some(OutputTool::Search(Search {
        r#type: "web_search_20250305",
        name: "web_search",
        max_uses,
        user_location: place,
    })))
}
