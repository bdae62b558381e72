//! The types that a request's members must have.

use dragoman_proto::Operation;

use super::tally::Shape;

/// What a member must be, where it is there and not null.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Bool,
    Number,
    Whole,
    /// At least 1.
    Count,
    TextOrTexts,
    TextOrObjects,
    Texts,
    Objects,
    Object,
    /// A text, or a list that is not empty.
    Input,
    Messages,
    List,
}

/// The type of the members that we know.
pub(super) fn kind(operation: Operation, name: &str) -> Option<Kind> {
    Some(match name {
        "model" | "user" | "reasoning_effort" | "previous_response_id" => Kind::Text,
        // Of pictures it is a word.
        "background" if operation == Operation::Responses => Kind::Bool,
        "stream" | "parallel_tool_calls" | "disable_fallbacks" | "drop_params" | "store" => {
            Kind::Bool
        }
        "temperature" | "top_p" | "presence_penalty" | "frequency_penalty" | "timeout" => {
            Kind::Number
        }
        "seed" | "num_retries" => Kind::Whole,
        "n" | "max_tokens" | "max_completion_tokens" | "max_output_tokens" => Kind::Count,
        "messages" if required(operation).contains(&"messages") => Kind::Messages,
        "stop" => Kind::TextOrTexts,
        "system" | "stop_sequences" | "thinking" | "tool_choice" | "top_k"
            if matches!(operation, Operation::Messages | Operation::CountTokens) =>
        {
            match name {
                "system" => Kind::TextOrObjects,
                "stop_sequences" => Kind::Texts,
                "top_k" => Kind::Whole,
                _ => Kind::Object,
            }
        }
        "instructions" | "text" | "reasoning" if operation == Operation::Responses => match name {
            "instructions" => Kind::Text,
            _ => Kind::Object,
        },
        "metadata" => Kind::Object,
        "fallbacks" => Kind::List,
        "tools" => Kind::Objects,
        "response_format" if operation == Operation::ChatCompletions => Kind::Object,
        "stream_options" => Kind::Object,
        "input" if operation == Operation::AudioSpeech => Kind::Text,
        "prompt" if operation == Operation::Responses => Kind::Object,
        "input" | "prompt" => Kind::Input,
        "query" if operation == Operation::Rerank => Kind::Text,
        "documents" if operation == Operation::Rerank => Kind::List,
        _ => return None,
    })
}

/// Members without which an endpoint has nothing to do.
pub(super) const fn required(operation: Operation) -> &'static [&'static str] {
    match operation {
        Operation::ChatCompletions | Operation::Messages | Operation::CountTokens => &["messages"],
        Operation::Completions | Operation::ImagesGenerations => &["prompt"],
        Operation::Embeddings | Operation::Moderations | Operation::AudioSpeech => &["input"],
        Operation::Rerank => &["query", "documents"],
        Operation::Responses
        | Operation::ImagesEdits
        | Operation::ImagesVariations
        | Operation::AudioTranscriptions
        | Operation::AudioTranslations => &[],
    }
}

impl Kind {
    pub(super) fn accepts(self, shape: &Shape<'_>) -> bool {
        match (self, shape) {
            (
                Self::Text | Self::TextOrTexts | Self::TextOrObjects | Self::Input,
                Shape::Text(_) | Shape::LongText,
            )
            | (Self::Bool, Shape::Bool(_))
            | (Self::Number, Shape::Number(_) | Shape::Whole(_))
            | (Self::Whole, Shape::Whole(_))
            | (Self::Object, Shape::Object { .. })
            | (Self::List, Shape::List { .. }) => true,
            (Self::Count, Shape::Whole(n)) => *n > 0,
            (Self::TextOrTexts | Self::Texts, Shape::List { of_strings, .. }) => *of_strings,
            (Self::Objects | Self::TextOrObjects, Shape::List { of_objects, .. }) => *of_objects,
            (Self::Input | Self::Messages, Shape::List { length, .. }) => *length > 0,
            _ => false,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Text => "a string",
            Self::Bool => "a boolean",
            Self::Number => "a number",
            Self::Whole => "an integer",
            Self::Count => "an integer of at least 1",
            Self::TextOrTexts => "a string or an array of strings",
            Self::TextOrObjects => "a string or an array of objects",
            Self::Texts => "an array of strings",
            Self::Objects => "an array of objects",
            Self::Object => "an object",
            Self::Input => "a string or an array that is not empty",
            Self::Messages => "an array of at least one message",
            Self::List => "an array",
        }
    }
}
