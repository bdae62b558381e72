//! What goes into the scripts and comes out of them.

use std::collections::HashMap;
use std::sync::Arc;

use dragoman_policy::budget::{AccountWindow, Balance, Charge, Crossing};
use dragoman_policy::limits::{Allowance, LimitExceeded, LimitKind, MINUTE_MS};
use dragoman_policy::{AccountId, BudgetRef, LimitRef, NanoDollars, Scope, UnixMillis, Window};
use serde::Serialize;

use super::connection::CallError;
use crate::accounts::{AdmitRequest, Settlement, Unsettled};

/// The most that a double holds exactly, in nano-dollars: nine million dollars. Larger limits are
/// cut to it, so that a budget is never enforced less than it says.
const MOST: u64 = (1 << 53) - 1;
pub(super) const MOST_AMOUNT: NanoDollars = NanoDollars::new(MOST);
/// An account's key lives this much longer than its window, for late reports.
const KEPT_AFTER_WINDOW_MS: u64 = 2 * 86_400_000;

#[derive(Debug, Serialize)]
pub(super) struct Reserve<'r> {
    pub(super) id: &'r str,
    pub(super) amount: u64,
    /// Each budget must have room for this many such requests.
    pub(super) waiting: u64,
    pub(super) budgets: Vec<Budget>,
    pub(super) limits: Vec<Limit>,
    pub(super) now: u64,
    pub(super) due: u64,
    pub(super) memo: &'r str,
}

#[derive(Debug, Serialize)]
pub(super) struct Budget {
    name: String,
    /// -1 where nothing is refused.
    limit: i64,
    soft: i64,
    /// Milliseconds that its key is kept, 0 for ever.
    ttl: u64,
    /// The account's name where it is charged its share only.
    #[serde(skip_serializing_if = "Option::is_none")]
    own: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Limit {
    name: String,
    rpm: i64,
    tpm: i64,
    parallel: i64,
    /// Tokens that the request takes from it.
    takes: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Settle<'s> {
    pub(super) id: &'s str,
    /// -1 when it is not known.
    cost: i64,
    shares: HashMap<String, u64>,
    tokens: u64,
    remember: u64,
    release: bool,
    /// Where the ledger has it.
    pub(super) position: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) budgets: Vec<Budget>,
}

#[derive(Debug, Serialize)]
pub(super) struct Expire {
    pub(super) now: u64,
    pub(super) late: u64,
    pub(super) most: u64,
    pub(super) remember: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Keep<'k> {
    pub(super) id: &'k str,
    pub(super) due: u64,
    pub(super) late: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Due {
    pub(super) now: u64,
}

#[derive(Debug, Serialize)]
pub(super) struct Meet {
    #[serde(flatten)]
    pub(super) budget: Budget,
    pub(super) spent: u64,
    /// Up to where the ledger's requests are in it.
    pub(super) position: u64,
    /// Whatever was known before.
    pub(super) set: bool,
}

impl Budget {
    pub(super) fn new(budget: &BudgetRef, now: UnixMillis) -> Self {
        let account = &budget.account;
        let has_own_share = matches!(account.scope, Scope::Provider | Scope::Deployment);
        let end = budget.window.end;
        Self {
            name: name(&budget.at()),
            limit: if budget.is_strict() {
                double(budget.limit)
            } else {
                -1
            },
            soft: budget.soft_limit.map_or(-1, double),
            ttl: end.map_or(0, |end| now.until(end).saturating_add(KEPT_AFTER_WINDOW_MS)),
            own: has_own_share.then(|| account.to_string()),
        }
    }
}

impl Limit {
    fn new(limit: &LimitRef, request: &AdmitRequest) -> Self {
        let number = |value: Option<u64>| {
            value.map_or(-1, |value| i64::try_from(value.min(MOST)).unwrap_or(-1))
        };
        let tokens = request.tokens;
        Self {
            name: limit.account.to_string(),
            rpm: number(limit.rpm),
            tpm: number(limit.tpm),
            parallel: number(limit.parallel),
            takes: limit
                .tpm
                .map_or(tokens.input, |tpm| tokens.under(tpm))
                .min(MOST),
        }
    }
}

impl<'r> Reserve<'r> {
    pub(super) fn new(request: &'r AdmitRequest, amount: NanoDollars, waiting: u64) -> Self {
        let budgets = request.budgets.iter();
        let limits = request.limits.iter();
        Self {
            id: &request.request_id,
            amount: amount.nanos().min(MOST),
            waiting: waiting.max(1),
            budgets: budgets
                .map(|budget| Budget::new(budget, request.now))
                .collect(),
            limits: limits.map(|limit| Limit::new(limit, request)).collect(),
            now: request.now.0,
            due: request.expires_at.0,
            memo: &request.memo,
        }
    }
}

impl<'s> Settle<'s> {
    pub(super) fn new(settlement: &'s Settlement, remember: u64) -> Self {
        let mut shares = HashMap::new();
        for (account, share) in &settlement.shares {
            *shares.entry(account.to_string()).or_default() += share.nanos().min(MOST);
        }
        Self {
            id: &settlement.request_id,
            cost: settlement.cost.map_or(-1, double),
            shares,
            tokens: settlement.tokens.min(MOST),
            remember,
            release: false,
            position: 0,
            budgets: Vec::new(),
        }
    }

