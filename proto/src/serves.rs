//! Which endpoints a provider has, by its dialect: what the filter translates, and so what a plan may
//! count on.

use crate::{Dialect, Operation};

impl Dialect {
    /// Whether `model`, at a provider that speaks this, can be asked for `operation`.
    ///
    /// Text completions, Messages, token counts and Responses are told through chat where a provider
    /// has no such endpoint. OpenAI's imitators have more or less of its API, which their own answer
    /// tells.
    pub fn serves(self, operation: Operation, model: &str) -> bool {
        use Operation as Op;
        let through_chat = matches!(
            operation,
            Op::ChatCompletions | Op::Completions | Op::Messages | Op::CountTokens | Op::Responses
        );
        through_chat
            || match self {
                Self::OpenAi => true,
                Self::Azure => !matches!(
                    operation,
                    Op::Moderations | Op::Rerank | Op::ImagesVariations
                ),
                Self::Anthropic => false,
                Self::Ollama => operation == Op::Embeddings,
                Self::Cohere => matches!(operation, Op::Embeddings | Op::Rerank),
                Self::Gemini => is_gemini_s(operation, model),
                // Others' models chat alone there; open ones have their maker's name in front.
                Self::VertexAi => {
                    !model.contains("claude")
                        && !model.contains('/')
                        && (is_gemini_s(operation, model) || is_inpainted(operation, model))
                }
                Self::Bedrock => operation == Op::Embeddings && model.contains("embed"),
            }
    }
}

/// What Google's models have besides chat. Most of Imagen's models draw after words alone.
fn is_gemini_s(operation: Operation, model: &str) -> bool {
    match operation {
        Operation::Embeddings | Operation::ImagesGenerations => true,
        Operation::ImagesEdits => !model.contains("imagen"),
        _ => false,
    }
}

/// Imagen's model that edits, which Vertex AI alone has
/// (<https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api-edit>).
fn is_inpainted(operation: Operation, model: &str) -> bool {
    operation == Operation::ImagesEdits && model.contains("imagen") && model.contains("capability")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imagen_edits_on_vertex_ai_with_its_model_for_it() {
        let edits = |dialect: Dialect, model| dialect.serves(Operation::ImagesEdits, model);
        assert!(edits(Dialect::VertexAi, "imagen-3.0-capability-001"));
        assert!(!edits(Dialect::VertexAi, "imagen-4.0-generate-001"));
        assert!(!edits(Dialect::Gemini, "imagen-3.0-capability-001"));
    }

    #[test]
    fn chat_is_everywhere_and_speech_is_not() {
        for dialect in [
            Dialect::OpenAi,
            Dialect::Anthropic,
            Dialect::Ollama,
            Dialect::Azure,
            Dialect::Cohere,
            Dialect::Gemini,
            Dialect::VertexAi,
            Dialect::Bedrock,
        ] {
            assert!(
                dialect.serves(Operation::ChatCompletions, "m"),
                "{dialect:?}"
            );
            assert!(dialect.serves(Operation::Completions, "m"), "{dialect:?}");
            let speaks = matches!(dialect, Dialect::OpenAi | Dialect::Azure);
            assert_eq!(
                dialect.serves(Operation::AudioSpeech, "m"),
                speaks,
                "{dialect:?}"
            );
        }
    }
}
