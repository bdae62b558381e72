//! The items of a Responses request as the hub's messages: what the assistant did in one turn is one
//! message, results of calls follow it, and their media follow the results.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    super::chat::{self, File, FunctionCall, ImageUrl, Message, Part, ToolCall, invalid},
    schema::{ItemIn, PartIn},
};
use crate::{
    hub::{ThinkingBlock, Unsupported},
    json::{self, Text},
};

/// In front of a thought's signature, where a client keeps it for us.
pub(super) const SIGNED: &str = "dragoman-signed:";
/// In front of a thought that only its provider can read.
pub(super) const REDACTED: &str = "dragoman-redacted:";
/// Between texts of a message that become one.
const NEW_LINE: &str = "\\n";

/// Collects the hub's messages.
#[derive(Debug)]
pub(super) struct Conversation<'a, 'u> {
    messages: Vec<Message<'a>>,
    /// The assistant's turn that is not over yet, with its text.
    turn: Option<(Message<'a>, Vec<Part<'a>>)>,
    media: Vec<Part<'a>>,
    extras: bool,
    unsupported: &'u mut Unsupported,
}

impl<'a, 'u> Conversation<'a, 'u> {
    pub(super) fn new(extras: bool, unsupported: &'u mut Unsupported) -> Self {
        Self {
            messages: Vec::new(),
            turn: None,
            media: Vec::new(),
            extras,
            unsupported,
        }
    }

    /// A message of nothing but text, which is a JSON string.
    pub(super) fn text(&mut self, role: &'static str, text: &'a RawValue) {
        self.push(Message::new(
            role,
            Some(chat::Content::Text(Cow::Borrowed(text))),
        ));
    }

