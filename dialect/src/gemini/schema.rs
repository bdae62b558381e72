//! Gemini's shapes, in the camel case of its JSON (<https://ai.google.dev/api/generate-content>).

use std::borrow::Cow;

use dragoman_proto::Usage;
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use crate::json::{Object, Text};

/// A request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerateRequest<'a> {
    pub(super) contents: Vec<OutputContent<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) system_instruction: Option<SystemInstruction<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<OutputTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_config: Option<ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) safety_settings: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cached_content: Option<&'a RawValue>,
    pub(super) generation_config: GenerationConfig<'a>,
}

/// System messages.
#[derive(Debug, Serialize)]
pub(super) struct SystemInstruction<'a> {
    pub(super) parts: Vec<OutputPart<'a>>,
}

/// A turn.
#[derive(Debug, Serialize)]
pub(super) struct OutputContent<'a> {
    pub(super) role: &'static str,
    pub(super) parts: Vec<OutputPart<'a>>,
}

/// A part of a turn.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputPart<'a> {
    #[serde(flatten)]
    pub(super) data: PartData<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thought_signature: Option<Text<'a>>,
}

/// What a part is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum PartData<'a> {
    Text(Text<'a>),
    InlineData(Blob<'a>),
    FileData(FileData<'a>),
    FunctionCall(OutputCall<'a>),
    FunctionResponse(FunctionResponse<'a>),
}

/// Bytes in base64.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Blob<'a> {
    pub(super) mime_type: Cow<'a, str>,
    pub(super) data: Cow<'a, str>,
}

/// Bytes that Google fetches.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FileData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mime_type: Option<Cow<'a, str>>,
    pub(super) file_uri: Cow<'a, str>,
}

/// A call in the history.
#[derive(Debug, Serialize)]
pub(super) struct OutputCall<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) args: Cow<'a, RawValue>,
}

/// A call's result. Gemini tells results by name and order.
#[derive(Debug, Serialize)]
pub(super) struct FunctionResponse<'a> {
    pub(super) name: Cow<'a, str>,
    pub(super) response: FunctionResult<'a>,
}

/// The object that a result must be.
#[derive(Debug, Serialize)]
pub(super) struct FunctionResult<'a> {
    pub(super) content: Cow<'a, RawValue>,
}

/// Tools: functions together in one, or one that only Google has.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum OutputTool<'a> {
    Raw(&'a RawValue),
    #[serde(rename_all = "camelCase")]
    Functions {
        function_declarations: Vec<FunctionDeclaration<'a>>,
    },
    #[serde(rename_all = "camelCase")]
    Search {
        google_search: Empty,
    },
}

/// `{}`
#[derive(Debug, Serialize)]
pub(super) struct Empty {}

/// A function that the model may call.
#[derive(Debug, Serialize)]
pub(super) struct FunctionDeclaration<'a> {
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parameters: Option<Value>,
}

/// `toolConfig`
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ToolConfig<'a> {
    pub(super) function_calling_config: FunctionCallingConfig<'a>,
}

/// What the model may call.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FunctionCallingConfig<'a> {
    pub(super) mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) allowed_function_names: Vec<Cow<'a, str>>,
}

/// `generationConfig`
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerationConfig<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) temperature: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_p: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) top_k: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) candidate_count: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seed: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) presence_penalty: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) frequency_penalty: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) stop_sequences: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_logprobs: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_mime_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_json_schema: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_schema: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking_config: Option<Thinking<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) response_modalities: Vec<&'static str>,
    /// What the client insists on.
    #[serde(flatten)]
    pub(super) rest: Object<'a>,
}

/// `thinkingConfig`: ours, or as the client wrote it.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(super) enum Thinking<'a> {
    Own(Object<'a>),
    Typed(ThinkingConfig),
}

/// `thinkingConfig`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ThinkingConfig {
    /// Tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking_budget: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking_level: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) include_thoughts: bool,
}

/// An answer, or a chunk of one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerateAnswer<'a> {
    #[serde(borrow, default)]
    pub(super) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(borrow, default)]
    pub(super) prompt_feedback: Option<PromptFeedback<'a>>,
    #[serde(default)]
    pub(super) usage_metadata: Option<UsageMetadata>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

