//! Messages of the hub as Anthropic's: roles merged, parts as blocks, results beside their calls.

use std::borrow::Cow;

use base64::Engine;
use dragoman_proto::ApiError;
use serde_json::value::RawValue;

use super::schema::{Block, Source, TypedBlock};
use crate::{
    hub::{self, Content, InputMessage, Part, ThinkingIn, Turns},
    json,
};

/// A conversation in Anthropic's form.
#[derive(Debug, Default)]
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<Block<'a>>,
    pub(super) messages: Turns<Block<'a>>,
    /// Whether it has calls or results of tools.
    pub(super) uses_tools: bool,
    /// Whether a file is meant that was uploaded to Anthropic.
    pub(super) uses_files: bool,
    /// Whether there was reasoning without a signature, which cannot be sent back.
    pub(super) lost_reasoning: bool,
}

impl<'a> Conversation<'a> {
    /// Adds the message with this `index` in the request.
    pub(super) fn add(&mut self, index: usize, message: InputMessage<'a>) -> Result<(), ApiError> {
        let place = format!("messages[{index}].content");
        match &*message.role {
            "system" | "developer" if self.messages.is_empty() => {
                let blocks = self.blocks(&message, &place)?;
                self.system.extend(blocks);
            }
            "system" | "developer" => {
                let blocks = self.blocks(&message, &place)?;
                if !blocks.is_empty() {
                    let label = hub::system_label().map(text_block);
                    self.messages
                        .push("user", label.into_iter().chain(blocks).collect());
                }
            }
            "user" => {
                let blocks = self.blocks(&message, &place)?;
                self.messages.push("user", blocks);
            }
            "assistant" => self.assistant(index, message, &place)?,
            "tool" => self.tool_result(index, message, &place)?,
            _ => {
                return Err(message.strange_role(&format!("messages[{index}]"), "Anthropic"));
            }
        }
        Ok(())
    }

    fn assistant(
        &mut self,
        index: usize,
        mut message: InputMessage<'a>,
        place: &str,
    ) -> Result<(), ApiError> {
        let whole = format!("messages[{index}]");
        message.without_function_call(&whole)?;
        let mut blocks = self.thinking(&message);
        blocks.extend(self.blocks(&message, place)?);
        if let Some(refusal) = message.refusal.filter(|raw| !json::is_blank(raw)) {
            blocks.push(text_block(refusal));
        }
        for call in message.calls(&whole)? {
            self.uses_tools = true;
            blocks.push(Block::Typed(TypedBlock::ToolUse {
                input: hub::arguments(call.function.arguments, &call.place)?,
                id: call_id(call.id),
                name: call.function.name,
                cache_control: None,
            }));
        }
        self.messages.push("assistant", blocks);
        Ok(())
    }

    /// The thinking that Claude signed; other thinking it cannot be given back.
    fn thinking(&mut self, message: &InputMessage<'a>) -> Vec<Block<'a>> {
        let sent = message.thinking_blocks.as_deref().unwrap_or_default();
        let unproven = |raw: &RawValue| {
            let block: Result<ThinkingIn<'_>, _> = serde_json::from_str(raw.get());
            block.is_ok_and(|block| block.is_unproven())
        };
        let blocks: Vec<_> = sent
            .iter()
            .filter(|raw| !unproven(raw))
            .map(|raw| Block::Raw(hub::unnumbered(raw)))
            .collect();
        let has_words = message.reasoning().is_some();
        self.lost_reasoning |= blocks.len() < sent.len() || has_words && sent.is_empty();
        blocks
    }

    fn tool_result(
        &mut self,
        index: usize,
        message: InputMessage<'a>,
        place: &str,
    ) -> Result<(), ApiError> {
        let content = self.blocks(
            &InputMessage {
                role: Cow::Borrowed("tool"),
                content: message.content,
                ..InputMessage::default()
            },
            place,
        )?;
        let Some(tool_use_id) = message.tool_call_id else {
            return Err(
                ApiError::invalid(format!("messages[{index}] has no tool_call_id"))
                    .param(format!("messages[{index}].tool_call_id")),
            );
        };
        self.uses_tools = true;
        let result = Block::Typed(TypedBlock::ToolResult {
            tool_use_id: call_id(tool_use_id),
            content,
            cache_control: message.cache_control,
        });
        let is_result =
            |block: &Block<'_>| matches!(block, Block::Typed(TypedBlock::ToolResult { .. }));
        self.messages.push_result(vec![result], is_result);
        Ok(())
    }

    /// A message's content as blocks. Anthropic refuses text without a visible character, so such
    /// text is left out.
    fn blocks(
        &mut self,
        message: &InputMessage<'a>,
        place: &str,
    ) -> Result<Vec<Block<'a>>, ApiError> {
        let mut blocks = match hub::content(message.content, place)? {
            Content::Nothing => Vec::new(),
            Content::Text(text) if json::is_blank(text) => Vec::new(),
            Content::Text(text) => vec![text_block(text)],
            Content::Parts(parts) => parts
                .into_iter()
                .enumerate()
                .filter_map(|(at, part)| self.part(part, &format!("{place}[{at}]")).transpose())
                .collect::<Result<_, _>>()?,
        };
        if message.cache_control.is_some()
            && let Some(Block::Typed(
                TypedBlock::Text { cache_control, .. }
                | TypedBlock::Image { cache_control, .. }
                | TypedBlock::Document { cache_control, .. },
            )) = blocks.last_mut()
        {
            *cache_control = cache_control.or(message.cache_control);
        }
        Ok(blocks)
    }

