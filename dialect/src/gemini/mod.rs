//! Google's Gemini API (<https://ai.google.dev/api/generate-content>), also as Vertex AI serves it.

mod candidate;
mod content;
mod edits;
mod embeddings;
mod error;
mod extra;
mod grounding;
mod images;
mod inpaint;
mod mask;
mod media;
mod request;
mod response;
mod schema;
mod stream;
mod subset;
mod thinking;
mod tools;

use std::fmt::Write;

use dragoman_proto::{ApiError, Dialect, Operation, UpstreamConfig};

use crate::{
    failure::{Failure, ProviderError},
    meter::Meter,
    registry::ProviderDialect,
    request::{Call, ResponseContext, Translated},
    sink::EventTranslator,
};

pub(crate) use images::draws;

/// The dialect.
#[derive(Debug)]
pub(crate) struct Gemini;

impl ProviderDialect for Gemini {
    fn reasons(&self, config: &UpstreamConfig) -> bool {
        thinking::version(&config.model).is_none_or(|version| version >= (2, 5))
    }

    fn searches(&self, _: &UpstreamConfig) -> bool {
        true
    }

    fn request(&self, call: &Call<'_>) -> Result<Translated, ApiError> {
        match call.admission.operation {
            Operation::ChatCompletions => request::translate(call),
            Operation::Embeddings => embeddings::request(call),
            Operation::ImagesGenerations => images::request(call),
            Operation::ImagesEdits => edits::request(call),
            _ => Err(call.no_such_operation("ask a model of another provider")),
        }
    }

    fn stream(&self, context: &ResponseContext) -> Box<dyn EventTranslator> {
        Box::new(stream::AnswerStream::new(context))
    }

    fn answer(
        &self,
        context: &ResponseContext,
        body: &[u8],
        meter: &mut Meter,
    ) -> Result<Vec<u8>, Failure> {
        match context.operation {
            Operation::Embeddings => embeddings::answer(context, body, meter),
            Operation::ImagesGenerations | Operation::ImagesEdits => {
                images::answer(context, body, meter)
            }
            _ => response::translate(context, body, meter),
        }
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::read(body)
    }
}

/// What a deployment can do that others cannot.
#[derive(Debug, Clone, Copy)]
struct Target {
    /// It is on Vertex AI.
    vertex: bool,
    /// The model fetches public addresses
    /// (<https://ai.google.dev/gemini-api/docs/file-input-methods>).
    fetches: bool,
    /// Calls must be signed when they come back.
    signs_calls: bool,
}

impl Target {
    fn of(config: &UpstreamConfig) -> Self {
        let vertex = config.dialect == Dialect::VertexAi;
        let version = thinking::version(&config.model);
        Self {
            vertex,
            fetches: vertex || version.is_none_or(|version| version >= (2, 5)),
            signs_calls: thinking::signs_calls(&config.model),
        }
    }
}

/// Where a model's `method` is.
fn path(call: &Call<'_>, method: &str) -> String {
    let base = call.config.base_path.trim_end_matches('/');
    let model = &call.config.model;
    if !Target::of(call.config).vertex {
        return format!("{base}/{}:{method}", resource(model));
    }
    // A tuned model is an endpoint of the project's own, which has a number for a name.
    let name = model.strip_prefix("gemini/").unwrap_or(model);
    if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit()) {
        return format!("{base}/endpoints/{name}:{method}");
    }
    format!("{base}/publishers/google/{}:{method}", resource(name))
}

/// A model's name as a resource: `models/gemini-2.5-flash`. A tuned model has a collection of its own.
fn resource(model: &str) -> String {
    for collection in ["models", "tunedModels"] {
        let name = model
            .strip_prefix(collection)
            .and_then(|rest| rest.strip_prefix('/'));
        if let Some(name) = name {
            return format!("{collection}/{}", encoded(name));
        }
    }
    format!("models/{}", encoded(model))
}

/// A segment of a path: a client may choose a model's name where an alias is a wildcard.
pub(crate) fn encoded(segment: &str) -> String {
    let mut out = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The headers of every request.
fn headers(call: &Call<'_>) -> Vec<(&'static str, String)> {
    call.json_headers("text/event-stream")
}
