//! Messages of the hub as Gemini's contents: roles merged, results beside each other in the order of
//! their calls.

use std::{borrow::Cow, collections::BTreeMap};

use dragoman_proto::ApiError;
use serde_json::value::RawValue;

use super::{
    Target, media,
    schema::{
        FunctionResponse, FunctionResult, OutputCall, OutputContent, OutputPart, PartData,
        SystemInstruction,
    },
};
use crate::{
    hub::{self, Content, ExtraContent, InputMessage, Part},
    json::{self, Text},
};

/// What Google's documentation says to send for a call that another model made, or whose signature
/// is lost (<https://ai.google.dev/gemini-api/docs/thought-signatures>).
const UNSIGNED: &str = "skip_thought_signature_validator";
/// The user's turn of a conversation that has none, since Gemini wants one.
const NO_TURN: &str = ".";

/// A conversation in Gemini's form.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    target: Target,
    system: Vec<OutputPart<'a>>,
    contents: Vec<OutputContent<'a>>,
    /// Whether the last turn may be added to.
    open: bool,
    /// Names and order of the calls, by id.
    calls: BTreeMap<Cow<'a, str>, (Cow<'a, str>, usize)>,
    /// Results that wait for each other, with the order of their calls.
    results: Vec<(usize, OutputPart<'a>)>,
    /// What the results hold that no result can.
    attached: Vec<OutputPart<'a>>,
    /// Whether there was reasoning, of which only signatures are sent back.
    pub(super) lost_reasoning: bool,
}

