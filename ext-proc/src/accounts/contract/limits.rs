//! Limits: requests and tokens per minute, requests in flight.

use std::slice::from_ref;
use std::sync::Arc;

use dragoman_policy::limits::LimitKind;
use dragoman_policy::{LimitRef, Refusal, Scope};

use super::Bench;
use super::scene::{
    AT_ONCE, EXPIRY, NOW, account, admit, balance, budget, charge, limit, limited, refusal,
    request, settlement,
};
use crate::accounts::{Accounts, AdmitRequest, NoPast};

async fn accounts(bench: &dyn Bench) -> Arc<dyn Accounts> {
    bench.accounts(AT_ONCE, Arc::new(NoPast)).await
}

async fn exceeded(accounts: &dyn Accounts, request: AdmitRequest) -> (LimitKind, Option<u64>) {
    match refusal(accounts, request).await {
        Refusal::Limit(exceeded) => (exceeded.kind, exceeded.retry_after),
        other => panic!("refused by something else: {other}"),
    }
}

pub(crate) async fn requests_per_minute_pass_and_come_back(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let two = LimitRef {
        rpm: Some(2),
        ..limit(Scope::Key)
    };
    let at = |name, ms| AdmitRequest {
        now: NOW.plus(ms),
        ..limited(name, from_ref(&two))
    };
    let granted = admit(&*accounts, at("a", 0)).await;
    let left = granted.rates.requests.unwrap();
    assert_eq!((left.limit, left.remaining), (2, 1));
    assert_eq!(left.resets_at, NOW.plus(60_000));
    admit(&*accounts, at("b", 30_000)).await;
    let refused = exceeded(&*accounts, at("c", 45_000)).await;
    assert_eq!(refused, (LimitKind::Requests, Some(15)));
    exceeded(&*accounts, at("c", 59_999)).await;
    admit(&*accounts, at("c", 60_000)).await;
}

pub(crate) async fn tokens_per_minute_are_estimated_and_corrected(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let few = LimitRef {
        tpm: Some(50),
        ..limit(Scope::Key)
    };
    let asking = |name| limited(name, from_ref(&few));
    let granted = admit(&*accounts, asking("a")).await;
    assert_eq!(granted.rates.tokens.map(|left| left.remaining), Some(30));
    admit(&*accounts, asking("b")).await;
    let (kind, _) = exceeded(&*accounts, asking("c")).await;
    assert_eq!(kind, LimitKind::Tokens);
    charge(&*accounts, &settlement("a", 5)).await;
    let granted = admit(&*accounts, asking("c")).await;
    assert_eq!(granted.rates.tokens.map(|left| left.remaining), Some(5));
    charge(&*accounts, &settlement("b", 500)).await;
    exceeded(&*accounts, asking("d")).await;
}

pub(crate) async fn slots_come_back_however_a_request_ends(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let one = LimitRef {
        parallel: Some(1),
        ..limit(Scope::Key)
    };
    let asking = |name| limited(name, from_ref(&one));
    let load = || accounts.load(&account(Scope::Key), NOW).in_flight;
    admit(&*accounts, asking("settled")).await;
    assert_eq!(load(), 1);
    let (kind, _) = exceeded(&*accounts, asking("other")).await;
    assert_eq!(kind, LimitKind::InFlight);
    charge(&*accounts, &settlement("settled", 5)).await;
    admit(&*accounts, asking("released")).await;
    accounts.release("released").await.unwrap();
    admit(&*accounts, asking("expired")).await;
    accounts.expire(EXPIRY).await.unwrap();
    admit(&*accounts, asking("last")).await;
    assert_eq!(load(), 1);
    charge(&*accounts, &settlement("last", 5)).await;
    assert_eq!(load(), 0);
}

pub(crate) async fn a_limit_that_refuses_leaves_budgets_alone(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let key = budget(Scope::Key, 1_000);
    let (free, shut) = (
        limit(Scope::Team),
        LimitRef {
            rpm: Some(0),
            ..limit(Scope::Key)
        },
    );
    let asking = AdmitRequest {
        limits: vec![free, shut],
        ..request("a", from_ref(&key), 90)
    };
    exceeded(&*accounts, asking).await;
    assert_eq!(balance(&*accounts, &key).await, (0, 0));
    assert_eq!(accounts.load(&account(Scope::Team), NOW).in_flight, 0);
}

pub(crate) async fn a_budget_that_refuses_leaves_limits_alone(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let limits = vec![LimitRef {
        rpm: Some(1),
        parallel: Some(1),
        ..limit(Scope::Key)
    }];
    let poor = AdmitRequest {
        limits: limits.clone(),
        ..request("a", &[budget(Scope::Key, 5)], 90)
    };
    let refused = refusal(&*accounts, poor).await;
    assert!(matches!(refused, Refusal::Budget(_)), "{refused}");
    admit(&*accounts, limited("b", &limits)).await;
}
