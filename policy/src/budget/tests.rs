//! Budgets, one behaviour at a time.

use super::*;
use crate::account::Scope;
use crate::prices::{Ceiling, Price, Quote};
use crate::refusal::Refusal;

pub(super) const NOW: UnixMillis = UnixMillis(1_000_000);
pub(super) const EXPIRY: UnixMillis = UnixMillis(1_060_000);

pub(super) fn nanos(nanos: u64) -> NanoDollars {
    NanoDollars::new(nanos)
}

pub(super) fn id(name: &str) -> Arc<str> {
    Arc::from(name)
}

pub(super) fn budget(scope: Scope, limit: u64) -> BudgetRef {
    let window = Window {
        start: UnixMillis(900_000),
        end: Some(UnixMillis(1_200_000)),
    };
    BudgetRef::strict(AccountId::new(scope, "x"), window, nanos(limit))
}

pub(super) fn balance(budgets: &Budgets, budget: &BudgetRef) -> (u64, u64) {
    let balance = budgets.balance(&AccountWindow {
        account: budget.account.clone(),
        window: budget.window,
    });
    (balance.spent.nanos(), balance.reserved.nanos())
}

pub(super) fn reserve(
    budgets: &mut Budgets,
    refs: &[BudgetRef],
    amount: u64,
    name: &str,
) -> Result<Reservation, Refused> {
    budgets.reserve(refs, nanos(amount), &id(name), NOW, EXPIRY)
}

fn charge(settlement: Settlement) -> Charge {
    match settlement {
        Settlement::Charged(charge) => charge,
        Settlement::Already => panic!("settled before"),
    }
}

#[test]
fn a_reservation_holds_every_budget_until_it_is_settled() {
    let (key, team) = (budget(Scope::Key, 100), budget(Scope::Team, 1_000));
    let mut budgets = Budgets::default();
    let reservation = reserve(&mut budgets, &[key.clone(), team.clone()], 60, "a").unwrap();
    assert_eq!(balance(&budgets, &key), (0, 60));
    assert_eq!(balance(&budgets, &team), (0, 60));
    let charge = charge(budgets.settle(reservation, nanos(25)));
    assert_eq!(charge.accounts.len(), 2);
    assert_eq!(balance(&budgets, &key), (25, 0));
    assert_eq!(balance(&budgets, &team), (25, 0));
}

#[test]
fn one_budget_without_room_leaves_all_untouched() {
    let (key, team) = (budget(Scope::Key, 1_000), budget(Scope::Team, 10));
    let mut budgets = Budgets::default();
    let refused = reserve(&mut budgets, &[key.clone(), team], 60, "a").unwrap_err();
    assert_eq!(refused.account.scope, Scope::Team);
    assert_eq!(
        (refused.remaining(), refused.retry_after),
        (nanos(10), Some(200))
    );
    assert_eq!(balance(&budgets, &key), (0, 0));
    assert_eq!(budgets.open_reservations(), 0);
}

#[test]
fn a_budget_for_k_requests_admits_exactly_k_at_once() {
    let key = budget(Scope::Key, 200);
    let mut budgets = Budgets::default();
    let admitted = (0..200)
        .filter(|n| reserve(&mut budgets, std::slice::from_ref(&key), 10, &n.to_string()).is_ok())
        .count();
    assert_eq!(admitted, 20);
}

#[test]
fn a_request_is_settled_once_however_often_its_report_comes() {
    let key = budget(Scope::Key, 100);
    let mut budgets = Budgets::default();
    let first = reserve(&mut budgets, std::slice::from_ref(&key), 50, "a").unwrap();
    let second = budgets.find("a").unwrap();
    charge(budgets.settle(first, nanos(20)));
    assert_eq!(budgets.settle(second, nanos(20)), Settlement::Already);
    assert_eq!(budgets.find("a"), None);
    assert_eq!(balance(&budgets, &key), (20, 0));
}

