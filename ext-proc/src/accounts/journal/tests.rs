//! What a process leaves behind, and the next takes up.

use std::slice::from_ref;
use std::sync::Arc;

use dragoman_policy::{BudgetRef, Scope};

use super::*;
use crate::accounts::contract::scene::{
    AT_ONCE, EXPIRY, NOW, admit, balance, budget, charge, nanos, request, settlement,
};
use crate::accounts::{Accounts, AccountsError, InProcess, NoPast, Settled};

async fn start(folder: &tempfile::TempDir) -> (InProcess, JournalGuard) {
    let file = folder.path().join("accounts.db");
    let journaled = InProcess::journaled(AT_ONCE, Arc::new(NoPast), &file);
    let (accounts, guard) = journaled.await.unwrap();
    accounts.reminded();
    (accounts, guard)
}

#[tokio::test]
async fn a_journal_that_never_held_anything_lacks_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let file = folder.path().join("accounts.db");
        let journaled = InProcess::journaled(AT_ONCE, Arc::new(NoPast), &file);
        let (accounts, guard) = journaled.await.unwrap();
        assert_eq!(accounts.forgetful_since().await.unwrap(), None);
        guard.drain().await;
    }
}

#[tokio::test]
async fn nobody_passes_before_the_ledger_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, guard) = start(&folder).await;
    admit(
        &accounts,
        request("a", from_ref(&budget(Scope::Key, 1_000)), 90),
    )
    .await;
    guard.drain().await;
    let file = folder.path().join("accounts.db");
    let journaled = InProcess::journaled(AT_ONCE, Arc::new(NoPast), &file);
    let (accounts, _guard) = journaled.await.unwrap();
    let key = budget(Scope::Key, 1_000);
    let dependency = "ledger";
    let refused = accounts.admit(request("b", from_ref(&key), 90)).await;
    assert_eq!(refused, Err(AccountsError::Unavailable { dependency }));
    accounts.reminded();
    admit(&accounts, request("b", from_ref(&key), 90)).await;
}

#[tokio::test]
async fn a_restart_finds_what_was_spent_and_what_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let key = BudgetRef {
        soft_limit: Some(nanos(30)),
        ..budget(Scope::Key, 1_000)
    };
    let (accounts, guard) = start(&folder).await;
    for name in ["settled", "released", "open", "expired"] {
        admit(&accounts, request(name, from_ref(&key), 90)).await;
    }
    assert_eq!(
        charge(&accounts, &settlement("settled", 40))
            .await
            .crossed
            .len(),
        1
    );
    accounts.release("released").await.unwrap();
    guard.drain().await;

    let (accounts, guard) = start(&folder).await;
    assert_eq!(balance(&accounts, &key).await, (40, 200));
    let again = accounts.settle(&settlement("settled", 40)).await.unwrap();
    assert_eq!(again, Settled::Already);
    let charged = charge(&accounts, &settlement("open", 50)).await;
    assert_eq!(charged.crossed, [], "the alert was sent before");
    let expired = accounts.expire(EXPIRY).await.unwrap();
    assert_eq!(&*expired[0].memo, "memo of expired");
    guard.drain().await;

    let (accounts, _guard) = start(&folder).await;
    assert_eq!(balance(&accounts, &key).await, (190, 0));
    assert_eq!(accounts.expire(EXPIRY).await.unwrap(), []);
    assert!(charge(&accounts, &settlement("expired", 60)).await.late);
    assert_eq!(balance(&accounts, &key).await, (150, 0));
}

#[tokio::test]
async fn a_restart_finds_until_when_a_request_under_way_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let key = budget(Scope::Key, 1_000);
    let (accounts, guard) = start(&folder).await;
    admit(&accounts, request("kept at once", from_ref(&key), 90)).await;
    accounts.keep("kept at once", EXPIRY.plus(1)).await.unwrap();
    admit(&accounts, request("kept later", from_ref(&key), 90)).await;
    guard.drain().await;
    let (accounts, guard) = start(&folder).await;
    accounts.keep("kept later", EXPIRY.plus(1)).await.unwrap();
    guard.drain().await;
    let (accounts, _guard) = start(&folder).await;
    assert_eq!(accounts.expire(EXPIRY).await.unwrap(), []);
    assert_eq!(accounts.expire(EXPIRY.plus(1)).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_lost_tail_makes_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let key = budget(Scope::Key, 1_000);
    let (accounts, guard) = start(&folder).await;
    admit(&accounts, request("a", from_ref(&key), 90)).await;
    guard.drain().await;
    // The writer is gone, as after a crash: neither of these reaches the file.
    charge(&accounts, &settlement("a", 40)).await;
    admit(&accounts, request("b", from_ref(&key), 90)).await;

    let (accounts, _guard) = start(&folder).await;
    assert_eq!(balance(&accounts, &key).await, (0, 100));
    assert!(matches!(
        accounts.settle(&settlement("a", 40)).await,
        Ok(Settled::Charged(_))
    ));
    let unknown = accounts.settle(&settlement("b", 70)).await.unwrap();
    assert_eq!(unknown, Settled::Unknown);
    let charged = accounts
        .charge(&settlement("b", 70), 1, from_ref(&key))
        .await;
    assert!(matches!(charged, Ok(Settled::Charged(_))));
    assert_eq!(balance(&accounts, &key).await, (110, 0));
}

#[tokio::test]
async fn what_is_long_settled_or_over_is_pruned() {
    let folder = tempfile::tempdir().unwrap();
    let (accounts, guard) = start(&folder).await;
    let key = budget(Scope::Key, 1_000);
    admit(&accounts, request("a", from_ref(&key), 90)).await;
    charge(&accounts, &settlement("a", 40)).await;
    guard.drain().await;
    let journal = Journal::open(&folder.path().join("accounts.db"))
        .await
        .unwrap();
    journal.prune(NOW).await.unwrap();
    let restored = journal.restore().await.unwrap();
    assert_eq!((restored.settled.len(), restored.sheets.len()), (1, 1));
    journal
        .prune(NOW.plus(2 * KEPT_AFTER_WINDOW_MS))
        .await
        .unwrap();
    let restored = journal.restore().await.unwrap();
    assert_eq!((restored.settled.len(), restored.sheets.len()), (0, 0));
    assert!(restored.written_at.0 > 0);
}
