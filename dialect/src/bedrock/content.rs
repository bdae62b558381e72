//! Messages of the hub as Converse's: roles merged, parts as blocks, results beside their calls.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    media,
    model::Family,
    schema::{Block, CachePoint, Reasoning, SystemBlock, ToolResult, ToolUse},
};
use crate::{
    hub::{self, Content, InputMessage, Part, ThinkingIn, Turns},
    json,
};

/// The longest id of a call.
const MAX_ID: usize = 64;

/// A conversation in Converse's form.
#[derive(Debug, Default)]
pub(super) struct Conversation<'a> {
    pub(super) system: Vec<SystemBlock<'a>>,
    pub(super) messages: Turns<Block<'a>>,
    /// Whether it has calls or results of tools.
    pub(super) uses_tools: bool,
    /// Whether there was reasoning that the model cannot be given back.
    pub(super) lost_reasoning: bool,
    /// Whether something was to be cached that the model does not cache.
    pub(super) lost_cache: bool,
    family: Family,
    documents: usize,
}

#[derive(Deserialize)]
struct CacheControl<'a> {
    #[serde(borrow, default)]
    ttl: Option<Cow<'a, str>>,
}

impl<'a> Conversation<'a> {
    /// An empty one, for a model of `family`.
    pub(super) fn of(family: Family) -> Self {
        Self {
            family,
            ..Self::default()
        }
    }

