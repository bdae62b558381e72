//! OpenAI's API and all that is compatible with it (<https://platform.openai.com/docs/api-reference>).
//!
//! Towards this dialect nothing is modelled that is only passed on: a request is an object of which a
//! few members change, a chunk is read as far as role, text and finish.

mod error;
mod events;
mod form;
mod history;
mod request;
mod response;
mod schema;
mod stream;

pub(crate) use request::completes_texts;

use dragoman_proto::{ApiError, Operation, UpstreamConfig};

use crate::{
    failure::{Failure, ProviderError},
    meter::Meter,
    multipart::Part,
    registry::ProviderDialect,
    request::{Call, ResponseContext, Translated},
    sink::EventTranslator,
};

/// The dialect.
#[derive(Debug)]
pub(crate) struct OpenAi;

impl ProviderDialect for OpenAi {
    /// OpenAI's imitators know chat and text completions at most.
    fn serves(&self, config: &UpstreamConfig, operation: Operation) -> bool {
        match operation {
            Operation::Responses => config.provider == "openai",
            Operation::Completions => request::completes(config),
            _ => false,
        }
    }

    fn reasons(&self, config: &UpstreamConfig) -> bool {
        request::is_reasoning(&config.model)
    }

    fn heeds_late_system(&self, config: &UpstreamConfig) -> bool {
        request::is_openai_s(&config.model)
    }

    fn request(&self, call: &Call<'_>) -> Result<Translated, ApiError> {
        request::translate(call)
    }

    fn beginning(&self, call: &Call<'_>, parts: &[Part]) -> Result<Option<Translated>, ApiError> {
        form::translate_beginning(call, parts)
    }

    fn stream(&self, context: &ResponseContext) -> Box<dyn EventTranslator> {
        match context.operation {
            Operation::ChatCompletions | Operation::Completions => {
                Box::new(stream::ChunkStream::new(context))
            }
            _ => Box::new(events::EventStream::new(context)),
        }
    }

    fn answer(
        &self,
        context: &ResponseContext,
        body: &[u8],
        meter: &mut Meter,
    ) -> Result<Vec<u8>, Failure> {
        response::translate(context, body, meter)
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::read(body)
    }
}