#[test]
fn reserving_again_for_the_same_request_holds_nothing_more() {
    let key = budget(Scope::Key, 100);
    let mut budgets = Budgets::default();
    let first = reserve(&mut budgets, std::slice::from_ref(&key), 50, "a").unwrap();
    let again = reserve(&mut budgets, std::slice::from_ref(&key), 90, "a").unwrap();
    assert_eq!(first.amount(), again.amount());
    assert_eq!(balance(&budgets, &key), (0, 50));
}

#[test]
fn a_released_reservation_costs_nothing() {
    let key = budget(Scope::Key, 100);
    let mut budgets = Budgets::default();
    let reservation = reserve(&mut budgets, std::slice::from_ref(&key), 50, "a").unwrap();
    charge(budgets.release(reservation));
    assert_eq!(balance(&budgets, &key), (0, 0));
}

#[test]
fn what_was_not_reserved_is_charged_only_as_far_as_there_is_room() {
    let (key, team) = (budget(Scope::Key, 100), budget(Scope::Team, 1_000));
    let mut budgets = Budgets::default();
    let refs = [key.clone(), team.clone()];
    let reservation = reserve(&mut budgets, &refs, 80, "a").unwrap();
    let _other = reserve(&mut budgets, std::slice::from_ref(&key), 15, "b").unwrap();
    let charge = charge(budgets.settle(reservation, nanos(200)));
    assert_eq!(charge.uncovered, nanos(115));
    assert_eq!(balance(&budgets, &key), (85, 15), "never over its limit");
    assert_eq!(balance(&budgets, &team), (200, 0));
}

#[test]
fn what_nobody_settles_is_charged_in_full() {
    let key = budget(Scope::Key, 100);
    let mut budgets = Budgets::default();
    let _lost = reserve(&mut budgets, std::slice::from_ref(&key), 50, "a").unwrap();
    assert!(budgets.expire(UnixMillis(EXPIRY.0 - 1)).is_empty());
    let expired = budgets.expire(EXPIRY);
    assert_eq!(expired.len(), 1);
    assert_eq!(
        (expired[0].request_id.as_ref(), expired[0].charged),
        ("a", nanos(50))
    );
    assert_eq!(balance(&budgets, &key), (50, 0));
    assert!(budgets.expire(EXPIRY).is_empty(), "once");
}

#[test]
fn a_late_report_corrects_what_was_charged_in_full() {
    let key = budget(Scope::Key, 100);
    let mut budgets = Budgets::default();
    let reservation = reserve(&mut budgets, std::slice::from_ref(&key), 50, "a").unwrap();
    budgets.expire(EXPIRY);
    assert!(charge(budgets.settle(reservation, nanos(7))).late);
    assert_eq!(balance(&budgets, &key), (7, 0));
}

#[test]
fn a_report_that_is_too_late_changes_nothing() {
    let key = budget(Scope::Key, 100);
    let mut budgets = Budgets::default();
    let reservation = reserve(&mut budgets, std::slice::from_ref(&key), 50, "a").unwrap();
    budgets.expire(EXPIRY);
    budgets.expire(EXPIRY.plus(LATE_MS));
    assert_eq!(budgets.settle(reservation, nanos(7)), Settlement::Already);
    assert_eq!(balance(&budgets, &key), (50, 0));
}

#[test]
fn a_reservation_is_charged_to_the_window_it_was_made_in() {
    let old = budget(Scope::Key, 100);
    let new = BudgetRef {
        window: Window {
            start: UnixMillis(1_200_000),
            end: Some(UnixMillis(1_500_000)),
        },
        ..old.clone()
    };
    let mut budgets = Budgets::default();
    let reservation = reserve(&mut budgets, std::slice::from_ref(&old), 90, "a").unwrap();
    let other = reserve(&mut budgets, std::slice::from_ref(&new), 90, "b").unwrap();
    budgets.forget_ended(UnixMillis(99_000_000));
    charge(budgets.settle(reservation, nanos(80)));
    charge(budgets.release(other));
    assert_eq!(balance(&budgets, &old), (80, 0));
    assert_eq!(balance(&budgets, &new), (0, 0));
    budgets.forget_ended(UnixMillis(99_000_000));
    assert_eq!(balance(&budgets, &old), (0, 0), "forgotten");
}

