//! Managing keys, teams, users and budget templates, with LiteLLM's paths and fields.
//!
//! Only the master key manages; the holder of a key may see that key. Every change is in force here
//! when its reply is sent, and in other replicas within seconds.

mod budgets;
mod edit_key;
mod fields;
mod heeded;
mod keys;
mod profile;
mod reply;
mod spend;
mod team_members;
mod teams;
mod users;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::routing::{get, post};
use dragoman_policy::keys::MASTER;
use dragoman_policy::{AccountId, KeyHash, Terms, UnixMillis};
use dragoman_proto::{ApiError, ErrorKind};

use super::Failure;
use crate::authority::{Authority, Unavailable};
use crate::store::{BudgetTemplate, KeyStore, StoreError, Unique};

pub(super) use reply::Spent;
pub(super) use reply::{ShownKey, ShownUser};
pub use spend::{LedgerSpend, Spend, requests_of};

/// How often a change is tried again that met another change.
const TRIES: u32 = 5;

/// What managing stands on. Cheap to clone.
#[derive(Clone)]
pub struct Manage {
    /// Who may manage, and who forgets what it knew of changed keys.
    pub authority: Arc<dyn Authority>,
    /// Where keys, teams, users and templates are.
    pub store: Arc<dyn KeyStore>,
    /// What they have spent.
    pub spend: Arc<dyn Spend>,
    /// Milliseconds since the epoch.
    pub now: fn() -> u64,
}

impl std::fmt::Debug for Manage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manage").finish_non_exhaustive()
    }
}

impl FromRef<Manage> for Arc<dyn Authority> {
    fn from_ref(manage: &Manage) -> Self {
        Self::clone(&manage.authority)
    }
}

/// The endpoints, to be merged into the service's own.
pub fn routes(manage: Manage) -> Router {
    Router::new()
        .route("/key/generate", post(keys::generate))
        .route("/key/update", post(keys::update))
        .route("/key/delete", post(keys::delete))
        .route("/key/block", post(keys::block))
        .route("/key/unblock", post(keys::unblock))
        .route("/key/regenerate", post(keys::regenerate))
        .route("/key/{key}/regenerate", post(keys::regenerate_named))
        .route("/key/info", get(keys::info))
        .route("/key/list", get(keys::list))
        .route("/team/new", post(teams::new))
        .route("/team/info", get(teams::info))
        .route("/team/update", post(teams::update))
        .route("/team/delete", post(teams::delete))
        .route("/team/list", get(teams::list))
        .route("/team/block", post(teams::block))
        .route("/team/unblock", post(teams::unblock))
        .route("/team/member_add", post(team_members::add))
        .route("/team/member_delete", post(team_members::delete))
        .route("/user/new", post(users::new))
        .route("/user/info", get(users::info))
        .route("/user/update", post(users::update))
        .route("/user/delete", post(users::delete))
        .route("/user/list", get(users::list))
        .route("/budget/new", post(budgets::new))
        .route("/budget/info", post(budgets::info))
        .route("/budget/update", post(budgets::update))
        .route("/budget/list", get(budgets::list))
        .route("/budget/delete", post(budgets::delete))
        .method_not_allowed_fallback(super::error::method_not_allowed)
        .with_state(manage)
}

impl Manage {
    fn now(&self) -> UnixMillis {
        UnixMillis((self.now)())
    }

    /// What an account spent.
    async fn spent(
        &self,
        account: &AccountId,
        terms: &Terms,
        since: UnixMillis,
    ) -> Result<Spent, Failure> {
        let spent = self.spent_by(&[(account.clone(), terms, since)]).await?;
        Ok(spent.into_iter().next().unwrap_or(Spent::NOTHING))
    }

    /// What several accounts spent, each with its terms and since when it has them.
    async fn spent_by(
        &self,
        accounts: &[(AccountId, &Terms, UnixMillis)],
    ) -> Result<Vec<Spent>, Failure> {
        let now = self.now();
        let places: Vec<_> = accounts
            .iter()
            .flat_map(|(account, terms, since)| Spent::places(account, terms, *since, now))
            .collect();
        let amounts = self.spend.of(&places).await.map_err(ApiError::from)?;
        let pairs = amounts.chunks_exact(2);
        let spent = pairs.map(|pair| match pair {
            [spend, total] => Spent::new(*spend, *total),
            _ => Spent::NOTHING,
        });
        Ok(spent.collect())
    }

    /// The template that something names, which must exist.
    async fn template(&self, id: Option<&str>) -> Result<Option<BudgetTemplate>, Failure> {
        let Some(id) = id else { return Ok(None) };
        let template = self.store.template(id).await?;
        template.map(Some).ok_or_else(|| {
            let message = format!("there is no budget `{id}`; make it with /budget/new");
            ApiError::invalid(message).param("budget_id").into()
        })
    }
}

/// A key, or its hash, as requests name it.
fn hash(key: &str) -> KeyHash {
    KeyHash::parse(key).unwrap_or_else(|| KeyHash::of(key))
}

/// Who makes and changes things.
const AUTHOR: &str = MASTER;

/// An id that is like no other.
fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// What a request names is not there.
fn unknown(what: &str, param: &str) -> Failure {
    let message = format!("there is no such {what}");
    let code = format!("{what}_not_found");
    ApiError::new(ErrorKind::NotFound, message)
        .param(param)
        .code(code)
        .into()
}

/// What a request makes is there already.
fn taken(kind: ErrorKind, what: &str, param: &str) -> Failure {
    let message = format!("there is such a {what} already");
    ApiError::new(kind, message).param(param).into()
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Taken(Unique::KeyAlias) => {
                let message = "another key has this alias; aliases are unique";
                ApiError::invalid(message).param("key_alias").into()
            }
            StoreError::Taken(Unique::Id) => {
                ApiError::invalid("there is one of this id already").into()
            }
            StoreError::Stale => {
                let message = "it was changed at the same time; try again";
                ApiError::new(ErrorKind::Conflict, message).into()
            }
            StoreError::Unavailable { .. }
            | StoreError::Migration(_)
            | StoreError::File(_)
            | StoreError::Corrupt(_) => {
                tracing::error!(%error, "the store of keys failed");
                ApiError::from(Unavailable::from(error)).into()
            }
        }
    }
}
