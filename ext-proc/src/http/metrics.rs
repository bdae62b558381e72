//! The recorder of metrics, and how it is shown to Prometheus.

use std::time::Duration;

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use metrics_exporter_prometheus::{
    BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::{Api, Master};
use crate::settlement;

/// From a cached answer to a long one of a reasoning model.
const SECONDS: [f64; 16] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 600.0,
];
const RECORDS: [f64; 8] = [1.0, 2.0, 4.0, 16.0, 64.0, 128.0, 256.0, 512.0];
const UPKEEP: Duration = Duration::from_secs(5);

/// Why nothing can be measured.
#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    /// A bucket is none.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The process has a recorder already.
    #[error("there is a recorder of metrics already")]
    Installed,
}

/// Installs the recorder, once per process; what is measured before it is lost.
pub fn install() -> Result<PrometheusHandle, RecorderError> {
    let recorder = recorder()?;
    let handle = recorder.handle();
    ::metrics::set_global_recorder(recorder).map_err(|_| RecorderError::Installed)?;
    settlement::describe();
    Ok(handle)
}

/// The recorder, with buckets that fit what is measured.
pub(crate) fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let records = Matcher::Suffix("_records".to_owned());
    Ok(PrometheusBuilder::new()
        .set_buckets_for_metric(seconds, &SECONDS)?
        .set_buckets_for_metric(records, &RECORDS)?
        .build_recorder())
}

/// Folds what was measured into the histograms now and then, until `stop`: samples would pile up
/// where nobody asks for `/metrics`.
pub async fn maintain(handle: PrometheusHandle, mut stop: watch::Receiver<bool>) {
    let mut ticks = interval(UPKEEP);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => handle.run_upkeep(),
            stopped = stop.changed() => {
                if stopped.is_err() || *stop.borrow() {
                    return;
                }
            }
        }
    }
}

/// `GET /metrics`. Aliases, providers and cost are nobody's business but the operator's.
pub(super) async fn metrics(State(api): State<Api>, _: Master) -> impl IntoResponse {
    api.metrics.run_upkeep();
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, content_type)], api.metrics.render())
}
