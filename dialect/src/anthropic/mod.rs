//! Anthropic's Messages API (<https://docs.anthropic.com/en/api/messages>).

mod citations;
mod content;
mod error;
mod foreign_ids;
mod late_system;
mod native;
mod request;
mod response;
mod schema;
mod search;
mod stream;
mod thinking;
mod tools;

use dragoman_proto::{ApiError, Operation, UpstreamConfig};

pub(crate) use request::SAMPLING;
pub(crate) use schema::{OutputConfig, TypedThinking};
pub(crate) use thinking::{Effort, budget, effort, reconcile, version};

use crate::{
    failure::{Failure, ProviderError},
    meter::Meter,
    registry::ProviderDialect,
    request::{Call, ResponseContext, Translated},
    sink::EventTranslator,
};

/// The tool that stands for a JSON schema.
const JSON_TOOL: &str = "json_tool_call";

/// The dialect.
#[derive(Debug)]
pub(crate) struct Anthropic;

impl ProviderDialect for Anthropic {
    fn serves(&self, _: &UpstreamConfig, operation: Operation) -> bool {
        matches!(operation, Operation::Messages | Operation::CountTokens)
    }

    fn searches(&self, _: &UpstreamConfig) -> bool {
        true
    }

    fn request(&self, call: &Call<'_>) -> Result<Translated, ApiError> {
        match call.admission.operation {
            Operation::ChatCompletions => request::translate(call),
            Operation::Messages | Operation::CountTokens => native::request(call),
            _ => Err(call.no_such_operation("ask a model of another provider")),
        }
    }

    fn stream(&self, context: &ResponseContext) -> Box<dyn EventTranslator> {
        match context.operation {
            Operation::Messages => Box::new(native::NativeStream::new(context)),
            _ => Box::new(stream::MessageStream::new(context)),
        }
    }

    fn answer(
        &self,
        context: &ResponseContext,
        body: &[u8],
        meter: &mut Meter,
    ) -> Result<Vec<u8>, Failure> {
        match context.operation {
            Operation::Messages | Operation::CountTokens => native::answer(context, body, meter),
            _ => response::translate(context, body, meter),
        }
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::read(body)
    }
}

/// Where `operation` is served below the base path, which may or may not end in `/v1`.
fn path(call: &Call<'_>) -> String {
    let base = call.config.base_path.trim_end_matches('/');
    let base = base.strip_suffix("/v1").unwrap_or(base);
    let endpoint = match call.admission.operation {
        Operation::CountTokens => "/v1/messages/count_tokens",
        _ => "/v1/messages",
    };
    format!("{base}{endpoint}")
}

/// The headers of every request.
fn headers(call: &Call<'_>) -> Vec<(&'static str, String)> {
    let mut headers = call.json_headers("text/event-stream");
    headers.push(("anthropic-version", "2023-06-01".to_owned()));
    headers
}
