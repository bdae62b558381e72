//! Anthropic's models on Vertex AI: Messages with the model in the path and the API's version in the
//! body.

use dragoman_proto::{ApiError, Dialect, Operation};

use crate::{
    anthropic::Anthropic,
    gemini,
    json::Object,
    registry::ProviderDialect,
    request::{Call, Translated},
};

/// The version of the API that Vertex AI serves.
const VERSION: &str = "vertex-2023-10-16";

/// Whether a model is Anthropic's.
pub(super) fn is_claude(model: &str) -> bool {
    model.starts_with("claude")
}

/// The client's request.
pub(super) fn request(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut translated = Anthropic.request(call)?;
    let counts = call.admission.operation == Operation::CountTokens;
    if let Some(body) = &translated.body {
        let mut object = Object::parse(body).map_err(|error| crate::edge::invalid_json(&error))?;
        // Tokens are counted by a model of its own, which asks whose they are.
        if !counts {
            object.remove("model");
        }
        object.set("anthropic_version", VERSION);
        translated.body = Some(object.to_bytes(body.len() + 64));
    }
    translated
        .headers
        .retain(|(name, _)| *name != "anthropic-version");
    let base = call.config.base_path.trim_end_matches('/');
    let model = if counts {
        "count-tokens".to_owned()
    } else {
        gemini::encoded(&call.config.model)
    };
    let method = if call.admission.stream && !counts {
        "streamRawPredict"
    } else {
        "rawPredict"
    };
    translated.path = format!("{base}/publishers/anthropic/models/{model}:{method}");
    translated.response.dialect = Dialect::Anthropic;
    Ok(translated)
}
