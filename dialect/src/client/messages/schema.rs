//! Messages' shapes: requests as clients write them, answers as they read them.

use std::borrow::Cow;

use dragoman_proto::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::blocks::Finish;
use crate::hub::UrlCitation;

/// A message of the conversation.
#[derive(Debug, Deserialize)]
pub(super) struct MessageIn<'a> {
    #[serde(borrow)]
    pub(super) role: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
    /// Whether a system message counts for its turn only: `next_user_message`.
    #[serde(borrow, default)]
    pub(super) clear_at: Option<Cow<'a, str>>,
    /// What a system message sets from its place on.
    #[serde(borrow, default)]
    pub(super) output_config: Option<OutputConfig<'a>>,
}

/// A content block; members that are missing are another kind's.
#[derive(Debug, Default, Deserialize)]
pub(super) struct BlockIn<'a> {
    /// The whole of it, as it came.
    #[serde(skip)]
    pub(super) raw: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
    /// An object, but for a search result a text.
    #[serde(borrow, default)]
    pub(super) source: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) title: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) tool_use_id: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) tool_name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) tool: Option<ToolChangeIn<'a>>,
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) is_error: Option<bool>,
    #[serde(borrow, default)]
    pub(super) signature: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) cache_control: Option<&'a RawValue>,
}

impl<'a> BlockIn<'a> {
    /// Reads a block; `None` when it is none.
    pub(super) fn read(raw: &'a RawValue) -> Option<Self> {
        let block = serde_json::from_str(raw.get()).ok()?;
        Some(Self {
            raw: Some(raw),
            ..block
        })
    }

    /// A block of text.
    pub(super) fn text(text: &'a RawValue) -> Self {
        Self {
            r#type: Cow::Borrowed("text"),
            text: Some(text),
            ..Self::default()
        }
    }
}

/// Where an image or a document is.
#[derive(Debug, Deserialize)]
pub(super) struct SourceIn<'a> {
    #[serde(borrow, default)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) media_type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) url: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
}

/// A tool.
#[derive(Debug, Deserialize)]
pub(super) struct ToolIn<'a> {
    #[serde(borrow, default)]
    pub(super) r#type: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) name: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) description: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) input_schema: Option<&'a RawValue>,
    #[serde(default)]
    pub(super) strict: Option<bool>,
    /// Whether it is withheld until the conversation brings it in.
    #[serde(default)]
    pub(super) defer_loading: Option<bool>,
    #[serde(borrow, default)]
    pub(super) cache_control: Option<&'a RawValue>,
}

/// The tool of a `tool_addition` or a `tool_removal`: one of the request's, or a new one.
#[derive(Debug, Deserialize)]
pub(super) struct ToolChangeIn<'a> {
    #[serde(borrow, default)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) definition: Option<&'a RawValue>,
}

/// `tool_choice`.
#[derive(Debug, Deserialize)]
pub(super) struct ToolChoiceIn<'a> {
    #[serde(borrow)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(super) disable_parallel_tool_use: Option<bool>,
}

/// `thinking`.
#[derive(Debug, Deserialize)]
pub(super) struct ThinkingConfig<'a> {
    #[serde(borrow)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(default)]
    pub(super) budget_tokens: Option<u64>,
}

/// `output_config`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct OutputConfig<'a> {
    #[serde(borrow, default)]
    pub(super) effort: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) format: Option<OutputFormat<'a>>,
}

/// The form of the answer.
#[derive(Debug, Deserialize)]
pub(super) struct OutputFormat<'a> {
    #[serde(borrow, default)]
    pub(super) r#type: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) schema: Option<&'a RawValue>,
}

/// A message that answers.
#[derive(Debug, Serialize)]
pub(super) struct MessageOut<'a> {
    pub(super) id: &'a str,
    pub(super) r#type: &'a str,
    pub(super) role: &'a str,
    pub(super) model: &'a str,
    pub(super) content: Vec<BlockOut<'a>>,
    pub(super) stop_reason: Option<&'a str>,
    /// Which one it was, the hub does not say.
    pub(super) stop_sequence: Option<&'a str>,
    pub(super) usage: UsageOut,
}

/// A block of an answer.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum BlockOut<'a> {
    Text {
        text: crate::json::Text<'a>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        citations: Vec<CitationOut>,
    },
    Thinking {
        thinking: crate::json::Text<'a>,
        signature: crate::json::Text<'a>,
    },
    RedactedThinking {
        data: crate::json::Text<'a>,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        input: &'a RawValue,
    },
}

/// A citation of a page. What of the page is cited, and Anthropic's mark of the place, nobody else
/// tells.
#[derive(Debug, Serialize)]
pub(super) struct CitationOut {
    r#type: &'static str,
    url: String,
    title: String,
    cited_text: &'static str,
    encrypted_index: &'static str,
}

impl From<UrlCitation> for CitationOut {
    fn from(citation: UrlCitation) -> Self {
        Self {
            r#type: "web_search_result_location",
            url: citation.url,
            title: citation.title,
            cited_text: "",
            encrypted_index: "",
        }
    }
}

/// Usage: the input tokens exclude those from and to the cache.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct UsageOut {
    input_tokens: u64,
    cache_creation_input_tokens: u64,
    cache_read_input_tokens: u64,
    output_tokens: u64,
}

impl UsageOut {
    pub(super) fn new(usage: &Usage) -> Self {
        Self {
            input_tokens: usage
                .input_tokens
                .saturating_sub(usage.cached_tokens)
                .saturating_sub(usage.cache_write_tokens),
            cache_creation_input_tokens: usage.cache_write_tokens,
            cache_read_input_tokens: usage.cached_tokens,
            output_tokens: usage.output_tokens,
        }
    }
}

/// Anthropic's reason for the end of an answer.
pub(super) const fn stop_reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Calls => "tool_use",
        Finish::Filter => "refusal",
    }
}
