//! Ollama's shapes (<https://github.com/ollama/ollama/blob/main/api/types.go>).

use std::borrow::Cow;

use dragoman_proto::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json::{self, Object, Text};

/// A chat request.
#[derive(Debug, Serialize)]
pub(super) struct ChatRequest<'a> {
    pub(super) model: &'a str,
    pub(super) messages: Vec<OutputMessage<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tools: Vec<OutputTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) think: Option<Think<'a>>,
    #[serde(skip_serializing_if = "Object::is_empty")]
    pub(super) options: Object<'a>,
    /// Said always: it streams unless it is told not to.
    pub(super) stream: bool,
    /// `keep_alive` and others of its own that stand beside the options.
    #[serde(flatten)]
    pub(super) rest: Object<'a>,
}

/// A tool: a function always.
#[derive(Debug, Serialize)]
pub(super) struct OutputTool<'a> {
    pub(super) r#type: &'static str,
    pub(super) function: ToolFunction<'a>,
}

/// The function of a tool.
#[derive(Debug, Serialize)]
pub(super) struct ToolFunction<'a> {
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) description: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) parameters: Option<&'a RawValue>,
}

/// Whether, or how much, to think.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Think<'a> {
    Raw(&'a RawValue),
    Flag(bool),
    /// For models that know levels.
    Level(&'static str),
}

/// A message.
#[derive(Debug, Serialize)]
pub(super) struct OutputMessage<'a> {
    pub(super) role: &'static str,
    pub(super) content: Cow<'a, RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) thinking: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) images: Vec<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) tool_calls: Vec<OutputCall<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_name: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_call_id: Option<Cow<'a, str>>,
}

/// A tool call of the history.
#[derive(Debug, Serialize)]
pub(super) struct OutputCall<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) id: Cow<'a, str>,
    pub(super) function: OutputFunction<'a>,
}

/// What it called.
#[derive(Debug, Serialize)]
pub(super) struct OutputFunction<'a> {
    pub(super) name: Cow<'a, str>,
    /// An object, not text.
    pub(super) arguments: Cow<'a, RawValue>,
}

/// A whole answer, or a line of a stream.
#[derive(Debug, Deserialize)]
pub(super) struct ChatAnswer<'a> {
    #[serde(borrow, default)]
    pub(super) message: Option<AnswerMessage<'a>>,
    #[serde(default)]
    pub(super) done: bool,
    #[serde(borrow, default)]
    pub(super) done_reason: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(default)]
    prompt_eval_count: Option<u64>,
    #[serde(default)]
    eval_count: Option<u64>,
}

/// The message of an answer, or a piece of it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct AnswerMessage<'a> {
    #[serde(borrow, default)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) thinking: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Option<Vec<AnswerCall<'a>>>,
}

/// A tool call, always whole.
#[derive(Debug, Deserialize)]
pub(super) struct AnswerCall<'a> {
    #[serde(borrow, default)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) function: AnswerFunction<'a>,
}

/// What it calls.
#[derive(Debug, Deserialize)]
pub(super) struct AnswerFunction<'a> {
    #[serde(borrow, default)]
    pub(super) name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
}

impl ChatAnswer<'_> {
    /// The usage, which only the last line of a stream has. A count of none is left out there; so is
    /// that of a prompt which older servers still had in their cache: then it is `estimated`.
    pub(super) fn usage(&self, estimated: u64) -> Option<Usage> {
        self.prompt_eval_count.or(self.eval_count)?;
        Some(Usage {
            input_tokens: self.prompt_eval_count.unwrap_or(estimated),
            output_tokens: self.eval_count.unwrap_or_default(),
            ..Usage::default()
        })
    }

    /// OpenAI's finish reason. Tool calls end with `stop` here.
    pub(super) fn finish_reason(&self, has_calls: bool) -> &'static str {
        match self.done_reason.as_deref() {
            Some("length") => "length",
            _ if has_calls => "tool_calls",
            _ => "stop",
        }
    }
}

impl<'a> AnswerCall<'a> {
    /// The call's id, or one made of the request's id and the call's `position` in the answer: many
    /// servers have none.
    pub(super) fn id(&self, request_id: &str, position: u64) -> Cow<'a, str> {
        self.id
            .and_then(json::string)
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| Cow::Owned(format!("call_{request_id}_{position}")))
    }

    /// The name of what is called.
    pub(super) fn name(&self) -> Text<'a> {
        self.function.name.map_or(Text::Plain(""), Text::Raw)
    }

    /// The arguments as the server wrote them.
    pub(super) fn arguments(&self) -> &'a str {
        match self.function.arguments.map(RawValue::get) {
            None | Some("null") => "{}",
            Some(arguments) => arguments,
        }
    }
}

impl AnswerMessage<'_> {
    /// Bytes of text, which become tokens.
    pub(super) fn len(&self) -> usize {
        let text = |raw: Option<&RawValue>| raw.map_or(0, |raw| json::inner(raw).len());
        let calls = self.tool_calls.iter().flatten();
        text(self.content)
            + text(self.thinking)
            + calls
                .map(|call| call.name().len() + call.arguments().len())
                .sum::<usize>()
    }
}
