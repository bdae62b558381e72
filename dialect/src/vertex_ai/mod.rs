//! Google's Vertex AI: models of Gemini, of Anthropic and open ones, each in its own dialect under a path
//! that names project and place
//! (<https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>,
//! <https://docs.anthropic.com/en/api/claude-on-vertex-ai>).
//!
//! The base path is `/v1/projects/{project}/locations/{location}`.

mod claude;
mod open;

use dragoman_proto::{ApiError, Operation, UpstreamConfig};

use crate::{
    anthropic::Anthropic,
    failure::{Failure, ProviderError},
    gemini::Gemini,
    meter::Meter,
    openai::OpenAi,
    registry::ProviderDialect,
    request::{Call, ResponseContext, Translated},
    sink::EventTranslator,
};

/// The dialect.
#[derive(Debug)]
pub(crate) struct VertexAi;

/// Whose model it is.
fn folder(config: &UpstreamConfig) -> &'static dyn ProviderDialect {
    if claude::is_claude(&config.model) {
        &Anthropic
    } else if open::is_open(&config.model) {
        &OpenAi
    } else {
        &Gemini
    }
}

impl ProviderDialect for VertexAi {
    fn serves(&self, config: &UpstreamConfig, operation: Operation) -> bool {
        !open::is_open(&config.model) && folder(config).serves(config, operation)
    }

    fn takes_extras(&self, config: &UpstreamConfig) -> bool {
        !open::is_open(&config.model) && folder(config).takes_extras(config)
    }

    fn reasons(&self, config: &UpstreamConfig) -> bool {
        folder(config).reasons(config)
    }

    fn heeds_late_system(&self, config: &UpstreamConfig) -> bool {
        folder(config).heeds_late_system(config)
    }

    fn searches(&self, config: &UpstreamConfig) -> bool {
        folder(config).searches(config)
    }

    fn request(&self, call: &Call<'_>) -> Result<Translated, ApiError> {
        if claude::is_claude(&call.config.model) {
            claude::request(call)
        } else if open::is_open(&call.config.model) {
            open::request(call)
        } else {
            Gemini.request(call)
        }
    }

    // A Claude's answers are Anthropic's, an open model's OpenAI's: their requests say so in the context.

    fn stream(&self, context: &ResponseContext) -> Box<dyn EventTranslator> {
        Gemini.stream(context)
    }

    fn answer(
        &self,
        context: &ResponseContext,
        body: &[u8],
        meter: &mut Meter,
    ) -> Result<Vec<u8>, Failure> {
        Gemini.answer(context, body, meter)
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        Gemini.error(body)
    }
}
