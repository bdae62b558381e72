//! What the contract's behaviours are played with: prices of one nano-dollar a token.

use std::sync::Arc;
use std::time::Duration;

use dragoman_policy::budget::{AccountWindow, BudgetState, Charge};
use dragoman_policy::limits::TokenEstimate;
use dragoman_policy::prices::{Ceiling, Price};
use dragoman_policy::{
    AccountId, BudgetRef, LimitRef, NanoDollars, PicoPrice, Quote, Refusal, Scope, UnixMillis,
    Window,
};

use crate::accounts::{
    Accounts, AccountsError, AdmitRequest, Granted, Settled, Settlement, WaitOptions,
};

pub(crate) const NOW: UnixMillis = UnixMillis(1_763_600_000_000);
pub(crate) const EXPIRY: UnixMillis = UnixMillis(1_763_600_060_000);
/// Tokens, and so nano-dollars, of each prompt.
pub(crate) const PROMPT: u64 = 10;

/// No waiting: what is contended is refused.
pub(crate) const AT_ONCE: WaitOptions = WaitOptions {
    patience: Duration::ZERO,
    longest: 4_096,
};

pub(crate) fn nanos(nanos: u64) -> NanoDollars {
    NanoDollars::new(nanos)
}

pub(crate) fn id(name: &str) -> Arc<str> {
    Arc::from(name)
}

pub(crate) fn account(scope: Scope) -> AccountId {
    AccountId::new(scope, "x")
}

/// The window of ten minutes that `NOW` lies in the middle of.
pub(crate) fn window() -> Window {
    Window {
        start: UnixMillis(NOW.0 - 300_000),
        end: Some(NOW.plus(300_000)),
    }
}

pub(crate) fn budget(scope: Scope, limit: u64) -> BudgetRef {
    BudgetRef::strict(account(scope), window(), nanos(limit))
}

pub(crate) fn limit(scope: Scope) -> LimitRef {
    LimitRef::none(account(scope))
}

pub(crate) fn quote(output_tokens: u64) -> Quote {
    let price = Price::per_token(PicoPrice(1_000), PicoPrice(1_000));
    let ceiling = Ceiling {
        input_tokens: PROMPT,
        output_tokens,
        ..Ceiling::default()
    };
    Quote::new(vec![(price, ceiling)])
}

/// A request for `output` tokens, so it costs `output + PROMPT` at most.
pub(crate) fn request(name: &str, budgets: &[BudgetRef], output: u64) -> AdmitRequest {
    AdmitRequest {
        request_id: id(name),
        model: Arc::from("model"),
        budgets: budgets.to_vec(),
        limits: Vec::new(),
        tokens: TokenEstimate {
            input: PROMPT,
            output: Some(output),
        },
        quote: quote(output),
        asked: true,
        min_output_tokens: 1,
        downgrade_at: None,
        memo: Arc::from(format!("memo of {name}")),
        now: NOW,
        expires_at: EXPIRY,
    }
}

pub(crate) fn limited(name: &str, limits: &[LimitRef]) -> AdmitRequest {
    AdmitRequest {
        limits: limits.to_vec(),
        ..request(name, &[], 10)
    }
}

pub(crate) fn settlement(name: &str, cost: u64) -> Settlement {
    Settlement {
        request_id: id(name),
        model: Arc::from("model"),
        cost: Some(nanos(cost)),
        shares: Vec::new(),
        tokens: cost,
        output_tokens: cost.saturating_sub(PROMPT),
        now: NOW,
    }
}

pub(crate) async fn admit(accounts: &dyn Accounts, request: AdmitRequest) -> Granted {
    accounts.admit(request).await.unwrap()
}

pub(crate) async fn refusal(accounts: &dyn Accounts, request: AdmitRequest) -> Refusal {
    match accounts.admit(request).await {
        Err(AccountsError::Refused(refusal)) => *refusal,
        other => panic!("not refused: {other:?}"),
    }
}

pub(crate) async fn charge(accounts: &dyn Accounts, settlement: &Settlement) -> Charge {
    match accounts.settle(settlement).await.unwrap() {
        Settled::Charged(charge) => charge,
        other => panic!("not charged: {other:?}"),
    }
}

/// What is spent and reserved.
pub(crate) async fn balance(accounts: &dyn Accounts, budget: &BudgetRef) -> (u64, u64) {
    let balance = accounts.balance(&budget.at()).await.unwrap();
    (balance.spent.nanos(), balance.reserved.nanos())
}

pub(crate) fn states(granted: &Granted) -> Vec<(u64, u64)> {
    let pair = |state: &BudgetState| (state.balance.spent.nanos(), state.balance.reserved.nanos());
    granted.budgets.iter().map(pair).collect()
}

pub(crate) fn at(budget: &BudgetRef, window: Window) -> AccountWindow {
    AccountWindow {
        account: budget.account.clone(),
        window,
    }
}
