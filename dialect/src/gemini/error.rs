//! Google's errors (<https://cloud.google.com/apis/design/errors>): an object, which some endpoints
//! wrap in an array.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::failure::ProviderError;

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    error: &'a RawValue,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status<'a> {
    code: Option<u16>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    status: Cow<'a, str>,
    #[serde(borrow)]
    details: Vec<Detail<'a>>,
}

/// `google.rpc.ErrorInfo` has a reason, `google.rpc.RetryInfo` a delay.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
    #[serde(borrow)]
    retry_delay: Cow<'a, str>,
}

/// The error in a body or in an event; `None` when there is none in it.
pub(super) fn read(body: &[u8]) -> Option<ProviderError> {
    let text = std::str::from_utf8(body).ok()?.trim();
    let body: Body<'_> = match text.strip_prefix('[') {
        Some(_) => serde_json::from_str::<Vec<Body<'_>>>(text)
            .ok()?
            .into_iter()
            .next()?,
        None => serde_json::from_str(text).ok()?,
    };
    (body.error.get() != "null").then(|| object(body.error))
}

/// The error in an `error` member.
pub(super) fn object(raw: &RawValue) -> ProviderError {
    let error: Status<'_> = serde_json::from_str(raw.get()).unwrap_or_default();
    let bad_key = error
        .details
        .iter()
        .any(|detail| matches!(&*detail.reason, "API_KEY_INVALID" | "API_KEY_EXPIRED"));
    // A precondition is the account's: a country without a free tier, no billing.
    let refused = bad_key || error.status == "FAILED_PRECONDITION";
    ProviderError {
        status: error
            .code
            .filter(|code| (400..600).contains(code))
            .or_else(|| status(&error.status)),
        retry_after: error
            .details
            .iter()
            .find_map(|detail| seconds(&detail.retry_delay)),
        message: Some(error.message.into_owned()),
        refused,
        ..ProviderError::default()
    }
}

/// The HTTP status of a canonical one.
fn status(canonical: &str) -> Option<u16> {
    Some(match canonical {
        "INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE" => 400,
        "UNAUTHENTICATED" => 401,
        "PERMISSION_DENIED" => 403,
        "NOT_FOUND" => 404,
        "ABORTED" | "ALREADY_EXISTS" => 409,
        "RESOURCE_EXHAUSTED" => 429,
        "CANCELLED" => 499,
        "INTERNAL" | "UNKNOWN" | "DATA_LOSS" => 500,
        "UNIMPLEMENTED" => 501,
        "UNAVAILABLE" => 503,
        "DEADLINE_EXCEEDED" => 504,
        _ => return None,
    })
}

/// Whole seconds, rounded up, of a duration such as `34.07s`.
fn seconds(duration: &str) -> Option<u64> {
    let number = duration.strip_suffix('s')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let rest = fraction.bytes().any(|digit| digit != b'0');
    Some(whole.saturating_add(u64::from(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_says_how_long_to_wait() {
        let body =
            br#"[{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED","details":[
            {"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[]},
            {"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.07s"}]}}]"#;
        let error = read(body).unwrap();
        assert_eq!((error.status, error.retry_after), (Some(429), Some(35)));
        assert_eq!(error.message.as_deref(), Some("quota"));
    }

    #[test]
    fn a_bad_key_is_ours_whatever_the_status() {
        let body = br#"{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT",
            "details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}"#;
        assert!(read(body).unwrap().refused);
        let body = br#"{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}"#;
        assert!(!read(body).unwrap().refused);
    }

    #[test]
    fn a_status_without_a_code_has_its_meaning() {
        let error = read(br#"{"error":{"message":"busy","status":"UNAVAILABLE"}}"#).unwrap();
        assert_eq!(error.status, Some(503));
    }

    #[test]
    fn an_answer_is_no_error() {
        for body in [
            &br#"{"candidates":[]}"#[..],
            b"[]",
            b"{\"error\":null}",
            b"x",
        ] {
            assert_eq!(read(body), None);
        }
    }
}
