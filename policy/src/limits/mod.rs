//! Limits: requests per minute, tokens per minute, requests in flight.
//!
//! - A request is admitted by every limit that applies, or counts in none.
//! - A minute begins with the first request after the last one ended, as in LiteLLM; it is each
//!   account's own.
//! - Tokens are taken as estimated and corrected when the request ends, in the minute that it was
//!   admitted in. More tokens than estimated do count, also beyond the limit: they were used.
//! - A slot of the requests in flight is given back once per request id, at the latest when the
//!   request's time is over.

use crate::account::AccountId;
use crate::time::UnixMillis;

mod engine;
#[cfg(test)]
mod tests;

pub use engine::Limits;

/// Length of the window of requests and tokens.
pub const MINUTE_MS: u64 = 60_000;
/// LiteLLM's output estimate for a request that sets no maximum.
const UNKNOWN_OUTPUT: u64 = 1_024;

/// The limits of one account that apply to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitRef {
    /// Whose they are.
    pub account: AccountId,
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Tokens per minute.
    pub tpm: Option<u64>,
    /// Requests in flight.
    pub parallel: Option<u64>,
}

impl LimitRef {
    /// An account without limits.
    pub const fn none(account: AccountId) -> Self {
        Self {
            account,
            rpm: None,
            tpm: None,
            parallel: None,
        }
    }
}

/// The tokens that a request may use, as far as limits go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenEstimate {
    /// Of the prompt.
    pub input: u64,
    /// The output that the client allows, over all choices, when it says so.
    pub output: Option<u64>,
}

impl TokenEstimate {
    /// What is taken from a limit of `tpm`: the prompt and the allowed output, or LiteLLM's guess of
    /// it (1,024, at most a quarter of the limit). Output alone never makes a request larger than
    /// the limit, or it could not pass in any minute.
    pub fn under(&self, tpm: u64) -> u64 {
        let output = self.output.unwrap_or(UNKNOWN_OUTPUT.min(tpm / 4));
        let most = tpm.max(self.input);
        self.input.saturating_add(output).min(most)
    }
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// Requests per minute.
    Requests,
    /// Tokens per minute.
    Tokens,
    /// Requests in flight.
    InFlight,
}

impl LimitKind {
    /// LiteLLM's `rate_limit_type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InFlight => "max_parallel_requests",
        }
    }

    const fn described(self) -> &'static str {
        match self {
            Self::Requests => "requests per minute",
            Self::Tokens => "tokens per minute",
            Self::InFlight => "requests at a time",
        }
    }
}

/// A limit that a request would go over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub struct LimitExceeded {
    /// Whose.
    pub account: AccountId,
    /// Which.
    pub kind: LimitKind,
    /// Its value.
    pub limit: u64,
    /// What is left of it.
    pub remaining: u64,
    /// What the request needs.
    pub needed: u64,
    /// Seconds until trying again makes sense; `None` when the request is larger than the limit.
    pub retry_after: Option<u64>,
}

impl LimitExceeded {
    /// OpenAI's `x-ratelimit-*` headers for this limit; none where it is one of requests in flight.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let [limit, remaining, reset] = match self.kind {
            LimitKind::Requests => REQUEST_HEADERS,
            LimitKind::Tokens => TOKEN_HEADERS,
            LimitKind::InFlight => return Vec::new(),
        };
        let mut headers = vec![
            (limit, self.limit.to_string()),
            (remaining, self.remaining.to_string()),
        ];
        if let Some(seconds) = self.retry_after {
            headers.push((reset, format!("{seconds}s")));
        }
        headers
    }

    fn message(&self) -> String {
        let (limit, kind) = (self.limit, self.kind.described());
        let whose = self.account.scope.described();
        let needed = self.needed;
        match (self.kind, self.retry_after) {
            (LimitKind::Tokens, None) => {
                format!("the request has {needed} tokens, more than the {limit} {kind} of {whose}")
            }
            (LimitKind::Tokens, Some(seconds)) => format!(
                "the limit of {limit} {kind} of {whose} has room for {} more and the request may \
                 use {needed}; try again in {seconds} s",
                self.remaining
            ),
            (LimitKind::Requests, Some(seconds)) => format!(
                "the limit of {limit} {kind} of {whose} is reached; try again in {seconds} s"
            ),
            (LimitKind::InFlight | LimitKind::Requests, _) => {
                format!("the limit of {limit} {kind} of {whose} is reached")
            }
        }
    }
}

const REQUEST_HEADERS: [&str; 3] = [
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
];
const TOKEN_HEADERS: [&str; 3] = [
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
];

/// One limit as response headers state it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// Per minute.
    pub limit: u64,
    /// What is left of this minute's.
    pub remaining: u64,
    /// When the minute is over.
    pub resets_at: UnixMillis,
}

/// The tightest limits that apply to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimits {
    /// Of requests.
    pub requests: Option<Allowance>,
    /// Of tokens.
    pub tokens: Option<Allowance>,
}

impl RateLimits {
    /// OpenAI's `x-ratelimit-*` headers, for the limits that there are.
    pub fn headers(&self, now: UnixMillis) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        let mut state = |allowance: Option<Allowance>, names: [&'static str; 3]| {
            if let Some(allowance) = allowance {
                let [limit, remaining, reset] = names;
                let seconds = now.seconds_until(allowance.resets_at);
                headers.push((limit, allowance.limit.to_string()));
                headers.push((remaining, allowance.remaining.to_string()));
                headers.push((reset, format!("{seconds}s")));
            }
        };
        state(self.requests, REQUEST_HEADERS);
        state(self.tokens, TOKEN_HEADERS);
        headers
    }
}
