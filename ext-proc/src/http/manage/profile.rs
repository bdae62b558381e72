//! What the requests about keys, teams, users and templates have in common.

use dragoman_policy::Terms;
use dragoman_proto::ApiError;

use super::fields::Fields;
use crate::store::Profile;

/// Changes what a request gives of a profile. `aliases` is `model_aliases` for teams.
pub(super) fn apply(fields: &Fields, profile: &mut Profile) -> Result<(), ApiError> {
    fields.texts("models")?.set_or_empty(&mut profile.models);
    fields.names("aliases")?.set_or_empty(&mut profile.aliases);
    fields
        .names("model_aliases")?
        .set_or_empty(&mut profile.aliases);
    fields
        .object("metadata")?
        .set_or_empty(&mut profile.metadata);
    fields.texts("tags")?.set_or_empty(&mut profile.tags);
    fields.flag("blocked")?.set(&mut profile.blocked);
    fields.text("budget_id")?.set(&mut profile.budget_id);
    apply_terms(fields, &mut profile.terms)
}

/// Changes what a request gives of terms.
pub(super) fn apply_terms(fields: &Fields, terms: &mut Terms) -> Result<(), ApiError> {
    fields.dollars("max_budget")?.set(&mut terms.max_budget);
    fields.dollars("soft_budget")?.set(&mut terms.soft_budget);
    let period = fields.period("budget_duration")?;
    period.set(&mut terms.budget_duration);
    let budgets = fields.model_budgets("model_max_budget")?;
    budgets.set_or_empty(&mut terms.model_max_budget);
    fields.count("rpm_limit")?.set(&mut terms.rpm_limit);
    fields.count("tpm_limit")?.set(&mut terms.tpm_limit);
    let parallel = fields.count("max_parallel_requests")?;
    parallel.set(&mut terms.max_parallel_requests);
    let requests = fields.counts("model_rpm_limit")?;
    requests.set_or_empty(&mut terms.model_rpm_limit);
    let tokens = fields.counts("model_tpm_limit")?;
    tokens.set_or_empty(&mut terms.model_tpm_limit);
    Ok(())
}
