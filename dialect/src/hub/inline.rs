//! What the hub has inside of strings: data URLs, arguments of tool calls.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde_json::value::RawValue;

/// A tool call's arguments as JSON, for a provider that takes no text in their place; they must be
/// an object.
pub(crate) fn arguments<'a>(
    text: Cow<'a, str>,
    place: &str,
) -> Result<Cow<'a, RawValue>, ApiError> {
    let invalid = || {
        ApiError::invalid(format!("{place}.function.arguments is not a JSON object"))
            .param(format!("{place}.function.arguments"))
    };
    // A call without arguments is an empty string with many clients.
    let text = if text.trim().is_empty() {
        Cow::Borrowed("{}")
    } else {
        text
    };
    let raw: Cow<'a, RawValue> = match text {
        Cow::Borrowed(text) => Cow::Borrowed(serde_json::from_str(text).map_err(|_| invalid())?),
        Cow::Owned(text) => Cow::Owned(RawValue::from_string(text).map_err(|_| invalid())?),
    };
    if raw.get().starts_with('{') {
        Ok(raw)
    } else {
        Err(invalid())
    }
}

/// The media type and the base64 text of a data URL.
pub(crate) fn data_url<'a>(url: &Cow<'a, str>) -> Option<(Cow<'a, str>, Cow<'a, str>)> {
    let comma = url.find(',')?;
    let head = url.get(..comma)?.strip_prefix("data:")?;
    let media_type = head.strip_suffix(";base64")?.split(';').next()?;
    Some(match url {
        Cow::Borrowed(url) => (
            Cow::Borrowed(url.get(5..5 + media_type.len())?),
            Cow::Borrowed(url.get(comma + 1..)?),
        ),
        Cow::Owned(url) => (
            Cow::Owned(media_type.to_owned()),
            Cow::Owned(url.get(comma + 1..)?.to_owned()),
        ),
    })
}
