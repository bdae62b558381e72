//! Ollama's own API (<https://github.com/ollama/ollama/blob/main/docs/api.md>).
//!
//! `/api/chat` serves both of LiteLLM's prefixes. LiteLLM sends `ollama/` models to `/api/generate`
//! with the conversation flattened into one prompt, which loses roles, tools and images; the server
//! knows the model's own template better.

mod content;
mod embeddings;
mod error;
mod request;
mod response;
mod schema;
mod stream;

use dragoman_proto::{ApiError, Operation, UpstreamConfig};

use crate::{
    failure::{Failure, ProviderError},
    framing::{Framer, LineFramer},
    meter::Meter,
    registry::ProviderDialect,
    request::{Call, ResponseContext, Translated},
    sink::EventTranslator,
};

/// The dialect.
#[derive(Debug)]
pub(crate) struct Ollama;

/// Parts of the names of models that think; the server refuses to let others.
const REASONING: [&str; 8] = [
    "gpt-oss",
    "deepseek-r1",
    "deepseek-v3",
    "qwen3",
    "qwq",
    "magistral",
    "thinking",
    "reason",
];

impl ProviderDialect for Ollama {
    fn reasons(&self, config: &UpstreamConfig) -> bool {
        REASONING.iter().any(|part| config.model.contains(part))
    }

    fn request(&self, call: &Call<'_>) -> Result<Translated, ApiError> {
        match call.admission.operation {
            Operation::ChatCompletions => request::translate(call),
            Operation::Embeddings => embeddings::request(call),
            _ => Err(call.no_such_operation("ask a model of another provider")),
        }
    }

    fn framer(&self) -> Framer {
        Framer::Lines(LineFramer::default())
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
            _ => response::translate(context, body, meter),
        }
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::read(body)
    }
}

/// Where `endpoint` is: the base is the server's root, and a `/v1` at its end is not meant.
fn path(call: &Call<'_>, endpoint: &str) -> String {
    let base = call.config.base_path.trim_end_matches('/');
    let base = base.strip_suffix("/v1").unwrap_or(base);
    format!("{base}{endpoint}")
}

/// The headers of every request.
fn headers(call: &Call<'_>) -> Vec<(&'static str, String)> {
    call.json_headers("application/x-ndjson")
}
