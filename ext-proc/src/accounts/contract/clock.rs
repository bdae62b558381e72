//! Boundaries of windows, and clocks that are set or that leap.

use std::slice::from_ref;
use std::sync::Arc;

use dragoman_policy::{BudgetRef, LimitRef, Refusal, Scope, UnixMillis, Window};
use tonic::async_trait;

use super::Bench;
use super::scene::{
    AT_ONCE, account, admit, balance, charge, limit, limited, nanos, refusal, request, settlement,
};
use crate::accounts::{
    Accounts, AdmitRequest, NoPast, Past, PastError, Settlement, Spent, UNHEARD_MS,
};

/// 2026-01-31 23:59:50 UTC: all windows of the calendar end in ten seconds.
const EVENING: UnixMillis = UnixMillis(1_769_903_990_000);
const MIDNIGHT: UnixMillis = UnixMillis(1_769_904_000_000);
const HOUR_MS: u64 = 3_600_000;
const MONTH_MS: u64 = 40 * 24 * HOUR_MS;

/// A budget for one request of a hundred nano-dollars, as it is at `now`.
fn budget_of(period: &str, now: UnixMillis) -> BudgetRef {
    let period = period.parse().unwrap();
    let window = Window::of(Some(period), now, UnixMillis(0));
    BudgetRef::strict(account(Scope::Key), window, nanos(100))
}

fn asking(name: &str, period: &str, now: UnixMillis) -> AdmitRequest {
    AdmitRequest {
        now,
        expires_at: now.plus(UNHEARD_MS),
        ..request(name, from_ref(&budget_of(period, now)), 90)
    }
}

/// Spends the budget of the window that `now` is in.
async fn spend(accounts: &dyn Accounts, name: &str, period: &str, now: UnixMillis) {
    admit(accounts, asking(name, period, now)).await;
    let settlement = Settlement {
        now,
        ..settlement(name, 100)
    };
    charge(accounts, &settlement).await;
}

pub(crate) async fn a_budget_begins_anew_at_the_boundary_and_not_before(bench: &dyn Bench) {
    for period in ["30s", "1d", "1mo"] {
        let accounts = bench.accounts(AT_ONCE, Arc::new(NoPast)).await;
        let name = |n| format!("{period} {n}");
        spend(&*accounts, &name(1), period, EVENING).await;
        let last = UnixMillis(MIDNIGHT.0 - 1);
        for (now, wait) in [(EVENING, 10), (last, 1)] {
            let Refusal::Budget(refused) = refusal(&*accounts, asking("x", period, now)).await
            else {
                panic!("refused by something else");
            };
            assert_eq!(refused.retry_after, Some(wait), "{period}");
        }
        spend(&*accounts, &name(2), period, MIDNIGHT).await;
        refusal(&*accounts, asking("x", period, MIDNIGHT)).await;
        accounts
            .set_spent(&budget_of(period, EVENING).at(), nanos(0))
            .await
            .unwrap();
        accounts
            .set_spent(&budget_of(period, MIDNIGHT).at(), nanos(0))
            .await
            .unwrap();
    }
}

pub(crate) async fn a_reservation_over_the_boundary_settles_where_it_was_made(bench: &dyn Bench) {
    let accounts = bench.accounts(AT_ONCE, Arc::new(NoPast)).await;
    admit(&*accounts, asking("over", "1d", EVENING)).await;
    spend(&*accounts, "new", "1d", MIDNIGHT).await;
    let late = Settlement {
        now: MIDNIGHT.plus(30_000),
        ..settlement("over", 70)
    };
    charge(&*accounts, &late).await;
    assert_eq!(
        balance(&*accounts, &budget_of("1d", EVENING)).await,
        (70, 0)
    );
    assert_eq!(
        balance(&*accounts, &budget_of("1d", MIDNIGHT)).await,
        (100, 0)
    );
}

