//! Members of a chat request that are read in the same way for every dialect.

use dragoman_proto::ApiError;
use serde_json::value::RawValue;

use crate::json::Object;

/// Members that every dialect reads, or that are the gateway's own business.
const READ: [&str; 16] = [
    "model",
    "messages",
    "max_tokens",
    "max_completion_tokens",
    "stream",
    "stream_options",
    "stop",
    "tools",
    "tool_choice",
    "response_format",
    "reasoning_effort",
    "user",
    "safety_identifier",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_retention",
];

/// Whether every dialect reads the member of this `name`; what else a dialect reads, it says itself.
pub(crate) fn is_read(name: &str) -> bool {
    READ.contains(&name)
}

/// Whether the client wants the usage in its stream.
pub(crate) fn wants_usage(request: &Object<'_>) -> bool {
    let options = request.object("stream_options");
    options.read("include_usage").unwrap_or(false)
}

/// How many tokens the answer may have, as the client says.
pub(crate) fn output_limit(request: &Object<'_>) -> Option<u64> {
    request
        .read("max_completion_tokens")
        .or_else(|| request.read("max_tokens"))
}

/// The same under the gateway's own `cap`.
pub(crate) fn capped(wanted: Option<u64>, cap: Option<u64>) -> Option<u64> {
    match (wanted, cap) {
        (Some(wanted), Some(cap)) => Some(wanted.min(cap)),
        (wanted, cap) => wanted.or(cap),
    }
}

/// The entries of `tools`, of whatever kind they are.
pub(crate) fn tools<'a>(request: &'a Object<'_>) -> Result<Vec<&'a RawValue>, ApiError> {
    const FIELD: &str = "tools";
    let Some(raw) = request.some(FIELD) else {
        return Ok(Vec::new());
    };
    serde_json::from_str(raw.get())
        .map_err(|_| ApiError::invalid("tools must be an array").param(FIELD))
}
