//! Whole answers of Anthropic's as chat completions.

use std::borrow::Cow;

use serde_json::value::{RawValue, to_raw_value};

use super::{
    JSON_TOOL, citations, error,
    schema::{AnswerBlock, MessageAnswer, finish_reason},
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
    let answer: MessageAnswer<'_> = json::parse(body).map_err(|_| {
        Failure::unreadable(
            provider,
            error::read(body).as_ref(),
            "the answer is not a message",
        )
    })?;
    // The thinking blocks go back to the client as they are: it needs them byte for byte.
    let raws: RawContent<'_> = json::parse(body).unwrap_or_default();
    match answer.usage {
        Some(usage) => meter.counted(usage.onto(&meter.known())),
        None => meter.output(answer.content.iter().map(length).sum()),
    }
    let message = message(context, &answer.content, &raws.content);
    let choice = CompletionChoice::only(message, finish_reason(answer.stop_reason.as_deref()));
    let usage = UsageOut::with_cache(&meter.usage());
    Ok(hub::completion(context, &[choice], usage))
}

#[derive(Default, serde::Deserialize)]
struct RawContent<'a> {
    #[serde(borrow)]
    content: Vec<&'a RawValue>,
}

fn message<'a>(
    context: &ResponseContext,
    blocks: &[AnswerBlock<'a>],
    raws: &[&'a RawValue],
) -> Message<'a> {
    let mut texts = Vec::new();
    let mut thoughts = Vec::new();
    let mut thinking_blocks = Vec::new();
    let mut tool_calls = Vec::new();
    let mut json = None;
    let mut cited = Cited::default();
    for (block, raw) in blocks.iter().zip(raws) {
        match &*block.r#type {
            "text" => {
                texts.extend(block.text);
                cited.add(block);
            }
            "thinking" => {
                thoughts.extend(block.thinking);
                thinking_blocks.push(*raw);
            }
            "redacted_thinking" => thinking_blocks.push(*raw),
            "tool_use" if is_json_tool(context, block) => {
                json = to_raw_value(input(block)).ok();
            }
            "tool_use" => tool_calls.push(ToolCall {
                id: block.id.map_or(Text::Plain(""), Text::Raw),
                r#type: "function",
                function: FunctionCall {
                    name: block.name.map_or(Text::Plain(""), Text::Raw),
                    arguments: input(block),
                },
                extra_content: None,
            }),
            // What the provider's own tools did is not part of a chat completion.
            _ => {}
        }
    }
    let content = json.map(Cow::Owned).or_else(|| json::joined(&texts));
    let reasoning_content = (!thoughts.is_empty())
        .then(|| json::concat(thoughts.into_iter()))
        .flatten();
    Message {
        role: "assistant",
        content,
        reasoning_content,
        thinking_blocks,
        tool_calls,
        annotations: cited.annotations,
        provider_specific_fields: ProviderFields::cited(cited.raws),
        ..Message::default()
    }
}

/// What the blocks of text cite.
#[derive(Default)]
struct Cited<'a> {
    characters: u64,
    annotations: Vec<hub::Annotation>,
    /// The lists of those that have one.
    raws: Vec<&'a RawValue>,
}

impl<'a> Cited<'a> {
    /// A citation is of its whole block.
    fn add(&mut self, block: &AnswerBlock<'a>) {
        let start = self.characters;
        self.characters += block.text.map_or(0, hub::citations::characters);
        let list = hub::citations::list(block.citations);
        self.raws
            .extend(block.citations.filter(|_| !list.is_empty()));
        let pages = list.into_iter().filter_map(citations::page);
        self.annotations
            .extend(pages.map(|page| page.at(start, self.characters)));
    }
}

fn is_json_tool(context: &ResponseContext, block: &AnswerBlock<'_>) -> bool {
    context.json_tool
        && block
            .name
            .is_some_and(|name| json::inner(name) == JSON_TOOL)
}

/// A call's input, as the provider wrote it.
fn input<'a>(block: &AnswerBlock<'a>) -> &'a str {
    block.input.map_or("{}", RawValue::get)
}

fn length(block: &AnswerBlock<'_>) -> usize {
    block.text.map_or(0, |raw| json::inner(raw).len())
        + block.thinking.map_or(0, |raw| json::inner(raw).len())
        + block.input.map_or(0, |raw| raw.get().len())
}
