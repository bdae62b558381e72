//! Budgets under any interleaving.

use proptest::prelude::*;

use super::tests::{EXPIRY, NOW, balance, budget, id, nanos, reserve};
use super::*;
use crate::account::Scope;

#[derive(Debug, Clone)]
enum Step {
    Reserve {
        request: u8,
        amount: u64,
        accounts: u8,
    },
    Settle {
        request: u8,
        actual: u64,
    },
    Release {
        request: u8,
    },
    Wait {
        ms: u64,
    },
}

fn any_step() -> impl proptest::strategy::Strategy<Value = Step> {
    let request = 0_u8..24;
    prop_oneof![
        4 => (request.clone(), 0_u64..60, 0_u8..8)
            .prop_map(|(request, amount, accounts)| Step::Reserve { request, amount, accounts }),
        3 => (request.clone(), 0_u64..90)
            .prop_map(|(request, actual)| Step::Settle { request, actual }),
        1 => request.prop_map(|request| Step::Release { request }),
        1 => (0_u64..80_000).prop_map(|ms| Step::Wait { ms }),
    ]
}

fn three() -> [BudgetRef; 3] {
    [
        budget(Scope::Key, 100),
        budget(Scope::Team, 150),
        budget(Scope::Global, 200),
    ]
}

fn chosen(accounts: u8) -> Vec<BudgetRef> {
    let all = three().into_iter().enumerate();
    all.filter(|(n, _)| accounts & (1 << n) != 0)
        .map(|(_, budget)| budget)
        .collect()
}

proptest! {
    #[test]
    fn no_interleaving_charges_more_than_a_limit_or_leaves_a_reservation(
        steps in proptest::collection::vec(any_step(), 1..120),
    ) {
        let mut budgets = Budgets::default();
        let mut now = NOW;
        for step in steps {
            match step {
                Step::Reserve { request, amount, accounts } => {
                    let expiry = now.plus(60_000);
                    let name = id(&request.to_string());
                    let refs = chosen(accounts);
                    let fits = nanos(amount) <= budgets.fit(&refs);
                    let known = budgets.find(&name).is_some();
                    let reserved = budgets.reserve(&refs, nanos(amount), &name, now, expiry);
                    prop_assert_eq!(reserved.is_ok(), fits || known);
                }
                Step::Settle { request, actual } => {
                    if let Some(reservation) = budgets.find(&request.to_string()) {
                        budgets.settle(reservation, nanos(actual));
                    }
                }
                Step::Release { request } => {
                    if let Some(reservation) = budgets.find(&request.to_string()) {
                        budgets.release(reservation);
                    }
                }
                Step::Wait { ms } => {
                    now = now.plus(ms);
                    budgets.expire(now);
                }
            }
            for budget in three() {
                let (spent, reserved) = balance(&budgets, &budget);
                prop_assert!(nanos(spent + reserved) <= budget.limit);
            }
        }
        budgets.expire(now.plus(60_000));
        prop_assert_eq!(budgets.open_reservations(), 0);
        for budget in three() {
            prop_assert_eq!(balance(&budgets, &budget).1, 0);
        }
    }

    #[test]
    fn what_is_charged_is_the_sum_of_what_was_settled(
        costs in proptest::collection::vec((0_u64..60, 0_u64..60, any::<bool>()), 1..60),
    ) {
        let key = budget(Scope::Key, 5_000);
        let mut budgets = Budgets::default();
        let mut sum = 0;
        for (n, (cost, slack, lost)) in costs.into_iter().enumerate() {
            let name = n.to_string();
            let refs = std::slice::from_ref(&key);
            let Ok(reservation) = reserve(&mut budgets, refs, cost + slack, &name) else {
                continue;
            };
            if lost {
                sum += cost + slack;
            } else {
                sum += cost;
                budgets.settle(reservation, nanos(cost));
            }
        }
        budgets.expire(EXPIRY);
        prop_assert_eq!(balance(&budgets, &key), (sum, 0));
    }
}
