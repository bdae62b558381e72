//! Which folder speaks which dialect: the one line that a new dialect adds here.

use dragoman_proto::{ApiError, Dialect, ErrorKind, Operation, UpstreamConfig};

use crate::{
    anthropic::Anthropic,
    azure::Azure,
    bedrock::Bedrock,
    cohere::Cohere,
    failure::{Failure, ProviderError},
    framing::Framer,
    gemini::Gemini,
    meter::Meter,
    multipart::Part,
    ollama::Ollama,
    openai::OpenAi,
    request::{Call, ResponseContext, Translated},
    sink::EventTranslator,
    vertex_ai::VertexAi,
};

/// What a dialect's folder provides.
pub(crate) trait ProviderDialect: std::fmt::Debug + Sync {
    /// Whether the deployment serves `operation` itself, of those that can go through chat instead:
    /// text completions, Messages, its token count, and Responses.
    fn serves(&self, _config: &UpstreamConfig, _operation: Operation) -> bool {
        false
    }

    /// Whether chat requests may have members that OpenAI's do not: `cache_control`,
    /// `thinking_blocks`, `top_k`.
    fn takes_extras(&self, config: &UpstreamConfig) -> bool {
        !matches!(config.dialect, Dialect::OpenAi | Dialect::Azure)
    }

    /// Whether the deployment's model can be asked to think; others refuse to be.
    fn reasons(&self, _config: &UpstreamConfig) -> bool {
        true
    }

    /// Whether the deployment's model heeds system messages in the middle of a conversation; many
    /// templates of open models refuse them, or pass over them.
    fn heeds_late_system(&self, _config: &UpstreamConfig) -> bool {
        true
    }

    /// Whether the deployment searches the web when chat requests have `web_search_options`.
    fn searches(&self, _config: &UpstreamConfig) -> bool {
        false
    }

    /// The client's request in this dialect.
    fn request(&self, call: &Call<'_>) -> Result<Translated, ApiError>;

    /// The same of a form that passes while it still comes. `call.body` is its beginning, up to the
    /// first byte of its file, the last of `parts`: the rest follows as it is. `None` where the form
    /// has to be whole.
    fn beginning(&self, _call: &Call<'_>, _parts: &[Part]) -> Result<Option<Translated>, ApiError> {
        Ok(None)
    }

    /// How this provider's stream is cut into events.
    fn framer(&self) -> Framer {
        Framer::default()
    }

    /// A translator for this provider's stream.
    fn stream(&self, context: &ResponseContext) -> Box<dyn EventTranslator>;

    /// The client's answer, out of the provider's whole one.
    fn answer(
        &self,
        context: &ResponseContext,
        body: &[u8],
        meter: &mut Meter,
    ) -> Result<Vec<u8>, Failure>;

    /// The error in a provider's body; `None` when there is none in it.
    fn error(&self, body: &[u8]) -> Option<ProviderError>;

    /// What an answer with an error's `status` means, and the status that fits it better. `kind` is
    /// the error's type in a header, where the provider has one.
    fn refusal(&self, status: u16, _kind: Option<&str>, body: &[u8]) -> (u16, ProviderError) {
        (status, self.error(body).unwrap_or_default())
    }
}

/// The folder for `dialect`.
pub(crate) fn provider(dialect: Dialect) -> Result<&'static dyn ProviderDialect, ApiError> {
    match dialect {
        Dialect::OpenAi => Ok(&OpenAi),
        Dialect::Anthropic => Ok(&Anthropic),
        Dialect::Ollama => Ok(&Ollama),
        Dialect::Azure => Ok(&Azure),
        Dialect::Gemini => Ok(&Gemini),
        Dialect::VertexAi => Ok(&VertexAi),
        Dialect::Cohere => Ok(&Cohere),
        Dialect::Bedrock => Ok(&Bedrock),
        _ => Err(ApiError::new(
            ErrorKind::Internal,
            "this filter does not know the deployment's dialect",
        )),
    }
}
