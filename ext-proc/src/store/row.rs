//! Between the domain's types and the columns of their tables.

use std::collections::BTreeMap;

use dragoman_policy::{KeyHash, ModelBudget, NanoDollars, Terms, UnixMillis};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{BudgetTemplate, Membership, Profile, Stamp, StoreError, Team, User, VirtualKey};
use crate::database::{Named, Row, Value};

/// What is a row of a table of its own.
pub(super) trait Entity: Sized + Send + Sync {
    const TABLE: &'static str;
    /// The column that names a row.
    const ID: &'static str;

    fn id(&self) -> &str;
    fn stamp(&self) -> &Stamp;
    fn columns(&self) -> Vec<Named>;
    fn read(row: &Row) -> Result<Self, StoreError>;
}

impl Entity for VirtualKey {
    const TABLE: &'static str = "virtual_keys";
    const ID: &'static str = "key_id";

    fn id(&self) -> &str {
        &self.id
    }

    fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    fn columns(&self) -> Vec<Named> {
        let mut columns = vec![
            ("key_id", self.id.as_str().into()),
            ("token", self.token.to_hex().into()),
            ("key_name", self.name.as_str().into()),
            ("key_alias", self.alias.as_deref().into()),
            ("user_id", self.user_id.as_deref().into()),
            ("team_id", self.team_id.as_deref().into()),
            ("allowed_routes", json(&self.routes)),
            ("expires_at", self.expires.into()),
            ("rotations", self.rotations.into()),
            ("rotated_at", self.rotated_at.into()),
        ];
        columns.extend(profile_columns(&self.profile));
        columns.extend(stamp_columns(&self.stamp));
        columns
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        let token = row.text("token")?;
        Ok(Self {
            id: row.text("key_id")?,
            token: KeyHash::parse(&token).ok_or(StoreError::Corrupt("token"))?,
            name: row.text("key_name")?,
            alias: row.optional_text("key_alias")?,
            user_id: row.optional_text("user_id")?,
            team_id: row.optional_text("team_id")?,
            profile: profile(row)?,
            routes: parsed(row, "allowed_routes")?,
            expires: row.optional_int("expires_at")?.map(UnixMillis),
            rotations: row.int("rotations")?,
            rotated_at: row.optional_int("rotated_at")?.map(UnixMillis),
            stamp: stamp(row)?,
        })
    }
}

impl Entity for Team {
    const TABLE: &'static str = "teams";
    const ID: &'static str = "team_id";

    fn id(&self) -> &str {
        &self.id
    }

    fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    fn columns(&self) -> Vec<Named> {
        let mut columns = vec![
            ("team_id", self.id.as_str().into()),
            ("team_alias", self.alias.as_deref().into()),
        ];
        columns.extend(profile_columns(&self.profile));
        columns.extend(stamp_columns(&self.stamp));
        columns
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("team_id")?,
            alias: row.optional_text("team_alias")?,
            profile: profile(row)?,
            stamp: stamp(row)?,
        })
    }
}

impl Entity for User {
    const TABLE: &'static str = "users";
    const ID: &'static str = "user_id";

    fn id(&self) -> &str {
        &self.id
    }

    fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    fn columns(&self) -> Vec<Named> {
        let mut columns = vec![
            ("user_id", self.id.as_str().into()),
            ("user_alias", self.alias.as_deref().into()),
            ("user_email", self.email.as_deref().into()),
            ("user_role", self.role.as_deref().into()),
        ];
        columns.extend(profile_columns(&self.profile));
        columns.extend(stamp_columns(&self.stamp));
        columns
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("user_id")?,
            alias: row.optional_text("user_alias")?,
            email: row.optional_text("user_email")?,
            role: row.optional_text("user_role")?,
            profile: profile(row)?,
            stamp: stamp(row)?,
        })
    }
}

impl Entity for BudgetTemplate {
    const TABLE: &'static str = "budget_templates";
    const ID: &'static str = "budget_id";

    fn id(&self) -> &str {
        &self.id
    }

    fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    fn columns(&self) -> Vec<Named> {
        let mut columns = vec![("budget_id", self.id.as_str().into())];
        columns.extend(terms_columns(&self.terms));
        columns.extend(stamp_columns(&self.stamp));
        columns
    }

    fn read(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: row.text("budget_id")?,
            terms: terms(row)?,
            stamp: stamp(row)?,
        })
    }
}

pub(super) fn membership_columns(membership: &Membership) -> Vec<Named> {
    vec![
        ("team_id", membership.team_id.as_str().into()),
        ("user_id", membership.user_id.as_str().into()),
        ("role", membership.role.as_str().into()),
        ("budget_id", membership.budget_id.as_deref().into()),
        ("created_at", membership.created_at.into()),
    ]
}

