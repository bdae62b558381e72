//! Cohere's API, version 2 (<https://docs.cohere.com/reference/chat>).

mod citations;
mod content;
mod embeddings;
mod error;
mod request;
mod rerank;
mod response;
mod schema;
mod stream;

use dragoman_proto::{ApiError, Operation, UpstreamConfig};

use crate::{
    failure::{Failure, ProviderError},
    meter::Meter,
    registry::ProviderDialect,
    request::{Call, ResponseContext, Translated},
    sink::EventTranslator,
};

pub(crate) use embeddings::{EmbedRequest, Embeddings};

/// The dialect.
#[derive(Debug)]
pub(crate) struct Cohere;

impl ProviderDialect for Cohere {
    fn reasons(&self, config: &UpstreamConfig) -> bool {
        config.model.contains("reasoning")
    }

    fn request(&self, call: &Call<'_>) -> Result<Translated, ApiError> {
        match call.admission.operation {
            Operation::ChatCompletions => request::translate(call),
            Operation::Embeddings => embeddings::request(call),
            Operation::Rerank => rerank::request(call),
            _ => Err(call.no_such_operation("ask a model of another provider")),
        }
    }

    fn stream(&self, context: &ResponseContext) -> Box<dyn EventTranslator> {
        Box::new(stream::ChatStream::new(context))
    }

    fn answer(
        &self,
        context: &ResponseContext,
        body: &[u8],
        meter: &mut Meter,
    ) -> Result<Vec<u8>, Failure> {
        match context.operation {
            Operation::Embeddings => embeddings::answer(context, body, meter),
            Operation::Rerank => rerank::answer(context, body, meter),
            _ => response::translate(context, body, meter),
        }
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::read(body)
    }
}

/// Where `endpoint` is below the base, at the end of which a version is not meant.
fn path(call: &Call<'_>, endpoint: &str) -> String {
    let base = call.config.base_path.trim_end_matches('/');
    let root = ["/v1", "/v2"]
        .iter()
        .find_map(|end| base.strip_suffix(end))
        .unwrap_or(base);
    format!("{root}/v2{endpoint}")
}

/// The headers of every request.
fn headers(call: &Call<'_>) -> Vec<(&'static str, String)> {
    call.json_headers("text/event-stream")
}
