//! Open models on Vertex AI (`meta/llama-…-maas`): OpenAI's chat, at one address for all of a project's
//! (<https://cloud.google.com/vertex-ai/generative-ai/docs/maas/call-open-model-apis>).

use dragoman_proto::{ApiError, Dialect, Operation, UpstreamConfig};

use crate::{
    openai::OpenAi,
    registry::ProviderDialect,
    request::{Call, Translated},
};

/// Whether a model is an open one: their makers stand before a `/`, which are Google's own
/// collections elsewhere.
pub(super) fn is_open(model: &str) -> bool {
    model.split_once('/').is_some_and(|(maker, _)| {
        !matches!(maker, "models" | "tunedModels" | "gemini" | "publishers")
    })
}

/// The client's request.
pub(super) fn request(call: &Call<'_>) -> Result<Translated, ApiError> {
    if call.admission.operation != Operation::ChatCompletions {
        return Err(call.no_such_operation("use /v1/chat/completions with this model"));
    }
    let mut config = UpstreamConfig::clone(call.config);
    config.dialect = Dialect::OpenAi;
    config.quirks.max_tokens_field = Some("max_tokens".to_owned());
    let call = Call {
        config: &config,
        ..*call
    };
    let base = config.base_path.trim_end_matches('/');
    Ok(Translated {
        path: format!("{base}/endpoints/openapi/chat/completions"),
        ..OpenAi.request(&call)?
    })
}
