//! What is understood and not done yet. Each line goes when the service does it.

use crate::section::Reader;
use crate::{Budgets, General, Own, Router};

const BUDGETS: &str = "budgets are not enforced yet: this one stops nothing";

/// Says so where a file relies on it.
pub(super) fn warn(general: &General, router: &Router, own: &Own, reader: &mut Reader<'_>) {
    if general.max_budget.is_some() {
        reader.warn("litellm_settings.max_budget", BUDGETS);
    }
    if !router.provider_budgets.is_empty() {
        reader.warn("router_settings.provider_budget_config", BUDGETS);
    }
    if own.budgets != Budgets::default() {
        reader.warn(
            "dragoman.budgets",
            "budgets are not enforced yet: this has no effect",
        );
    }
    if own.enforce_usage_limits && !general.usage_limits.is_empty() {
        let consequence = "limits per minute are not enforced yet: these stop nothing";
        reader.warn("general_settings.usage_limits", consequence);
    }
    if router.pre_call_checks {
        let consequence = "limits per minute are not enforced yet: rpm and tpm only weigh";
        reader.warn("router_settings.enable_pre_call_checks", consequence);
    }
}
