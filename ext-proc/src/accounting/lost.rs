//! Charges requests whose reservation got lost: in a crash, or because Redis forgot it.

use std::sync::Arc;

use super::LedgerPast;
use super::settler::{Ended, PAUSE, alert};
use crate::accounts::alerts::Alerts;
use crate::accounts::{Accounts, AccountsError, BudgetsOf, Settled};
use crate::ledger::{Ledger, LedgerWriter};

/// Looks after a record that the writer does not seem to have, before it is taken to be new.
const LOOKS: u32 = 10;

/// Charges them one after the other.
///
/// An account that forgot its spending begins with the ledger's sum. Whether the request is in that
/// sum is told by positions, so the ledger must have recorded it first. That makes the order of things
/// irrelevant: both databases may be away, and come back in any order.
pub(super) struct Charger {
    pub(super) accounts: Arc<dyn Accounts>,
    pub(super) past: Arc<LedgerPast>,
    pub(super) recorded: Arc<dyn Ledger>,
    pub(super) ledger: LedgerWriter,
    pub(super) alerts: Option<Alerts>,
}

impl Charger {
    /// Charges, and tries again as long as anything that it needs cannot be used.
    pub(super) async fn charge(&self, ended: &Ended) {
        let position = self.position(&ended.settlement.request_id).await;
        loop {
            match self.try_charge(ended, position).await {
                Ok(Settled::Charged(charge)) => {
                    return alert(self.alerts.as_ref(), charge.crossed);
                }
                Ok(_) => return,
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        }
    }

    async fn try_charge(&self, ended: &Ended, position: u64) -> Result<Settled, AccountsError> {
        let budgets = self.past.budgets_of(&ended.row).await;
        let budgets = budgets.map_err(|error| {
            tracing::error!(%error, "a request's budgets cannot be found");
            AccountsError::Unavailable { dependency: "keys" }
        })?;
        let charging = self.accounts.charge(&ended.settlement, position, &budgets);
        charging.await
    }

    /// Where the ledger has it, as soon as it does. A record that the writer has lost is in no sum.
    async fn position(&self, request_id: &str) -> u64 {
        // It was handed to the ledger before or in the same moment.
        let mut looks = 0;
        while looks < LOOKS {
            match self.recorded.position(request_id).await {
                Ok(Some(position)) => return position,
                Ok(None) if self.ledger.health().waiting == 0 => looks += 1,
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%error, "the ledger cannot be asked for a request");
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        u64::MAX
    }
}
