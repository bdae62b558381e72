//! What the service answers itself, over HTTP: models, health, metrics, spend.
//!
//! Envoy routes here what is no operation at a provider. Paths, fields and error shape are those
//! that LiteLLM's clients know.

pub(crate) mod body;
mod caller;
mod cors;
mod error;
mod health;
mod info;
pub mod manage;
mod metrics;
mod models;
mod page;
mod probe;
mod spend;

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::middleware::from_fn;
use axum::routing::get;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::accounts::Accounts;
use crate::authority::Authority;
use crate::ledger::{Ledger, LedgerWriter};
use crate::live::Live;
use crate::routing::Routing;
use crate::store::KeyStore;
use crate::xds::EnvoyStatus;

pub use caller::{Caller, Master};
pub use error::Failure;
#[cfg(test)]
pub(crate) use metrics::recorder;
pub use metrics::{RecorderError, install, maintain};
pub use probe::{Probe, ProbeFailure};

/// What the endpoints stand on. Cheap to clone.
#[derive(Clone)]
pub struct Api {
    /// The configuration of the moment.
    pub live: Arc<ArcSwap<Live>>,
    /// Who may ask.
    pub authority: Arc<dyn Authority>,
    /// How deployments fare.
    pub routing: Arc<Routing>,
    /// What Envoy says.
    pub envoy: Arc<EnvoyStatus>,
    /// Where spend is read.
    pub ledger: Arc<dyn Ledger>,
    /// Where spend is written.
    pub writer: LedgerWriter,
    /// Where budgets and limits are kept.
    pub accounts: Arc<dyn Accounts>,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
    /// How `/health?probe=true` asks the providers; `None` where there is no way to them.
    pub probe: Option<Arc<dyn Probe>>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").finish_non_exhaustive()
    }
}

/// The endpoints.
pub fn app(api: Api) -> Router {
    endpoints(api, None)
}

/// The endpoints, where keys, teams and users are known by name.
pub fn app_with_keys(api: Api, keys: Arc<dyn KeyStore>) -> Router {
    endpoints(api, Some(keys))
}

fn endpoints(api: Api, keys: Option<Arc<dyn KeyStore>>) -> Router {
    let spending = spend::Spending {
        live: Arc::clone(&api.live),
        authority: Arc::clone(&api.authority),
        ledger: Arc::clone(&api.ledger),
        keys,
    };
    Router::new()
        .route("/", get(page::page))
        .route("/v1/models", get(models::list))
        .route("/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
        .route("/models/{*id}", get(models::one))
        .route("/v1/model/info", get(info::deployments))
        .route("/model/info", get(info::deployments))
        .route("/model_group/info", get(info::groups))
        .route("/health", get(health::health))
        .route("/health/liveliness", get(health::liveliness))
        .route("/health/liveness", get(health::liveliness))
        .route("/health/readiness", get(health::readiness))
        .route("/metrics", get(metrics::metrics))
        .method_not_allowed_fallback(error::method_not_allowed)
        .fallback(error::not_found)
        .with_state(api)
        .merge(spend::routes(spending))
        .layer(from_fn(cors::cors))
}

#[cfg(test)]
mod tests;