fn part(data: PartData<'_>) -> OutputPart<'_> {
    OutputPart {
        data,
        thought_signature: None,
    }
}

impl<'a> Conversation<'a> {
    pub(super) const fn new(target: Target) -> Self {
        Self {
            target,
            system: Vec::new(),
            contents: Vec::new(),
            open: false,
            calls: BTreeMap::new(),
            results: Vec::new(),
            attached: Vec::new(),
            lost_reasoning: false,
        }
    }

    /// Adds the message with this `index` in the request.
    pub(super) fn add(&mut self, index: usize, message: InputMessage<'a>) -> Result<(), ApiError> {
        let place = format!("messages[{index}].content");
        if message.role != "tool" {
            self.flush();
        }
        match &*message.role {
            "system" | "developer" if self.contents.is_empty() => {
                let parts = self.parts(message.content, &place)?;
                self.system.extend(parts);
            }
            "system" | "developer" => {
                let parts = self.parts(message.content, &place)?;
                if !parts.is_empty() {
                    let label = hub::system_label().map(|raw| part(PartData::Text(Text::Raw(raw))));
                    self.push("user", label.into_iter().chain(parts).collect());
                }
            }
            "user" => {
                let parts = self.parts(message.content, &place)?;
                self.push("user", parts);
            }
            "assistant" => self.assistant(index, message, &place)?,
            "tool" => self.result(index, &message, &place)?,
            _ => {
                return Err(message.strange_role(&format!("messages[{index}]"), "Gemini"));
            }
        }
        Ok(())
    }

    /// The system's words and the turns; `None` when there is neither.
    pub(super) fn finish(
        mut self,
    ) -> Option<(Option<SystemInstruction<'a>>, Vec<OutputContent<'a>>)> {
        self.flush();
        if self.contents.is_empty() {
            if self.system.is_empty() {
                return None;
            }
            self.push("user", vec![part(PartData::Text(Text::Plain(NO_TURN)))]);
        }
        let parts = self.system;
        let system = (!parts.is_empty()).then_some(SystemInstruction { parts });
        Some((system, self.contents))
    }

    /// Appends parts, to the last turn if it has the same role.
    fn push(&mut self, role: &'static str, parts: Vec<OutputPart<'a>>) {
        if parts.is_empty() {
            return;
        }
        match self.contents.last_mut() {
            Some(last) if last.role == role && self.open => last.parts.extend(parts),
            _ => self.contents.push(OutputContent { role, parts }),
        }
        self.open = true;
    }

    /// Writes the results that have been gathered, in a turn of their own: Gemini counts them.
    fn flush(&mut self) {
        if !self.results.is_empty() {
            let mut results = std::mem::take(&mut self.results);
            results.sort_by_key(|(order, _)| *order);
            self.open = false;
            self.push("user", results.into_iter().map(|(_, part)| part).collect());
            self.open = false;
        }
        let attached = std::mem::take(&mut self.attached);
        self.push("user", attached);
    }

    fn assistant(
        &mut self,
        index: usize,
        mut message: InputMessage<'a>,
        place: &str,
    ) -> Result<(), ApiError> {
        let whole = format!("messages[{index}]");
        message.without_function_call(&whole)?;
        let calls = message.calls(&whole)?;
        let has_reasoning = message.reasoning().is_some();
        let has_blocks = message.thinking_blocks.is_some_and(|b| !b.is_empty());
        self.lost_reasoning |= has_reasoning || has_blocks;
        let mut parts = self.parts(message.content, place)?;
        if let Some(refusal) = message.refusal.filter(|raw| !json::inner(raw).is_empty()) {
            parts.push(part(PartData::Text(Text::Raw(refusal))));
        }
        let signature = ExtraContent::signature(message.extra_content);
        if signature.is_some() {
            if parts.is_empty() {
                parts.push(part(PartData::Text(Text::Plain(""))));
            }
            if let Some(last) = parts.last_mut() {
                last.thought_signature = signature;
            }
        }
        let first_call = parts.len();
        for call in calls {
            parts.push(self.call(call)?);
        }
        let calls = parts.get_mut(first_call..).unwrap_or_default();
        let signed = calls.iter().any(|call| call.thought_signature.is_some());
        if self.target.signs_calls
            && !signed
            && let Some(first) = calls.first_mut()
        {
            first.thought_signature = Some(Text::Plain(UNSIGNED));
        }
        self.push("model", parts);
        Ok(())
    }

    fn call(&mut self, call: hub::Called<'a>) -> Result<OutputPart<'a>, ApiError> {
        let (function, at) = (call.function, call.place);
        let order = self.calls.len();
        self.calls.insert(call.id, (function.name.clone(), order));
        Ok(OutputPart {
            data: PartData::FunctionCall(OutputCall {
                name: function.name,
                args: hub::arguments(function.arguments, &at)?,
            }),
            thought_signature: ExtraContent::signature(call.extra_content),
        })
    }

    fn result(
        &mut self,
        index: usize,
        message: &InputMessage<'a>,
        place: &str,
    ) -> Result<(), ApiError> {
        let known = message
            .tool_call_id
            .as_ref()
            .and_then(|id| self.calls.get(id));
        let named = message.name.and_then(json::string);
        let (name, order) = match (known, named) {
            (Some((name, order)), _) => (name.clone(), *order),
            (None, Some(name)) => (name, usize::MAX),
            (None, None) => {
                return Err(ApiError::invalid(format!(
                    "messages[{index}].tool_call_id is not the id of a call before it, from which \
                     Gemini needs the function's name"
                ))
                .param(format!("messages[{index}].tool_call_id")));
            }
        };
        let content = match hub::content(message.content, place)? {
            Content::Nothing => Cow::Owned(json::concat(std::iter::empty()).unwrap_or_default()),
            Content::Text(text) => Cow::Borrowed(text),
            Content::Parts(parts) => Cow::Owned(self.texts(parts, place)?),
        };
        let response = FunctionResponse {
            name,
            response: FunctionResult { content },
        };
        self.results
            .push((order, part(PartData::FunctionResponse(response))));
        Ok(())
    }

    /// The words of a result; its other parts follow the results.
    fn texts(&mut self, parts: Vec<Part<'a>>, place: &str) -> Result<Box<RawValue>, ApiError> {
        let mut texts = Vec::new();
        for (at, input) in parts.into_iter().enumerate() {
            match input.text {
                Some(text) if input.r#type == "text" => texts.push(text),
                _ => {
                    let attached = self.part(input, &format!("{place}[{at}]"))?;
                    self.attached.extend(attached);
                }
            }
        }
        Ok(json::concat(texts.into_iter()).unwrap_or_default())
    }

    /// A message's content as parts. Gemini refuses empty text, which is left out.
    fn parts(
        &self,
        content: Option<&'a RawValue>,
        place: &str,
    ) -> Result<Vec<OutputPart<'a>>, ApiError> {
        match hub::content(content, place)? {
            Content::Nothing => Ok(Vec::new()),
            Content::Text(text) => Ok(words(text).into_iter().collect()),
            Content::Parts(parts) => parts
                .into_iter()
                .enumerate()
                .filter_map(|(at, input)| self.part(input, &format!("{place}[{at}]")).transpose())
                .collect(),
        }
    }

    fn part(&self, input: Part<'a>, place: &str) -> Result<Option<OutputPart<'a>>, ApiError> {
        let missing =
            |what: &str| ApiError::invalid(format!("{place}.{what} is missing")).param(place);
        let data = match &*input.r#type {
            "text" | "refusal" => return Ok(input.text.or(input.refusal).and_then(words)),
            "image_url" => {
                let url = input.image().ok_or_else(|| missing("image_url.url"))?;
                media::image(url, self.target, place)?
            }
            "file" => {
                let file = input.file.ok_or_else(|| missing("file"))?;
                media::file(file, self.target, place)?
            }
            "input_audio" => {
                let audio = input.input_audio.ok_or_else(|| missing("input_audio"))?;
                media::audio(audio)
            }
            _ => return Err(input.strange(place)),
        };
        Ok(Some(part(data)))
    }
}

fn words(text: &RawValue) -> Option<OutputPart<'_>> {
    (!json::inner(text).is_empty()).then(|| part(PartData::Text(Text::Raw(text))))
}
