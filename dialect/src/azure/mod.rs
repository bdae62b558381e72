//! OpenAI's API on Azure (<https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference>): the
//! same requests and answers, at other paths.
//!
//! A deployment has a name of its own, which stands in the path, and each call names the version of
//! the API. The newer surface `/openai/v1` has neither; a base that ends so, or a version of `v1`,
//! `latest` or `preview`, means it.

mod error;
mod path;

use dragoman_proto::{ApiError, Operation, UpstreamConfig};

use crate::{
    failure::{Failure, ProviderError},
    meter::Meter,
    multipart::Part,
    openai::{OpenAi, completes_texts},
    registry::ProviderDialect,
    request::{Call, ResponseContext, Translated},
    sink::EventTranslator,
};

/// The dialect.
#[derive(Debug)]
pub(crate) struct Azure;

impl ProviderDialect for Azure {
    fn serves(&self, config: &UpstreamConfig, operation: Operation) -> bool {
        match operation {
            Operation::Responses => path::has_responses(config),
            Operation::Completions => {
                config.provider == "azure_text" || completes_texts(&config.model)
            }
            _ => false,
        }
    }

    fn reasons(&self, config: &UpstreamConfig) -> bool {
        OpenAi.reasons(config)
    }

    fn request(&self, call: &Call<'_>) -> Result<Translated, ApiError> {
        match call.admission.operation {
            Operation::Moderations
            | Operation::Rerank
            | Operation::ImagesVariations
            | Operation::Messages
            | Operation::CountTokens => {
                Err(call.no_such_operation("ask a model of another provider"))
            }
            operation => Ok(Translated {
                path: path::path(call.config, operation),
                ..OpenAi.request(call)?
            }),
        }
    }

    fn beginning(&self, call: &Call<'_>, parts: &[Part]) -> Result<Option<Translated>, ApiError> {
        let beginning = OpenAi.beginning(call, parts)?;
        Ok(beginning.map(|translated| Translated {
            path: path::path(call.config, call.admission.operation),
            ..translated
        }))
    }

    fn stream(&self, context: &ResponseContext) -> Box<dyn EventTranslator> {
        OpenAi.stream(context)
    }

    fn answer(
        &self,
        context: &ResponseContext,
        body: &[u8],
        meter: &mut Meter,
    ) -> Result<Vec<u8>, Failure> {
        OpenAi.answer(context, body, meter)
    }

    fn error(&self, body: &[u8]) -> Option<ProviderError> {
        error::read(body)
    }
}
