//! A conversation of Messages as the hub's.
//!
//! Results of tools become messages of their own, in front of the rest of their turn. The hub has no
//! media in results, so these follow as a message of the user's. A failed call says so in its text, and
//! so does a conversation that brings tools in or takes them away.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde_json::value::RawValue;

use super::{
    super::chat::{self, File, FunctionCall, Message, Part, ToolCall, invalid},
    names::short,
    offer::Changes,
    schema::{BlockIn, MessageIn, SourceIn},
};
use crate::{hub::Unsupported, json};

/// Between texts of a message that become one.
const NEW_LINE: &str = "\\n";
/// In front of the text of a result with `is_error`.
const FAILED: &str = "[tool error]";
/// The text of a result that is nothing but media.
const BELOW: &str = "[in the next message]";
/// In front of a system message that becomes text of the user's turn.
const SYSTEM: &str = "[System message]";

/// Collects the hub's messages.
#[derive(Debug)]
pub(super) struct Conversation<'a, 'u> {
    pub(super) messages: Vec<Message<'a>>,
    /// What happens to the tools.
    pub(super) changes: Changes<'a>,
    /// The effort that a system message asks for.
    pub(super) effort: Option<Cow<'a, str>>,
    target: Target,
    unsupported: &'u mut Unsupported,
}

/// What matters of who is asked.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    /// Whether it takes members that OpenAI does not.
    pub(super) extras: bool,
    /// Whether it heeds system messages in the middle.
    pub(super) heeds_late_system: bool,
}

impl<'a, 'u> Conversation<'a, 'u> {
    pub(super) fn new(target: Target, unsupported: &'u mut Unsupported) -> Self {
        Self {
            messages: Vec::new(),
            changes: Changes::default(),
            effort: None,
            target,
            unsupported,
        }
    }

    /// The system prompt: a text, or blocks of text.
    pub(super) fn system(&mut self, raw: &'a RawValue) -> Result<(), ApiError> {
        let parts = self.parts(blocks(raw, "system")?, "system")?;
        if let Some(content) = chat::content(parts, NEW_LINE) {
            self.messages.push(Message::new("system", Some(content)));
        }
        Ok(())
    }

    /// Adds the messages of a request.
    pub(super) fn add_all(&mut self, messages: Vec<MessageIn<'a>>) -> Result<(), ApiError> {
        let last_user = messages.iter().rposition(|message| message.role == "user");
        for (index, message) in messages.into_iter().enumerate() {
            let is_over = message.clear_at.as_deref() == Some("next_user_message")
                && last_user.is_some_and(|last| index < last);
            if !is_over {
                self.add(index, message)?;
            }
        }
        Ok(())
    }

    /// Adds the message with this `index` in the request.
    fn add(&mut self, index: usize, message: MessageIn<'a>) -> Result<(), ApiError> {
        let place = format!("messages[{index}].content");
        let content = message.content.filter(|raw| raw.get() != "null");
        if let Some(config) = message.output_config.filter(|_| message.role == "system") {
            self.effort = config.effort.or(self.effort.take());
            if content.is_none() {
                return Ok(());
            }
        }
        let Some(raw) = content else {
            return Err(invalid(&place, "is missing"));
        };
        let blocks = blocks(raw, &place)?;
        match &*message.role {
            "user" => self.user(blocks, &place),
            "assistant" => self.assistant(blocks, &place),
            "system" => {
                let parts = self.parts(blocks, &place)?;
                self.late_system(parts);
                Ok(())
            }
            _ => Err(invalid(
                &format!("messages[{index}].role"),
                "must be user or assistant",
            )),
        }
    }

    /// A system message in the middle. It stays where it is: moved to the top it would change what it
    /// refers to.
    fn late_system(&mut self, parts: Vec<Part<'a>>) {
        if parts.is_empty() {
            return;
        }
        let is_first = self.messages.iter().all(|message| message.role == "system");
        if self.target.heeds_late_system || is_first {
            let content = chat::content(parts, NEW_LINE);
            self.messages.push(Message::new("system", content));
            return;
        }
        let mut turn = Vec::new();
        if let Some(last) = self.messages.pop_if(|last| last.role == "user") {
            turn.extend(
                last.content
                    .map(chat::Content::into_parts)
                    .unwrap_or_default(),
            );
        }
        turn.extend(chat::text(SYSTEM).map(Part::text));
        turn.extend(parts);
        self.messages
            .push(Message::new("user", chat::content(turn, NEW_LINE)));
    }

