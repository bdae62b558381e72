//! What was spent: requests one by one, and sums, with LiteLLM's paths and fields. Only the master
//! key sees it.
//!
//! Each answer is JSON, or CSV with `?format=csv` or `Accept: text/csv`. Amounts are exact decimals
//! in dollars. Days are UTC's. Sums come from the ledger's tables of sums, so that they cost the same
//! however many requests there were.

mod asked;
mod csv;
mod figures;
mod logs;
mod names;
mod report;
mod totals;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::FromRef;
use axum::routing::get;

use super::{Failure, Master};
use crate::authority::Authority;
use crate::ledger::Ledger;
use crate::live::Live;
use crate::store::KeyStore;

/// What the endpoints stand on. Cheap to clone.
#[derive(Clone)]
pub(super) struct Spending {
    pub(super) live: Arc<ArcSwap<Live>>,
    pub(super) authority: Arc<dyn Authority>,
    pub(super) ledger: Arc<dyn Ledger>,
    /// Knows keys, teams and users by name; without it they are shown by id alone.
    pub(super) keys: Option<Arc<dyn KeyStore>>,
}

impl FromRef<Spending> for Arc<dyn Authority> {
    fn from_ref(spending: &Spending) -> Self {
        Self::clone(&spending.authority)
    }
}

/// The endpoints.
pub(super) fn routes(spending: Spending) -> Router {
    Router::new()
        .route("/spend/logs", get(logs::logs))
        .route("/spend/keys", get(totals::keys))
        .route("/spend/users", get(totals::users))
        .route("/spend/tags", get(totals::tags))
        .route("/global/spend", get(totals::global))
        .route("/global/spend/logs", get(totals::days))
        .route("/global/spend/keys", get(totals::global_keys))
        .route("/global/spend/models", get(totals::models))
        .route("/global/spend/report", get(report::report))
        .method_not_allowed_fallback(super::error::method_not_allowed)
        .with_state(spending)
}

#[cfg(test)]
mod tests;
