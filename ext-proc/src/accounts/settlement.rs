//! What a request did cost and use, as the accounts are told.

use std::sync::Arc;

use dragoman_policy::{AccountId, NanoDollars, Scope, UnixMillis};

use crate::ledger::{AttemptRow, RequestRow, State, Target};

/// What a request did cost and use.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Whose.
    pub request_id: Arc<str>,
    /// The model as the client named it.
    pub model: Arc<str>,
    /// The cost of all attempts; `None` when it is not known: then all that is held is charged.
    pub cost: Option<NanoDollars>,
    /// The parts of it that single providers and deployments answered for. Their accounts are
    /// charged nothing else, all other accounts the whole cost.
    pub shares: Vec<(AccountId, NanoDollars)>,
    /// All tokens.
    pub tokens: u64,
    /// Output tokens, over all choices; zero when there was no whole answer.
    pub output_tokens: u64,
    /// The time.
    pub now: UnixMillis,
}

impl Settlement {
    /// As the ledger has the request. Without `attempts`, whoever answered did all of it.
    pub fn of(row: &RequestRow, attempts: &[AttemptRow], now: UnixMillis) -> Self {
        let usage = &row.charge.usage;
        let parts = attempts.iter().map(|a| (&a.target, a.charge.cost));
        let shares = if attempts.is_empty() {
            shares(std::iter::once((&row.target, row.charge.cost)))
        } else {
            shares(parts)
        };
        Self {
            request_id: Arc::from(row.request_id.as_str()),
            model: Arc::from(row.alias.as_str()),
            cost: row.charge.cost,
            shares,
            tokens: usage.input_tokens.saturating_add(usage.output_tokens),
            output_tokens: if row.state == State::Complete {
                usage.output_tokens
            } else {
                0
            },
            now,
        }
    }

    /// What `account` is charged, when `held` is reserved.
    pub(super) fn cost_of(&self, account: &AccountId, held: NanoDollars) -> NanoDollars {
        let Some(cost) = self.cost else {
            return held;
        };
        if matches!(account.scope, Scope::Provider | Scope::Deployment) {
            let shares = self.shares.iter().filter(|(of, _)| of == account);
            return shares.map(|(_, share)| *share).sum();
        }
        cost
    }
}

fn shares<'a>(
    parts: impl Iterator<Item = (&'a Target, Option<NanoDollars>)>,
) -> Vec<(AccountId, NanoDollars)> {
    let mut shares = Vec::new();
    for (target, cost) in parts {
        let Some(cost) = cost else {
            continue;
        };
        let of = [
            (Scope::Provider, &target.provider),
            (Scope::Deployment, &target.deployment),
        ];
        let accounts = of
            .into_iter()
            .filter_map(|(scope, id)| Some(AccountId::new(scope, id.as_deref()?)));
        shares.extend(accounts.map(|account| (account, cost)));
    }
    shares
}