pub(super) fn membership(row: &Row) -> Result<Membership, StoreError> {
    Ok(Membership {
        team_id: row.text("team_id")?,
        user_id: row.text("user_id")?,
        role: row.text("role")?,
        budget_id: row.optional_text("budget_id")?,
        created_at: UnixMillis(row.int("created_at")?),
    })
}

fn profile_columns(profile: &Profile) -> Vec<Named> {
    let mut columns = vec![
        ("models", json(&profile.models)),
        ("aliases", json(&profile.aliases)),
        ("metadata", json(&profile.metadata)),
        ("tags", json(&profile.tags)),
        ("blocked", profile.blocked.map(u64::from).into()),
        ("budget_id", profile.budget_id.as_deref().into()),
    ];
    columns.extend(terms_columns(&profile.terms));
    columns
}

fn profile(row: &Row) -> Result<Profile, StoreError> {
    Ok(Profile {
        models: parsed(row, "models")?,
        aliases: parsed(row, "aliases")?,
        metadata: parsed(row, "metadata")?,
        tags: parsed(row, "tags")?,
        blocked: row.optional_int("blocked")?.map(|blocked| blocked != 0),
        budget_id: row.optional_text("budget_id")?,
        terms: terms(row)?,
    })
}

/// A budget of a model as it is stored: nano-dollars and a duration.
#[derive(Serialize, Deserialize)]
struct StoredModelBudget {
    limit: NanoDollars,
    period: Option<String>,
}

fn terms_columns(terms: &Terms) -> Vec<Named> {
    let amount = |amount: Option<NanoDollars>| Value::Int(amount.map(NanoDollars::to_i64));
    let duration = terms.budget_duration.map(|period| period.to_string());
    let budgets = terms.model_max_budget.iter().map(|(model, budget)| {
        let period = budget.period.map(|period| period.to_string());
        let limit = budget.limit;
        (model, StoredModelBudget { limit, period })
    });
    let budgets: BTreeMap<_, _> = budgets.collect();
    vec![
        ("max_budget", amount(terms.max_budget)),
        ("soft_budget", amount(terms.soft_budget)),
        ("budget_duration", duration.as_deref().into()),
        ("model_max_budget", json(&budgets)),
        ("rpm_limit", terms.rpm_limit.into()),
        ("tpm_limit", terms.tpm_limit.into()),
        ("max_parallel_requests", terms.max_parallel_requests.into()),
        ("model_rpm_limit", json(&terms.model_rpm_limit)),
        ("model_tpm_limit", json(&terms.model_tpm_limit)),
    ]
}

fn terms(row: &Row) -> Result<Terms, StoreError> {
    let amount =
        |column| -> Result<_, StoreError> { Ok(row.optional_int(column)?.map(NanoDollars::new)) };
    let period = |text: Option<String>, column| {
        let period = text.map(|text| text.parse().map_err(|_| StoreError::Corrupt(column)));
        period.transpose()
    };
    let budgets: BTreeMap<String, StoredModelBudget> = parsed(row, "model_max_budget")?;
    let budgets = budgets.into_iter().map(|(model, stored)| {
        let limit = stored.limit;
        let period = period(stored.period, "model_max_budget")?;
        Ok((model, ModelBudget { limit, period }))
    });
    Ok(Terms {
        max_budget: amount("max_budget")?,
        soft_budget: amount("soft_budget")?,
        budget_duration: period(row.optional_text("budget_duration")?, "budget_duration")?,
        model_max_budget: budgets.collect::<Result<_, StoreError>>()?,
        rpm_limit: row.optional_int("rpm_limit")?,
        tpm_limit: row.optional_int("tpm_limit")?,
        max_parallel_requests: row.optional_int("max_parallel_requests")?,
        model_rpm_limit: parsed(row, "model_rpm_limit")?,
        model_tpm_limit: parsed(row, "model_tpm_limit")?,
    })
}

fn stamp_columns(stamp: &Stamp) -> Vec<Named> {
    vec![
        ("created_at", stamp.created_at.into()),
        ("created_by", stamp.created_by.as_str().into()),
        ("updated_at", stamp.updated_at.into()),
        ("updated_by", stamp.updated_by.as_str().into()),
        ("version", stamp.version.into()),
    ]
}

fn stamp(row: &Row) -> Result<Stamp, StoreError> {
    Ok(Stamp {
        created_at: UnixMillis(row.int("created_at")?),
        created_by: row.text("created_by")?,
        updated_at: UnixMillis(row.int("updated_at")?),
        updated_by: row.text("updated_by")?,
        version: row.int("version")?,
    })
}

/// Lists and maps of strings and numbers, which always have a JSON form.
fn json(value: &impl Serialize) -> Value {
    Value::Text(serde_json::to_string(value).ok())
}

fn parsed<T: DeserializeOwned>(row: &Row, column: &'static str) -> Result<T, StoreError> {
    serde_json::from_str(&row.text(column)?).map_err(|_| StoreError::Corrupt(column))
}
