//! The aggregated discovery service.

use std::pin::Pin;
use std::sync::Arc;

use dragoman_envoy::Snapshot;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::AggregatedDiscoveryService;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use futures::{Stream, StreamExt};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::session::{Session, Word};
use super::status::EnvoyStatus;

/// Serves the current snapshot, and each that follows, to every Envoy that connects.
#[derive(Debug)]
pub struct Ads {
    snapshot: watch::Receiver<Arc<Snapshot>>,
    status: Arc<EnvoyStatus>,
}

impl Ads {
    /// Serves what `snapshot` holds and notes in `status` what Envoy says to it.
    pub const fn new(snapshot: watch::Receiver<Arc<Snapshot>>, status: Arc<EnvoyStatus>) -> Self {
        Self { snapshot, status }
    }
}

type Responses<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send + 'static>>;

#[async_trait]
impl AggregatedDiscoveryService for Ads {
    type StreamAggregatedResourcesStream = Responses<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Responses<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        let (responses, receiver) = mpsc::channel(16);
        let stream = ServedStream {
            session: Session::default(),
            snapshot: self.snapshot.clone(),
            status: Arc::clone(&self.status),
            responses,
        };
        // ends with its stream: when Envoy leaves, or when the server drains
        tokio::spawn(stream.run(request.into_inner()));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn delta_aggregated_resources(
        &self,
        _request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented(
            "state-of-the-world xDS is served here: use api_type GRPC",
        ))
    }
}

struct ServedStream {
    session: Session,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    status: Arc<EnvoyStatus>,
    responses: mpsc::Sender<Result<DiscoveryResponse, Status>>,
}

impl ServedStream {
    async fn run(mut self, mut requests: Streaming<DiscoveryRequest>) {
        self.status.opened();
        loop {
            let responses = tokio::select! {
                request = requests.next() => match request {
                    Some(Ok(request)) => self.receive(request),
                    Some(Err(_)) | None => break,
                },
                changed = self.snapshot.changed() => match changed {
                    Ok(()) => {
                        let snapshot = Arc::clone(&self.snapshot.borrow_and_update());
                        self.session.update(&snapshot)
                    }
                    Err(_) => break,
                },
            };
            for response in responses {
                if self.responses.send(Ok(response)).await.is_err() {
                    break;
                }
            }
        }
        self.status.closed();
    }

    fn receive(&mut self, request: DiscoveryRequest) -> Vec<DiscoveryResponse> {
        let snapshot = Arc::clone(&self.snapshot.borrow());
        let (word, response) = self.session.receive(request, &snapshot);
        match word {
            Word::Nothing => {}
            Word::Ack(kind) => self.status.accepted(kind),
            Word::Nack(kind, reason) => {
                tracing::error!(?kind, reason, "Envoy refuses its configuration");
                metrics::counter!("dragoman_xds_nacks_total").increment(1);
                self.status.refuse(kind, reason);
            }
        }
        response.into_iter().collect()
    }
}
