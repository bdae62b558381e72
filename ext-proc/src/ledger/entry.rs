//! What the ledger keeps of a request and of an attempt, in the domain's terms.

use std::collections::HashMap;

use dragoman_policy::NanoDollars;
use dragoman_proto::{Operation, Usage, UsageSource};

use super::Keep;

/// How a request or an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// The answer ended as it should.
    Complete,
    /// The client left before the end.
    Cancelled,
    /// No provider gave an answer.
    Failed,
    /// The answer had begun and broke off.
    Broken,
    /// The request cannot be expressed for the provider, or the provider finds it invalid.
    Rejected,
    /// How it ended, and what it used, is not known.
    Unsettled,
}

/// Who asked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Identity {
    /// The key's identity: its hash, or `master`.
    pub key_id: String,
    /// The key's team.
    pub team_id: Option<String>,
    /// The key's user.
    pub user_id: Option<String>,
    /// The end user that the client named.
    pub end_user: Option<String>,
}

/// Who answered, or was to answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Target {
    /// The deployment's id.
    pub deployment: Option<String>,
    /// The provider, by LiteLLM's prefix.
    pub provider: Option<String>,
    /// The provider's name of the model.
    pub model: Option<String>,
}

/// What was used and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// Units that a provider charges for.
    pub usage: Usage,
    /// Who counted; [`UsageSource::Unspecified`] when there is no usage.
    pub source: UsageSource,
    /// The cost; `None` when no price is known, which is not zero.
    pub cost: Option<NanoDollars>,
    /// The version of the price table that the cost was computed with.
    pub price_version: Option<String>,
}

impl Charge {
    /// Nothing used, nothing owed.
    pub fn nothing() -> Self {
        Self {
            usage: Usage::default(),
            source: UsageSource::Unspecified,
            cost: Some(NanoDollars::ZERO),
            price_version: None,
        }
    }
}

/// When, and how long. Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Timing {
    /// Since the epoch; when Envoy had the request's head.
    pub started_ms: u64,
    /// From then to the last byte of the answer.
    pub duration_ms: u64,
    /// From then to the first token; `None` when none came, or the answer was no stream.
    pub first_token_ms: Option<u64>,
}

/// One admitted request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRow {
    /// The id, as in `x-dragoman-request-id`.
    pub request_id: String,
    /// Who asked.
    pub identity: Identity,
    /// The model as the client named it.
    pub alias: String,
    /// The endpoint.
    pub operation: Operation,
    /// Whether the client wanted a stream.
    pub stream: bool,
    /// How it ended.
    pub state: State,
    /// The HTTP status that the client saw; `None` when it left before.
    pub status: Option<u16>,
    /// Why it failed.
    pub error_code: Option<String>,
    /// The deployment of the last attempt.
    pub target: Target,
    /// The sum over its attempts.
    pub charge: Charge,
    /// When, and how long.
    pub timing: Timing,
    /// How many attempts were made.
    pub attempts: u32,
    /// Bytes of the client's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
    /// Parameters that were dropped because the target cannot express them.
    pub dropped: Vec<String>,
    /// The request's tags.
    pub tags: Vec<String>,
}

/// One attempt at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptRow {
    /// The request's id.
    pub request_id: String,
    /// From 1.
    pub attempt: u32,
    /// How it ended.
    pub state: State,
    /// The provider's HTTP status; `None` when none arrived.
    pub provider_status: Option<u16>,
    /// Why it failed.
    pub error_code: Option<String>,
    /// Whom it went to.
    pub target: Target,
    /// What it used.
    pub charge: Charge,
    /// Milliseconds since the epoch; `None` when the attempt left no report.
    pub started_ms: Option<u64>,
    /// Milliseconds; `None` when not known.
    pub duration_ms: Option<u64>,
    /// Milliseconds from the attempt's start; `None` when no token came.
    pub first_token_ms: Option<u64>,
    /// Parameters that were dropped because the target cannot express them.
    pub dropped: Vec<String>,
}

/// A request with its attempts: what is recorded together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The request.
    pub request: RequestRow,
    /// Its attempts, in order.
    pub attempts: Vec<AttemptRow>,
}

/// Records of different requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    records: Vec<Record>,
    keep: Keep,
}

impl Batch {
    /// A batch of `records`. Of several records of one request the last stays, but one that is
    /// unsettled gives way to one that is not: a statement that met the same row twice would be
    /// refused by PostgreSQL.
    pub fn new(records: Vec<Record>) -> Self {
        let mut kept: Vec<Record> = Vec::with_capacity(records.len());
        let mut places: HashMap<String, usize> = HashMap::with_capacity(records.len());
        for record in records {
            let earlier = places
                .get(&record.request.request_id)
                .and_then(|&at| kept.get_mut(at));
            match earlier {
                Some(earlier) => {
                    if record.request.replaces(&earlier.request) {
                        *earlier = record;
                    }
                }
                None => {
                    places.insert(record.request.request_id.clone(), kept.len());
                    kept.push(record);
                }
            }
        }
        Self {
            records: kept,
            keep: Keep::ALL,
        }
    }

    /// The same batch, of which only some rows are kept.
    #[must_use]
    pub fn keeping(self, keep: Keep) -> Self {
        Self { keep, ..self }
    }

    /// Whether the row of this request is kept.
    pub(super) const fn keeps(&self, row: &RequestRow) -> bool {
        self.keep.keeps(row)
    }

    /// The records, one per request.
    pub fn records(&self) -> &[Record] {
        &self.records
    }
}

impl RequestRow {
    /// Whether this row may replace `earlier`: what is known is not given up for what is not.
    pub(super) fn replaces(&self, earlier: &Self) -> bool {
        self.state != State::Unsettled || earlier.state == State::Unsettled
    }
}

impl State {
    const ALL: [Self; 6] = [
        Self::Complete,
        Self::Cancelled,
        Self::Failed,
        Self::Broken,
        Self::Rejected,
        Self::Unsettled,
    ];

    /// The name in the database, in metrics and in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Broken => "broken",
            Self::Rejected => "rejected",
            Self::Unsettled => "unsettled",
        }
    }

    /// The reverse of [`State::as_str`].
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
}
