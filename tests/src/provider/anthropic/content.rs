//! What a message holds, block by block.

use serde_json::Value;

use super::{
    super::{
        check::{Checked, Object},
        thinking::{REDACTED, is_signed},
        turn::{PER_IMAGE, count},
    },
    offer::Offer,
};

/// What is kept of one message.
#[derive(Default)]
pub(super) struct Content {
    pub(super) said: String,
    /// Ids and texts.
    pub(super) results: Vec<(String, String)>,
    pub(super) calls: Vec<String>,
    pub(super) tokens: u64,
}

impl Content {
    /// The content of a message of `role`, after calls with the ids `pending`.
    pub(super) fn read(
        message: &mut Object<'_>,
        role: &str,
        pending: &[String],
        offer: &mut Offer,
    ) -> Checked<Self> {
        let mut content = Self::default();
        let value = message.need("content")?;
        if let Value::String(text) = value {
            if text.is_empty() {
                let text = "messages must have non-empty content";
                return Err(message.wrong("content", text));
            }
            content.tokens = count(text);
            content.said.clone_from(text);
            return Ok(content);
        }
        let blocks = message.list("content")?;
        if blocks.is_none_or(Vec::is_empty) {
            return Err(message.wrong("content", "messages must have non-empty content"));
        }
        for (index, block) in blocks.into_iter().flatten().enumerate() {
            let at = message.at(&format!("content.{index}"));
            let mut block = Object::new(&at, block, false)?;
            content.block(&mut block, role, pending, offer)?;
            block.skip(&["cache_control"]);
            block.finish()?;
        }
        Ok(content)
    }

    fn block(
        &mut self,
        block: &mut Object<'_>,
        role: &str,
        pending: &[String],
        offer: &mut Offer,
    ) -> Checked<()> {
        let kinds: &[&str] = match role {
            "user" => &["text", "image", "document", "tool_result"],
            "system" => &["text", "tool_addition", "tool_removal"],
            _ => &["text", "tool_use", "thinking", "redacted_thinking"],
        };
        let kind = block
            .one_of("type", kinds)?
            .ok_or_else(|| block.missing("type"))?;
        match kind {
            "text" => {
                let text = non_empty(block)?;
                block.skip(&["citations"]);
                self.tokens += count(text);
                if !self.said.is_empty() {
                    self.said.push('\n');
                }
                self.said.push_str(text);
            }
            "image" => {
                self.tokens += PER_IMAGE;
                image_source(block)?;
            }
            "document" => {
                self.tokens += PER_IMAGE;
                block.skip(&["source", "title", "context", "citations"]);
            }
            "tool_result" => self.tool_result(block, pending, offer)?,
            "tool_addition" | "tool_removal" => offer.change(block, kind == "tool_addition")?,
            "tool_use" => {
                let id = block.need_text("id")?;
                let fits = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
                if id.is_empty() || !id.chars().all(fits) {
                    let message = "String should match pattern '^[a-zA-Z0-9_-]+$'";
                    return Err(block.wrong("id", message));
                }
                self.calls.push(id.to_owned());
                block.need_text("name")?;
                block
                    .object("input")?
                    .ok_or_else(|| block.missing("input"))?;
                let input = block
                    .any("input")
                    .map_or(0, |input| count(&input.to_string()));
                self.tokens += 1 + input;
            }
            "thinking" => {
                let thinking = block.need_text("thinking")?;
                self.tokens += count(thinking);
                if !is_signed(thinking, block.need_text("signature")?) {
                    return Err(block.wrong("signature", "Invalid `signature` in `thinking` block"));
                }
            }
            _ => {
                if block.need_text("data")? != REDACTED {
                    return Err(block.wrong("data", "Invalid `data` in `redacted_thinking` block"));
                }
            }
        }
        Ok(())
    }

    fn tool_result(
        &mut self,
        block: &mut Object<'_>,
        pending: &[String],
        offer: &mut Offer,
    ) -> Checked<()> {
        let id = block.need_text("tool_use_id")?;
        if !pending.iter().any(|call| call == id) {
            return Err(block.wrong(
                "tool_use_id",
                format!(
                    "unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each \
                     `tool_result` block must have a corresponding `tool_use` block in the \
                     previous message."
                ),
            ));
        }
        if !self.said.is_empty() {
            let text = "`tool_result` blocks must come first in the content";
            return Err(block.wrong("type", text));
        }
        block.flag("is_error")?;
        let text = match block.any("content") {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => {
                let parts = block.list("content")?.into_iter().flatten();
                let mut texts = Vec::new();
                for (index, part) in parts.enumerate() {
                    let at = block.at(&format!("content.{index}"));
                    let mut part = Object::new(&at, part, false)?;
                    match part.one_of("type", &["text", "image", "document", "tool_reference"])? {
                        Some("text") => texts.push(non_empty(&mut part)?.to_owned()),
                        Some("image") => image_source(&mut part)?,
                        Some("tool_reference") => texts.push(offer.found(&mut part)?),
                        _ => part.skip(&["source"]),
                    }
                    part.skip(&["cache_control"]);
                    part.finish()?;
                }
                texts.join("\n")
            }
        };
        self.tokens += count(&text);
        self.results.push((id.to_owned(), text));
        Ok(())
    }
}

/// A text with something in it.
pub(super) fn non_empty<'a>(block: &mut Object<'a>) -> Checked<&'a str> {
    let text = block.need_text("text")?;
    if text.is_empty() {
        return Err(block.wrong("text", "text content blocks must be non-empty"));
    }
    Ok(text)
}

fn image_source(block: &mut Object<'_>) -> Checked<()> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let mut source = block
        .object("source")?
        .ok_or_else(|| block.missing("source"))?;
    match source.one_of("type", &["base64", "url"])? {
        Some("base64") => {
            let types = ["image/jpeg", "image/png", "image/gif", "image/webp"];
            source
                .one_of("media_type", &types)?
                .ok_or_else(|| source.missing("media_type"))?;
            if BASE64_STANDARD.decode(source.need_text("data")?).is_err() {
                return Err(source.wrong("data", "Invalid base64 data"));
            }
        }
        Some(_) => {
            if !source.need_text("url")?.starts_with("https://") {
                return Err(source.wrong("url", "Only HTTPS URLs are supported"));
            }
        }
        None => return Err(source.missing("type")),
    }
    source.finish()
}
