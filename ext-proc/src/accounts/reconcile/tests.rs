//! A start after a crash that took the journal's tail.

use std::slice::from_ref;

use dragoman_policy::NanoDollars;

use super::*;
use crate::accounts::InProcess;
use crate::accounts::contract::scene::{
    AT_ONCE, admit, balance, budget, charge, request, settlement,
};
use crate::ledger::contract::record;
use crate::ledger::{Batch, SqlLedger};

const BEFORE: u64 = 1_763_600_000_000;

/// One budget applies to every request.
struct Always(BudgetRef);

#[async_trait]
impl BudgetsOf for Always {
    async fn budgets_of(&self, _: &RequestRow) -> Result<Vec<BudgetRef>, PastError> {
        Ok(vec![self.0.clone()])
    }
}

#[tokio::test]
async fn what_only_the_ledger_knows_is_charged_once() {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqlLedger::open(&folder.path().join("ledger.db"))
        .await
        .unwrap();
    let row = |id: &str, cost| {
        let mut record = record(id, BEFORE);
        record.request.charge.cost = Some(NanoDollars::new(cost));
        record
    };
    let mut long_ago = row("long ago", 1_000);
    long_ago.request.timing.started_ms = BEFORE - 600_000;
    let records = vec![
        row("held", 40),
        row("lost", 70),
        row("settled", 30),
        long_ago,
    ];
    ledger.record(&Batch::new(records)).await.unwrap();

    let accounts = InProcess::new(AT_ONCE);
    let key = budget(Scope::Key, 1_000);
    for name in ["held", "settled"] {
        admit(&accounts, request(name, from_ref(&key), 90)).await;
    }
    charge(&accounts, &settlement("settled", 30)).await;
    let until = UnixMillis(BEFORE);
    for found in [2, 0] {
        let reconciled = reconcile(&accounts, &ledger, until, &Always(key.clone())).await;
        assert_eq!(reconciled.unwrap(), found);
        assert_eq!(balance(&accounts, &key).await, (140, 0));
    }
}
