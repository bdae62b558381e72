//! Ollama's errors: `{"error": "…"}`, as a body or as a line of a stream.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    failure::{Failure, ProviderError},
    json::{self, Object},
};

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// The error in a body; `None` when there is none in it.
pub(super) fn read(body: &[u8]) -> Option<ProviderError> {
    let body: Body<'_> = json::parse(body).ok()?;
    body.error.filter(|raw| raw.get() != "null").map(object)
}

/// An error: a text, or an object with a `message` where something stands before the server.
fn object(raw: &RawValue) -> ProviderError {
    let nested = || Object::parse(raw.get().as_bytes()).ok()?.read("message");
    ProviderError {
        message: json::string(raw).map(Into::into).or_else(nested),
        ..ProviderError::default()
    }
}

/// The failure that stands where an answer should: it has no status of its own.
pub(super) fn failure(provider: &str, raw: &RawValue) -> Failure {
    Failure::of_provider(provider, 502, &object(raw), None)
}
