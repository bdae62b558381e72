//! Budgets: reserve, settle, release, expire.

use std::slice::from_ref;
use std::sync::Arc;

use dragoman_policy::budget::AccountWindow;
use dragoman_policy::{BudgetRef, LimitRef, Refusal, Scope, UnixMillis, Window};
use tonic::async_trait;

use super::Bench;
use super::scene::{
    AT_ONCE, EXPIRY, NOW, account, admit, at, balance, budget, charge, id, limit, limited, nanos,
    refusal, request, settlement, states, window,
};
use crate::accounts::{
    Accounts, AdmitRequest, NoPast, Past, PastError, Settled, Settlement, Spent, Unsettled, Warning,
};

async fn accounts(bench: &dyn Bench) -> Arc<dyn Accounts> {
    bench.accounts(AT_ONCE, Arc::new(NoPast)).await
}

pub(crate) async fn every_budget_is_reserved_or_none(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let (key, team) = (budget(Scope::Key, 1_000), budget(Scope::Team, 150));
    let both = [key.clone(), team.clone()];
    let granted = admit(&*accounts, request("a", &both, 90)).await;
    assert_eq!(
        (granted.reserved, granted.output_cap),
        (nanos(100), Some(90))
    );
    assert_eq!(states(&granted), [(0, 100), (0, 100)]);
    let floor = AdmitRequest {
        min_output_tokens: 90,
        ..request("b", &both, 90)
    };
    let Refusal::Budget(refused) = refusal(&*accounts, floor).await else {
        panic!("refused by something else");
    };
    assert_eq!(refused.account, team.account);
    assert!(refused.is_contended());
    assert_eq!(balance(&*accounts, &key).await, (0, 100));
    assert_eq!(balance(&*accounts, &team).await, (0, 100));
}

pub(crate) async fn a_request_that_comes_twice_holds_once(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let key = budget(Scope::Key, 150);
    for _ in 0..2 {
        let granted = admit(&*accounts, request("a", from_ref(&key), 90)).await;
        assert_eq!(
            (granted.reserved, granted.output_cap),
            (nanos(100), Some(90))
        );
    }
    assert_eq!(balance(&*accounts, &key).await, (0, 100));
}

pub(crate) async fn a_request_is_settled_once_however_often_it_is_reported(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let key = budget(Scope::Key, 1_000);
    admit(&*accounts, request("a", from_ref(&key), 90)).await;
    let charged = charge(&*accounts, &settlement("a", 40)).await;
    assert_eq!(charged.accounts, [key.at()]);
    assert_eq!((charged.uncovered, charged.late), (nanos(0), false));
    for _ in 0..2 {
        let again = accounts.settle(&settlement("a", 40)).await.unwrap();
        assert_eq!(again, Settled::Already);
        let again = accounts
            .charge(&settlement("a", 40), 1, from_ref(&key))
            .await;
        assert_eq!(again.unwrap(), Settled::Already);
    }
    assert_eq!(balance(&*accounts, &key).await, (40, 0));
}

pub(crate) async fn a_released_request_costs_nothing(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let key = budget(Scope::Key, 1_000);
    admit(&*accounts, request("a", from_ref(&key), 90)).await;
    accounts.release("a").await.unwrap();
    accounts.release("a").await.unwrap();
    assert_eq!(balance(&*accounts, &key).await, (0, 0));
    admit(&*accounts, request("a", from_ref(&key), 40)).await;
    assert_eq!(balance(&*accounts, &key).await, (0, 50));
}

pub(crate) async fn an_unknown_cost_is_what_was_held(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let key = budget(Scope::Key, 1_000);
    admit(&*accounts, request("a", from_ref(&key), 90)).await;
    let unknown = Settlement {
        cost: None,
        ..settlement("a", 0)
    };
    charge(&*accounts, &unknown).await;
    assert_eq!(balance(&*accounts, &key).await, (100, 0));
}

pub(crate) async fn a_provider_is_charged_for_its_own_share(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let key = budget(Scope::Key, 1_000);
    let (one, other) = (
        budget(Scope::Provider, 1_000),
        budget(Scope::Deployment, 1_000),
    );
    let all = [key.clone(), one.clone(), other.clone()];
    admit(&*accounts, request("a", &all, 90)).await;
    let settled = Settlement {
        shares: vec![(account(Scope::Provider), nanos(30))],
        ..settlement("a", 40)
    };
    charge(&*accounts, &settled).await;
    assert_eq!(balance(&*accounts, &key).await, (40, 0));
    assert_eq!(balance(&*accounts, &one).await, (30, 0));
    assert_eq!(balance(&*accounts, &other).await, (0, 0));
}

