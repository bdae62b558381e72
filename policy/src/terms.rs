//! Terms: how much a key, a team or a user may spend, and how fast it may ask.

use std::collections::BTreeMap;

use crate::account::AccountId;
use crate::budget::BudgetRef;
use crate::limits::LimitRef;
use crate::money::NanoDollars;
use crate::time::UnixMillis;
use crate::window::{Period, Window};

/// A budget for one model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelBudget {
    /// The most that may be spent.
    pub limit: NanoDollars,
    /// How often it starts anew; `None`: never.
    pub period: Option<Period>,
}

/// Budgets and limits, with LiteLLM's names. What is not set does not bind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// The most that may be spent.
    pub max_budget: Option<NanoDollars>,
    /// Spending this much is worth an alert.
    pub soft_budget: Option<NanoDollars>,
    /// How often the budgets start anew; `None`: never.
    pub budget_duration: Option<Period>,
    /// Budgets for single models.
    pub model_max_budget: BTreeMap<String, ModelBudget>,
    /// Requests per minute.
    pub rpm_limit: Option<u64>,
    /// Tokens per minute.
    pub tpm_limit: Option<u64>,
    /// Requests in flight.
    pub max_parallel_requests: Option<u64>,
    /// Requests per minute for single models.
    pub model_rpm_limit: BTreeMap<String, u64>,
    /// Tokens per minute for single models.
    pub model_tpm_limit: BTreeMap<String, u64>,
}

impl Terms {
    /// These terms, with what they leave open taken from `template`.
    #[must_use]
    pub fn or(mut self, template: &Self) -> Self {
        fn fill<T: Clone>(own: &mut BTreeMap<String, T>, template: &BTreeMap<String, T>) {
            if own.is_empty() {
                own.clone_from(template);
            }
        }
        self.max_budget = self.max_budget.or(template.max_budget);
        self.soft_budget = self.soft_budget.or(template.soft_budget);
        self.budget_duration = self.budget_duration.or(template.budget_duration);
        self.rpm_limit = self.rpm_limit.or(template.rpm_limit);
        self.tpm_limit = self.tpm_limit.or(template.tpm_limit);
        self.max_parallel_requests = self
            .max_parallel_requests
            .or(template.max_parallel_requests);
        fill(&mut self.model_max_budget, &template.model_max_budget);
        fill(&mut self.model_rpm_limit, &template.model_rpm_limit);
        fill(&mut self.model_tpm_limit, &template.model_tpm_limit);
        self
    }

    /// The window of `now`, of a budget that was made at `since`.
    pub fn window(&self, now: UnixMillis, since: UnixMillis) -> Window {
        Window::of(self.budget_duration, now, since)
    }
}

/// Who has terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Their account.
    pub account: AccountId,
    /// When they were made, from which windows that no calendar knows are counted.
    pub since: UnixMillis,
    /// Their terms.
    pub terms: Terms,
}

impl Holder {
    /// The budgets that apply to a request for `model`: the holder's own, and the one for the model.
    pub fn budgets(&self, model: &str, now: UnixMillis) -> Vec<BudgetRef> {
        let terms = &self.terms;
        let mut budgets = Vec::new();
        if terms.max_budget.is_some() || terms.soft_budget.is_some() {
            let account = self.account.clone();
            let limit = terms.max_budget.unwrap_or(NanoDollars::MAX);
            budgets.push(BudgetRef {
                soft_limit: terms.soft_budget,
                ..BudgetRef::strict(account, terms.window(now, self.since), limit)
            });
        }
        let of_model = terms.model_max_budget.get(model);
        if let Some((budget, account)) = of_model.zip(self.account.for_model(model)) {
            let window = Window::of(budget.period, now, self.since);
            budgets.push(BudgetRef::strict(account, window, budget.limit));
        }
        budgets
    }

    /// The limits that apply to a request for `model`.
    pub fn limits(&self, model: &str) -> Vec<LimitRef> {
        let terms = &self.terms;
        let own = LimitRef {
            account: self.account.clone(),
            rpm: terms.rpm_limit,
            tpm: terms.tpm_limit,
            parallel: terms.max_parallel_requests,
        };
        let of_model = self.account.for_model(model).map(|account| LimitRef {
            account,
            rpm: terms.model_rpm_limit.get(model).copied(),
            tpm: terms.model_tpm_limit.get(model).copied(),
            parallel: None,
        });
        let binds = |limit: &LimitRef| limit.rpm.or(limit.tpm).or(limit.parallel).is_some();
        [Some(own), of_model]
            .into_iter()
            .flatten()
            .filter(binds)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Scope;

    fn holder(terms: Terms) -> Holder {
        Holder {
            account: AccountId::new(Scope::Key, "k"),
            since: UnixMillis(0),
            terms,
        }
    }

    #[test]
    fn terms_that_set_nothing_bind_nobody() {
        let free = holder(Terms::default());
        assert_eq!(free.budgets("m", UnixMillis(5)), []);
        assert_eq!(free.limits("m"), []);
    }

    #[test]
    fn a_budget_for_a_model_is_kept_apart_and_in_its_own_window() {
        let daily = ModelBudget {
            limit: NanoDollars::dollars(1),
            period: "1d".parse().ok(),
        };
        let terms = Terms {
            max_budget: Some(NanoDollars::dollars(5)),
            model_max_budget: [("m".to_owned(), daily)].into(),
            ..Terms::default()
        };
        let budgets = holder(terms).budgets("m", UnixMillis(5));
        let [own, model] = budgets.as_slice() else {
            panic!("{budgets:?}")
        };
        assert_eq!((own.limit, own.window.end), (NanoDollars::dollars(5), None));
        assert_eq!(model.account, AccountId::key_model("k", "m"));
        assert_eq!(model.window.end, Some(UnixMillis(86_400_000)));
    }

    #[test]
    fn a_soft_budget_alone_refuses_nothing() {
        let terms = Terms {
            soft_budget: Some(NanoDollars::dollars(1)),
            ..Terms::default()
        };
        let budgets = holder(terms).budgets("m", UnixMillis(5));
        assert_eq!(budgets[0].limit, NanoDollars::MAX);
        assert_eq!(budgets[0].soft_limit, Some(NanoDollars::dollars(1)));
    }

    #[test]
    fn a_limit_for_a_model_counts_beside_the_holder_s_own() {
        let terms = Terms {
            tpm_limit: Some(100),
            model_rpm_limit: [("m".to_owned(), 3)].into(),
            ..Terms::default()
        };
        let holder = holder(terms);
        assert_eq!(holder.limits("m").len(), 2);
        assert_eq!(holder.limits("other").len(), 1);
    }

    #[test]
    fn own_terms_come_before_a_template_s() {
        let template = Terms {
            max_budget: Some(NanoDollars::dollars(9)),
            rpm_limit: Some(7),
            ..Terms::default()
        };
        let own = Terms {
            max_budget: Some(NanoDollars::dollars(1)),
            ..Terms::default()
        };
        let terms = own.or(&template);
        assert_eq!(terms.max_budget, Some(NanoDollars::dollars(1)));
        assert_eq!(terms.rpm_limit, Some(7));
    }
}
