//! What a provider wants back with the next request and a chat has no word for, in the place where
//! Google's own OpenAI-compatible endpoint puts it
//! (<https://ai.google.dev/gemini-api/docs/thought-signatures>): `extra_content`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json::Text;

/// `extra_content` of a message, a delta or a tool call.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct ExtraContent<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) google: Option<Google<'a>>,
}

/// Google's part of it.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Google<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(crate) thought_signature: Option<Text<'a>>,
}

impl<'a> ExtraContent<'a> {
    /// With a signature of a model's thoughts.
    pub(crate) const fn signed(signature: Text<'a>) -> Self {
        Self {
            google: Some(Google {
                thought_signature: Some(signature),
            }),
        }
    }

    /// The signature in what a client sends back, whatever else may be there.
    pub(crate) fn signature(raw: Option<&'a RawValue>) -> Option<Text<'a>> {
        let extra: Self = serde_json::from_str(raw?.get()).ok()?;
        extra.google?.thought_signature
    }
}
