//! Whole answers of Ollama's as chat completions.

use std::borrow::Cow;

use serde_json::value::{RawValue, to_raw_value};

use super::{error, schema::ChatAnswer};
use crate::{
    failure::Failure,
    hub::{self, CompletionChoice, FunctionCall, Message, ToolCall, UsageOut},
    json::{self, Text},
    meter::Meter,
    request::ResponseContext,
};

/// The client's answer.
pub(super) fn translate(
    context: &ResponseContext,
    body: &[u8],
    meter: &mut Meter,
) -> Result<Vec<u8>, Failure> {
    let provider = &context.provider;
    let garbage = || Failure::garbage(provider, "the answer is not a whole message");
    let answer: ChatAnswer<'_> = json::parse(body).map_err(|_| garbage())?;
    if let Some(raw) = answer.error.filter(|raw| raw.get() != "null") {
        return Err(error::failure(provider, raw));
    }
    let message = answer.message.as_ref().filter(|_| answer.done);
    let message = message.ok_or_else(garbage)?;
    match answer.usage(context.prompt_tokens) {
        Some(usage) => meter.counted(usage),
        None => meter.output(message.len()),
    }
    let calls = message.tool_calls.as_deref().unwrap_or_default();
    let ids: Vec<_> = (0..)
        .zip(calls)
        .map(|(position, call)| call.id(&context.request_id, position))
        .collect();
    let tool_calls: Vec<_> = calls
        .iter()
        .zip(&ids)
        .map(|(call, id)| ToolCall {
            id: Text::Plain(id),
            r#type: "function",
            function: FunctionCall {
                name: call.name(),
                arguments: call.arguments(),
            },
            extra_content: None,
        })
        .collect();
    let has_calls = !tool_calls.is_empty();
    let message = Message {
        role: "assistant",
        content: content(message.content, has_calls),
        reasoning_content: message
            .thinking
            .filter(|raw| !json::inner(raw).is_empty())
            .map(ToOwned::to_owned),
        tool_calls,
        ..Message::default()
    };
    let choice = CompletionChoice::only(message, answer.finish_reason(has_calls));
    let usage = UsageOut::new(&meter.usage());
    Ok(hub::completion(context, &[choice], usage))
}

/// The text; null where there are only calls of tools, which come with an empty one.
fn content(raw: Option<&RawValue>, has_calls: bool) -> Option<Cow<'_, RawValue>> {
    match raw.filter(|raw| raw.get().starts_with('"')) {
        Some(raw) if !has_calls || !json::inner(raw).is_empty() => Some(Cow::Borrowed(raw)),
        None if !has_calls => to_raw_value("").ok().map(Cow::Owned),
        _ => None,
    }
}
