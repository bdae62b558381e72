//! What goes into a response translator beside bytes, and what comes out of it.

use dragoman_proto::{Outcome, Usage, UsageSource};

/// What a dialect may need of the client's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RequestHead<'a> {
    /// `content-type`.
    pub content_type: Option<&'a str>,
    /// `anthropic-beta`, of a client that speaks Anthropic's API.
    pub anthropic_beta: Option<&'a str>,
}

/// The head of a provider's response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResponseHead<'a> {
    /// The HTTP status.
    pub status: u16,
    /// `content-type`.
    pub content_type: Option<&'a str>,
    /// `content-encoding`.
    pub content_encoding: Option<&'a str>,
    /// `retry-after`.
    pub retry_after: Option<&'a str>,
    /// `retry-after-ms`, which OpenAI and Azure also tell.
    pub retry_after_ms: Option<&'a str>,
    /// The type of an error, where a header tells it: `x-amzn-errortype`.
    pub error_type: Option<&'a str>,
    /// Input tokens, where a header counts them: `x-amzn-bedrock-input-token-count`.
    pub input_tokens: Option<&'a str>,
}

impl ResponseHead<'_> {
    /// Whole seconds to wait, rounded up. A date counts as nothing: there is no clock here.
    pub(crate) fn seconds_to_wait(&self) -> Option<u64> {
        let number = |text: Option<&str>| text?.trim().parse::<u64>().ok();
        let rounded_up = || Some(number(self.retry_after_ms)?.div_ceil(1000));
        number(self.retry_after).or_else(rounded_up)
    }
}

/// The head of the client's response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The HTTP status.
    pub status: u16,
    /// `content-type`.
    pub content_type: String,
    /// Whether this is a failure that another deployment may not have.
    pub retryable: bool,
    /// Seconds for `retry-after`.
    pub retry_after: Option<u64>,
}

/// What the ledger learns of an attempt, at any moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportState<'a> {
    /// How far the attempt came.
    pub outcome: Outcome,
    /// What it used so far.
    pub usage: Usage,
    /// Who counted.
    pub usage_source: UsageSource,
    /// The provider's status.
    pub provider_status: u16,
    /// Our error's status; 0 without an error.
    pub error_status: u16,
    /// Our error's code, or its type; empty without an error.
    pub error_code: &'a str,
}