    fn user(&mut self, blocks: Vec<BlockIn<'a>>, place: &str) -> Result<(), ApiError> {
        let mut media = Vec::new();
        let mut rest = Vec::new();
        for (at, block) in blocks.into_iter().enumerate() {
            let place = format!("{place}[{at}]");
            if block.r#type == "tool_result" {
                self.result(block, &place, &mut media)?;
            } else {
                self.part(block, &place, &mut rest)?;
            }
        }
        media.append(&mut rest);
        if let Some(content) = chat::content(media, NEW_LINE) {
            self.messages.push(Message::new("user", Some(content)));
        }
        Ok(())
    }

    fn result(
        &mut self,
        block: BlockIn<'a>,
        place: &str,
        media: &mut Vec<Part<'a>>,
    ) -> Result<(), ApiError> {
        let Some(id) = block.tool_use_id else {
            return Err(invalid(&format!("{place}.tool_use_id"), "is missing"));
        };
        let before = media.len();
        let mut mark = block.cache_control.filter(|_| self.target.extras);
        let mut texts = Vec::new();
        if block.is_error == Some(true) {
            texts.extend(chat::text(FAILED).map(Part::text));
        }
        if let Some(raw) = block.content.filter(|raw| raw.get() != "null") {
            let place = format!("{place}.content");
            for part in self.parts(blocks(raw, &place)?, &place)? {
                match part {
                    Part::Text { cache_control, .. } => {
                        mark = mark.or(cache_control);
                        texts.push(part.cached(None));
                    }
                    _ => media.push(part),
                }
            }
        }
        if texts.is_empty() && media.len() > before {
            texts.extend(chat::text(BELOW).map(Part::text));
        }
        // Of a result, all or nothing is cached.
        self.messages.push(Message {
            cache_control: mark,
            ..Message::result(id, chat::content(texts, NEW_LINE))
        });
        Ok(())
    }

    fn assistant(&mut self, blocks: Vec<BlockIn<'a>>, place: &str) -> Result<(), ApiError> {
        let mut message = Message::new("assistant", None);
        let mut texts = Vec::new();
        for (at, block) in blocks.into_iter().enumerate() {
            let place = format!("{place}[{at}]");
            match &*block.r#type {
                "tool_use" => message.tool_calls.push(call(block, &place)?),
                "thinking" | "redacted_thinking" => self.thinking(&block, &mut message),
                _ => self.part(block, &place, &mut texts)?,
            }
        }
        message.content = chat::content(texts, "");
        let says_nothing = message.content.is_none()
            && message.tool_calls.is_empty()
            && message.thinking_blocks.is_empty();
        if !says_nothing {
            self.messages.push(message);
        }
        Ok(())
    }

    /// Thinking goes back to who thought it; whether that is the target, its signature tells.
    fn thinking(&mut self, block: &BlockIn<'a>, message: &mut Message<'a>) {
        let proven = block.r#type == "redacted_thinking"
            || block
                .signature
                .is_some_and(|raw| !json::inner(raw).is_empty());
        match block.raw {
            Some(raw) if self.target.extras && proven => {
                message.thinking_blocks.push(Cow::Borrowed(raw));
            }
            _ => self.unsupported.leave_out("messages.thinking"),
        }
    }

    fn parts(&mut self, blocks: Vec<BlockIn<'a>>, place: &str) -> Result<Vec<Part<'a>>, ApiError> {
        let mut parts = Vec::with_capacity(blocks.len());
        for (at, block) in blocks.into_iter().enumerate() {
            self.part(block, &format!("{place}[{at}]"), &mut parts)?;
        }
        Ok(parts)
    }

    fn part(
        &mut self,
        block: BlockIn<'a>,
        place: &str,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), ApiError> {
        let mark = block.cache_control.filter(|_| self.target.extras);
        match &*block.r#type {
            "text" => {
                let text = block.text.ok_or_else(|| invalid(place, "has no text"))?;
                if !json::inner(text).is_empty() {
                    parts.push(Part::text(Cow::Borrowed(text)).cached(mark));
                }
            }
            "image" => {
                let url = address(&source(&block, place)?, place)?;
                parts.push(Part::image(url).cached(mark));
            }
            "document" => self.document(block, place, parts)?,
            "search_result" => {
                parts.extend(heading(block.title.as_deref()));
                parts.extend(block.source.map(|source| Part::text(Cow::Borrowed(source))));
                if let Some(raw) = block.content {
                    parts.append(&mut self.parts(blocks(raw, place)?, place)?);
                }
            }
            "tool_reference" | "tool_addition" | "tool_removal" => {
                parts.extend(self.tool_change(block).map(|part| part.cached(mark)));
            }
            // What the provider's own tools did, and what nobody knows yet.
            kind => self.unsupported.refuse(&format!("messages.{kind}")),
        }
        Ok(())
    }

    /// A tool comes or goes: noted, and told in words.
    fn tool_change(&mut self, block: BlockIn<'a>) -> Option<Part<'a>> {
        let kind = &*block.r#type;
        let name = match (kind, block.tool_name, block.tool) {
            ("tool_reference", Some(name), _) => {
                self.changes.found(name.clone());
                Some(name)
            }
            ("tool_addition", _, Some(tool)) => self.changes.add(tool),
            ("tool_removal", _, Some(tool)) => self.changes.remove(tool),
            _ => None,
        };
        let Some(name) = name else {
            // One of a server's that the provider asks itself.
            self.unsupported.refuse(&format!("messages.{kind}"));
            return None;
        };
        let now = if kind == "tool_removal" {
            "no longer"
        } else {
            "now"
        };
        let name = short(name);
        chat::text(&format!("[tool {name} is {now} available]")).map(Part::text)
    }

    fn document(
        &mut self,
        block: BlockIn<'a>,
        place: &str,
        parts: &mut Vec<Part<'a>>,
    ) -> Result<(), ApiError> {
        let source = source(&block, place)?;
        let mark = block.cache_control.filter(|_| self.target.extras);
        match &*source.r#type {
            "text" => {
                let data = source.data.ok_or_else(|| invalid(place, "has no data"))?;
                parts.extend(heading(block.title.as_deref()));
                parts.push(Part::text(Cow::Borrowed(data)).cached(mark));
            }
            "content" => {
                parts.extend(heading(block.title.as_deref()));
                if let Some(raw) = source.content {
                    parts.append(&mut self.parts(blocks(raw, place)?, place)?);
                }
            }
            _ => {
                let url = address(&source, place)?;
                if !self.target.extras && !url.starts_with("data:") {
                    let what = "is a document at a URL, which this model's provider does not take";
                    return Err(invalid(place, what));
                }
                let filename = block.title.unwrap_or(Cow::Borrowed("document.pdf"));
                let file = File {
                    filename: Some(filename),
                    file_data: Some(url),
                    file_id: None,
                };
                parts.push(
                    Part::File {
                        file,
                        cache_control: None,
                    }
                    .cached(mark),
                );
            }
        }
        Ok(())
    }
}