pub(crate) async fn a_clock_that_is_set_back_and_forth_resets_nothing(bench: &dyn Bench) {
    let accounts = bench.accounts(AT_ONCE, Arc::new(NoPast)).await;
    spend(&*accounts, "a", "1d", EVENING).await;
    spend(&*accounts, "b", "1d", MIDNIGHT).await;
    for now in [EVENING, MIDNIGHT, EVENING, MIDNIGHT] {
        refusal(&*accounts, asking("x", "1d", now)).await;
        accounts.expire(now).await.unwrap();
    }
}

/// The ledger has what the test spends.
struct Ledger;

#[async_trait]
impl Past for Ledger {
    async fn spent(&self, at: &dragoman_policy::budget::AccountWindow) -> Result<Spent, PastError> {
        let is_today = at.window.contains(EVENING);
        Ok(Spent {
            amount: nanos(if is_today { 100 } else { 0 }),
            position: 1,
        })
    }
}

pub(crate) async fn a_clock_that_leaps_and_returns_resets_nothing(bench: &dyn Bench) {
    let accounts = bench.accounts(AT_ONCE, Arc::new(Ledger)).await;
    refusal(&*accounts, asking("x", "1d", EVENING)).await;
    let leap = EVENING.plus(MONTH_MS);
    spend(&*accounts, "far", "1d", leap).await;
    accounts.expire(leap).await.unwrap();
    refusal(&*accounts, asking("x", "1d", EVENING)).await;
    assert_eq!(
        balance(&*accounts, &budget_of("1d", EVENING)).await,
        (100, 0)
    );
}

pub(crate) async fn what_was_lost_before_the_clock_was_set_back_is_not_held_for_long(
    bench: &dyn Bench,
) {
    let accounts = bench.accounts(AT_ONCE, Arc::new(NoPast)).await;
    let one = LimitRef {
        parallel: Some(1),
        ..limit(Scope::Key)
    };
    let slot = |name, now| AdmitRequest {
        limits: vec![one.clone()],
        ..asking(name, "1mo", now)
    };
    admit(&*accounts, slot("lost", EVENING)).await;
    let earlier = UnixMillis(EVENING.0 - 2 * HOUR_MS);
    let soon = earlier.plus(UNHEARD_MS);
    accounts.none_later(soon).await.unwrap();
    let before = UnixMillis(soon.0 - 1);
    assert_eq!(accounts.expire(before).await.unwrap(), []);
    assert_eq!(accounts.expire(soon).await.unwrap().len(), 1);
    assert_eq!(
        balance(&*accounts, &budget_of("1mo", EVENING)).await,
        (100, 0)
    );
    let refused = refusal(&*accounts, slot("next", soon)).await;
    assert!(
        matches!(refused, Refusal::Budget(_)),
        "its slot is free: {refused}"
    );
}

pub(crate) async fn a_minute_is_over_soon_whatever_the_clock_does(bench: &dyn Bench) {
    let accounts = bench.accounts(AT_ONCE, Arc::new(NoPast)).await;
    let one = LimitRef {
        rpm: Some(1),
        ..limit(Scope::Key)
    };
    for (name, now) in [
        ("a", EVENING),
        ("b", EVENING.plus(HOUR_MS)),
        ("c", UnixMillis(EVENING.0 - HOUR_MS)),
    ] {
        let at = |name, now| AdmitRequest {
            now,
            ..limited(name, from_ref(&one))
        };
        admit(&*accounts, at(name, now)).await;
        refusal(&*accounts, at("x", now)).await;
    }
}

pub(crate) async fn a_machine_that_slept_corrects_what_it_charged_in_full(bench: &dyn Bench) {
    let accounts = bench.accounts(AT_ONCE, Arc::new(NoPast)).await;
    admit(&*accounts, asking("asleep", "1mo", EVENING)).await;
    let awake = EVENING.plus(3 * HOUR_MS);
    assert_eq!(accounts.expire(awake).await.unwrap().len(), 1);
    assert_eq!(accounts.expire(awake.plus(1_000)).await.unwrap(), []);
    let report = Settlement {
        now: awake.plus(2_000),
        ..settlement("asleep", 40)
    };
    assert!(charge(&*accounts, &report).await.late);
    assert_eq!(
        balance(&*accounts, &budget_of("1mo", EVENING)).await,
        (40, 0)
    );
}
