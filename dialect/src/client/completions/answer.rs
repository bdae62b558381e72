//! A whole chat completion as a text completion.

use std::borrow::Cow;

use dragoman_proto::Usage;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::reply;
use crate::{
    failure::Failure,
    hub::UsageOut,
    json::{self, Text},
    request::ResponseContext,
};

#[derive(Deserialize)]
struct ChatIn<'a> {
    #[serde(borrow, default)]
    id: Option<Text<'a>>,
    #[serde(borrow)]
    choices: Vec<ChoiceIn<'a>>,
    #[serde(borrow, default)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct ChoiceIn<'a> {
    #[serde(default)]
    index: u64,
    #[serde(borrow)]
    message: MessageIn<'a>,
    #[serde(borrow, default)]
    finish_reason: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct MessageIn<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Completion<'a> {
    id: Text<'a>,
    object: &'static str,
    created: u64,
    model: &'a str,
    choices: Vec<ChoiceOut<Cow<'a, RawValue>>>,
    usage: UsageIs<'a>,
}

/// The provider's own words, or ours where it has none.
#[derive(Serialize)]
#[serde(untagged)]
enum UsageIs<'a> {
    Theirs(&'a RawValue),
    Ours(UsageOut),
}

/// A choice of a text completion, or of a chunk of one.
#[derive(Serialize)]
pub(super) struct ChoiceOut<T> {
    /// A string.
    pub(super) text: T,
    pub(super) index: u64,
    pub(super) logprobs: Option<()>,
    pub(super) finish_reason: Option<&'static str>,
}

/// The client's answer.
pub(in super::super) fn answer(
    context: &ResponseContext,
    body: &[u8],
    usage: &Usage,
) -> Result<Vec<u8>, Failure> {
    let chat: ChatIn<'_> = json::parse(body)
        .map_err(|_| Failure::garbage(&context.provider, "the answer is not a chat completion"))?;
    let own_id = format!("cmpl-{}", context.request_id);
    let choices = chat.choices.into_iter().map(|choice| {
        let said = reply::text(choice.message.content);
        ChoiceOut {
            text: said
                .or_else(|| reply::text(choice.message.refusal))
                .unwrap_or_else(nothing),
            index: choice.index,
            logprobs: None,
            finish_reason: Some(finish(choice.finish_reason.as_deref().unwrap_or_default())),
        }
    });
    let completion = Completion {
        id: chat.id.unwrap_or(Text::Plain(&own_id)),
        object: "text_completion",
        created: context.created,
        model: &context.alias,
        choices: choices.collect(),
        usage: match chat.usage.filter(|raw| raw.get() != "null") {
            Some(raw) => UsageIs::Theirs(raw),
            None => UsageIs::Ours(UsageOut::new(usage)),
        },
    };
    let mut out = Vec::with_capacity(body.len());
    json::write(&mut out, &completion);
    Ok(out)
}

/// A text of nothing.
fn nothing<'a>() -> Cow<'a, RawValue> {
    Cow::Borrowed(serde_json::from_str(r#""""#).unwrap_or(RawValue::NULL))
}

/// Why a text ended, in the words that text completions have for it.
pub(super) fn finish(reason: &str) -> &'static str {
    match reason {
        "length" => "length",
        "content_filter" => "content_filter",
        _ => "stop",
    }
}