pub(crate) async fn what_was_not_reserved_is_charged_only_into_the_room_there_is(
    bench: &dyn Bench,
) {
    let accounts = accounts(bench).await;
    let key = budget(Scope::Key, 120);
    admit(&*accounts, request("a", from_ref(&key), 90)).await;
    let charged = charge(&*accounts, &settlement("a", 150)).await;
    assert_eq!(charged.uncovered, nanos(30));
    assert_eq!(balance(&*accounts, &key).await, (120, 0));
}

pub(crate) async fn a_lost_reservation_is_charged_once(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let key = budget(Scope::Key, 100);
    let unknown = accounts.settle(&settlement("lost", 70)).await.unwrap();
    assert_eq!(unknown, Settled::Unknown);
    let budgets = [key.clone()];
    let charged = accounts.charge(&settlement("lost", 70), 1, &budgets).await;
    assert!(matches!(charged, Ok(Settled::Charged(_))), "{charged:?}");
    let again = accounts.charge(&settlement("lost", 70), 1, &budgets).await;
    assert_eq!(again.unwrap(), Settled::Already);
    assert_eq!(balance(&*accounts, &key).await, (70, 0));
    let charged = accounts.charge(&settlement("other", 70), 2, &budgets).await;
    assert!(matches!(charged, Ok(Settled::Charged(c)) if c.uncovered == nanos(40)));
    assert_eq!(balance(&*accounts, &key).await, (100, 0));
}

pub(crate) async fn what_nobody_settles_is_charged_in_full_and_told_once(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let key = budget(Scope::Key, 1_000);
    admit(&*accounts, request("a", from_ref(&key), 90)).await;
    admit(&*accounts, limited("without budgets", &[])).await;
    let early = UnixMillis(EXPIRY.0 - 1);
    assert_eq!(accounts.expire(early).await.unwrap(), []);
    let mut expired = accounts.expire(EXPIRY).await.unwrap();
    expired.sort_by_key(|unsettled| unsettled.request_id.len());
    let unsettled = |name: &str, charged| Unsettled {
        request_id: id(name),
        memo: Arc::from(format!("memo of {name}")),
        charged: nanos(charged),
        crossed: Vec::new(),
    };
    assert_eq!(
        expired,
        [unsettled("a", 100), unsettled("without budgets", 0)]
    );
    assert_eq!(accounts.expire(EXPIRY).await.unwrap(), []);
    assert_eq!(balance(&*accounts, &key).await, (100, 0));
}

pub(crate) async fn a_request_that_is_under_way_does_not_expire(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let key = budget(Scope::Key, 1_000);
    let one = LimitRef {
        parallel: Some(1),
        ..limit(Scope::Key)
    };
    let asking = |name| AdmitRequest {
        limits: vec![one.clone()],
        ..request(name, from_ref(&key), 90)
    };
    admit(&*accounts, asking("a")).await;
    accounts.keep("a", EXPIRY.plus(15_000)).await.unwrap();
    accounts.keep("a", EXPIRY).await.unwrap();
    accounts.keep("unknown", EXPIRY.plus(15_000)).await.unwrap();
    assert_eq!(accounts.expire(EXPIRY.plus(14_999)).await.unwrap(), []);
    assert_eq!(balance(&*accounts, &key).await, (0, 100));
    refusal(&*accounts, asking("b")).await;
    let expired = accounts.expire(EXPIRY.plus(15_000)).await.unwrap();
    assert_eq!(expired.len(), 1);
    admit(&*accounts, asking("c")).await;
}

pub(crate) async fn a_report_after_the_expiry_corrects_the_charge(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let key = budget(Scope::Key, 1_000);
    admit(&*accounts, request("a", from_ref(&key), 90)).await;
    accounts.expire(EXPIRY).await.unwrap();
    let charged = charge(&*accounts, &settlement("a", 25)).await;
    assert!(charged.late);
    assert_eq!(balance(&*accounts, &key).await, (25, 0));
    let again = accounts.settle(&settlement("a", 25)).await.unwrap();
    assert_eq!(again, Settled::Already);
}

pub(crate) async fn a_settlement_goes_to_the_window_of_its_admission(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let old = budget(Scope::Key, 120);
    let next = Window {
        start: NOW.plus(300_000),
        end: Some(NOW.plus(900_000)),
    };
    let new = BudgetRef {
        window: next,
        ..old.clone()
    };
    admit(&*accounts, request("a", from_ref(&old), 90)).await;
    let later = AdmitRequest {
        now: next.start,
        expires_at: next.start.plus(60_000),
        ..request("b", from_ref(&new), 90)
    };
    assert_eq!(states(&admit(&*accounts, later).await), [(0, 100)]);
    charge(&*accounts, &settlement("a", 60)).await;
    assert_eq!(balance(&*accounts, &old).await, (60, 0));
    assert_eq!(balance(&*accounts, &new).await, (0, 100));
    assert_eq!(at(&old, window()), old.at());
}

