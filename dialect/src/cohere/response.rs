//! Whole answers of Cohere's as chat completions.

use std::borrow::Cow;

use serde_json::value::{RawValue, to_raw_value};

use super::{
    citations, error,
    schema::{AnswerCall, ChatAnswer, finish_reason},
};
use crate::{
    failure::Failure,
    hub::{self, CompletionChoice, FunctionCall, Message, ProviderFields, ToolCall, UsageOut},
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
    let answer: ChatAnswer<'_> = json::parse(body).map_err(|_| {
        Failure::unreadable(
            provider,
            error::read(body).as_ref(),
            "the answer is not a message",
        )
    })?;
    let finish = finish_reason(answer.finish_reason.as_deref())
        .ok_or_else(|| error::failure(provider, None))?;
    let message = &answer.message;
    let blocks = message.content.as_deref().unwrap_or_default();
    let plan = message.tool_plan.into_iter();
    let texts: Vec<_> = plan
        .chain(blocks.iter().filter_map(|block| block.text))
        .filter(|raw| !json::inner(raw).is_empty())
        .collect();
    let thoughts: Vec<_> = blocks.iter().filter_map(|block| block.thinking).collect();
    let calls = message.tool_calls.as_deref().unwrap_or_default();
    match answer.usage.and_then(|usage| usage.usage()) {
        Some(usage) => meter.counted(usage),
        None => {
            let calls: usize = calls.iter().map(size).sum();
            meter.output(length(&texts) + length(&thoughts) + calls);
        }
    }
    if finish == "content_filter" && texts.is_empty() && calls.is_empty() {
        return Err(error::toxic(provider));
    }
    let arguments: Vec<_> = calls.iter().map(arguments).collect();
    let tool_calls: Vec<_> = calls
        .iter()
        .zip(&arguments)
        .map(|(call, arguments)| ToolCall {
            id: call.id.map_or(Text::Plain(""), Text::Raw),
            r#type: "function",
            function: FunctionCall {
                name: call.function.name.map_or(Text::Plain(""), Text::Raw),
                arguments,
            },
            extra_content: None,
        })
        .collect();
    let has_calls = !tool_calls.is_empty();
    let cited = hub::citations::list(message.citations);
    let planned = message.tool_plan.map_or(0, hub::citations::characters);
    let annotations = cited
        .iter()
        .flat_map(|raw| citations::annotations(raw, planned));
    let message = Message {
        role: "assistant",
        content: content(&texts, has_calls),
        reasoning_content: json::concat(thoughts.into_iter())
            .filter(|raw| !json::inner(raw).is_empty()),
        tool_calls,
        annotations: annotations.collect(),
        provider_specific_fields: ProviderFields::cited(cited.clone()),
        ..Message::default()
    };
    let choice = CompletionChoice::only(message, finish);
    let usage = UsageOut::new(&meter.usage());
    Ok(hub::completion(context, &[choice], usage))
}

/// The text; null where there are only calls of tools.
fn content<'a>(texts: &[&'a RawValue], has_calls: bool) -> Option<Cow<'a, RawValue>> {
    let empty = || to_raw_value("").ok().map(Cow::Owned);
    json::joined(texts).or_else(|| if has_calls { None } else { empty() })
}

fn length(texts: &[&RawValue]) -> usize {
    texts.iter().map(|raw| json::inner(raw).len()).sum()
}

fn size(call: &AnswerCall<'_>) -> usize {
    let text = |raw: Option<&RawValue>| raw.map_or(0, |raw| json::inner(raw).len());
    text(call.function.name) + text(call.function.arguments)
}

/// The text of the arguments; a call without any has an empty object.
fn arguments<'a>(call: &AnswerCall<'a>) -> Cow<'a, str> {
    call.function
        .arguments
        .and_then(json::string)
        .filter(|text| !text.trim().is_empty())
        .unwrap_or(Cow::Borrowed("{}"))
}
