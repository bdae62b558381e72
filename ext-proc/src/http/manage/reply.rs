//! Keys, teams, users and templates as LiteLLM shows them.

use std::collections::BTreeMap;

use dragoman_policy::budget::AccountWindow;
use dragoman_policy::{AccountId, ModelBudget, NanoDollars, Terms, UnixMillis, Window};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::store::{BudgetTemplate, Membership, Profile, Stamp, Team, User, VirtualKey};

/// An amount as a JSON number of dollars that is exact.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dollars(pub(super) NanoDollars);

impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string())
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

/// What was spent in the budget's window of now, and ever.
#[derive(Debug, Clone, Copy, Serialize)]
pub(in crate::http) struct Spent {
    spend: Dollars,
    total_spend: Dollars,
}

impl Spent {
    /// Nothing.
    pub(super) const NOTHING: Self = Self {
        spend: Dollars(NanoDollars::ZERO),
        total_spend: Dollars(NanoDollars::ZERO),
    };

    pub(in crate::http) fn new(spend: NanoDollars, total: NanoDollars) -> Self {
        Self {
            spend: Dollars(spend),
            total_spend: Dollars(total),
        }
    }

    /// Where to look: in the window of now, and over all time.
    pub(super) fn places(
        account: &AccountId,
        terms: &Terms,
        since: UnixMillis,
        now: UnixMillis,
    ) -> [AccountWindow; 2] {
        [terms.window(now, since), Window::FOREVER].map(|window| AccountWindow {
            account: account.clone(),
            window,
        })
    }
}

#[derive(Debug, Serialize)]
struct ShownModelBudget {
    budget_limit: Dollars,
    time_period: Option<String>,
}

/// Budgets and limits.
#[derive(Debug, Serialize)]
pub(super) struct ShownTerms {
    max_budget: Option<Dollars>,
    soft_budget: Option<Dollars>,
    budget_duration: Option<String>,
    budget_reset_at: Option<String>,
    model_max_budget: BTreeMap<String, ShownModelBudget>,
    rpm_limit: Option<u64>,
    tpm_limit: Option<u64>,
    max_parallel_requests: Option<u64>,
    model_rpm_limit: Option<BTreeMap<String, u64>>,
    model_tpm_limit: Option<BTreeMap<String, u64>>,
}

impl ShownTerms {
    fn new(terms: &Terms, since: UnixMillis, now: UnixMillis) -> Self {
        let budget = |(model, budget): (&String, &ModelBudget)| {
            let shown = ShownModelBudget {
                budget_limit: Dollars(budget.limit),
                time_period: budget.period.map(|period| period.to_string()),
            };
            (model.clone(), shown)
        };
        let unless_empty =
            |counts: &BTreeMap<String, u64>| (!counts.is_empty()).then(|| counts.clone());
        Self {
            max_budget: terms.max_budget.map(Dollars),
            soft_budget: terms.soft_budget.map(Dollars),
            budget_duration: terms.budget_duration.map(|period| period.to_string()),
            budget_reset_at: terms.window(now, since).end.map(|end| end.to_string()),
            model_max_budget: terms.model_max_budget.iter().map(budget).collect(),
            rpm_limit: terms.rpm_limit,
            tpm_limit: terms.tpm_limit,
            max_parallel_requests: terms.max_parallel_requests,
            model_rpm_limit: unless_empty(&terms.model_rpm_limit),
            model_tpm_limit: unless_empty(&terms.model_tpm_limit),
        }
    }
}

/// What keys, teams and users have in common.
#[derive(Debug, Serialize)]
struct ShownProfile {
    models: Vec<String>,
    metadata: Map<String, Value>,
    tags: Option<Vec<String>>,
    blocked: Option<bool>,
    budget_id: Option<String>,
    #[serde(flatten)]
    terms: ShownTerms,
}

impl ShownProfile {
    fn new(profile: &Profile, stamp: &Stamp, now: UnixMillis) -> Self {
        Self {
            models: profile.models.clone(),
            metadata: profile.metadata.clone(),
            tags: (!profile.tags.is_empty()).then(|| profile.tags.clone()),
            blocked: profile.blocked,
            budget_id: profile.budget_id.clone(),
            terms: ShownTerms::new(&profile.terms, stamp.created_at, now),
        }
    }
}

#[derive(Debug, Serialize)]
struct ShownStamp {
    created_at: String,
    created_by: String,
    updated_at: String,
    updated_by: String,
}

impl From<&Stamp> for ShownStamp {
    fn from(stamp: &Stamp) -> Self {
        Self {
            created_at: stamp.created_at.to_string(),
            created_by: stamp.created_by.clone(),
            updated_at: stamp.updated_at.to_string(),
            updated_by: stamp.updated_by.clone(),
        }
    }
}

/// A key.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ShownKey {
    token: String,
    key_name: String,
    key_alias: Option<String>,
    #[serde(flatten)]
    spent: Spent,
    expires: Option<String>,
    user_id: Option<String>,
    team_id: Option<String>,
    aliases: BTreeMap<String, String>,
    #[serde(flatten)]
    profile: ShownProfile,
    config: Map<String, Value>,
    permissions: Map<String, Value>,
    allowed_routes: Vec<String>,
    allowed_cache_controls: [String; 0],
    organization_id: Option<String>,
    rotation_count: u64,
    last_rotation_at: Option<String>,
    status: &'static str,
    litellm_budget_table: Option<ShownTemplate>,
    #[serde(flatten)]
    stamp: ShownStamp,
}

