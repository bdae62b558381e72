//! Cohere's errors: `{"message": "…"}`, without a type or a code.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    failure::{Failure, ProviderError},
    json,
};

#[derive(Deserialize)]
struct Body<'a> {
    /// In an answer this is an object.
    #[serde(borrow, default)]
    message: Option<&'a RawValue>,
}

/// The error in a body; `None` when there is none in it.
pub(super) fn read(body: &[u8]) -> Option<ProviderError> {
    let body: Body<'_> = json::parse(body).ok()?;
    body.message
        .and_then(json::string)
        .map(|message| text(&message))
}

fn text(message: &str) -> ProviderError {
    // "too many tokens: size limit exceeded by …" is how it says that a prompt is too long; "too many
    // tokens: max tokens must be …" is about the answer.
    let message_lower = message.to_ascii_lowercase();
    let too_long = message_lower.contains("too many tokens")
        && !message_lower.contains("max tokens must be less");
    ProviderError {
        message: Some(message.to_owned()),
        code: too_long.then(|| "context_length_exceeded".to_owned()),
        ..ProviderError::default()
    }
}

/// The failure of a model that said nothing because it would have been toxic.
pub(super) fn toxic(provider: &str) -> Failure {
    let error = ProviderError {
        message: Some("the answer was withheld as toxic".to_owned()),
        code: Some("content_filter".to_owned()),
        ..ProviderError::default()
    };
    Failure::of_provider(provider, 400, &error, None)
}

/// The failure that stands where an answer should.
pub(super) fn failure(provider: &str, message: Option<&RawValue>) -> Failure {
    let message = message.and_then(json::string);
    let message = message
        .as_deref()
        .unwrap_or("the model broke off with an error");
    Failure::of_provider(provider, 502, &text(message), None)
}
