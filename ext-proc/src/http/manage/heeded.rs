//! Which fields of requests mean something here; LiteLLM has more.

use serde_json::{Map, Value};

/// Fields of all that has a profile.
const PROFILE: [&str; 16] = [
    "models",
    "aliases",
    "model_aliases",
    "metadata",
    "tags",
    "blocked",
    "budget_id",
    "max_budget",
    "soft_budget",
    "budget_duration",
    "model_max_budget",
    "rpm_limit",
    "tpm_limit",
    "max_parallel_requests",
    "model_rpm_limit",
    "model_tpm_limit",
];
const KEY: [&str; 11] = [
    "key",
    "keys",
    "key_alias",
    "key_aliases",
    "user_id",
    "team_id",
    "duration",
    "allowed_routes",
    "key_type",
    "new_key",
    "grace_period",
];
const TEAM: [&str; 9] = [
    "team_id",
    "team_ids",
    "team_alias",
    "members_with_roles",
    "member",
    "max_budget_in_team",
    "user_id",
    "user_email",
    "role",
];
const USER: [&str; 10] = [
    "user_id",
    "user_ids",
    "user_alias",
    "user_email",
    "user_role",
    "teams",
    "auto_create_key",
    "key_alias",
    "team_id",
    "duration",
];
const BUDGET: [&str; 2] = ["id", "budgets"];

/// The names of what is given, asks for something and means nothing at `path`.
pub(super) fn others(path: &str, given: &Map<String, Value>) -> Vec<String> {
    let known = beside_profile(path);
    let heeded = |name: &str| PROFILE.contains(&name) || known.contains(&name);
    let others = given
        .iter()
        .filter(|(name, value)| !heeded(name) && !is_nothing(value));
    others.map(|(name, _)| name.clone()).collect()
}

/// The fields that mean something at `path`, beside those of a profile.
fn beside_profile(path: &str) -> &'static [&'static str] {
    match path.split('/').nth(1) {
        Some("key") => &KEY,
        Some("team") => &TEAM,
        Some("user") => &USER,
        _ => &BUDGET,
    }
}

/// Whether a value asks for nothing.
fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.values().all(is_nothing),
    }
}
