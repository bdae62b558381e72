//! A whole chat completion, as far as other clients are told of it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{blocks::Finish, chat};
use crate::{
    failure::Failure,
    hub::{self, ThinkingIn, UrlCitation},
    json,
    request::ResponseContext,
};

/// The answer of the hub's first choice.
#[derive(Debug)]
pub(super) struct Reply<'a> {
    /// Thinking blocks with what proves them, where the provider has that; or else words.
    pub(super) thinking: Vec<ThinkingIn<'a>>,
    /// A JSON string.
    pub(super) text: Option<Cow<'a, RawValue>>,
    /// The pages of the web that the text cites.
    pub(super) citations: Vec<UrlCitation>,
    pub(super) calls: Vec<CallOut<'a>>,
    pub(super) finish: Finish,
}

/// A tool call of a [`Reply`].
#[derive(Debug)]
pub(super) struct CallOut<'a> {
    pub(super) id: String,
    pub(super) name: Cow<'a, str>,
    /// What should be a JSON object.
    pub(super) arguments: Cow<'a, str>,
}

#[derive(Deserialize)]
struct Completion<'a> {
    #[serde(borrow)]
    choices: Vec<Choice<'a>>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(borrow)]
    message: Message<'a>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    thinking_blocks: Option<Vec<ThinkingIn<'a>>>,
    #[serde(borrow, default)]
    tool_calls: Option<Vec<Call<'a>>>,
    #[serde(borrow, default)]
    annotations: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow, default)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    function: Function<'a>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

/// A part of content, with those who answer in parts.
#[derive(Deserialize)]
struct Part<'a> {
    #[serde(borrow, default)]
    text: Option<&'a RawValue>,
}

impl<'a> Reply<'a> {
    /// Reads a chat completion.
    pub(super) fn read(context: &ResponseContext, body: &'a [u8]) -> Result<Self, Failure> {
        let garbage = |what: &str| Failure::garbage(&context.provider, what);
        let completion: Completion<'a> =
            json::parse(body).map_err(|_| garbage("the answer is not a chat completion"))?;
        let choice = completion.choices.into_iter().next();
        let Choice {
            message,
            finish_reason,
        } = choice.ok_or_else(|| garbage("the answer has no `choices`"))?;
        let reason = finish_reason.unwrap_or_default();
        let calls = message.tool_calls.unwrap_or_default();
        let finish = Finish::read(&reason, !calls.is_empty());
        let calls = calls
            .into_iter()
            .enumerate()
            .map(|(at, call)| call.read(context, at))
            .collect();
        let words = message.reasoning_content.or(message.reasoning);
        let thinking = match message.thinking_blocks {
            Some(blocks) if !blocks.is_empty() => blocks,
            _ => words
                .filter(|raw| !json::inner(raw).is_empty())
                .map(|raw| ThinkingIn {
                    thinking: Some(raw),
                    ..ThinkingIn::default()
                })
                .into_iter()
                .collect(),
        };
        let citations = hub::citations::annotations(message.annotations);
        // What is cited has its place in a text, also in one without words.
        let empty = || (!citations.is_empty()).then(|| chat::text(""))?;
        let text = text(message.content)
            .or_else(|| text(message.refusal))
            .or_else(empty);
        Ok(Self {
            thinking,
            text,
            citations,
            calls,
            finish,
        })
    }
}

impl<'a> Call<'a> {
    fn read(self, context: &ResponseContext, at: usize) -> CallOut<'a> {
        let arguments = match self.function.arguments {
            None => Cow::Borrowed(""),
            Some(raw) => match json::string(raw) {
                Some(text) => text,
                None if raw.get() == "null" => Cow::Borrowed(""),
                // An object in place of its text, with some imitators.
                None => Cow::Borrowed(raw.get()),
            },
        };
        let id = self.id.filter(|id| !id.is_empty());
        CallOut {
            id: id.map_or_else(
                || format!("call_{}_{at}", context.request_id),
                Cow::into_owned,
            ),
            name: self.function.name,
            arguments: if arguments.trim().is_empty() {
                Cow::Borrowed("{}")
            } else {
                arguments
            },
        }
    }
}

impl CallOut<'_> {
    /// The arguments as the object that they should be.
    pub(super) fn object(&self) -> Option<&RawValue> {
        serde_json::from_str::<&RawValue>(&self.arguments)
            .ok()
            .filter(|raw| raw.get().starts_with('{'))
    }
}

/// The text of a message's content, unless it is empty.
pub(super) fn text(raw: Option<&RawValue>) -> Option<Cow<'_, RawValue>> {
    let raw = raw?;
    if raw.get().starts_with('[') {
        let parts: Vec<Part<'_>> = serde_json::from_str(raw.get()).ok()?;
        return json::concat(parts.into_iter().filter_map(|part| part.text))
            .filter(|raw| !json::inner(raw).is_empty())
            .map(Cow::Owned);
    }
    (!json::inner(raw).is_empty()).then_some(Cow::Borrowed(raw))
}