    pub(super) fn release(request_id: &'s str, remember: u64) -> Self {
        Self {
            id: request_id,
            cost: 0,
            shares: HashMap::new(),
            tokens: 0,
            remember,
            release: true,
            position: 0,
            budgets: Vec::new(),
        }
    }
}

/// A budget that is enforced as exactly as scripts can.
pub(super) fn clamped(budget: &BudgetRef) -> BudgetRef {
    let mut clamped = budget.clone();
    if budget.is_strict() {
        clamped.limit = budget.limit.min(MOST_AMOUNT);
    }
    clamped
}

fn double(amount: NanoDollars) -> i64 {
    i64::try_from(amount.nanos().min(MOST)).unwrap_or(-1)
}

/// An account and its window in a key: the id comes last, since it may hold anything.
pub(super) fn name(at: &AccountWindow) -> String {
    let AccountId { scope, id } = &at.account;
    let end = at.window.end.map_or(0, |end| end.0);
    format!("{}:{}:{end}:{id}", scope.as_str(), at.window.start.0)
}

fn account_window(name: &str) -> Option<AccountWindow> {
    let mut parts = name.splitn(4, ':');
    let scope = Scope::parse(parts.next()?)?;
    let start = UnixMillis(parts.next()?.parse().ok()?);
    let end = UnixMillis(parts.next()?.parse().ok()?);
    Some(AccountWindow {
        account: AccountId::new(scope, parts.next()?),
        window: Window {
            start,
            end: Some(end).filter(|end| end.0 > 0),
        },
    })
}

/// A script's answer, read from the front.
#[derive(Debug)]
pub(super) struct Reply(std::vec::IntoIter<String>);

/// What a limit's counter says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counter {
    since: UnixMillis,
    requests: u64,
    tokens: u64,
    flying: u64,
}

impl Reply {
    pub(super) fn new(values: Vec<String>) -> Self {
        Self(values.into_iter())
    }

    pub(super) fn text(&mut self) -> Result<String, CallError> {
        self.0.next().ok_or(CallError::Reply)
    }

    pub(super) fn number(&mut self) -> Result<u64, CallError> {
        self.text()?.parse().map_err(|_| CallError::Reply)
    }

    pub(super) fn amount(&mut self) -> Result<NanoDollars, CallError> {
        self.number().map(NanoDollars::new)
    }

    pub(super) fn balance(&mut self) -> Result<Balance, CallError> {
        Ok(Balance {
            spent: self.amount()?,
            reserved: self.amount()?,
        })
    }

    pub(super) fn counter(&mut self) -> Result<Counter, CallError> {
        Ok(Counter {
            since: UnixMillis(self.number()?),
            requests: self.number()?,
            tokens: self.number()?,
            flying: self.number()?,
        })
    }