/// Why a prompt was not answered.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PromptFeedback<'a> {
    #[serde(borrow, default)]
    pub(super) block_reason: Option<Cow<'a, str>>,
}

/// A choice.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(borrow, default)]
    pub(super) content: Option<AnswerContent<'a>>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) logprobs_result: Option<LogprobsResult<'a>>,
    #[serde(borrow, default)]
    pub(super) grounding_metadata: Option<&'a RawValue>,
}

/// What a choice says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AnswerContent<'a> {
    #[serde(borrow, default)]
    pub(super) parts: Option<Vec<AnswerPart<'a>>>,
}

/// A part of it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AnswerPart<'a> {
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
    /// The text is a summary of the model's thoughts.
    #[serde(default)]
    pub(super) thought: Option<bool>,
    #[serde(borrow, default)]
    pub(super) thought_signature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) function_call: Option<AnswerCall<'a>>,
    #[serde(borrow, default)]
    pub(super) inline_data: Option<AnswerBlob<'a>>,
}

/// A call.
#[derive(Debug, Deserialize)]
pub(super) struct AnswerCall<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) args: Option<&'a RawValue>,
}

/// A picture, in base64.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AnswerBlob<'a> {
    #[serde(borrow, default)]
    pub(super) mime_type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) data: Cow<'a, str>,
}

/// How likely the tokens of an answer are.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogprobsResult<'a> {
    #[serde(borrow, default)]
    pub(super) chosen_candidates: Option<Vec<TokenCandidate<'a>>>,
    #[serde(borrow, default)]
    pub(super) top_candidates: Option<Vec<TopCandidates<'a>>>,
}

/// The likeliest tokens in one place.
#[derive(Debug, Deserialize)]
pub(super) struct TopCandidates<'a> {
    #[serde(borrow, default)]
    pub(super) candidates: Option<Vec<TokenCandidate<'a>>>,
}

/// A token.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenCandidate<'a> {
    #[serde(borrow, default)]
    pub(super) token: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) log_probability: Option<&'a RawValue>,
}

/// `usageMetadata`; in a stream it is cumulative.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct UsageMetadata {
    prompt_token_count: Option<u64>,
    cached_content_token_count: Option<u64>,
    candidates_token_count: Option<u64>,
    thoughts_token_count: Option<u64>,
    tool_use_prompt_token_count: Option<u64>,
    total_token_count: Option<u64>,
    prompt_tokens_details: Option<Vec<ModalityCount>>,
    candidates_tokens_details: Option<Vec<ModalityCount>>,
}

/// Tokens of one kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ModalityCount {
    modality: Option<String>,
    token_count: Option<u64>,
}

impl UsageMetadata {
    /// Whether the answer's tokens have been counted.
    pub(super) const fn counts_output(&self) -> bool {
        self.candidates_token_count.is_some()
    }

    /// The usage. `candidatesTokenCount` excludes thoughts, except with some models, which the total
    /// tells.
    pub(super) fn usage(&self) -> Usage {
        let input = self
            .prompt_token_count
            .unwrap_or_default()
            .saturating_add(self.tool_use_prompt_token_count.unwrap_or_default());
        let candidates = self.candidates_token_count.unwrap_or_default();
        let thoughts = self.thoughts_token_count.unwrap_or_default();
        let holds_thoughts = thoughts <= candidates
            && self.total_token_count == Some(input.saturating_add(candidates));
        Usage {
            input_tokens: input,
            cached_tokens: self
                .cached_content_token_count
                .unwrap_or_default()
                .min(input),
            audio_input_tokens: of("AUDIO", self.prompt_tokens_details.as_deref()),
            output_tokens: if holds_thoughts {
                candidates
            } else {
                candidates.saturating_add(thoughts)
            },
            reasoning_tokens: thoughts,
            audio_output_tokens: of("AUDIO", self.candidates_tokens_details.as_deref()),
            image_output_tokens: of("IMAGE", self.candidates_tokens_details.as_deref()),
            ..Usage::default()
        }
    }
}

/// The tokens of a `modality`.
fn of(modality: &str, details: Option<&[ModalityCount]>) -> u64 {
    details
        .unwrap_or_default()
        .iter()
        .filter(|count| count.modality.as_deref() == Some(modality))
        .filter_map(|count| count.token_count)
        .fold(0, u64::saturating_add)
}
