//! `/budget/*`: templates of terms.

use axum::Json;
use axum::extract::State;
use dragoman_policy::Terms;
use dragoman_proto::ErrorKind;

use super::super::{Failure, Master};
use super::fields::Fields;
use super::reply::ShownTemplate;
use super::{AUTHOR, Manage, TRIES, new_id, profile, taken, unknown};
use crate::store::{BudgetTemplate, Stamp, StoreError, Unique};

/// `POST /budget/new`.
pub(super) async fn new(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<ShownTemplate>, Failure> {
    let mut template = BudgetTemplate {
        id: fields.text("budget_id")?.value().unwrap_or_else(new_id),
        terms: Terms::default(),
        stamp: Stamp::new(manage.now(), AUTHOR),
    };
    profile::apply_terms(&fields, &mut template.terms)?;
    match manage.store.add_template(&template).await {
        Err(StoreError::Taken(Unique::Id)) => {
            return Err(taken(ErrorKind::InvalidRequest, "budget", "budget_id"));
        }
        added => added?,
    }
    Ok(Json(ShownTemplate::new(&template, manage.now())))
}

/// `POST /budget/info`: those of `budgets` that there are.
pub(super) async fn info(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<Vec<ShownTemplate>>, Failure> {
    let now = manage.now();
    let mut found = Vec::new();
    for id in fields.required_texts("budgets")? {
        let template = manage.store.template(&id).await?;
        found.extend(template.map(|template| ShownTemplate::new(&template, now)));
    }
    Ok(Json(found))
}

/// `POST /budget/update`: what is given changes, null takes away, for all who have it.
pub(super) async fn update(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<ShownTemplate>, Failure> {
    let id = fields.required("budget_id")?;
    let mut tries = 1;
    let template = loop {
        let mut template = manage.existing(&id, "budget_id").await?;
        profile::apply_terms(&fields, &mut template.terms)?;
        template.stamp.change(manage.now(), AUTHOR);
        let replaced = manage.store.replace_template(&template).await;
        manage.authority.forget();
        match replaced {
            Err(StoreError::Stale) if tries < TRIES => tries += 1,
            replaced => break replaced.map(|()| template)?,
        }
    };
    Ok(Json(ShownTemplate::new(&template, manage.now())))
}

/// `GET /budget/list`: the oldest first.
pub(super) async fn list(
    State(manage): State<Manage>,
    _: Master,
) -> Result<Json<Vec<ShownTemplate>>, Failure> {
    let now = manage.now();
    let templates = manage.store.templates().await?;
    let shown = templates
        .iter()
        .map(|template| ShownTemplate::new(template, now));
    Ok(Json(shown.collect()))
}

/// `POST /budget/delete`: who had it keeps terms of its own only.
pub(super) async fn delete(
    State(manage): State<Manage>,
    _: Master,
    fields: Fields,
) -> Result<Json<ShownTemplate>, Failure> {
    let template = manage.existing(&fields.required("id")?, "id").await?;
    let deleted = manage.store.delete_template(&template.id).await;
    manage.authority.forget();
    deleted?;
    Ok(Json(ShownTemplate::new(&template, manage.now())))
}

impl Manage {
    async fn existing(&self, id: &str, param: &str) -> Result<BudgetTemplate, Failure> {
        let template = self.store.template(id).await?;
        template.ok_or_else(|| unknown("budget", param))
    }
}
