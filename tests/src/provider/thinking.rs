//! Thinking that its model signs, as Claude's is at Anthropic and on Bedrock: it is taken back as it was
//! said, or not at all.

use super::turn::THOUGHT;

/// What the model signs its thinking with.
pub(crate) const SIGNATURE: &str = "c2NyaXB0ZWQtc2lnbmF0dXJl";
/// Thinking that is not shown.
pub(crate) const REDACTED: &str = "c2NyaXB0ZWQtc2VjcmV0";

/// Whether this is thinking that the model signed.
pub(crate) fn is_signed(thinking: &str, signature: &str) -> bool {
    (thinking, signature) == (THOUGHT, SIGNATURE)
}
