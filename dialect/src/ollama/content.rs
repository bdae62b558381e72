//! Messages of the hub as Ollama's: text in one piece, images beside it, arguments as objects.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde_json::value::RawValue;

use super::schema::{OutputCall, OutputFunction, OutputMessage};
use crate::{
    hub::{self, Content, InputMessage, Part},
    json,
};

/// The conversation as it grows.
#[derive(Debug, Default)]
pub(super) struct Conversation<'a> {
    pub(super) messages: Vec<OutputMessage<'a>>,
    /// Whether there was thinking that only another provider can read.
    pub(super) lost_thinking: bool,
    /// Ids and names of the calls so far: a result names its tool.
    calls: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

impl<'a> Conversation<'a> {
    /// Adds the message with this `index` in the request.
    pub(super) fn add(
        &mut self,
        index: usize,
        mut message: InputMessage<'a>,
    ) -> Result<(), ApiError> {
        let place = format!("messages[{index}]");
        let role = match &*message.role {
            "system" | "developer" => "system",
            "user" => "user",
            "assistant" => "assistant",
            "tool" => "tool",
            _ => return Err(message.strange_role(&place, "Ollama")),
        };
        message.without_function_call(&place)?;
        let thinking = message.reasoning();
        let blocks = message.thinking_blocks.as_deref().unwrap_or_default();
        self.lost_thinking |= thinking.is_none() && !blocks.is_empty();
        let (content, images) = content(&message, &format!("{place}.content"))?;
        let mut output = OutputMessage {
            role,
            content,
            thinking,
            images,
            tool_calls: Vec::new(),
            tool_name: None,
            tool_call_id: None,
        };
        if role == "tool" {
            let id = message.tool_call_id.take().unwrap_or_default();
            let called = self.calls.iter().rev().find(|(known, _)| *known == id);
            output.tool_name = called.map(|(_, name)| name.clone());
            output.tool_call_id = Some(id).filter(|id| !id.is_empty());
        }
        for call in message.calls(&place)? {
            let function = call.function;
            self.calls.push((call.id.clone(), function.name.clone()));
            output.tool_calls.push(OutputCall {
                id: call.id,
                function: OutputFunction {
                    arguments: hub::arguments(function.arguments, &call.place)?,
                    name: function.name,
                },
            });
        }
        self.messages.push(output);
        Ok(())
    }
}

type Images<'a> = Vec<Cow<'a, str>>;

/// A message's text in one piece, and its images.
fn content<'a>(
    message: &InputMessage<'a>,
    place: &str,
) -> Result<(Cow<'a, RawValue>, Images<'a>), ApiError> {
    let mut texts = Vec::new();
    let mut images = Vec::new();
    match hub::content(message.content, place)? {
        Content::Nothing => {}
        Content::Text(text) => texts.push(text),
        Content::Parts(parts) => {
            for (at, part) in parts.into_iter().enumerate() {
                match &*part.r#type {
                    "text" | "refusal" => texts.extend(part.text.or(part.refusal)),
                    "image_url" => images.push(image(&part, &format!("{place}[{at}]"))?),
                    kind => {
                        let place = format!("{place}[{at}]");
                        return Err(ApiError::invalid(format!(
                            "{place} is of type {kind:?}; Ollama takes text and images"
                        ))
                        .param(place));
                    }
                }
            }
        }
    }
    texts.extend(message.refusal.filter(|raw| !json::is_blank(raw)));
    let content = match texts.as_slice() {
        [one] => Cow::Borrowed(*one),
        several => {
            json::concat(several.iter().copied()).map_or(Cow::Borrowed(RawValue::NULL), Cow::Owned)
        }
    };
    Ok((content, images))
}

/// An image in base64, without what stands before it in a data URL.
fn image<'a>(part: &Part<'a>, place: &str) -> Result<Cow<'a, str>, ApiError> {
    let invalid =
        |what: &str| ApiError::invalid(format!("{place}.image_url {what}")).param(place.to_owned());
    let url = part.image().ok_or_else(|| invalid("has no url"))?;
    if url.starts_with("https://") || url.starts_with("http://") {
        return Err(invalid(
            "is an address: Ollama needs the image inline, as a base64 data URL, and the gateway \
             does not download it",
        ));
    }
    hub::data_url(&url)
        .map(|(_, data)| data)
        .ok_or_else(|| invalid("is not a base64 data URL"))
}