/// The title of a text, as text.
fn heading<'a>(title: Option<&str>) -> Option<Part<'a>> {
    let title = title.filter(|title| !title.is_empty())?;
    chat::text(title).map(Part::text)
}

fn call<'a>(block: BlockIn<'a>, place: &str) -> Result<ToolCall<'a>, ApiError> {
    let (Some(id), Some(name)) = (block.id, block.name) else {
        return Err(invalid(place, "must have an id and a name"));
    };
    let input = block.input.map_or("{}", RawValue::get);
    Ok(ToolCall {
        id,
        r#type: "function",
        function: FunctionCall {
            name: short(name),
            arguments: Cow::Borrowed(input),
        },
    })
}

/// A text, or blocks.
fn blocks<'a>(raw: &'a RawValue, place: &str) -> Result<Vec<BlockIn<'a>>, ApiError> {
    if raw.get().starts_with('"') {
        return Ok(vec![BlockIn::text(raw)]);
    }
    let what = "must be a string or an array of content blocks";
    let raws: Vec<&'a RawValue> =
        serde_json::from_str(raw.get()).map_err(|_| invalid(place, what))?;
    raws.into_iter()
        .enumerate()
        .map(|(at, raw)| {
            BlockIn::read(raw)
                .ok_or_else(|| invalid(&format!("{place}[{at}]"), "is not a content block"))
        })
        .collect()
}

fn source<'a>(block: &BlockIn<'a>, place: &str) -> Result<SourceIn<'a>, ApiError> {
    let raw = block
        .source
        .ok_or_else(|| invalid(&format!("{place}.source"), "is missing"))?;
    serde_json::from_str(raw.get())
        .map_err(|_| invalid(&format!("{place}.source"), "is not readable"))
}

/// Where the bytes are: a data URL, or the web.
fn address<'a>(source: &SourceIn<'a>, place: &str) -> Result<Cow<'a, str>, ApiError> {
    match (&*source.r#type, source.data, &source.url) {
        ("base64", Some(data), _) => {
            let data = json::string(data).ok_or_else(|| invalid(place, "has no data"))?;
            let kind = &source.media_type;
            Ok(Cow::Owned(format!("data:{kind};base64,{data}")))
        }
        ("url", _, Some(url)) => Ok(url.clone()),
        ("file", ..) => Err(invalid(
            &format!("{place}.source"),
            "is a file that was uploaded to Anthropic, which this model's provider cannot read",
        )),
        _ => Err(invalid(
            &format!("{place}.source"),
            "must be of type base64 or url, with what belongs to it",
        )),
    }
}
