//! AWS Bedrock: the Converse API for chats
//! (<https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>), InvokeModel
//! for embeddings.
//!
//! Who signs the request, and that it is signed over what is built here, is Envoy's business.

mod content;
mod embeddings;
mod error;
mod fields;
mod media;
mod model;
mod request;
mod response;
mod schema;
mod stream;
mod tools;

use dragoman_proto::{ApiError, Operation, UpstreamConfig};

use crate::{
    failure::{Failure, ProviderError},
    framing::{AwsFramer, Framer},
    gemini,
    meter::Meter,
    registry::ProviderDialect,
    request::{Call, ResponseContext, Translated},
    sink::EventTranslator,
};

/// The tool that stands for a JSON schema.
const JSON_TOOL: &str = "json_tool_call";

/// The dialect.
#[derive(Debug)]
pub(crate) struct Bedrock;

impl ProviderDialect for Bedrock {
    fn reasons(&self, config: &UpstreamConfig) -> bool {
        model::Family::of(&config.model).reasons()
    }

    fn request(&self, call: &Call<'_>) -> Result<Translated, ApiError> {
        match call.admission.operation {
            Operation::ChatCompletions => request::translate(call),
            Operation::Embeddings => embeddings::request(call),
            _ => Err(call.no_such_operation("ask a model of another provider")),
        }
    }

    fn framer(&self) -> Framer {
        Framer::Aws(AwsFramer::default())
    }

    fn stream(&self, context: &ResponseContext) -> Box<dyn EventTranslator> {
        Box::new(stream::ConverseStream::new(context))
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

    fn refusal(&self, status: u16, kind: Option<&str>, body: &[u8]) -> (u16, ProviderError) {
        error::refusal(status, kind, body)
    }
}

/// Where `action` of the deployment's model is.
fn path(call: &Call<'_>, action: &str) -> String {
    let base = call.config.base_path.trim_end_matches('/');
    let id = gemini::encoded(model::id(call.config));
    format!("{base}/model/{id}/{action}")
}
