//! What the ledger has and the accounts may not: after a start, after Redis came back with less than it
//! knew, and before anything is charged in full.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dragoman_policy::{BudgetRef, UnixMillis};
use tokio::time::sleep;
use tonic::async_trait;

use super::{Accounts, AccountsError, PastError, Settled, Settlement, UNHEARD_MS, Unsettled};
use crate::ledger::{
    Cursor, Ledger, LedgerError, LedgerWriter, Page, RequestFilter, RequestRow, State,
};

const ROWS_PER_PAGE: u32 = 1_000;
/// Requests that began this long before are still looked at: streams are long.
const LONGEST_REQUEST_MS: u64 = 2 * 3_600_000;
/// Rows may be older than the moment up to which accounts are known by so much: clocks of Envoy and
/// service, batches of both.
const SLACK_MS: u64 = 60_000;

/// Looks whether the ledger's writer has caught up, and between them.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(25);

/// Knows which budgets applied to a request.
#[async_trait]
pub trait BudgetsOf: Send + Sync {
    /// The budgets of the request in `row`, in the windows of when it was admitted.
    async fn budgets_of(&self, row: &RequestRow) -> Result<Vec<BudgetRef>, PastError>;
}

/// Why reconciling failed; it can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The ledger is behind with what it was handed.
    #[error("the ledger's writer is behind")]
    Behind,
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The accounts.
    #[error(transparent)]
    Accounts(#[from] AccountsError),
    /// The budgets.
    #[error(transparent)]
    Budgets(#[from] PastError),
}

/// Settles once more what the ledger says ended, where the accounts do not know it. What is settled
/// already stays as it is, so several replicas may do so at once.
pub struct Reconciler {
    accounts: Arc<dyn Accounts>,
    ledger: Arc<dyn Ledger>,
    budgets: Arc<dyn BudgetsOf>,
    writer: LedgerWriter,
}

impl Reconciler {
    /// Between `accounts` and `ledger`, which `writer` writes; `budgets` says whose requests they were.
    pub fn new(
        accounts: Arc<dyn Accounts>,
        ledger: Arc<dyn Ledger>,
        budgets: Arc<dyn BudgetsOf>,
        writer: LedgerWriter,
    ) -> Self {
        Self {
            accounts,
            ledger,
            budgets,
            writer,
        }
    }

    /// Takes up from the ledger what the accounts forgot, when they may have forgotten something.
    pub async fn remind(&self) -> Result<(), ReconcileError> {
        let Some(since) = self.accounts.forgetful_since().await? else {
            return Ok(());
        };
        self.written().await?;
        let held = self.settle_outstanding(UnixMillis(u64::MAX)).await?;
        let found = held + self.settle_ended(since).await?;
        self.accounts.reminded();
        if found > 0 {
            tracing::info!(found, "requests of the ledger were not yet accounted for");
        }
        Ok(())
    }

    /// Waits until the ledger has what it was handed: the accounts may have known of it.
    async fn written(&self) -> Result<(), ReconcileError> {
        let mark = self.writer.mark();
        for _ in 0..LOOKS {
            if self.writer.wrote(mark) {
                return Ok(());
            }
            sleep(PAUSE).await;
        }
        Err(ReconcileError::Behind)
    }

    /// The clock is another than before: nothing is held until the clock of before is there again.
    pub async fn reset_clock(&self, now: UnixMillis) -> Result<(), ReconcileError> {
        Ok(self.accounts.none_later(now.plus(UNHEARD_MS)).await?)
    }

    /// Ends the reservations that are due: those of requests that the ledger knows cost what it says,
    /// all others are charged in full.
    pub async fn expire(&self, now: UnixMillis) -> Result<Vec<Unsettled>, ReconcileError> {
        self.settle_outstanding(now).await?;
        Ok(self.accounts.expire(now).await?)
    }

    /// Settles what holds a reservation that is due by `now`, as far as the ledger has it.
    async fn settle_outstanding(&self, now: UnixMillis) -> Result<u64, ReconcileError> {
        let ids = self.accounts.outstanding(now).await?;
        let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let mut found = 0;
        for ids in ids.chunks(ROWS_PER_PAGE as usize) {
            for row in self.ledger.requests(ids).await? {
                found += u64::from(self.settle(&row).await?);
            }
        }
        Ok(found)
    }

    /// Settles what ended since `since`.
    async fn settle_ended(&self, since: UnixMillis) -> Result<u64, ReconcileError> {
        let since = since.0.saturating_sub(SLACK_MS);
        let filter = RequestFilter {
            from_ms: Some(since.saturating_sub(LONGEST_REQUEST_MS)),
            ended_from_ms: Some(since),
            ..RequestFilter::default()
        };
        let mut found = 0;
        let mut page = Page {
            size: ROWS_PER_PAGE,
            after: None,
        };
        loop {
            let rows = self.ledger.page(&filter, &page).await?;
            for row in &rows {
                found += u64::from(self.settle(row).await?);
            }
            match rows.last() {
                Some(last) if rows.len() == ROWS_PER_PAGE as usize => {
                    page.after = Some(Cursor {
                        started_ms: last.timing.started_ms,
                        request_id: last.request_id.clone(),
                    });
                }
                _ => return Ok(found),
            }
        }
    }

    async fn settle(&self, row: &RequestRow) -> Result<bool, ReconcileError> {
        if row.state == State::Unsettled {
            return Ok(false);
        }
        let attempts = match row.attempts {
            0 | 1 => Vec::new(),
            _ => self.ledger.attempts(&row.request_id).await?,
        };
        let settlement = Settlement::of(row, &attempts, ended(row));
        let settled = match self.accounts.settle(&settlement).await? {
            Settled::Unknown => self.charge(row, &settlement).await?,
            known => known,
        };
        Ok(matches!(settled, Settled::Charged(charge) if !charge.accounts.is_empty()))
    }

    async fn charge(
        &self,
        row: &RequestRow,
        settlement: &Settlement,
    ) -> Result<Settled, ReconcileError> {
        let budgets = self.budgets.budgets_of(row).await?;
        if budgets.is_empty() {
            return Ok(Settled::Already);
        }
        match self.ledger.position(&row.request_id).await? {
            Some(position) => {
                let charging = self.accounts.charge(settlement, position, &budgets);
                Ok(charging.await?)
            }
            None => Ok(Settled::Already),
        }
    }
}

impl fmt::Debug for Reconciler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconciler").finish_non_exhaustive()
    }
}

fn ended(row: &RequestRow) -> UnixMillis {
    UnixMillis(row.timing.started_ms).plus(row.timing.duration_ms)
}

#[cfg(test)]
mod tests;
