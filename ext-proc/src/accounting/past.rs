//! What was spent before the accounts knew, and which budgets a recorded request met.

use std::sync::Arc;

use arc_swap::ArcSwap;
use dragoman_policy::budget::AccountWindow;
use dragoman_policy::{BudgetRef, UnixMillis};
use tonic::async_trait;

use super::bill;
use crate::accounts::{BudgetsOf, Past, PastError, Spent};
use crate::authority::Authority;
use crate::http::manage::requests_of;
use crate::ledger::{Ledger, RequestRow};
use crate::live::Live;

/// Reads the past from the ledger.
pub struct LedgerPast {
    ledger: Arc<dyn Ledger>,
    authority: Arc<dyn Authority>,
    live: Arc<ArcSwap<Live>>,
}

impl LedgerPast {
    /// The past as `ledger` has it; `authority` and `live` say whose budgets they were.
    pub fn new(
        ledger: Arc<dyn Ledger>,
        authority: Arc<dyn Authority>,
        live: Arc<ArcSwap<Live>>,
    ) -> Self {
        Self {
            ledger,
            authority,
            live,
        }
    }
}

impl std::fmt::Debug for LedgerPast {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerPast").finish_non_exhaustive()
    }
}

#[async_trait]
impl Past for LedgerPast {
    async fn spent(&self, at: &AccountWindow) -> Result<Spent, PastError> {
        let Some(filter) = requests_of(at) else {
            return Ok(Spent::default());
        };
        let standing = self.ledger.standing(&filter).await;
        let standing = standing.map_err(|error| PastError(Box::new(error)))?;
        Ok(Spent {
            amount: standing.totals.cost,
            position: standing.position,
        })
    }
}

#[async_trait]
impl BudgetsOf for LedgerPast {
    async fn budgets_of(&self, row: &RequestRow) -> Result<Vec<BudgetRef>, PastError> {
        let principal = self.authority.known(&row.identity.key_id).await;
        let principal = principal.map_err(|error| PastError(Box::new(error)))?;
        let Some(principal) = principal else {
            return Ok(Vec::new());
        };
        let providers: Vec<&str> = row.target.provider.as_deref().into_iter().collect();
        let model = principal.resolve(&row.alias).to_owned();
        let admitted = UnixMillis(row.timing.started_ms);
        Ok(bill::budgets(
            &self.live.load(),
            &principal,
            &model,
            &providers,
            admitted,
        ))
    }
}
