//! Many at once: strict, and no phantom refusals.

use std::slice::from_ref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dragoman_policy::{Refusal, Scope};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::Bench;
use super::scene::{
    AT_ONCE, EXPIRY, NOW, PROMPT, account, admit, balance, budget, charge, limit, refusal, request,
    settlement,
};
use crate::accounts::{Accounts, AccountsError, AdmitRequest, NoPast, WaitOptions};

/// What an answer really costs.
const COST: u64 = 100;
/// How long a provider takes.
const ANSWER: Duration = Duration::from_millis(150);

fn patient(patience: Duration) -> WaitOptions {
    WaitOptions {
        patience,
        ..AT_ONCE
    }
}

/// Plays `request` to its end; how much the provider charged, or why it was refused. The provider
/// stops at the cap.
async fn play(accounts: Arc<dyn Accounts>, request: AdmitRequest) -> Result<u64, AccountsError> {
    let name = request.request_id.to_string();
    let cap = accounts.admit(request).await?.output_cap.unwrap();
    sleep(ANSWER).await;
    let cost = COST.min(cap + PROMPT);
    charge(&*accounts, &settlement(&name, cost)).await;
    Ok(cost)
}

/// 200 at once against a budget for 20, on two replicas.
async fn crowd(bench: &dyn Bench, asked: bool, output: u64) {
    let first = bench
        .accounts(patient(Duration::from_secs(4)), Arc::new(NoPast))
        .await;
    let second = bench
        .accounts(patient(Duration::from_secs(4)), Arc::new(NoPast))
        .await;
    let shared = first_sees_second(&first, &second).await;
    let key = budget(Scope::Key, 20 * COST);
    let limits = vec![limit(Scope::Key)];
    let mut playing = JoinSet::new();
    for n in 0..200 {
        let asking = AdmitRequest {
            asked,
            limits: limits.clone(),
            ..request(&format!("crowd {n}"), from_ref(&key), output)
        };
        let to = if shared && n % 2 == 1 {
            &second
        } else {
            &first
        };
        playing.spawn(play(Arc::clone(to), asking));
    }
    let mut costs = Vec::new();
    while let Some(played) = playing.join_next().await {
        match played.unwrap() {
            Ok(cost) => costs.push(cost),
            Err(AccountsError::Refused(refused)) => {
                assert!(matches!(*refused, Refusal::Budget(_)), "{refused}");
            }
            Err(error) => panic!("{error}"),
        }
    }
    let total: u64 = costs.iter().sum();
    let whole = costs.iter().filter(|cost| **cost == COST).count();
    assert_eq!(balance(&*first, &key).await, (total, 0));
    assert!(total <= 20 * COST, "overshot: {total}");
    assert!(
        costs.len() >= 18 && whole >= 15,
        "served {} ({whole})",
        costs.len()
    );
    for accounts in [first, second] {
        assert_eq!(accounts.load(&account(Scope::Key), NOW).in_flight, 0);
    }
}

/// Whether two accounts of a bench are replicas of each other.
async fn first_sees_second(first: &Arc<dyn Accounts>, second: &Arc<dyn Accounts>) -> bool {
    let probe = budget(Scope::Tag, 1_000);
    admit(&**second, request("probe", from_ref(&probe), 90)).await;
    let shared = balance(&**first, &probe).await == (0, 100);
    second.release("probe").await.unwrap();
    shared
}

pub(crate) async fn two_hundred_at_once_share_a_budget_for_twenty(bench: &dyn Bench) {
    crowd(bench, true, 150).await;
}

pub(crate) async fn two_hundred_without_a_maximum_share_a_budget_for_twenty(bench: &dyn Bench) {
    crowd(bench, false, 100_000).await;
}

pub(crate) async fn a_contended_request_waits_for_the_other_to_settle(bench: &dyn Bench) {
    let accounts = bench
        .accounts(patient(Duration::from_secs(20)), Arc::new(NoPast))
        .await;
    let key = budget(Scope::Key, 150);
    admit(&*accounts, request("a", from_ref(&key), 140)).await;
    let waits = tokio::spawn({
        let accounts = Arc::clone(&accounts);
        let asking = request("b", from_ref(&key), 90);
        async move { accounts.admit(asking).await }
    });
    sleep(Duration::from_millis(50)).await;
    assert!(!waits.is_finished());
    charge(&*accounts, &settlement("a", 40)).await;
    let granted = waits.await.unwrap().unwrap();
    assert_eq!(granted.output_cap, Some(90));
    assert_eq!(balance(&*accounts, &key).await, (40, 100));
}

pub(crate) async fn waiting_has_an_end(bench: &dyn Bench) {
    let accounts = bench
        .accounts(patient(Duration::from_millis(100)), Arc::new(NoPast))
        .await;
    let key = budget(Scope::Key, 100);
    admit(&*accounts, request("a", from_ref(&key), 90)).await;
    let refused = refusal(&*accounts, request("b", &[key], 90)).await;
    assert!(matches!(refused, Refusal::Budget(refused) if refused.is_contended()));
}

pub(crate) async fn who_leaves_the_line_holds_nothing(bench: &dyn Bench) {
    let accounts = bench
        .accounts(patient(Duration::from_secs(20)), Arc::new(NoPast))
        .await;
    let key = budget(Scope::Key, 150);
    admit(&*accounts, request("a", from_ref(&key), 140)).await;
    let mut waiting: Vec<_> = ["b", "c"]
        .into_iter()
        .map(|name| {
            let accounts = Arc::clone(&accounts);
            let asking = request(name, from_ref(&key), 90);
            tokio::spawn(async move { accounts.admit(asking).await })
        })
        .collect();
    sleep(Duration::from_millis(50)).await;
    let leaves = waiting.remove(0);
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    charge(&*accounts, &settlement("a", 40)).await;
    let granted = waiting.remove(0).await.unwrap().unwrap();
    assert_eq!(granted.reserved.nanos(), 100);
    assert_eq!(balance(&*accounts, &key).await, (40, 100));
}

pub(crate) async fn an_exhausted_budget_refuses_at_once(bench: &dyn Bench) {
    let accounts = bench
        .accounts(patient(Duration::from_secs(60)), Arc::new(NoPast))
        .await;
    let key = budget(Scope::Key, 100);
    admit(&*accounts, request("a", from_ref(&key), 90)).await;
    charge(&*accounts, &settlement("a", 95)).await;
    let began = Instant::now();
    let refused = refusal(&*accounts, request("b", &[key], 90)).await;
    assert!(began.elapsed() < Duration::from_secs(30));
    let Refusal::Budget(refused) = refused else {
        panic!("refused by something else: {refused}");
    };
    assert!(!refused.is_contended());
    assert_eq!(refused.retry_after, Some(300));
    assert!(EXPIRY > NOW);
}
