//! What the service answers about an admitted request, in dynamic metadata: the filter reads it at
//! each attempt, and the access log carries it back to the service.

use serde::{Deserialize, Serialize};

use crate::Operation;

/// An admitted request. Travels as compact JSON in one metadata field, so that the filter reads it
/// with one host call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admission {
    /// Key of the ledger row, of the reservation, and of `x-litellm-call-id`.
    #[serde(rename = "id")]
    pub request_id: String,
    /// Milliseconds since the epoch at admission; also the `created` of answers.
    #[serde(rename = "at")]
    pub admitted_ms: u64,
    /// The alias that the client asked for, echoed as `model`.
    #[serde(rename = "m")]
    pub alias: String,
    /// The endpoint.
    #[serde(rename = "op")]
    pub operation: Operation,
    /// Whether the client wants a stream.
    #[serde(rename = "s", default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// The most output tokens that the reservation covers; the upstream filter enforces it.
    #[serde(rename = "cap", default, skip_serializing_if = "Option::is_none")]
    pub output_cap: Option<u64>,
    /// Per attempt: the same, where a deployment's model makes no such long answer and a provider would
    /// refuse to be asked for one. Omitted when `output_cap` suits all.
    #[serde(rename = "caps", default, skip_serializing_if = "Vec::is_empty")]
    pub output_caps: Vec<u64>,
    /// Estimated input tokens, for a provider that reports no usage.
    #[serde(rename = "pt", default)]
    pub prompt_tokens: u64,
    /// Identity of the key, never the key: its hash, or `master`.
    #[serde(rename = "k")]
    pub key_id: String,
    /// The key's team.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub team_id: Option<String>,
    /// The key's user.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The end user that the client named.
    #[serde(rename = "eu", default, skip_serializing_if = "Option::is_none")]
    pub end_user: Option<String>,
    /// Tags for the ledger.
    #[serde(rename = "tags", default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether a reservation waits to be settled.
    #[serde(rename = "r", default, skip_serializing_if = "std::ops::Not::not")]
    pub reserved: bool,
    /// Per attempt: what the `*` of its wildcard deployment stands for, empty when it has none.
    /// Omitted when no attempt has one.
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    pub captured: Vec<String>,
    /// Per attempt: how many fallback aliases lie before it. Omitted when there are no fallbacks.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<u32>,
    /// Response headers for the client: what is left of its limits and budget.
    #[serde(rename = "h", default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
}

/// An admission that does not read back.
#[derive(Debug, thiserror::Error)]
#[error("the admission does not parse: {0}")]
pub struct AdmissionError(#[from] serde_json::Error);

impl Admission {
    /// The metadata field that holds the encoded admission.
    pub const FIELD: &'static str = "admission";
    /// The metadata field that holds the request id alone, for response headers.
    pub const REQUEST_ID_FIELD: &'static str = "request_id";

    /// The metadata field that says whose API the client speaks, for Envoy's own replies; there is
    /// only one value, [`Admission::ANTHROPIC`].
    pub const CLIENT_FIELD: &'static str = "client";
    /// The client speaks Anthropic's API.
    pub const ANTHROPIC: &'static str = "anthropic";

    /// The most output tokens that the attempt of that index, from 0, may ask for.
    pub fn output_cap_of(&self, attempt: usize) -> Option<u64> {
        self.output_caps.get(attempt).copied().or(self.output_cap)
    }

    /// The wire form.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The reverse of [`Admission::encode`].
    pub fn decode(wire: &[u8]) -> Result<Self, AdmissionError> {
        Ok(serde_json::from_slice(wire)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_admission_survives_its_wire_form() {
        let admission = Admission {
            request_id: "01990000".into(),
            admitted_ms: 1_763_600_000_000,
            alias: "smart \"model\"".into(),
            operation: Operation::ChatCompletions,
            stream: true,
            output_cap: Some(512),
            output_caps: vec![512, 128],
            prompt_tokens: 17,
            key_id: "master".into(),
            team_id: None,
            user_id: Some("ü".into()),
            end_user: None,
            tags: vec!["a,b".into()],
            reserved: true,
            captured: vec![String::new(), "gpt-4o".into()],
            fallbacks: vec![0, 1],
            headers: vec![("x-ratelimit-limit-requests".into(), "3".into())],
        };
        assert_eq!(
            Admission::decode(admission.encode().as_bytes()).unwrap(),
            admission
        );
    }
}