    /// All messages.
    pub(super) fn finish(mut self) -> Vec<Message<'a>> {
        self.end_turn();
        self.end_results();
        self.messages
    }

    /// Adds the item with this `index` in the input.
    pub(super) fn add(&mut self, index: usize, item: ItemIn<'a>) -> Result<(), ApiError> {
        let place = format!("input[{index}]");
        match item.r#type.as_deref().unwrap_or("message") {
            "message" => self.message(&item, &place),
            "function_call" => {
                let (Some(id), Some(name)) = (item.call_id, item.name) else {
                    return Err(invalid(&place, "must have a call_id and a name"));
                };
                self.turn().0.tool_calls.push(ToolCall {
                    id,
                    r#type: "function",
                    function: FunctionCall {
                        name,
                        arguments: item.arguments.unwrap_or_default(),
                    },
                });
                Ok(())
            }
            "function_call_output" => self.result(item, &place),
            "reasoning" => {
                self.reasoning(&item);
                Ok(())
            }
            "item_reference" => Err(invalid(
                &place,
                "refers to a stored item: nothing is stored here, send the item itself",
            )),
            // What the provider's own tools did, and what nobody knows yet.
            kind => {
                self.unsupported.refuse(&format!("input.{kind}"));
                Ok(())
            }
        }
    }

    fn message(&mut self, item: &ItemIn<'a>, place: &str) -> Result<(), ApiError> {
        let place_of_content = format!("{place}.content");
        let parts = self.parts(item.content, &place_of_content)?;
        let role = match item.role.as_deref() {
            Some("user") => "user",
            Some("system" | "developer") => "system",
            Some("assistant") => {
                self.turn().1.extend(parts);
                return Ok(());
            }
            _ => {
                let what = "must be user, assistant, system or developer";
                return Err(invalid(&format!("{place}.role"), what));
            }
        };
        if let Some(content) = chat::content(parts, NEW_LINE) {
            self.push(Message::new(role, Some(content)));
        }
        Ok(())
    }

    fn result(&mut self, item: ItemIn<'a>, place: &str) -> Result<(), ApiError> {
        let Some(id) = item.call_id else {
            return Err(invalid(&format!("{place}.call_id"), "is missing"));
        };
        let (texts, media) = self
            .parts(item.output, &format!("{place}.output"))?
            .into_iter()
            .partition(|part| matches!(part, Part::Text { .. }));
        self.end_turn();
        self.messages
            .push(Message::result(id, chat::content(texts, NEW_LINE)));
        self.media.extend::<Vec<_>>(media);
        Ok(())
    }

    /// Thinking goes back to who thought it, if that was one of ours.
    fn reasoning(&mut self, item: &ItemIn<'a>) {
        let proof = item.encrypted_content.as_deref().unwrap_or_default();
        let parts = item.summary.iter().flatten();
        let words: String = parts.filter_map(|part| json::string(part.text?)).collect();
        let thought = match (proof.strip_prefix(SIGNED), proof.strip_prefix(REDACTED)) {
            (Some(signature), _) => ThinkingBlock::Thinking {
                thinking: Text::Plain(&words),
                signature: Some(Text::Plain(signature)),
            },
            (_, Some(data)) => ThinkingBlock::RedactedThinking {
                data: Text::Plain(data),
            },
            (None, None) => return self.unsupported.leave_out("input.reasoning"),
        };
        if !self.extras {
            return self.unsupported.leave_out("input.reasoning");
        }
        if let Ok(raw) = to_raw_value(&thought) {
            self.turn().0.thinking_blocks.push(Cow::Owned(raw));
        }
    }

    /// The assistant's turn, which begins with this if it has not.
    fn turn(&mut self) -> &mut (Message<'a>, Vec<Part<'a>>) {
        if self.turn.is_none() {
            self.end_results();
        }
        self.turn
            .get_or_insert_with(|| (Message::new("assistant", None), Vec::new()))
    }

    fn end_turn(&mut self) {
        if let Some((mut message, parts)) = self.turn.take() {
            message.content = chat::content(parts, "");
            let says_nothing = message.content.is_none()
                && message.tool_calls.is_empty()
                && message.thinking_blocks.is_empty();
            if !says_nothing {
                self.messages.push(message);
            }
        }
    }

    /// A chat has no media in results: they follow as the user's.
    fn end_results(&mut self) {
        if let Some(content) = chat::content(std::mem::take(&mut self.media), NEW_LINE) {
            self.messages.push(Message::new("user", Some(content)));
        }
    }

    fn push(&mut self, message: Message<'a>) {
        self.end_turn();
        self.end_results();
        self.messages.push(message);
    }

    /// A text, or parts.
    fn parts(&mut self, raw: Option<&'a RawValue>, place: &str) -> Result<Vec<Part<'a>>, ApiError> {
        let Some(raw) = raw.filter(|raw| raw.get() != "null") else {
            return Err(invalid(place, "is missing"));
        };
        if raw.get().starts_with('"') {
            return Ok(vec![Part::text(Cow::Borrowed(raw))]);
        }
        let what = "must be a string or an array of content parts";
        let parts: Vec<PartIn<'a>> =
            serde_json::from_str(raw.get()).map_err(|_| invalid(place, what))?;
        parts
            .into_iter()
            .enumerate()
            .filter_map(|(at, part)| self.part(part, &format!("{place}[{at}]")).transpose())
            .collect()
    }

    fn part(&mut self, part: PartIn<'a>, place: &str) -> Result<Option<Part<'a>>, ApiError> {
        match &*part.r#type {
            "input_text" | "output_text" | "text" | "refusal" | "summary_text" => {
                let text = part
                    .text
                    .or(part.refusal)
                    .ok_or_else(|| invalid(place, "has no text"))?;
                Ok((!json::inner(text).is_empty()).then(|| Part::text(Cow::Borrowed(text))))
            }
            "input_image" => {
                let what = "must have an image_url: files of OpenAI's cannot be read by this \
                            model's provider";
                let url = part.image_url.ok_or_else(|| invalid(place, what))?;
                Ok(Some(Part::ImageUrl {
                    image_url: ImageUrl {
                        url,
                        detail: part.detail.filter(|raw| raw.get() != "null"),
                    },
                    cache_control: None,
                }))
            }
            "input_file" => self.file(part, place).map(Some),
            kind => {
                self.unsupported.refuse(&format!("input.{kind}"));
                Ok(None)
            }
        }
    }

    fn file(&self, part: PartIn<'a>, place: &str) -> Result<Part<'a>, ApiError> {
        let file_data = match (part.file_data, part.file_url) {
            (Some(data), _) => Some(data),
            (None, Some(url)) if self.extras => Some(url),
            (None, _) => None,
        };
        let file_id = part.file_id.filter(|_| self.extras);
        if file_data.is_none() && file_id.is_none() {
            let what = "must have its file_data: this model's provider reads no other";
            return Err(invalid(place, what));
        }
        Ok(Part::File {
            file: File {
                filename: part.filename,
                file_data,
                file_id,
            },
            cache_control: None,
        })
    }
}