    /// The rest.
    pub(super) fn texts(self) -> impl Iterator<Item = String> {
        self.0
    }

    /// The rest: positions of budgets that are not known yet.
    pub(super) fn positions(self) -> Result<Vec<usize>, CallError> {
        let position = |text: String| text.parse().map_err(|_| CallError::Reply);
        self.0.map(position).collect()
    }

    /// The rest: accounts that were charged.
    pub(super) fn charge(mut self) -> Result<Charge, CallError> {
        let mut charge = Charge {
            late: self.number()? != 0,
            ..Charge::default()
        };
        while !self.0.as_slice().is_empty() {
            let at = self.account()?;
            charge.uncovered = charge.uncovered.max(self.amount()?);
            let spent = self.amount()?;
            if let Ok(soft_limit) = self.text()?.parse() {
                charge.crossed.push(Crossing {
                    at: at.clone(),
                    soft_limit: NanoDollars::new(soft_limit),
                    spent,
                });
            }
            charge.accounts.push(at);
        }
        Ok(charge)
    }

    pub(super) fn unsettled(&mut self) -> Result<Option<Unsettled>, CallError> {
        let Some(request_id) = self.0.next() else {
            return Ok(None);
        };
        let mut unsettled = Unsettled {
            request_id: Arc::from(request_id),
            memo: Arc::from(self.text()?),
            charged: self.amount()?,
            crossed: Vec::new(),
        };
        for _ in 0..self.number()? {
            unsettled.crossed.push(Crossing {
                at: self.account()?,
                soft_limit: self.amount()?,
                spent: self.amount()?,
            });
        }
        Ok(Some(unsettled))
    }

    fn account(&mut self) -> Result<AccountWindow, CallError> {
        account_window(&self.text()?).ok_or(CallError::Reply)
    }
}

impl Counter {
    /// Which limit has no room for the request, in the engine's order.
    pub(super) fn exceeded(self, limit: &LimitRef, request: &AdmitRequest) -> LimitExceeded {
        let reset = self.since.plus(MINUTE_MS);
        let until_reset = request.now.seconds_until(reset).max(1);
        let exceeded = |kind, of: u64, used: u64, needed, retry_after| LimitExceeded {
            account: limit.account.clone(),
            kind,
            limit: of,
            remaining: of.saturating_sub(used),
            needed,
            retry_after,
        };
        if let Some(parallel) = limit.parallel.filter(|parallel| self.flying >= *parallel) {
            let retry = (parallel > 0).then_some(1);
            return exceeded(LimitKind::InFlight, parallel, self.flying, 1, retry);
        }
        if let Some(rpm) = limit.rpm.filter(|rpm| self.requests >= *rpm) {
            let retry = (rpm > 0).then_some(until_reset);
            return exceeded(LimitKind::Requests, rpm, self.requests, 1, retry);
        }
        let tpm = limit.tpm.unwrap_or_default();
        let needed = request.tokens.under(tpm);
        let retry = (needed <= tpm && tpm > 0).then_some(until_reset);
        exceeded(LimitKind::Tokens, tpm, self.tokens, needed, retry)
    }

    /// What it leaves of `limit`'s requests and tokens.
    pub(super) fn allowances(self, limit: &LimitRef) -> [Option<Allowance>; 2] {
        let allowance = |of: u64, used: u64| Allowance {
            limit: of,
            remaining: of.saturating_sub(used),
            resets_at: self.since.plus(MINUTE_MS),
        };
        [
            limit.rpm.map(|rpm| allowance(rpm, self.requests)),
            limit.tpm.map(|tpm| allowance(tpm, self.tokens)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_survives_its_key() {
        for (id, end) in [("a:b/c", Some(UnixMillis(7))), ("", None)] {
            let at = AccountWindow {
                account: AccountId::new(Scope::KeyModel, id),
                window: Window {
                    start: UnixMillis(5),
                    end,
                },
            };
            assert_eq!(account_window(&name(&at)), Some(at));
        }
    }
}
