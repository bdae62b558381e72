//! The shapes of OpenAI's that are read beyond chat.

use serde::Deserialize;
use serde_json::value::RawValue;

/// The members of any answer that we look at.
#[derive(Debug, Deserialize)]
pub(super) struct ErrorBody<'a> {
    /// An object, a text, or null.
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    /// Where others put their text: vLLM and FastAPI.
    #[serde(borrow, default)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) detail: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) param: Option<&'a RawValue>,
}

/// OpenAI's error object; every member may be anything in the wild.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorObject<'a> {
    #[serde(borrow, default)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) r#type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) code: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) param: Option<&'a RawValue>,
}

/// A choice of a whole answer, as far as its text is counted.
#[derive(Debug, Deserialize)]
pub(super) struct AnswerChoice<'a> {
    #[serde(borrow, default)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
}

/// An event of the Responses API: what it is and, in some, the response so far.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ResponseEvent<'a> {
    #[serde(borrow, default)]
    pub(super) r#type: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) delta: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) sequence_number: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) response: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}
