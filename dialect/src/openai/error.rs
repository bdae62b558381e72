//! Errors of OpenAI and of its imitators, whose shapes differ.

use serde_json::value::RawValue;

use super::schema::{ErrorBody, ErrorObject};
use crate::{failure::ProviderError, json};

/// The error in a body; `None` when there is none in it.
pub(super) fn read(body: &[u8]) -> Option<ProviderError> {
    // Gemini's OpenAI endpoint wraps its error in an array.
    let text = std::str::from_utf8(body).ok()?.trim();
    let text = match text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        Some(inner) => inner,
        None => text,
    };
    let body: ErrorBody<'_> = serde_json::from_str(text).ok()?;
    if let Some(error) = body.error.filter(|raw| raw.get() != "null") {
        return Some(object(error));
    }
    let message = plain(body.message).or_else(|| plain(body.detail))?;
    Some(ProviderError {
        status: status(body.code),
        code: plain(body.code),
        param: plain(body.param),
        message: Some(message),
        ..ProviderError::default()
    })
}

/// The error in an `error` member: an object or a text.
pub(super) fn object(raw: &RawValue) -> ProviderError {
    if let Some(text) = json::string(raw) {
        return ProviderError {
            message: Some(text.into_owned()),
            ..ProviderError::default()
        };
    }
    let error: ErrorObject<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let code = plain(error.code);
    let kind = plain(error.r#type);
    ProviderError {
        status: status(error.code)
            .or_else(|| code.as_deref().and_then(meaning))
            .or_else(|| kind.as_deref().and_then(meaning)),
        code,
        param: plain(error.param),
        message: plain(error.message),
        ..ProviderError::default()
    }
}

/// The HTTP status that a code or type stands for, where an error comes without one.
fn meaning(code: &str) -> Option<u16> {
    Some(match code {
        "invalid_request_error"
        | "context_length_exceeded"
        | "content_filter"
        | "content_policy_violation"
        | "invalid_prompt" => 400,
        "invalid_api_key" | "authentication_error" => 401,
        "permission_error" => 403,
        "model_not_found" => 404,
        "rate_limit_exceeded"
        | "rate_limit_error"
        | "insufficient_quota"
        | "tokens"
        | "requests" => 429,
        "overloaded_error" | "service_unavailable" | "service_unavailable_error" => 503,
        "timeout" | "timeout_error" => 504,
        _ => return None,
    })
}

fn status(code: Option<&RawValue>) -> Option<u16> {
    plain(code)?
        .parse()
        .ok()
        .filter(|status| (400..600).contains(status))
}

/// A string, or a number as text; nothing else.
fn plain(raw: Option<&RawValue>) -> Option<String> {
    let raw = raw?;
    json::string(raw)
        .map(std::borrow::Cow::into_owned)
        .or_else(|| raw.get().parse::<i64>().ok().map(|n| n.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_shape_yields_its_message() {
        for body in [
            r#"{"error":{"message":"m","type":"t","param":null,"code":null}}"#,
            r#"{"error":"m"}"#,
            r#"{"object":"error","message":"m","type":"BadRequestError","code":400}"#,
            r#"{"detail":"m"}"#,
            r#"[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]"#,
        ] {
            let error = read(body.as_bytes()).unwrap();
            assert_eq!(error.message.as_deref(), Some("m"), "{body}");
        }
    }

    #[test]
    fn an_answer_is_no_error() {
        assert_eq!(read(br#"{"id":"x","choices":[],"error":null}"#), None);
    }

    #[test]
    fn a_numeric_code_is_a_status() {
        let error = read(br#"{"error":{"message":"m","code":503}}"#).unwrap();
        assert_eq!(error.status, Some(503));
    }
}
