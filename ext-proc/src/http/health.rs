//! `/health` and its relatives.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use dragoman_config::Deployment;
use dragoman_proto::ApiError;
use futures::StreamExt;
use futures::stream;
use serde::{Deserialize, Serialize};

use super::models::visible;
use super::{Api, Caller, Failure, Probe};
use crate::accounts::AccountsError;
use crate::clock;
use crate::ledger::WriterHealth;
use crate::live::Live;

/// Probes under way at once: providers count them as requests.
const PROBES_AT_ONCE: usize = 8;

/// What to tell.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    /// Only this alias.
    model: Option<String>,
    /// Ask the providers, instead of telling what is known.
    #[serde(default)]
    probe: bool,
}

#[derive(Serialize)]
struct Report {
    status: &'static str,
    healthy_endpoints: Vec<Endpoint>,
    unhealthy_endpoints: Vec<Endpoint>,
    healthy_count: usize,
    unhealthy_count: usize,
}

#[derive(Serialize)]
struct Endpoint {
    model: String,
    model_name: String,
    model_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// `GET /health/liveliness`: the process runs.
pub(super) async fn liveliness() -> Json<&'static str> {
    Json("I'm alive!")
}

/// `GET /health`: the deployments that the caller may use, from what routing has seen of late; with
/// `probe=true`, from asking them now.
pub(super) async fn health(
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
    Caller(principal): Caller,
) -> Result<Response, Failure> {
    let live = api.live.load_full();
    let deployments: Vec<&Deployment> = visible(&live, &principal)
        .filter(|alias| wanted.model.as_deref().is_none_or(|model| model == *alias))
        .filter_map(|alias| live.config.aliases.get(alias))
        .flat_map(|group| &group.deployments)
        .filter_map(|id| live.config.deployment(id.as_str()))
        .collect();
    let troubles = if wanted.probe {
        let unavailable = || ApiError::invalid("this service has no way to probe providers");
        let probe = api.probe.as_deref().ok_or_else(unavailable)?;
        probed(&live, &deployments, probe).await
    } else {
        deployments
            .iter()
            .map(|found| known(&api, &live, found))
            .collect()
    };
    Ok(Json(report(&deployments, troubles)).into_response())
}

/// What is wrong with each deployment, as routing remembers it.
fn known(api: &Api, live: &Live, deployment: &Deployment) -> Option<String> {
    let id = deployment.id.as_str();
    if !live.has(id) {
        return Some(not_served(deployment));
    }
    if let Some(cause) = api.routing.tokens().trouble(id) {
        return Some(format!(
            "it is left out, for there is no access token: {cause}"
        ));
    }
    let cooling = api.routing.cooling_for(id, clock::now_ms())?;
    Some(format!(
        "it failed of late and is left out for another {cooling} ms"
    ))
}

/// What is wrong with each deployment, as it says itself.
async fn probed(
    live: &Live,
    deployments: &[&Deployment],
    probe: &dyn Probe,
) -> Vec<Option<String>> {
    let asked = deployments.iter().map(|deployment| {
        let id = deployment.id.to_string();
        let trouble = (!live.has(&id)).then(|| not_served(deployment));
        (id, trouble)
    });
    let asked: Vec<(String, Option<String>)> = asked.collect();
    stream::iter(asked)
        .map(|(id, trouble)| async move {
            match trouble {
                Some(trouble) => Some(trouble),
                None => probe
                    .probe(&id)
                    .await
                    .err()
                    .map(|failure| failure.to_string()),
            }
        })
        .buffered(PROBES_AT_ONCE)
        .collect()
        .await
}

fn not_served(deployment: &Deployment) -> String {
    format!(
        "the provider `{}` is not served yet",
        deployment.provider.prefix
    )
}

fn report(deployments: &[&Deployment], troubles: Vec<Option<String>>) -> Report {
    let endpoints = deployments
        .iter()
        .zip(troubles)
        .map(|(deployment, error)| Endpoint {
            model: format!("{}/{}", deployment.provider.prefix, deployment.model),
            model_name: deployment.alias.to_string(),
            model_id: deployment.id.to_string(),
            error,
        });
    let (unhealthy, healthy): (Vec<_>, Vec<_>) = endpoints.partition(|found| found.error.is_some());
    Report {
        status: "ok",
        healthy_count: healthy.len(),
        unhealthy_count: unhealthy.len(),
        healthy_endpoints: healthy,
        unhealthy_endpoints: unhealthy,
    }
}