    /// Adds the message with this `index` in the request.
    pub(super) fn add(&mut self, index: usize, message: InputMessage<'a>) -> Result<(), ApiError> {
        let place = format!("messages[{index}].content");
        match &*message.role {
            "system" | "developer" if self.messages.is_empty() => {
                let blocks = self.blocks(message.content, message.cache_control, &place)?;
                for block in blocks {
                    self.system.push(match block {
                        Block::Text(text) => SystemBlock::Text(text),
                        Block::CachePoint(point) => SystemBlock::CachePoint(point),
                        _ => {
                            let error = format!("{place} must be text: it is a system message");
                            return Err(ApiError::invalid(error).param(place));
                        }
                    });
                }
            }
            "system" | "developer" => {
                let blocks = self.blocks(message.content, message.cache_control, &place)?;
                if !blocks.is_empty() {
                    let label = hub::system_label().map(text_block);
                    self.messages
                        .push("user", label.into_iter().chain(blocks).collect());
                }
            }
            "user" => {
                let blocks = self.blocks(message.content, message.cache_control, &place)?;
                self.messages.push("user", blocks);
            }
            "assistant" => self.assistant(index, message, &place)?,
            "tool" => self.tool_result(index, message, &place)?,
            _ => {
                return Err(message.strange_role(&format!("messages[{index}]"), "Bedrock"));
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
        let mut blocks = self.reasoning(&message);
        blocks.extend(self.blocks(message.content, None, place)?);
        let refusal = message.refusal.filter(|raw| !json::is_blank(raw));
        blocks.extend(refusal.map(text_block));
        for call in message.calls(&whole)? {
            self.uses_tools = true;
            blocks.push(Block::ToolUse(ToolUse {
                input: hub::arguments(call.function.arguments, &call.place)?,
                tool_use_id: call_id(call.id),
                name: call.function.name,
            }));
        }
        if !blocks.is_empty() {
            blocks.extend(self.cache_point(message.cache_control));
        }
        self.messages.push("assistant", blocks);
        Ok(())
    }

    /// The thinking that the model signed; other thinking it cannot be given back.
    fn reasoning(&mut self, message: &InputMessage<'a>) -> Vec<Block<'a>> {
        let sent = message.thinking_blocks.as_deref().unwrap_or_default();
        let blocks: Vec<_> = sent
            .iter()
            .filter(|_| matches!(self.family, Family::Claude(_)))
            .filter_map(|raw| serde_json::from_str::<ThinkingIn<'a>>(raw.get()).ok())
            .filter(|block| !block.is_unproven())
            .filter_map(
                |block| match (block.thinking, block.signature, block.data) {
                    (Some(text), Some(signature), _) => {
                        Some(Reasoning::ReasoningText { text, signature })
                    }
                    (None, _, Some(data)) => Some(Reasoning::RedactedContent(data)),
                    _ => None,
                },
            )
            .map(Block::ReasoningContent)
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
        let mut content = self.blocks(message.content, None, place)?;
        // A part of a result cannot end what is cached; the result can.
        let mut point = self.cache_point(message.cache_control);
        content.retain_mut(|block| match block {
            Block::CachePoint(inner) => {
                let ttl = inner.ttl.take();
                point.get_or_insert(Block::CachePoint(default_point(ttl)));
                false
            }
            _ => true,
        });
        let Some(id) = message.tool_call_id else {
            let place = format!("messages[{index}].tool_call_id");
            return Err(ApiError::invalid(format!("{place} is missing")).param(place));
        };
        self.uses_tools = true;
        let result = Block::ToolResult(ToolResult {
            tool_use_id: call_id(id),
            content,
        });
        let is_of_result =
            |block: &Block<'_>| matches!(block, Block::ToolResult(_) | Block::CachePoint(_));
        let blocks = std::iter::once(result).chain(point).collect();
        self.messages.push_result(blocks, is_of_result);
        Ok(())
    }

    /// A message's content as blocks. Bedrock refuses text without a visible character, so such text
    /// is left out.
    fn blocks(
        &mut self,
        content: Option<&'a RawValue>,
        cache_control: Option<&'a RawValue>,
        place: &str,
    ) -> Result<Vec<Block<'a>>, ApiError> {
        let mut blocks = Vec::new();
        match hub::content(content, place)? {
            Content::Nothing => {}
            Content::Text(text) if json::is_blank(text) => {}
            Content::Text(text) => blocks.push(text_block(text)),
            Content::Parts(parts) => {
                for (at, part) in parts.into_iter().enumerate() {
                    let point = self.cache_point(part.cache_control);
                    if let Some(block) = self.part(part, &format!("{place}[{at}]"))? {
                        blocks.push(block);
                        blocks.extend(point);
                    }
                }
            }
        }
        if blocks
            .last()
            .is_some_and(|last| !matches!(last, Block::CachePoint(_)))
        {
            blocks.extend(self.cache_point(cache_control));
        }
        Ok(blocks)
    }

    fn cache_point(&mut self, cache_control: Option<&'a RawValue>) -> Option<Block<'a>> {
        let asked = cache_control.is_some_and(|raw| raw.get() != "null");
        self.lost_cache |= asked && !self.family.caches();
        point(cache_control, self.family).map(Block::CachePoint)
    }

    fn part(&mut self, part: Part<'a>, place: &str) -> Result<Option<Block<'a>>, ApiError> {
        let missing =
            |what: &str| ApiError::invalid(format!("{place}.{what} is missing")).param(place);
        match &*part.r#type {
            "text" | "refusal" => Ok(part
                .text
                .or(part.refusal)
                .filter(|text| !json::is_blank(text))
                .map(text_block)),
            "image_url" => {
                let url = part.image().ok_or_else(|| missing("image_url.url"))?;
                media::image(&url, place).map(Some)
            }
            "file" => {
                let file = part.file.ok_or_else(|| missing("file"))?;
                self.documents += 1;
                media::document(&file, self.documents - 1, place).map(Some)
            }
            "input_audio" => {
                let audio = part.input_audio.ok_or_else(|| missing("input_audio"))?;
                media::audio(audio, place).map(Some)
            }
            _ => Err(part.strange(place)),
        }
    }
}

/// A block of text.
pub(super) fn text_block(text: &RawValue) -> Block<'_> {
    Block::Text(Cow::Borrowed(text))
}

/// What `cache_control` becomes: a point behind that which is cached, where the model caches.
pub(super) fn point(cache_control: Option<&RawValue>, family: Family) -> Option<CachePoint<'_>> {
    let raw = cache_control.filter(|raw| raw.get() != "null" && family.caches())?;
    let control: Option<CacheControl<'_>> = serde_json::from_str(raw.get()).ok();
    let ttl = control.and_then(|control| control.ttl);
    let known = |ttl: &Cow<'_, str>| family.caches_for() && matches!(&**ttl, "5m" | "1h");
    Some(default_point(ttl.filter(known)))
}

const fn default_point(ttl: Option<Cow<'_, str>>) -> CachePoint<'_> {
    CachePoint {
        r#type: "default",
        ttl,
    }
}

/// A call's id as Bedrock and Anthropic take it.
fn call_id(id: Cow<'_, str>) -> Cow<'_, str> {
    hub::call_id(id, MAX_ID, "_-")
}
