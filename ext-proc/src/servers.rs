//! The two servers: gRPC for Envoy, HTTP for what the service answers itself.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use dragoman_envoy::Snapshot;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryServiceServer;
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::ExternalProcessorServer;
use tokio::sync::watch;
use tokio_stream::wrappers::{TcpListenerStream, UnixListenerStream};
use tonic::transport::Server;

use crate::admission::{Admitter, ExtProc};
use crate::authority::Authority;
use crate::filter_module::Embedded;
use crate::listen::Listener;
use crate::live::Live;
use crate::routing::Routing;
use crate::xds::{Ads, EnvoyStatus};

/// What the servers are made of.
pub(crate) struct Parts {
    pub(crate) live: Arc<ArcSwap<Live>>,
    pub(crate) authority: Arc<dyn Authority>,
    pub(crate) routing: Arc<Routing>,
    pub(crate) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(crate) envoy: Arc<EnvoyStatus>,
    pub(crate) filter: Embedded,
    pub(crate) ledger: PathBuf,
}

/// Serves until `stopped`, then lets what is under way finish.
pub(crate) async fn run(
    parts: Parts,
    grpc: Listener,
    api: Listener,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let admitter = Admitter::new(
        Arc::clone(&parts.live),
        Arc::clone(&parts.authority),
        Arc::clone(&parts.routing),
    );
    let router = Server::builder()
        .add_service(ExternalProcessorServer::new(ExtProc::new(admitter)))
        .add_service(AggregatedDiscoveryServiceServer::new(Ads::new(
            parts.snapshots,
            Arc::clone(&parts.envoy),
        )));
    let stop = wait(stopped.clone());
    let grpc = async move {
        match grpc {
            Listener::Tcp(listener) => {
                router.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop).await
            }
            Listener::Unix(listener) => {
                router.serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop).await
            }
        }
    };
    let grpc = tokio::spawn(grpc);
    serve_http(filter_route(parts.filter), api, wait(stopped)).await?;
    Ok(grpc.await??)
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
        Listener::Tcp(listener) => axum::serve(listener, app).with_graceful_shutdown(stop).await,
        Listener::Unix(listener) => axum::serve(listener, app).with_graceful_shutdown(stop).await,
    }
}

/// Where Envoy fetches the filter.
fn filter_route(filter: Embedded) -> Router {
    let answer = move |Path(name): Path<String>| async move {
        if filter.module.path.ends_with(&name) {
            ([(header::CONTENT_TYPE, "application/wasm")], filter.bytes).into_response()
        } else {
            StatusCode::NOT_FOUND.into_response()
        }
    };
    Router::new().route("/filter/{name}", get(answer))
}
