//! What the edge filter does with the client's request: refuse what is not one, state the facts of
//! what is.

mod demands;
mod fields;
mod form;
mod kinds;
mod media;
mod seen;
mod tally;
mod tools;

pub(crate) use demands::asks;
use dragoman_proto::{ApiError, ErrorKind, Facts, Operation};

pub use form::Form;

/// Parses and validates the client's body. The error is the client's 400 or 415.
///
/// Every byte is looked at once and nothing of the body is copied but the names that the facts need.
/// A content type is not asked of JSON, because many clients send none or a wrong one; only a form
/// is told by it.
pub fn inspect(
    operation: Operation,
    path: &str,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Facts, ApiError> {
    let content_type = content_type.unwrap_or_default();
    let is_form = content_type
        .trim_start()
        .get(..10)
        .is_some_and(|start| start.eq_ignore_ascii_case("multipart/"));
    if operation.is_multipart() {
        let mut form = Form::new(operation, path, content_type, None)?;
        form.feed(body)?;
        let whole = form.finish()?;
        whole.ok_or_else(|| ApiError::new(ErrorKind::Internal, "the form tells no facts"))
    } else if is_form {
        Err(ApiError::new(
            ErrorKind::UnsupportedMedia,
            "this endpoint takes JSON, not a form",
        ))
    } else {
        fields::inspect(operation, path, body)
    }
}

/// The error for a body that is not JSON. The parser's text tells what and where, and never quotes.
pub(crate) fn invalid_json(error: &serde_json::Error) -> ApiError {
    if error.is_data() {
        return ApiError::invalid("the body must be a JSON object");
    }
    ApiError::invalid(format!("the body is not valid JSON: {error}"))
}

#[cfg(test)]
mod tests;