    fn part(&mut self, part: Part<'a>, place: &str) -> Result<Option<Block<'a>>, ApiError> {
        let cache_control = part.cache_control;
        let block = match &*part.r#type {
            "text" | "refusal" => match part.text.or(part.refusal) {
                Some(text) if !json::is_blank(text) => TypedBlock::Text {
                    text: Cow::Borrowed(text),
                    cache_control,
                },
                _ => return Ok(None),
            },
            "image_url" => {
                let url = part.image().ok_or_else(|| {
                    ApiError::invalid(format!("{place}.image_url has no url")).param(place)
                })?;
                TypedBlock::Image {
                    source: image(url, place)?,
                    cache_control,
                }
            }
            "file" => {
                let file = part.file.ok_or_else(|| {
                    ApiError::invalid(format!("{place}.file is missing")).param(place)
                })?;
                self.uses_files |= file.file_id.is_some();
                TypedBlock::Document {
                    source: document(file.file_data, file.file_id, place)?,
                    title: file.filename,
                    cache_control,
                }
            }
            _ => return Err(part.strange(place)),
        };
        Ok(Some(Block::Typed(block)))
    }
}

/// A call's id as Anthropic takes it: other providers' may have other characters.
pub(super) fn call_id(id: Cow<'_, str>) -> Cow<'_, str> {
    hub::call_id(id, usize::MAX, "_-")
}

/// A block of text.
pub(super) fn text_block(text: &RawValue) -> Block<'_> {
    Block::Typed(TypedBlock::Text {
        text: Cow::Borrowed(text),
        cache_control: None,
    })
}

fn image<'a>(url: Cow<'a, str>, place: &str) -> Result<Source<'a>, ApiError> {
    if url.starts_with("data:") {
        let (media_type, data) = hub::data_url(&url).ok_or_else(|| {
            ApiError::invalid(format!("{place}.image_url is not a base64 data URL")).param(place)
        })?;
        return Ok(Source::Base64 { media_type, data });
    }
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(Source::Url { url });
    }
    Err(ApiError::invalid(format!(
        "{place}.image_url is neither a data URL nor http(s)"
    ))
    .param(place))
}

fn document<'a>(
    data: Option<Cow<'a, str>>,
    id: Option<Cow<'a, str>>,
    place: &str,
) -> Result<Source<'a>, ApiError> {
    if let Some(file_id) = id {
        return Ok(Source::File { file_id });
    }
    let invalid = |what: &str| ApiError::invalid(format!("{place}.file {what}")).param(place);
    let data = data.ok_or_else(|| invalid("has neither file_data nor file_id"))?;
    if data.starts_with("https://") || data.starts_with("http://") {
        return Ok(Source::Url { url: data });
    }
    match hub::data_url(&data) {
        Some((media_type, data)) if media_type == "application/pdf" => {
            Ok(Source::Base64 { media_type, data })
        }
        Some((media_type, data)) if media_type == "text/plain" => {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(data.as_bytes())
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| invalid("is not text in base64"))?;
            Ok(Source::Text {
                media_type: "text/plain",
                data: bytes,
            })
        }
        Some((media_type, _)) => Err(invalid(&format!(
            "is of type {media_type:?}; Anthropic takes application/pdf and text/plain"
        ))),
        None => Err(invalid("is not a base64 data URL")),
    }
}