/// Something was spent, the same of every account, up to the third request.
struct Earlier(u64);

#[async_trait]
impl Past for Earlier {
    async fn spent(&self, _: &AccountWindow) -> Result<Spent, PastError> {
        Ok(Spent {
            amount: nanos(self.0),
            position: 3,
        })
    }
}

pub(crate) async fn a_past_counts(bench: &dyn Bench) {
    let accounts = bench.accounts(AT_ONCE, Arc::new(Earlier(60))).await;
    let (key, team) = (budget(Scope::Key, 170), budget(Scope::Team, 1_000));
    assert_eq!(balance(&*accounts, &key).await, (60, 0));
    let both = [key.clone(), team.clone()];
    let granted = admit(&*accounts, request("a", &both, 90)).await;
    assert_eq!(states(&granted), [(60, 100), (60, 100)]);
    refusal(&*accounts, request("b", &both, 90)).await;
    charge(&*accounts, &settlement("a", 50)).await;
    assert_eq!(balance(&*accounts, &key).await, (110, 0));
}

pub(crate) async fn what_the_past_knows_is_not_charged_again(bench: &dyn Bench) {
    let accounts = bench.accounts(AT_ONCE, Arc::new(Earlier(60))).await;
    let (key, team) = (budget(Scope::Key, 1_000), budget(Scope::Team, 1_000));
    let both = [key.clone(), team.clone()];
    for (name, position, charged) in [("in it", 3, vec![]), ("behind it", 4, both.to_vec())] {
        let charged: Vec<_> = charged.iter().map(BudgetRef::at).collect();
        let settled = accounts
            .charge(&settlement(name, 50), position, &both)
            .await;
        assert!(matches!(settled, Ok(Settled::Charged(charge)) if charge.accounts == charged));
    }
    assert_eq!(balance(&*accounts, &key).await, (110, 0));
    assert_eq!(balance(&*accounts, &team).await, (110, 0));
}

pub(crate) async fn an_operator_sets_what_is_spent(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let key = budget(Scope::Key, 1_000);
    admit(&*accounts, request("a", from_ref(&key), 90)).await;
    accounts.set_spent(&key.at(), nanos(500)).await.unwrap();
    assert_eq!(balance(&*accounts, &key).await, (500, 100));
}

pub(crate) async fn a_soft_limit_is_crossed_once(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let key = BudgetRef {
        soft_limit: Some(nanos(100)),
        ..budget(Scope::Key, 1_000)
    };
    let mut crossings = Vec::new();
    for name in ["a", "b", "c"] {
        admit(&*accounts, request(name, from_ref(&key), 90)).await;
        crossings.extend(charge(&*accounts, &settlement(name, 60)).await.crossed);
    }
    let [crossing] = &crossings[..] else {
        panic!("{crossings:?}");
    };
    assert_eq!(crossing.at, key.at());
    assert_eq!(
        (crossing.soft_limit, crossing.spent),
        (nanos(100), nanos(120))
    );
}

pub(crate) async fn a_trial_and_a_nearly_spent_budget_warn(bench: &dyn Bench) {
    let accounts = accounts(bench).await;
    let trial = BudgetRef {
        dry_run: true,
        ..budget(Scope::Team, 150)
    };
    let key = budget(Scope::Key, 200);
    let asking = |name| AdmitRequest {
        downgrade_at: Some(500),
        ..request(name, &[key.clone(), trial.clone()], 90)
    };
    assert_eq!(admit(&*accounts, asking("a")).await.warnings, []);
    let warnings = admit(&*accounts, asking("b")).await.warnings;
    let [Warning::WouldRefuse(refused), Warning::Downgrade(reached)] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    assert_eq!((&refused.account, reached), (&trial.account, &key.account));
    assert_eq!(balance(&*accounts, &trial).await, (0, 200));
}

/// Seven million dollars and one nano-dollar: more digits than `%.14g` writes.
pub(crate) async fn an_amount_beyond_what_doubles_hold_is_exact(bench: &dyn Bench) {
    const LARGE: u64 = 7_000_000_000_000_001;
    let accounts = accounts(bench).await;
    let key = budget(Scope::Key, 9_000_000_000_000_000);
    admit(&*accounts, request("a", from_ref(&key), LARGE - 10)).await;
    assert_eq!(balance(&*accounts, &key).await, (0, LARGE));
    charge(&*accounts, &settlement("a", LARGE - 1)).await;
    assert_eq!(balance(&*accounts, &key).await, (LARGE - 1, 0));
    admit(&*accounts, request("b", from_ref(&key), 1)).await;
    charge(&*accounts, &settlement("b", 2)).await;
    assert_eq!(balance(&*accounts, &key).await, (LARGE + 1, 0));
}
