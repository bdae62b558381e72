//! The bill of a request before it is served: whose budgets and limits it meets, and the most that
//! it can cost.

use std::sync::Arc;

use dragoman_config::Period as ConfigPeriod;
use dragoman_policy::limits::TokenEstimate;
use dragoman_policy::plan::Attempt;
use dragoman_policy::window::{Period, Window};
use dragoman_policy::{
    AccountId, BudgetRef, LimitRef, NanoDollars, Principal, Refusal, Scope, UnixMillis,
};
use dragoman_proto::{Admission, Facts};

use super::quote::quote;
use crate::accounts::{AdmitRequest, UNHEARD_MS};
use crate::live::Live;

/// Whose budgets and limits a request meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bill {
    /// The budgets, in their windows of now.
    pub budgets: Vec<BudgetRef>,
    /// The limits.
    pub limits: Vec<LimitRef>,
}

/// What is known of a request's size and time when it is admitted.
#[derive(Debug, Clone, Copy)]
pub struct Estimate<'a> {
    /// What the edge found.
    pub facts: &'a Facts,
    /// Where it may go.
    pub attempts: &'a [Attempt],
}

impl Bill {
    /// The bill of a request of `principal` for `model` along `attempts`.
    pub fn of(
        live: &Live,
        principal: &Principal,
        model: &str,
        attempts: &[Attempt],
        now: UnixMillis,
    ) -> Self {
        let providers = attempts.iter().filter_map(|a| live.served(&a.deployment));
        let mut names: Vec<&str> = providers.map(|served| served.provider).collect();
        names.sort_unstable();
        names.dedup();
        let mut limits = principal.limits(model);
        limits.extend(live.usage_limit(&principal.key_id));
        limits.extend(
            attempts
                .first()
                .and_then(|first| live.deployment_limit(&first.deployment)),
        );
        Self {
            budgets: budgets(live, principal, model, &names, now),
            limits,
        }
    }

    /// Whether nothing needs to be counted.
    pub fn is_empty(&self) -> bool {
        self.budgets.is_empty() && self.limits.is_empty()
    }

    /// The request to the accounts; refused where a budget needs a bound and there is none.
    pub fn request(
        self,
        live: &Live,
        admission: &Admission,
        estimate: &Estimate<'_>,
        now: UnixMillis,
    ) -> Result<AdmitRequest, Refusal> {
        let own = &live.config.own;
        let bounded = !own.budgets.allow_unbounded && self.budgets.iter().any(BudgetRef::is_strict);
        let quote = quote(live, estimate, &admission.alias, bounded)?;
        let downgrade = own.budgets.downgrade.as_ref();
        Ok(AdmitRequest {
            request_id: Arc::from(admission.request_id.as_str()),
            model: Arc::from(admission.alias.as_str()),
            budgets: self.budgets,
            limits: self.limits,
            tokens: tokens(estimate.facts),
            quote,
            asked: estimate.facts.max_tokens.is_some(),
            min_output_tokens: own.min_output_tokens,
            downgrade_at: downgrade.map(|to| u32::from(to.at.ten_thousandths() / 10)),
            memo: Arc::from(admission.encode()),
            now,
            expires_at: now.plus(UNHEARD_MS),
        })
    }
}

/// The budgets that apply to a request of `principal` for `model` that may go to `providers`.
pub(super) fn budgets(
    live: &Live,
    principal: &Principal,
    model: &str,
    providers: &[&str],
    now: UnixMillis,
) -> Vec<BudgetRef> {
    let mut budgets = principal.budgets(model, now);
    if let Some(global) = &live.config.general.max_budget {
        let account = AccountId::new(Scope::Global, "");
        budgets.extend(budget(account, &global.dollars, global.window, now));
    }
    for provider in &live.config.router.provider_budgets {
        if providers.contains(&provider.provider.as_str()) {
            let account = AccountId::new(Scope::Provider, &provider.provider);
            budgets.extend(budget(
                account,
                &provider.dollars,
                Some(provider.window),
                now,
            ));
        }
    }
    let dry_run = live.config.own.budgets.dry_run;
    budgets
        .into_iter()
        .map(|budget| BudgetRef { dry_run, ..budget })
        .collect()
}

fn budget(
    account: AccountId,
    dollars: &serde_json::Number,
    window: Option<ConfigPeriod>,
    now: UnixMillis,
) -> Option<BudgetRef> {
    let limit: NanoDollars = dollars.to_string().parse().ok()?;
    let period = window.and_then(|window| window.to_string().parse::<Period>().ok());
    let window = Window::of(period, now, UnixMillis::default());
    Some(BudgetRef::strict(account, window, limit))
}

fn tokens(facts: &Facts) -> TokenEstimate {
    let choices = u64::from(facts.choices.max(1));
    TokenEstimate {
        input: facts.prompt_tokens,
        output: facts.max_tokens.map(|max| max.saturating_mul(choices)),
    }
}
