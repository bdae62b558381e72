//! Messages of the hub as Cohere's: what a model writes before it calls tools is its plan.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde_json::value::RawValue;

use super::schema::{
    ImageUrl, OutputBlock, OutputCall, OutputContent, OutputFunction, OutputMessage,
};
use crate::{
    hub::{self, Content, InputMessage},
    json,
};

/// What a tool says that says nothing, which Cohere refuses.
const NOTHING: &str = r#""[no output]""#;

/// The message with this `index` in the request; `None` for one that says nothing.
pub(super) fn message<'a>(
    index: usize,
    message: InputMessage<'a>,
) -> Result<Option<OutputMessage<'a>>, ApiError> {
    let place = format!("messages[{index}]");
    let role = match &*message.role {
        "system" | "developer" => "system",
        "user" => "user",
        "assistant" => return assistant(message, &place),
        "tool" => "tool",
        _ => return Err(message.strange_role(&place, "Cohere")),
    };
    if role == "tool" && message.tool_call_id.is_none() {
        let place = format!("{place}.tool_call_id");
        return Err(ApiError::invalid(format!("{place} is missing")).param(place));
    }
    let mut blocks = blocks(&message, &format!("{place}.content"))?;
    if role == "tool" && blocks.iter().all(is_blank) {
        blocks = serde_json::from_str(NOTHING)
            .map(text)
            .into_iter()
            .collect();
    }
    Ok(Some(OutputMessage {
        role,
        tool_call_id: message.tool_call_id,
        tool_plan: None,
        tool_calls: Vec::new(),
        content: Some(joined(blocks)),
    }))
}

/// Whether there is thinking that has no place: beside calls of tools, or in another provider's words.
pub(super) fn loses_thinking(message: &InputMessage<'_>) -> bool {
    let has_calls = message
        .tool_calls
        .as_ref()
        .is_some_and(|calls| !calls.is_empty());
    let has_words = message.reasoning().is_some();
    let blocks = message.thinking_blocks.as_deref().unwrap_or_default();
    has_words && has_calls || !has_words && !blocks.is_empty()
}

fn assistant<'a>(
    mut message: InputMessage<'a>,
    place: &str,
) -> Result<Option<OutputMessage<'a>>, ApiError> {
    message.without_function_call(place)?;
    let mut blocks = blocks(&message, &format!("{place}.content"))?;
    blocks.extend(message.refusal.filter(|raw| !json::is_blank(raw)).map(text));
    let calls = message.calls(place)?.into_iter().map(|call| OutputCall {
        id: call.id,
        r#type: "function",
        function: OutputFunction {
            name: call.function.name,
            arguments: if call.function.arguments.trim().is_empty() {
                Cow::Borrowed("{}")
            } else {
                call.function.arguments
            },
        },
    });
    let tool_calls: Vec<_> = calls.collect();
    let says_nothing = blocks.iter().all(is_blank);
    if !tool_calls.is_empty() {
        let plan = (!says_nothing).then(|| joined(blocks));
        return Ok(Some(OutputMessage {
            role: "assistant",
            tool_call_id: None,
            tool_plan: plan.and_then(|content| match content {
                OutputContent::Text(text) => Some(text),
                OutputContent::Blocks(_) => None,
            }),
            tool_calls,
            content: None,
        }));
    }
    let thinking = message.reasoning();
    if let Some(thinking) = thinking {
        blocks.insert(0, OutputBlock::Thinking { thinking });
    }
    Ok(
        (!says_nothing || thinking.is_some()).then(|| OutputMessage {
            role: "assistant",
            tool_call_id: None,
            tool_plan: None,
            tool_calls,
            content: Some(joined(blocks)),
        }),
    )
}

fn text(raw: &RawValue) -> OutputBlock<'_> {
    OutputBlock::Text {
        text: Cow::Borrowed(raw),
    }
}

fn is_blank(block: &OutputBlock<'_>) -> bool {
    matches!(block, OutputBlock::Text { text } if json::is_blank(text))
}

/// One text where all blocks are text.
fn joined(blocks: Vec<OutputBlock<'_>>) -> OutputContent<'_> {
    let texts: Vec<&RawValue> = blocks
        .iter()
        .filter_map(|block| match block {
            OutputBlock::Text { text } => Some(&**text),
            OutputBlock::Thinking { .. } | OutputBlock::ImageUrl { .. } => None,
        })
        .collect();
    if texts.len() < blocks.len() {
        return OutputContent::Blocks(blocks);
    }
    match json::concat(texts.into_iter()) {
        Some(text) => OutputContent::Text(Cow::Owned(text)),
        None => OutputContent::Blocks(blocks),
    }
}

fn blocks<'a>(message: &InputMessage<'a>, place: &str) -> Result<Vec<OutputBlock<'a>>, ApiError> {
    let parts = match hub::content(message.content, place)? {
        Content::Nothing => return Ok(Vec::new()),
        Content::Text(raw) => return Ok(vec![text(raw)]),
        Content::Parts(parts) => parts,
    };
    let mut blocks = Vec::with_capacity(parts.len());
    for (at, part) in parts.into_iter().enumerate() {
        let place = format!("{place}[{at}]");
        match &*part.r#type {
            "text" | "refusal" => blocks.extend(part.text.or(part.refusal).map(text)),
            "image_url" if message.role == "user" => {
                let url = part.image().ok_or_else(|| {
                    ApiError::invalid(format!("{place}.image_url has no url")).param(place)
                })?;
                blocks.push(OutputBlock::ImageUrl {
                    image_url: ImageUrl { url },
                });
            }
            kind => {
                return Err(ApiError::invalid(format!(
                    "{place} is of type {kind:?}; Cohere takes text, and images of the user"
                ))
                .param(place));
            }
        }
    }
    Ok(blocks)
}