#[test]
fn an_output_cap_can_be_shrunk_to_what_fits_everywhere() {
    let (key, team) = (budget(Scope::Key, 100), budget(Scope::Team, 40));
    let mut budgets = Budgets::default();
    let _held = reserve(&mut budgets, std::slice::from_ref(&team), 10, "a").unwrap();
    assert_eq!(budgets.fit(&[key, team]), nanos(30));
    assert_eq!(budgets.fit(&[]), NanoDollars::MAX);
}

#[test]
fn a_budget_on_trial_records_and_refuses_nothing() {
    let trial = BudgetRef {
        dry_run: true,
        ..budget(Scope::Key, 10)
    };
    let mut budgets = Budgets::default();
    let reservation = reserve(&mut budgets, std::slice::from_ref(&trial), 50, "a").unwrap();
    assert_eq!(reservation.would_refuse().len(), 1);
    assert_eq!(
        charge(budgets.settle(reservation, nanos(60))).uncovered,
        nanos(0)
    );
    assert_eq!(balance(&budgets, &trial), (60, 0));
}

#[test]
fn a_soft_limit_is_reported_once_per_window() {
    let soft = BudgetRef {
        soft_limit: Some(nanos(50)),
        ..budget(Scope::Key, 100)
    };
    let mut budgets = Budgets::default();
    let mut crossed = Vec::new();
    for name in ["a", "b", "c"] {
        let reservation = reserve(&mut budgets, std::slice::from_ref(&soft), 30, name).unwrap();
        crossed.push(charge(budgets.settle(reservation, nanos(30))).crossed.len());
    }
    assert_eq!(crossed, [0, 1, 0]);
}

#[test]
fn a_share_of_the_budget_is_reached_by_what_is_spent_and_reserved() {
    let balance = Balance {
        spent: nanos(50),
        reserved: nanos(30),
    };
    assert!(balance.reaches(nanos(100), 800));
    assert!(!balance.reaches(nanos(100), 801));
}

#[test]
fn a_budget_that_others_hold_is_told_from_one_that_is_used_up() {
    let key = budget(Scope::Key, 400_000_000);
    let refs = std::slice::from_ref(&key);
    let mut budgets = Budgets::default();
    let held = reserve(&mut budgets, refs, 300_000_000, "a").unwrap();
    let contended = reserve(&mut budgets, refs, 200_000_000, "b").unwrap_err();
    let error = dragoman_proto::ApiError::from(Refusal::from(contended));
    assert_eq!((error.status(), error.retry_after), (429, Some(1)));
    assert_eq!(error.code.as_deref(), Some("budget_reserved"));
    assert_eq!(error.kind, dragoman_proto::ErrorKind::InsufficientQuota);
    let headers = error.headers();
    for (name, value) in [
        ("x-should-retry", "true"),
        ("x-litellm-key-max-budget", "0.4"),
        ("x-dragoman-key-budget-left", "0.1"),
    ] {
        assert!(headers.contains(&(name, value.to_owned())), "{headers:?}");
    }
    charge(budgets.settle(held, nanos(300_000_000)));
    let used_up = reserve(&mut budgets, refs, 200_000_000, "c").unwrap_err();
    let error = dragoman_proto::ApiError::from(Refusal::from(used_up));
    assert_eq!(error.kind, dragoman_proto::ErrorKind::InsufficientQuota);
    assert_eq!(error.retry_after, Some(200));
    assert_eq!(
        error.message,
        "the budget of this API key has no room for this request: $0.3 of $0.4 is spent and the \
         request may cost $0.2; it starts anew at 1970-01-01T00:20:00Z"
    );
}

