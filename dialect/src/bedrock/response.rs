//! Whole answers of Converse's as chat completions.

use std::borrow::Cow;

use serde_json::value::{RawValue, to_raw_value};

use super::{
    JSON_TOOL, error,
    schema::{AnswerBlock, AnswerCall, AnswerReasoning, ConverseAnswer, finish_reason},
};
use crate::{
    failure::Failure,
    hub::{self, CompletionChoice, FunctionCall, Message, ThinkingBlock, ToolCall, UsageOut},
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
    let answer: ConverseAnswer<'_> = json::parse(body).map_err(|_| {
        Failure::unreadable(
            provider,
            error::read(body).as_ref(),
            "the answer is not a message",
        )
    })?;
    let blocks = &answer.output.message.content;
    match answer.usage {
        Some(usage) => meter.counted(usage.usage()),
        None => meter.output(blocks.iter().map(length).sum()),
    }
    let finish = finish_reason(&answer.stop_reason).ok_or_else(|| malformed(provider))?;
    let thoughts: Vec<Box<RawValue>> = blocks.iter().filter_map(thought).collect();
    let message = message(context, blocks, &thoughts);
    let choice = CompletionChoice::only(message, finish);
    let usage = UsageOut::with_cache(&meter.usage());
    Ok(hub::completion(context, &[choice], usage))
}

/// The model wrote what Bedrock cannot read.
pub(super) fn malformed(provider: &str) -> Failure {
    Failure::garbage(provider, "the model's output is malformed")
}

fn message<'a>(
    context: &ResponseContext,
    blocks: &[AnswerBlock<'a>],
    thoughts: &'a [Box<RawValue>],
) -> Message<'a> {
    let mut texts = Vec::new();
    let mut words = Vec::new();
    let mut tool_calls = Vec::new();
    let mut json = None;
    for block in blocks {
        texts.extend(block.text);
        let cited = block.citations_content.iter();
        texts.extend(cited.flat_map(|cited| cited.content.iter().filter_map(|piece| piece.text)));
        words.extend(block.reasoning_content.as_ref().and_then(reasoning_text));
        match &block.tool_use {
            Some(call) if context.json_tool && is_json_tool(call) => {
                json = to_raw_value(input(call)).ok();
            }
            // What Bedrock's own tools did is not part of a chat completion.
            Some(call) if call.r#type.is_none() => tool_calls.push(tool_call(call)),
            _ => {}
        }
    }
    let has_calls = !tool_calls.is_empty();
    let empty = || to_raw_value("").ok().map(Cow::Owned);
    let content = json
        .map(Cow::Owned)
        .or_else(|| json::joined(&texts))
        .or_else(|| if has_calls { None } else { empty() });
    Message {
        role: "assistant",
        content,
        reasoning_content: (!words.is_empty())
            .then(|| json::concat(words.into_iter()))
            .flatten(),
        thinking_blocks: thoughts.iter().map(|raw| &**raw).collect(),
        tool_calls,
        ..Message::default()
    }
}

fn tool_call<'a>(call: &AnswerCall<'a>) -> ToolCall<'a> {
    ToolCall {
        id: call.tool_use_id.map_or(Text::Plain(""), Text::Raw),
        r#type: "function",
        function: FunctionCall {
            name: call.name.map_or(Text::Plain(""), Text::Raw),
            arguments: input(call),
        },
        extra_content: None,
    }
}

/// Whether it is the call that stands for the answer.
pub(super) fn is_json_tool(call: &AnswerCall<'_>) -> bool {
    call.name.is_some_and(|name| json::inner(name) == JSON_TOOL)
}

/// A call's input, as the model wrote it.
fn input<'a>(call: &AnswerCall<'a>) -> &'a str {
    call.input.map_or("{}", RawValue::get)
}

fn reasoning_text<'a>(reasoning: &AnswerReasoning<'a>) -> Option<&'a RawValue> {
    reasoning.reasoning_text.as_ref()?.text
}

fn thought(block: &AnswerBlock<'_>) -> Option<Box<RawValue>> {
    let reasoning = block.reasoning_content.as_ref()?;
    let thought = match (&reasoning.reasoning_text, reasoning.redacted_content) {
        (Some(text), _) => ThinkingBlock::Thinking {
            thinking: text.text.map_or(Text::Plain(""), Text::Raw),
            signature: text.signature.map(Text::Raw),
        },
        (None, Some(data)) => ThinkingBlock::RedactedThinking {
            data: Text::Raw(data),
        },
        (None, None) => return None,
    };
    to_raw_value(&thought).ok()
}

fn length(block: &AnswerBlock<'_>) -> usize {
    let text = |raw: Option<&RawValue>| raw.map_or(0, |raw| json::inner(raw).len());
    text(block.text)
        + text(block.reasoning_content.as_ref().and_then(reasoning_text))
        + block
            .tool_use
            .as_ref()
            .and_then(|call| call.input)
            .map_or(0, |raw| raw.get().len())
}
