//! After a start: what the ledger has and the accounts may not.

use dragoman_policy::{AccountId, BudgetRef, Scope, UnixMillis};
use tonic::async_trait;

use super::{Accounts, AccountsError, PastError, Settled, Settlement};
use crate::ledger::{Cursor, Ledger, LedgerError, Page, RequestFilter, RequestRow, State};

const ROWS_PER_PAGE: u32 = 1_000;
/// Requests that began this long before are still looked at: streams are long.
const LONGEST_REQUEST_MS: u64 = 2 * 3_600_000;
/// Rows may be older than the moment up to which accounts are known by so much: clocks of Envoy and
/// service, batches of both.
const SLACK_MS: u64 = 60_000;

/// Knows which budgets applied to a request.
#[async_trait]
pub trait BudgetsOf: Send + Sync {
    /// The budgets of the request in `row`, in the windows of when it was admitted.
    async fn budgets_of(&self, row: &RequestRow) -> Result<Vec<BudgetRef>, PastError>;
}

/// Why reconciling failed; it can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
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

/// Settles once more what the ledger says ended since `until`, shortly before which the accounts'
/// memory may end. What is settled already stays as it is. Returns how many requests were not accounted for.
pub async fn reconcile(
    accounts: &dyn Accounts,
    ledger: &dyn Ledger,
    until: UnixMillis,
    budgets: &dyn BudgetsOf,
) -> Result<u64, ReconcileError> {
    let since = until.0.saturating_sub(SLACK_MS);
    let filter = RequestFilter {
        from_ms: Some(since.saturating_sub(LONGEST_REQUEST_MS)),
        ..RequestFilter::default()
    };
    let mut found = 0;
    let mut page = Page {
        size: ROWS_PER_PAGE,
        after: None,
    };
    loop {
        let rows = ledger.page(&filter, &page).await?;
        for row in rows.iter().filter(|row| ended(row) >= since) {
            found += u64::from(settle(accounts, row, budgets).await?);
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

fn ended(row: &RequestRow) -> u64 {
    row.timing.started_ms.saturating_add(row.timing.duration_ms)
}

async fn settle(
    accounts: &dyn Accounts,
    row: &RequestRow,
    budgets: &dyn BudgetsOf,
) -> Result<bool, ReconcileError> {
    if row.state == State::Unsettled {
        return Ok(false);
    }
    let settlement = settlement(row);
    let settled = match accounts.settle(&settlement).await? {
        Settled::Unknown => {
            let budgets = budgets.budgets_of(row).await?;
            accounts.charge(&settlement, &budgets).await?
        }
        known => known,
    };
    Ok(matches!(settled, Settled::Charged(_)))
}

fn settlement(row: &RequestRow) -> Settlement {
    let usage = &row.charge.usage;
    let share = |scope, id: &Option<String>| {
        let account = AccountId::new(scope, id.as_deref()?);
        Some((account, row.charge.cost?))
    };
    let shares = [
        share(Scope::Provider, &row.target.provider),
        share(Scope::Deployment, &row.target.deployment),
    ];
    Settlement {
        request_id: row.request_id.as_str().into(),
        model: row.alias.as_str().into(),
        cost: row.charge.cost,
        shares: shares.into_iter().flatten().collect(),
        tokens: usage.input_tokens.saturating_add(usage.output_tokens),
        output_tokens: usage.output_tokens,
        recorded: true,
        now: UnixMillis(ended(row)),
    }
}

#[cfg(test)]
mod tests;
