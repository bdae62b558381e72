//! Accounts: what requests may cost and use, reserved at admission and settled after.
//!
//! A request is admitted by all budgets and limits that apply to it, in one atomic step, or by none.
//! What it holds ends in exactly one of [`Accounts::settle`], [`Accounts::release`] and
//! [`Accounts::expire`]. The decisions are `dragoman-policy`'s; here is where the numbers live: in
//! this process with a journal ([`InProcess`]), or in Redis, which replicas share.
//!
//! A request whose reservation does not fit *now*, though it would if others had settled, waits for
//! a moment in a fair line before it is refused.

pub mod alerts;
#[cfg(test)]
pub(crate) mod contract;
mod journal;
mod line;
mod memory;
mod offers;
mod reconcile;
mod redis;
mod settlement;
mod sweep;
mod usual;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use dragoman_policy::budget::{AccountWindow, Balance, BudgetState, Charge, Crossing, Refused};
use dragoman_policy::limits::{RateLimits, TokenEstimate};
use dragoman_policy::{AccountId, BudgetRef, LimitRef, NanoDollars, Quote, Refusal, UnixMillis};
use dragoman_proto::{ApiError, ErrorKind};
use tonic::async_trait;

use crate::clock;

pub use journal::{JournalError, JournalGuard};
pub use line::WaitOptions;
pub use memory::InProcess;
pub use reconcile::{BudgetsOf, ReconcileError, Reconciler};
pub use redis::{NAMESPACE, RedisAccounts};
pub use settlement::Settlement;
pub use sweep::sweep;

/// A request of which nothing is heard for so long is lost. Envoy tells of those that are under way every
/// [`dragoman_envoy::UNDER_WAY_EVERY`].
pub const UNHEARD_MS: u64 = 60_000;
/// A dependency that is away fails every request; the log needs it less often.
const QUIET_MS: u64 = 1_000;

/// Where budgets and limits are kept. Every backend passes the same contract suite.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// Reserves all that `request` may cost and use, or nothing. Waits for a bounded time where
    /// only requests under way stand against it. The same request id again gets what it has.
    async fn admit(&self, request: AdmitRequest) -> Result<Granted, AccountsError>;

    /// Replaces a reservation by what the request did cost, and gives its slots back. Once per
    /// request id, however often it is reported.
    async fn settle(&self, settlement: &Settlement) -> Result<Settled, AccountsError>;

    /// Charges a request whose reservation is not known ([`Settled::Unknown`]): it was lost in a
    /// crash. It is in the ledger at `position`; accounts that began with a [`Past`] up to there or
    /// beyond have it already. `budgets` are those that applied when it was admitted. Once per
    /// request id.
    async fn charge(
        &self,
        settlement: &Settlement,
        position: u64,
        budgets: &[BudgetRef],
    ) -> Result<Settled, AccountsError>;

    /// The request is not sent after all: as if it had not been admitted.
    async fn release(&self, request_id: &str) -> Result<(), AccountsError>;

    /// Charges in full what nobody settled by `now`, and gives its slots back. Each expired
    /// reservation is returned once, to one caller, for an `unsettled` row of the ledger.
    async fn expire(&self, now: UnixMillis) -> Result<Vec<Unsettled>, AccountsError>;

    /// The request is still under way: its reservation expires at `until`, and not before.
    async fn keep(&self, request_id: &str, until: UnixMillis) -> Result<(), AccountsError>;

    /// No open reservation expires later than `at`: the clock was set back, and what was lost before
    /// that is not held until the clock is there again.
    async fn none_later(&self, at: UnixMillis) -> Result<(), AccountsError>;

    /// Whose reservations [`Accounts::expire`] would end by `now`, or correct no more.
    async fn outstanding(&self, now: UnixMillis) -> Result<Vec<Arc<str>>, AccountsError>;

    /// Since when something may be forgotten that the ledger knows: after a start, or when the
    /// memory behind is another than before. `None` after [`Accounts::reminded`].
    async fn forgetful_since(&self) -> Result<Option<UnixMillis>, AccountsError>;

    /// What was forgotten is taken up from the ledger.
    fn reminded(&self);

    /// What is spent and reserved.
    async fn balance(&self, at: &AccountWindow) -> Result<Balance, AccountsError>;

    /// Sets an account's spending to `spent`, as an operator may; reservations stay.
    async fn set_spent(&self, at: &AccountWindow, spent: NanoDollars) -> Result<(), AccountsError>;

    /// What an account's requests use now, as far as this process knows: a hint for routing.
    fn load(&self, account: &AccountId, now: UnixMillis) -> Load;

    /// Whether requests can be admitted.
    async fn health(&self) -> Result<(), AccountsError>;
}

