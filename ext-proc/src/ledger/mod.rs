//! The ledger: one row per admitted request and one per attempt at a provider, never a word of a
//! prompt or an answer.
//!
//! Rows reach it through the [`LedgerWriter`], off the request path, and are read by the admin
//! endpoints. Recording is idempotent: the same request, however often it is reported, is one row.

mod entry;
mod query;
mod row;
mod sqlite;
mod writer;

#[cfg(test)]
pub(crate) mod contract;

use tonic::async_trait;

pub use entry::{AttemptRow, Batch, Charge, Identity, Record, RequestRow, State, Target, Timing};
pub use query::{Cursor, GroupBy, GroupTotals, Page, RequestFilter, Totals};
pub(crate) use row::source_name;
pub use sqlite::SqliteLedger;
pub use writer::{LedgerWriter, Undrained, WriterGuard, WriterHealth, WriterOptions};

/// Why the ledger cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database is not there, is full, is locked …
    #[error("the ledger's database cannot be used: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema is newer than this binary, or a migration failed.
    #[error("the ledger's schema cannot be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row holds what no version of this service wrote.
    #[error("a row of the ledger does not read back: {0}")]
    Corrupt(&'static str),
}

/// Where requests and attempts are recorded. Every backend passes the same contract suite.
#[async_trait]
pub trait Ledger: Send + Sync + 'static {
    /// Records all of `batch` or none of it. A request that is already there is replaced, with its
    /// attempts and tags, except that [`State::Unsettled`] never replaces a settled row.
    async fn record(&self, batch: &Batch) -> Result<(), LedgerError>;

    /// The request of this id.
    async fn request(&self, request_id: &str) -> Result<Option<RequestRow>, LedgerError>;

    /// The attempts of a request, in order.
    async fn attempts(&self, request_id: &str) -> Result<Vec<AttemptRow>, LedgerError>;

    /// A page of requests, the newest first.
    async fn page(
        &self,
        filter: &RequestFilter,
        page: &Page,
    ) -> Result<Vec<RequestRow>, LedgerError>;

    /// The sums over all requests that `filter` selects.
    async fn totals(&self, filter: &RequestFilter) -> Result<Totals, LedgerError>;

    /// The sums per group; the dearest first, days in order. A request with several tags counts in
    /// each of their groups.
    async fn totals_by(
        &self,
        group: GroupBy,
        filter: &RequestFilter,
    ) -> Result<Vec<GroupTotals>, LedgerError>;

    /// Whether the database answers.
    async fn health(&self) -> Result<(), LedgerError>;
}
