//! Between a request and what budgets offer it: the same for every backend.

use dragoman_policy::budget::{BudgetState, Offer, Refused, Terms};
use dragoman_policy::prices::Unpriced;
use dragoman_policy::{NanoDollars, Refusal};

use super::line::{Attempt, Turn};
use super::{AccountsError, AdmitRequest, Warning};

pub(super) fn terms(request: &AdmitRequest, turn: Turn, usual_output: Option<u64>) -> Terms {
    Terms {
        min_output_tokens: request.min_output_tokens,
        asked: request.asked,
        usual_output,
        waiting: turn.waiting,
        last: turn.last,
        now: request.now,
    }
}

/// The answer to an offer that is none.
pub(super) fn refused(
    request: &AdmitRequest,
    offer: Result<Offer, Unpriced>,
) -> Result<Attempt, AccountsError> {
    match offer {
        Ok(Offer::Wait(refused)) => Ok(Attempt::Contended(refused.into())),
        Ok(Offer::Refuse(refused)) => Err(AccountsError::refused(refused)),
        Ok(Offer::Take { .. }) => Err(AccountsError::Unavailable {
            dependency: "accounts",
        }),
        Err(reason) => Err(AccountsError::refused(Refusal::Unpriced {
            model: request.model.to_string(),
            reason,
        })),
    }
}

/// The output tokens that `amount` covers, where a budget needs them bounded.
pub(super) fn output_cap(request: &AdmitRequest, amount: NanoDollars) -> Option<u64> {
    request.budgets.iter().find(|budget| budget.is_strict())?;
    request.quote.output_within(amount).ok().flatten()
}

pub(super) fn warnings(
    request: &AdmitRequest,
    before: &[BudgetState],
    would_refuse: &[Refused],
) -> Vec<Warning> {
    let would_refuse = would_refuse.iter().cloned().map(Warning::WouldRefuse);
    let reached = before.iter().filter(|state| {
        let at = request.downgrade_at.filter(|_| state.budget.is_strict());
        at.is_some_and(|permille| state.balance.reaches(state.budget.limit, permille))
    });
    let downgrades = reached.map(|state| Warning::Downgrade(state.budget.account.clone()));
    would_refuse.chain(downgrades).collect()
}