/// What was spent before the accounts knew: the ledger, for budgets that are set on keys with a
/// past, and for counters that lost their memory.
#[async_trait]
pub trait Past: Send + Sync + 'static {
    /// What is already spent of an account in a window.
    async fn spent(&self, at: &AccountWindow) -> Result<Spent, PastError>;
}

/// What was spent, and which requests are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// The sum.
    pub amount: NanoDollars,
    /// Requests that the ledger recorded up to this position are in it, and none behind it.
    pub position: u64,
}

/// The past cannot be read, and a budget cannot be trusted without it.
#[derive(Debug, thiserror::Error)]
#[error("what was spent before cannot be read: {0}")]
pub struct PastError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Nothing was spent before.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPast;

#[async_trait]
impl Past for NoPast {
    async fn spent(&self, _: &AccountWindow) -> Result<Spent, PastError> {
        Ok(Spent::default())
    }
}

/// A request on its way in.
#[derive(Debug, Clone)]
pub struct AdmitRequest {
    /// Names the reservation.
    pub request_id: Arc<str>,
    /// The model as the client named it: for messages, and for what its answers usually need.
    pub model: Arc<str>,
    /// The budgets that apply, in their windows of now. One whose limit is [`NanoDollars::MAX`]
    /// only keeps count.
    pub budgets: Vec<BudgetRef>,
    /// The limits that apply.
    pub limits: Vec<LimitRef>,
    /// What token limits take.
    pub tokens: TokenEstimate,
    /// Prices of the plan's deployments; its output cap is the one that is wanted.
    pub quote: Quote,
    /// Whether the client itself set the output cap, rather than a default.
    pub asked: bool,
    /// The smallest output cap that is worth sending the request with.
    pub min_output_tokens: u64,
    /// The share of a budget, in thousandths, from which a cheaper model is to be used.
    pub downgrade_at: Option<u32>,
    /// What [`Accounts::expire`] hands back, so that the ledger can name the request.
    pub memo: Arc<str>,
    /// The time.
    pub now: UnixMillis,
    /// When to give up waiting for the request's report.
    pub expires_at: UnixMillis,
}

/// A request that is admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// What is held in each budget.
    pub reserved: NanoDollars,
    /// The output tokens per choice that the reservation covers; `None` where no budget refuses.
    pub output_cap: Option<u64>,
    /// The tightest limits, for response headers.
    pub rates: RateLimits,
    /// The budgets with this reservation in them.
    pub budgets: Vec<BudgetState>,
    /// What is to be told, or acted upon.
    pub warnings: Vec<Warning>,
}

/// Something about a budget that does not refuse the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// A budget on trial would have refused it.
    WouldRefuse(Refused),
    /// So much of a budget was committed before this request that a cheaper model is to be used.
    Downgrade(AccountId),
}

/// What settling did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The request was charged.
    Charged(Charge),
    /// It was settled before.
    Already,
    /// No reservation of it is known: see [`Accounts::charge`].
    Unknown,
}

/// A reservation that nobody settled in time, and that was charged in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsettled {
    /// Whose.
    pub request_id: Arc<str>,
    /// [`AdmitRequest::memo`].
    pub memo: Arc<str>,
    /// What was charged to each budget.
    pub charged: NanoDollars,
    /// Soft limits that this crossed.
    pub crossed: Vec<Crossing>,
}

/// What an account's requests use now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Requests in flight.
    pub in_flight: u64,
    /// Tokens in this minute.
    pub tokens: u64,
}

/// Why a request is not admitted, or accounts cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountsError {
    /// A budget or a limit stands against it.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// What accounts need cannot be used, and nobody passes unaccounted.
    #[error("budgets and limits cannot be checked: {dependency} is not available")]
    Unavailable {
        /// Such as `redis`.
        dependency: &'static str,
    },
}

impl AccountsError {
    fn refused(refusal: impl Into<Refusal>) -> Self {
        Self::Refused(Box::new(refusal.into()))
    }

    /// Logs `error` for the operator, though not for each request; the client is told no more than
    /// which dependency it is.
    fn unavailable(dependency: &'static str, error: &dyn fmt::Display) -> Self {
        static LAST_LOGGED: AtomicU64 = AtomicU64::new(0);
        metrics::counter!("dragoman_accounts_unavailable_total", "dependency" => dependency)
            .increment(1);
        let now = clock::now_ms();
        let last = LAST_LOGGED.load(Ordering::Relaxed);
        if now.abs_diff(last) >= QUIET_MS {
            LAST_LOGGED.store(now, Ordering::Relaxed);
            tracing::error!(dependency, %error, "accounts cannot be used");
        }
        Self::Unavailable { dependency }
    }
}

impl From<AccountsError> for ApiError {
    fn from(error: AccountsError) -> Self {
        match error {
            AccountsError::Refused(refusal) => (*refusal).into(),
            AccountsError::Unavailable { .. } => {
                Self::new(ErrorKind::Unavailable, error.to_string()).retry_after(1)
            }
        }
    }
}
