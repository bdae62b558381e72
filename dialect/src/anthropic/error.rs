//! Anthropic's errors (<https://docs.anthropic.com/en/api/errors>).

use std::borrow::Cow;

use serde::Deserialize;

use crate::{failure::ProviderError, gemini::Gemini, registry::ProviderDialect};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: Detail<'a>,
}

#[derive(Deserialize)]
struct Detail<'a> {
    #[serde(borrow, default)]
    r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Cow<'a, str>,
}

/// The error in a body or in an `error` event; `None` when there is none in it.
pub(super) fn read(body: &[u8]) -> Option<ProviderError> {
    let parsed: Option<Body<'_>> = serde_json::from_slice(body).ok();
    let Some(Body { error }) = parsed.filter(|body| !body.error.r#type.is_empty()) else {
        // On Vertex AI these models stand behind Google's front, which refuses in its own words.
        return Gemini.error(body);
    };
    let status = match &*error.r#type {
        "invalid_request_error" => Some(400),
        "authentication_error" => Some(401),
        "billing_error" => Some(402),
        "permission_error" => Some(403),
        "not_found_error" => Some(404),
        "request_too_large" => Some(413),
        "rate_limit_error" => Some(429),
        "api_error" => Some(500),
        "timeout_error" => Some(504),
        "overloaded_error" => Some(529),
        _ => None,
    };
    Some(ProviderError {
        status,
        message: Some(error.message.into_owned()),
        ..ProviderError::default()
    })
}
