//! The two servers: gRPC for Envoy, HTTP for what the service answers itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use dragoman_envoy::Snapshot;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer;
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::ExternalProcessorServer;
use tokio::sync::watch;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::transport::Server;

use crate::admission::{Admitter, ExtProc};
use crate::clock;
use crate::http::manage::{self, LedgerSpend, Manage};
use crate::http::{self, Api};
use crate::listen::Listener;
use crate::settlement::{LivePricing, RoutingObserver, Settlement, Spool};
use crate::storage::{Storage, StorageGuards};
use crate::xds::Ads;

/// How long Envoy may take, once the service stops, to hand over what it has logged.
const DRAIN: Duration = Duration::from_secs(2);
/// What the servers are made of.
pub(crate) struct Parts {
    pub(crate) api: Api,
    pub(crate) storage: Storage,
    pub(crate) guards: StorageGuards,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Envoy's log of requests in a file.
    pub(crate) spool: Option<PathBuf>,
}

/// Serves until `stopped`; then lets what is under way finish, and writes what was logged.
pub(crate) async fn run(
    parts: Parts,
    grpc: Listener,
    api: Listener,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let Parts {
        api: state,
        storage,
        guards,
        snapshots,
        spool,
    } = parts;
    let endpoints = http::app_with_keys(state.clone(), Arc::clone(&storage.keys));
    let app = endpoints.merge(manage::routes(Manage {
        authority: Arc::clone(&storage.authority),
        store: Arc::clone(&storage.keys),
        spend: Arc::new(LedgerSpend(Arc::clone(&storage.ledger))),
        now: clock::now_ms,
    }));
    let app = app.layer(from_fn(http::body::whole));
    let metrics = tokio::spawn(http::maintain(state.metrics.clone(), stopped.clone()));
    let envoy = tokio::spawn(serve_envoy(
        state,
        storage,
        snapshots,
        grpc,
        spool,
        stopped.clone(),
    ));
    serve_http(app, api, wait(stopped)).await?;
    let served = envoy.await?;
    metrics.await?;
    guards.drain().await?;
    served
}

/// The gRPC services. Envoy keeps its streams open as long as it runs, so the wait for them to end
/// is bounded.
async fn serve_envoy(
    state: Api,
    storage: Storage,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    listener: Listener,
    spool: Option<PathBuf>,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let Api {
        live,
        authority,
        routing,
        envoy,
        writer,
        ..
    } = state;
    let admitter = Admitter::new(
        Arc::clone(&live),
        authority,
        Arc::clone(&routing),
        storage.accounts,
    );
    let pricing = Arc::new(LivePricing(Arc::clone(&live)));
    let observer = Arc::new((RoutingObserver { live, routing }, storage.settler));
    let mut settlement = Settlement::new(writer, pricing, observer);
    let spool = spool.map(|file| Spool::new(&file, &mut settlement, storage.ledger));
    let spooling = spool.map(|spool| tokio::spawn(spool.run(stopped.clone())));
    let router = Server::builder()
        .add_service(ExternalProcessorServer::new(ExtProc::new(admitter)))
        .add_service(AggregatedDiscoveryServiceServer::new(Ads::new(
            snapshots, envoy,
        )))
        .add_service(settlement.into_service());
    let stop = wait(stopped.clone());
    let deadline = async {
        wait(stopped).await;
        tokio::time::sleep(DRAIN).await;
    };
    let serving = async move {
        match listener {
            Listener::Tcp(listener) => {
                router
                    .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop)
                    .await
            }
            Listener::Unix(listener) => {
                router
                    .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop)
                    .await
            }
        }
    };
    let served = tokio::select! {
        result = serving => result.map_err(Into::into),
        () = deadline => Ok(()),
    };
    if let Some(spooling) = spooling {
        spooling.await?;
    }
    served
}

async fn wait(mut stopped: watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn serve_http(
    app: Router,
    listener: Listener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    match listener {
        Listener::Tcp(listener) => {
            axum::serve(listener, app)
                .with_graceful_shutdown(stop)
                .await
        }
        Listener::Unix(listener) => {
            axum::serve(listener, app)
                .with_graceful_shutdown(stop)
                .await
        }
    }
}
