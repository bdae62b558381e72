//! The gRPC service that Envoy's ext_proc filter asks.

use std::pin::Pin;

use envoy_types::pb::envoy::config::core::v3::HeaderMap;
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::ExternalProcessor;
use envoy_types::pb::envoy::service::ext_proc::v3::processing_request::Request as Phase;
use envoy_types::pb::envoy::service::ext_proc::v3::{ProcessingRequest, ProcessingResponse};
use futures::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::decide::{Admitter, Headers};
use super::respond;
use crate::clock;

/// Answers Envoy's ext_proc filter. Each of its streams is one request; it is polled where it
/// arrives, with no task and no channel of its own.
#[derive(Debug)]
pub struct ExtProc {
    admitter: Admitter,
}

impl ExtProc {
    /// Answers by `admitter`.
    pub const fn new(admitter: Admitter) -> Self {
        Self { admitter }
    }
}

#[async_trait]
impl ExternalProcessor for ExtProc {
    type ProcessStream =
        Pin<Box<dyn Stream<Item = Result<ProcessingResponse, Status>> + Send + 'static>>;

    async fn process(
        &self,
        request: Request<Streaming<ProcessingRequest>>,
    ) -> Result<Response<Self::ProcessStream>, Status> {
        let admitter = self.admitter.clone();
        let answers = request.into_inner().then(move |message| {
            let admitter = admitter.clone();
            async move { answer(&admitter, message?).await }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

async fn answer(
    admitter: &Admitter,
    message: ProcessingRequest,
) -> Result<ProcessingResponse, Status> {
    let Some(Phase::RequestHeaders(headers)) = message.request else {
        return Err(Status::invalid_argument(
            "only request headers are processed here",
        ));
    };
    let headers = EnvoyHeaders(headers.headers.unwrap_or_default());
    Ok(match admitter.decide(&headers, clock::now_ms()).await {
        Ok(admitted) => respond::admit(&admitted),
        Err(denied) => {
            metrics::counter!("dragoman_denied_total", "status" => denied.error.status().to_string())
                .increment(1);
            respond::deny(&denied)
        }
    })
}

/// A request's few headers, as Envoy sent them: looking through them beats hashing them.
struct EnvoyHeaders(HeaderMap);

impl Headers for EnvoyHeaders {
    fn get(&self, name: &str) -> Option<&str> {
        let header = self.0.headers.iter().find(|header| header.key == name)?;
        if header.raw_value.is_empty() {
            Some(&header.value)
        } else {
            std::str::from_utf8(&header.raw_value).ok()
        }
    }
}
