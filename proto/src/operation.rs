//! What a request asks for: the endpoints of OpenAI's API (and Anthropic's Messages).

use serde::{Deserialize, Serialize};

use crate::ClientDialect;

/// An endpoint that reaches a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/images/generations`
    ImagesGenerations,
    /// `POST /v1/images/edits` (multipart)
    ImagesEdits,
    /// `POST /v1/images/variations` (multipart)
    ImagesVariations,
    /// `POST /v1/audio/speech`
    AudioSpeech,
    /// `POST /v1/audio/transcriptions` (multipart)
    AudioTranscriptions,
    /// `POST /v1/audio/translations` (multipart)
    AudioTranslations,
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/rerank`
    Rerank,
    /// `POST /v1/messages`, Anthropic's
    Messages,
    /// `POST /v1/messages/count_tokens`, Anthropic's
    CountTokens,
}

impl Operation {
    /// All operations.
    pub const ALL: [Self; 14] = [
        Self::ChatCompletions,
        Self::Completions,
        Self::Embeddings,
        Self::ImagesGenerations,
        Self::ImagesEdits,
        Self::ImagesVariations,
        Self::AudioSpeech,
        Self::AudioTranscriptions,
        Self::AudioTranslations,
        Self::Moderations,
        Self::Responses,
        Self::Rerank,
        Self::Messages,
        Self::CountTokens,
    ];

    /// The wire form, also the ledger's.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ChatCompletions => "chat_completions",
            Self::Completions => "completions",
            Self::Embeddings => "embeddings",
            Self::ImagesGenerations => "images_generations",
            Self::ImagesEdits => "images_edits",
            Self::ImagesVariations => "images_variations",
            Self::AudioSpeech => "audio_speech",
            Self::AudioTranscriptions => "audio_transcriptions",
            Self::AudioTranslations => "audio_translations",
            Self::Moderations => "moderations",
            Self::Responses => "responses",
            Self::Rerank => "rerank",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
        }
    }

    /// The reverse of [`Operation::as_str`].
    pub fn parse(wire: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|op| op.as_str() == wire)
    }

    /// The path below `/v1`, as OpenAI-compatible providers serve it.
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Embeddings => "/embeddings",
            Self::ImagesGenerations => "/images/generations",
            Self::ImagesEdits => "/images/edits",
            Self::ImagesVariations => "/images/variations",
            Self::AudioSpeech => "/audio/speech",
            Self::AudioTranscriptions => "/audio/transcriptions",
            Self::AudioTranslations => "/audio/translations",
            Self::Moderations => "/moderations",
            Self::Responses => "/responses",
            Self::Rerank => "/rerank",
            Self::Messages => "/messages",
            Self::CountTokens => "/messages/count_tokens",
        }
    }

    /// The operation at `path`, which begins with `/`, has no query, and may begin with `/v1`. Cohere's
    /// newer client asks for rankings at `/v2/rerank`, in the same shape.
    pub fn at(path: &str) -> Option<Self> {
        if path == "/v2/rerank" {
            return Some(Self::Rerank);
        }
        let below = path.strip_prefix("/v1").unwrap_or(path);
        Self::ALL.into_iter().find(|op| op.path() == below)
    }

    /// Whether the body is `multipart/form-data`.
    pub const fn is_multipart(self) -> bool {
        matches!(
            self,
            Self::ImagesEdits
                | Self::ImagesVariations
                | Self::AudioTranscriptions
                | Self::AudioTranslations
        )
    }

    /// Whose error shape a client of this endpoint expects.
    pub const fn client_dialect(self) -> ClientDialect {
        match self {
            Self::Messages | Self::CountTokens => ClientDialect::Anthropic,
            Self::ChatCompletions
            | Self::Completions
            | Self::Embeddings
            | Self::ImagesGenerations
            | Self::ImagesEdits
            | Self::ImagesVariations
            | Self::AudioSpeech
            | Self::AudioTranscriptions
            | Self::AudioTranslations
            | Self::Moderations
            | Self::Responses
            | Self::Rerank => ClientDialect::OpenAi,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_survives_its_wire_form_and_its_path() {
        for op in Operation::ALL {
            assert_eq!(Operation::parse(op.as_str()), Some(op));
            assert_eq!(Operation::at(op.path()), Some(op));
            assert_eq!(Operation::at(&format!("/v1{}", op.path())), Some(op));
        }
    }

    #[test]
    fn rankings_are_also_where_cohere_s_newer_client_asks_for_them() {
        assert_eq!(Operation::at("/v2/rerank"), Some(Operation::Rerank));
    }

    #[test]
    fn a_path_that_is_no_endpoint_is_none() {
        for path in [
            "/",
            "/v1",
            "/v1/models",
            "/v2/chat/completions",
            "/chat/completions/",
        ] {
            assert_eq!(Operation::at(path), None, "{path}");
        }
    }
}