#[test]
fn a_free_request_passes_an_exhausted_budget_and_a_priced_one_never_a_budget_of_zero() {
    let zero = budget(Scope::Key, 0);
    let refs = std::slice::from_ref(&zero);
    let mut budgets = Budgets::default();
    assert!(reserve(&mut budgets, refs, 0, "a").is_ok());
    assert!(reserve(&mut budgets, refs, 1, "b").is_err());
}

#[test]
fn a_restart_takes_up_spending_and_reservations() {
    let key = budget(Scope::Key, 100);
    let at = AccountWindow {
        account: key.account.clone(),
        window: key.window,
    };
    let mut budgets = Budgets::default();
    budgets.restore_spent(&key, nanos(40));
    for _ in 0..2 {
        budgets.restore_reservation(&id("a"), nanos(30), vec![at.clone()], EXPIRY);
    }
    assert_eq!(balance(&budgets, &key), (40, 30));
    let reservation = budgets.find("a").unwrap();
    charge(budgets.settle(reservation, nanos(10)));
    assert_eq!(balance(&budgets, &key), (50, 0));
    budgets.reset(&at);
    assert_eq!(balance(&budgets, &key), (0, 0));
}

/// Ten input tokens and the output cap, each token at a nano-dollar.
fn quote(output_tokens: u64) -> Quote {
    let price = Price::per_token(crate::PicoPrice(1_000), crate::PicoPrice(1_000));
    let ceiling = Ceiling {
        input_tokens: 10,
        output_tokens,
        ..Ceiling::default()
    };
    Quote::new(vec![(price, ceiling)])
}

fn admit(budgets: &mut Budgets, budget: &BudgetRef, output: u64, name: &str) -> Option<u64> {
    let refs = std::slice::from_ref(budget);
    let admitted = budgets.admit(refs, &quote(output), 16, &id(name), NOW, EXPIRY);
    admitted.ok().map(|admitted| admitted.output_tokens)
}

#[test]
fn an_output_cap_shrinks_to_what_fits_before_a_request_is_refused() {
    let key = budget(Scope::Key, 100);
    let mut budgets = Budgets::default();
    assert_eq!(admit(&mut budgets, &key, 20, "a"), Some(20));
    assert_eq!(admit(&mut budgets, &key, 500, "b"), Some(60));
    assert_eq!(balance(&budgets, &key), (0, 100));
    assert_eq!(admit(&mut budgets, &key, 1, "c"), None);
}

#[test]
fn an_output_cap_does_not_shrink_below_its_floor() {
    let key = budget(Scope::Key, 25);
    let mut budgets = Budgets::default();
    assert_eq!(admit(&mut budgets, &key, 500, "a"), None);
    assert_eq!(
        admit(&mut budgets, &key, 15, "b"),
        Some(15),
        "asked for less"
    );
    assert_eq!(balance(&budgets, &key), (0, 25));
}

#[test]
fn a_refusal_states_the_least_that_the_request_needs() {
    let key = budget(Scope::Key, 25);
    let mut budgets = Budgets::default();
    let refs = std::slice::from_ref(&key);
    let refused = budgets.admit(refs, &quote(500), 16, &id("a"), NOW, EXPIRY);
    match refused {
        Err(NotAdmitted::Refused(refused)) => assert_eq!(refused.needed, nanos(26)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_model_without_a_price_is_not_admitted_under_a_budget() {
    let quote = Quote::new(vec![(Price::default(), Ceiling::default())]);
    let key = budget(Scope::Key, 25);
    let mut budgets = Budgets::default();
    let refs = std::slice::from_ref(&key);
    let admitted = budgets.admit(refs, &quote, 16, &id("a"), NOW, EXPIRY);
    assert!(matches!(admitted, Err(NotAdmitted::Unpriced(_))));
}
