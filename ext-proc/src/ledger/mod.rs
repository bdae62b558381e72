//! The ledger: one row per admitted request and one per attempt at a provider, never a word of a
//! prompt or an answer.
//!
//! Rows reach it through the [`LedgerWriter`], off the request path, and are read by the admin
//! endpoints. Recording is idempotent: the same request, however often it is reported, is one row.

mod entry;
mod keep;
mod query;
mod record;
mod retention;
mod rollup;
mod row;
mod sql;
mod sums;
mod writer;

#[cfg(test)]
pub(crate) mod contract;

use tonic::async_trait;

pub use entry::{AttemptRow, Batch, Charge, Identity, Record, RequestRow, State, Target, Timing};
pub use keep::{Keep, KeepRule};
pub use query::{Cursor, Expired, GroupBy, Page, RequestFilter, Standing, Sum, Totals};
pub use retention::retain;
pub(crate) use row::source_name;
pub use sql::SqlLedger;
pub use writer::{LedgerWriter, Undrained, WriterGuard, WriterHealth, WriterOptions};

use crate::database::DatabaseError;

/// Why the ledger cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The database.
    #[error(transparent)]
    Database(#[from] DatabaseError),
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

    /// Those of these requests that are there, in any order.
    async fn requests(&self, request_ids: &[String]) -> Result<Vec<RequestRow>, LedgerError>;

    /// Where the request is in the order in which requests were recorded; `None` when it is not
    /// recorded yet. Several requests may share a position.
    async fn position(&self, request_id: &str) -> Result<Option<u64>, LedgerError>;

    /// The attempts of a request, in order.
    async fn attempts(&self, request_id: &str) -> Result<Vec<AttemptRow>, LedgerError>;

    /// A page of requests, the newest first.
    async fn page(
        &self,
        filter: &RequestFilter,
        page: &Page,
    ) -> Result<Vec<RequestRow>, LedgerError>;

    /// The sums per group of what `filter` selects; days in order, then the dearest first. A request
    /// with several tags counts in each of their groups, one without in none. Grouped by nothing
    /// there is exactly one sum.
    async fn sums(&self, by: &[GroupBy], filter: &RequestFilter) -> Result<Vec<Sum>, LedgerError>;

    /// The sums over all requests that `filter` selects.
    async fn totals(&self, filter: &RequestFilter) -> Result<Totals, LedgerError> {
        let sums = self.sums(&[], filter).await?;
        Ok(sums
            .into_iter()
            .next()
            .map(|sum| sum.totals)
            .unwrap_or_default())
    }

    /// The same, and up to which position it goes.
    async fn standing(&self, filter: &RequestFilter) -> Result<Standing, LedgerError>;

    /// Deletes at most `most` requests that began before `before_ms`, the oldest first, and says how
    /// many. The sums stay.
    async fn forget(&self, expired: Expired, before_ms: u64, most: u32)
    -> Result<u64, LedgerError>;

    /// Whether the database answers.
    async fn health(&self) -> Result<(), LedgerError>;
}