#[derive(Debug, Serialize, PartialEq, Eq)]
struct Readiness {
    status: &'static str,
    db: &'static str,
    /// Envoys that are connected. None is no failure: an Envoy may wait for us to be ready.
    envoys: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failing: Vec<Failing>,
}

/// A dependency that does not do its part. Reasons are in the log: nobody needs a key to ask here.
#[derive(Debug, Serialize, PartialEq, Eq)]
struct Failing {
    dependency: &'static str,
    what: String,
}

/// `GET /health/readiness`: whether requests can be served and recorded; 503 when not.
pub(super) async fn readiness(State(api): State<Api>) -> Response {
    let ledger = api.ledger.health().await;
    if let Err(error) = &ledger {
        tracing::error!(%error, "the ledger does not answer");
    }
    let accounts = api.accounts.health().await;
    let refused = api.envoy.refused();
    let refused = refused.iter().map(|(kind, _)| format!("{kind:?}"));
    let readiness = Readiness::new(
        ledger.is_ok(),
        &api.writer.health(),
        accounts.as_ref().err(),
        api.envoy.connected(),
        &refused.collect::<Vec<_>>(),
    );
    let status = if readiness.failing.is_empty() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(readiness)).into_response()
}

impl Readiness {
    fn new(
        ledger_reads: bool,
        writer: &WriterHealth,
        accounts: Option<&AccountsError>,
        envoys: usize,
        refused: &[String],
    ) -> Self {
        let failing_ledger = |what: String| Failing {
            dependency: "ledger",
            what,
        };
        let mut failing = Vec::new();
        if !ledger_reads {
            failing.push(failing_ledger("it cannot be read".to_owned()));
        }
        if writer.failure.is_some() {
            let waiting = writer.waiting;
            let what = format!("it cannot be written, {waiting} records wait");
            failing.push(failing_ledger(what));
        }
        if let Some(AccountsError::Unavailable { dependency }) = accounts {
            let what = "budgets and limits cannot be checked".to_owned();
            failing.push(Failing { dependency, what });
        }
        if !refused.is_empty() {
            failing.push(Failing {
                dependency: "envoy",
                what: format!("it refuses its configuration: {}", refused.join(", ")),
            });
        }
        let connected = ledger_reads && writer.failure.is_none();
        Self {
            status: if failing.is_empty() {
                "healthy"
            } else {
                "unhealthy"
            },
            db: if connected {
                "connected"
            } else {
                "Not connected"
            },
            envoys,
            failing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(failure: Option<&str>) -> WriterHealth {
        WriterHealth {
            waiting: 7,
            failure: failure.map(str::to_owned),
        }
    }

    fn failing(readiness: Readiness) -> Vec<(&'static str, String)> {
        assert_eq!(readiness.status, "unhealthy");
        let failing = readiness.failing.into_iter();
        failing
            .map(|failing| (failing.dependency, failing.what))
            .collect()
    }

    #[test]
    fn an_envoy_that_is_still_to_come_is_no_failure() {
        let readiness = Readiness::new(true, &writer(None), None, 0, &[]);
        assert_eq!((readiness.status, readiness.db), ("healthy", "connected"));
    }

    #[test]
    fn a_ledger_that_cannot_be_written_is_named_without_the_reason() {
        let readiness = Readiness::new(true, &writer(Some("/secret/path")), None, 1, &[]);
        let expected = "it cannot be written, 7 records wait".to_owned();
        assert_eq!(failing(readiness), [("ledger", expected)]);
    }

    #[test]
    fn accounts_that_are_away_are_named() {
        let dependency = "redis";
        let away = Some(AccountsError::Unavailable { dependency });
        let readiness = Readiness::new(true, &writer(None), away.as_ref(), 1, &[]);
        let expected = "budgets and limits cannot be checked".to_owned();
        assert_eq!(failing(readiness), [(dependency, expected)]);
    }

    #[test]
    fn a_configuration_that_envoy_refuses_is_named() {
        let readiness = Readiness::new(true, &writer(None), None, 1, &["Cluster".into()]);
        let expected = "it refuses its configuration: Cluster".to_owned();
        assert_eq!(failing(readiness), [("envoy", expected)]);
    }
}