impl ShownKey {
    pub(in crate::http) fn new(
        key: &VirtualKey,
        template: Option<&BudgetTemplate>,
        spent: Spent,
        now: UnixMillis,
    ) -> Self {
        let status = match (key.profile.blocked, key.expires) {
            (Some(true), _) => "blocked",
            (_, Some(end)) if end <= now => "expired",
            _ => "active",
        };
        Self {
            token: key.token.to_hex(),
            key_name: key.name.clone(),
            key_alias: key.alias.clone(),
            spent,
            expires: key.expires.map(|end| end.to_string()),
            user_id: key.user_id.clone(),
            team_id: key.team_id.clone(),
            aliases: key.profile.aliases.clone(),
            profile: ShownProfile::new(&key.profile, &key.stamp, now),
            config: Map::new(),
            permissions: Map::new(),
            allowed_routes: key.routes.clone(),
            allowed_cache_controls: [],
            organization_id: None,
            rotation_count: key.rotations,
            last_rotation_at: key.rotated_at.map(|time| time.to_string()),
            status,
            litellm_budget_table: template.map(|template| ShownTemplate::new(template, now)),
            stamp: (&key.stamp).into(),
        }
    }
}

/// A key that was just made, with the only sight of it.
#[derive(Debug, Serialize)]
pub(super) struct GeneratedKey {
    pub(super) key: String,
    pub(super) token_id: String,
    /// LiteLLM has turned it into `expires` and says so.
    pub(super) duration: Option<String>,
    #[serde(flatten)]
    pub(super) shown: ShownKey,
    /// What the request set and nothing here heeds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ignored_fields: Vec<String>,
}

/// A team.
#[derive(Debug, Serialize)]
pub(super) struct ShownTeam {
    team_alias: Option<String>,
    team_id: String,
    organization_id: Option<String>,
    admins: [String; 0],
    members: [String; 0],
    members_with_roles: Vec<ShownMember>,
    model_aliases: BTreeMap<String, String>,
    #[serde(flatten)]
    spent: Spent,
    #[serde(flatten)]
    profile: ShownProfile,
    #[serde(flatten)]
    stamp: ShownStamp,
}

/// A user in a team.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ShownMember {
    pub(super) user_id: String,
    pub(super) user_email: Option<String>,
    pub(super) role: String,
}

impl ShownTeam {
    pub(super) fn new(
        team: &Team,
        members: Vec<ShownMember>,
        spent: Spent,
        now: UnixMillis,
    ) -> Self {
        let mut profile = ShownProfile::new(&team.profile, &team.stamp, now);
        profile.blocked = Some(team.profile.blocked == Some(true));
        Self {
            team_alias: team.alias.clone(),
            team_id: team.id.clone(),
            organization_id: None,
            admins: [],
            members: [],
            members_with_roles: members,
            model_aliases: team.profile.aliases.clone(),
            spent,
            profile,
            stamp: (&team.stamp).into(),
        }
    }
}

/// A membership with its terms.
#[derive(Debug, Serialize)]
pub(super) struct ShownMembership {
    user_id: String,
    team_id: String,
    role: String,
    budget_id: Option<String>,
    #[serde(flatten)]
    spent: Spent,
    litellm_budget_table: Option<ShownTemplate>,
}

impl ShownMembership {
    pub(super) fn new(
        membership: &Membership,
        template: Option<&BudgetTemplate>,
        spent: Spent,
        now: UnixMillis,
    ) -> Self {
        Self {
            user_id: membership.user_id.clone(),
            team_id: membership.team_id.clone(),
            role: membership.role.clone(),
            budget_id: membership.budget_id.clone(),
            spent,
            litellm_budget_table: template.map(|template| ShownTemplate::new(template, now)),
        }
    }
}

/// A user.
#[derive(Debug, Serialize)]
pub(in crate::http) struct ShownUser {
    user_id: String,
    user_alias: Option<String>,
    user_email: Option<String>,
    user_role: Option<String>,
    teams: Vec<String>,
    aliases: BTreeMap<String, String>,
    #[serde(flatten)]
    spent: Spent,
    #[serde(flatten)]
    profile: ShownProfile,
    organization_id: Option<String>,
    #[serde(flatten)]
    stamp: ShownStamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_count: Option<u64>,
}

impl ShownUser {
    pub(in crate::http) fn new(
        user: &User,
        teams: Vec<String>,
        spent: Spent,
        now: UnixMillis,
    ) -> Self {
        Self {
            user_id: user.id.clone(),
            user_alias: user.alias.clone(),
            user_email: user.email.clone(),
            user_role: user.role.clone(),
            teams,
            aliases: user.profile.aliases.clone(),
            spent,
            profile: ShownProfile::new(&user.profile, &user.stamp, now),
            organization_id: None,
            stamp: (&user.stamp).into(),
            key_count: None,
        }
    }
}

/// A budget template.
#[derive(Debug, Serialize)]
pub(super) struct ShownTemplate {
    budget_id: String,
    #[serde(flatten)]
    terms: ShownTerms,
    #[serde(flatten)]
    stamp: ShownStamp,
}

impl ShownTemplate {
    pub(super) fn new(template: &BudgetTemplate, now: UnixMillis) -> Self {
        Self {
            budget_id: template.id.clone(),
            terms: ShownTerms::new(&template.terms, template.stamp.created_at, now),
            stamp: (&template.stamp).into(),
        }
    }
}
