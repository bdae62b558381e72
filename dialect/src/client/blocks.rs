//! The hub's chunks as blocks of an answer, one at a time and each whole: text, thinking, calls.
//!
//! Chunks may tell several calls at once, and go back to one that they had left. Messages and
//! Responses tell one after the other. So a call stays open until its arguments are a whole object;
//! what comes in between waits.

use dragoman_proto::ApiError;

use super::{ClientStream, scan::ObjectScan};
use crate::{
    failure::Failure,
    hub::{self, Chunk, Delta, ThinkingBlocks, ThinkingIn, ToolCallDelta, ToolCalls, UrlCitation},
    json::{self, Text},
    request::ResponseContext,
    sink::Sink,
};

/// The most that waits for an open call to end.
const MAX_WAITING: usize = 8 * 1024 * 1024;
/// The most calls of one answer.
const MAX_CALLS: usize = 1024;

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Finish {
    /// It was whole.
    Stop,
    /// The output limit was reached.
    Length,
    /// Tools are called.
    Calls,
    /// The content was refused.
    Filter,
}

impl Finish {
    /// The meaning of a `finish_reason`, of an answer with or without `calls`: imitators say `stop`
    /// with calls as well.
    pub(super) fn read(reason: &str, calls: bool) -> Self {
        match reason {
            "length" => Self::Length,
            "content_filter" => Self::Filter,
            _ if calls => Self::Calls,
            _ => Self::Stop,
        }
    }
}

/// The beginning of a block.
#[derive(Debug, Clone, Copy)]
pub(super) enum Start<'a> {
    Text,
    Thinking,
    /// Thinking that only its provider can read; it has no more than this.
    Redacted(Text<'a>),
    Call {
        id: &'a str,
        name: &'a str,
    },
}

/// Writes a client's events. Calls come in order: `begin` once, then for each block `start`, any
/// number of `delta`, `stop`; then `end`.
pub(super) trait Writer: std::fmt::Debug {
    fn begin(&mut self, sink: &mut Sink<'_>);
    fn start(&mut self, block: Start<'_>, sink: &mut Sink<'_>);
    fn delta(&mut self, text: Text<'_>, sink: &mut Sink<'_>);
    /// The signature of the thinking that is open.
    fn signature(&mut self, signature: Text<'_>, sink: &mut Sink<'_>);
    /// A page that the text that is open cites.
    fn citation(&mut self, citation: UrlCitation, sink: &mut Sink<'_>);
    fn stop(&mut self, sink: &mut Sink<'_>);
    fn end(&mut self, finish: Finish, sink: &mut Sink<'_>);
    /// See [`ClientStream::failed`].
    fn failed(&mut self, error: &ApiError, out: &mut Vec<u8>) -> bool;
}

/// The state of a client's stream.
#[derive(Debug)]
pub(super) struct Blocks<W> {
    provider: String,
    request_id: String,
    writer: W,
    begun: bool,
    ended: bool,
    open: Option<Kind>,
    /// Thinking that has its signature is whole.
    sealed: bool,
    calls: Vec<Call>,
    waiting: Vec<Waiting>,
    waiting_bytes: usize,
    finish: Option<String>,
    fault: Option<Failure>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Redacted,
    /// A call, by its place in `calls`.
    Call(usize),
}

#[derive(Debug)]
struct Call {
    index: u64,
    id: String,
    name: String,
    has_arguments: bool,
    scan: ObjectScan,
    /// It has been told; what still comes for it is nothing, or not of the object.
    told: bool,
}

/// A piece that comes after the open call.
#[derive(Debug)]
struct Waiting {
    kind: Kind,
    /// The inside of a JSON string.
    text: String,
}

impl<W: Writer> Blocks<W> {
    pub(super) fn new(context: &ResponseContext, writer: W) -> Self {
        Self {
            provider: context.provider.clone(),
            request_id: context.request_id.clone(),
            writer,
            begun: false,
            ended: false,
            open: None,
            sealed: false,
            calls: Vec::new(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            finish: None,
            fault: None,
        }
    }

    fn begin(&mut self, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.begun, true) {
            self.writer.begin(sink);
        }
    }

    fn delta(&mut self, delta: &Delta<'_>, sink: &mut Sink<'_>) {
        let words = delta.reasoning_content.or(delta.reasoning);
        let thinking = delta.thinking_blocks.as_ref().map(read_thinking);
        if let Some(words) = words.filter(is_text) {
            self.add(Kind::Thinking, words, sink);
        }
        for block in thinking.iter().flatten() {
            self.thinking(block, words.filter(is_text).is_some(), sink);
        }
        for text in [delta.content, delta.refusal].into_iter().flatten() {
            if is_text(&text) {
                self.add(Kind::Text, text, sink);
            }
        }
        for citation in hub::citations::annotations(delta.rest.get("annotations")) {
            // Providers cite while they say what they cite for, or right after.
            if self.open == Some(Kind::Text) {
                self.writer.citation(citation, sink);
            }
        }
        match &delta.tool_calls {
            None => {}
            Some(ToolCalls::One(calls)) => self.call(&calls[0], sink),
            Some(ToolCalls::Raw(raw)) if raw.get() == "null" => {}
            Some(ToolCalls::Raw(raw)) => {
                match serde_json::from_str::<Vec<ToolCallDelta<'_>>>(raw.get()) {
                    Ok(calls) => {
                        for call in &calls {
                            self.call(call, sink);
                        }
                    }
                    Err(_) => self.fail("a tool call of the stream is not readable"),
                }
            }
        }
    }

    fn thinking(&mut self, block: &ThinkingIn<'_>, told: bool, sink: &mut Sink<'_>) {
        if let Some(data) = block.data {
            return self.add(Kind::Redacted, Text::Raw(data), sink);
        }
        if let Some(words) = block.thinking.map(Text::Raw).filter(is_text)
            && !told
        {
            self.add(Kind::Thinking, words, sink);
        }
        if let Some(signature) = block.signature.map(Text::Raw).filter(is_text) {
            if self.open != Some(Kind::Thinking) && self.is_free() {
                self.switch(Kind::Thinking, sink);
            }
            if self.open == Some(Kind::Thinking) {
                self.writer.signature(signature, sink);
                self.sealed = true;
            }
        }
    }

    fn call(&mut self, delta: &ToolCallDelta<'_>, sink: &mut Sink<'_>) {
        let Some(at) = self.place(delta) else {
            return self.fail("the stream has too many tool calls");
        };
        let object;
        let arguments = match delta.function.arguments {
            // An object in place of its text, with some imitators.
            Some(Text::Raw(raw)) if raw.get().starts_with('{') => {
                object = serde_json::value::to_raw_value(raw.get()).ok();
                object.as_deref().map(Text::Raw)
            }
            other => other.filter(|text| !matches!(text, Text::Raw(raw) if raw.get() == "null")),
        };
        self.add(Kind::Call(at), arguments.unwrap_or(Text::Plain("")), sink);
    }

    /// The call that a piece belongs to: a known one or, while there is room, a new one.
    fn place(&mut self, delta: &ToolCallDelta<'_>) -> Option<usize> {
        let id = delta.id.as_ref().and_then(Text::identifier);
        let name = delta.function.name.as_ref().and_then(Text::identifier);
        let known = self
            .calls
            .iter()
            .rposition(|call| call.index == delta.index);
        if let Some((at, call)) = known.and_then(|at| Some((at, self.calls.get_mut(at)?))) {
            // Imitators number every call 0: another name after whole arguments is another call.
            let other = name.is_some() && call.scan.is_whole() && id.as_ref() != Some(&call.id);
            if !other {
                if call.name.is_empty() {
                    call.name = name.unwrap_or_default();
                }
                return Some(at);
            }
        }
        if self.calls.len() >= MAX_CALLS {
            return None;
        }
        let at = self.calls.len();
        let id = id.unwrap_or_else(|| format!("call_{}_{at}", self.request_id));
        self.calls.push(Call {
            index: delta.index,
            id,
            name: name.unwrap_or_default(),
            has_arguments: false,
            scan: ObjectScan::default(),
            told: false,
        });
        Some(at)
    }

    /// Adds to the block of `kind`, now or when its turn comes.
    fn add(&mut self, kind: Kind, text: Text<'_>, sink: &mut Sink<'_>) {
        if matches!(kind, Kind::Call(at) if self.calls.get(at).is_some_and(|call| call.told)) {
            return;
        }
        let same = self.open == Some(kind) && !(self.sealed && kind == Kind::Thinking);
        if same && kind != Kind::Redacted {
            self.write(kind, text, sink);
        } else if self.waiting.is_empty() && self.is_free() && self.is_ready(kind) {
            self.switch_with(kind, text, sink);
        } else {
            self.wait(kind, text);
        }
        self.drain(false, sink);
    }

    fn wait(&mut self, kind: Kind, text: Text<'_>) {
        let position = match kind {
            Kind::Call(_) => self.waiting.iter().position(|piece| piece.kind == kind),
            _ => self
                .waiting
                .last()
                .is_some_and(|piece| piece.kind == kind)
                .then(|| self.waiting.len().saturating_sub(1)),
        };
        let text = escaped(text);
        self.waiting_bytes = self.waiting_bytes.saturating_add(text.len());
        match position.and_then(|at| self.waiting.get_mut(at)) {
            Some(piece) => piece.text.push_str(&text),
            None => self.waiting.push(Waiting { kind, text }),
        }
        if self.waiting_bytes > MAX_WAITING {
            self.fail("a tool call of the stream does not end");
        }
    }

    /// Tells what waited, as far as its turn has come, or all of it at the end.
    fn drain(&mut self, all: bool, sink: &mut Sink<'_>) {
        while let Some(first) = self.waiting.first()
            && (all || self.is_free() && self.is_ready(first.kind))
        {
            let piece = self.waiting.remove(0);
            self.waiting_bytes = self.waiting_bytes.saturating_sub(piece.text.len());
            let quoted = format!("\"{}\"", piece.text);
            if let Ok(raw) = serde_json::from_str(&quoted) {
                self.switch_with(piece.kind, Text::Raw(raw), sink);
            }
        }
    }

    /// Whether the open block may end here.
    fn is_free(&self) -> bool {
        match self.open {
            Some(Kind::Call(at)) => self.calls.get(at).is_none_or(|call| call.scan.is_whole()),
            _ => true,
        }
    }

    /// Whether all is known that the start of a block tells.
    fn is_ready(&self, kind: Kind) -> bool {
        match kind {
            Kind::Call(at) => self.calls.get(at).is_some_and(|call| !call.name.is_empty()),
            _ => true,
        }
    }

    fn switch_with(&mut self, kind: Kind, text: Text<'_>, sink: &mut Sink<'_>) {
        if kind == Kind::Redacted {
            self.close(sink);
            self.writer.start(Start::Redacted(text), sink);
            self.writer.stop(sink);
        } else {
            self.switch(kind, sink);
            self.write(kind, text, sink);
        }
    }

    fn switch(&mut self, kind: Kind, sink: &mut Sink<'_>) {
        self.close(sink);
        let start = match kind {
            Kind::Text => Start::Text,
            Kind::Thinking => Start::Thinking,
            Kind::Call(at) => match self.calls.get(at) {
                Some(call) => Start::Call {
                    id: &call.id,
                    name: &call.name,
                },
                None => return,
            },
            Kind::Redacted => return,
        };
        self.open = Some(kind);
        self.sealed = false;
        self.writer.start(start, sink);
    }

    fn write(&mut self, kind: Kind, text: Text<'_>, sink: &mut Sink<'_>) {
        if text.is_empty() {
            return;
        }
        if let Kind::Call(at) = kind
            && let Some(call) = self.calls.get_mut(at)
        {
            call.has_arguments = true;
            match text {
                Text::Raw(raw) => call.scan.feed(&json::string(raw).unwrap_or_default()),
                Text::Plain(text) => call.scan.feed(text),
                Text::Number(_) => {}
            }
        }
        self.writer.delta(text, sink);
    }

    /// Ends the open block. A call without arguments has the empty object.
    fn close(&mut self, sink: &mut Sink<'_>) {
        let Some(kind) = self.open.take() else { return };
        if let Kind::Call(at) = kind
            && let Some(call) = self.calls.get_mut(at)
        {
            if !std::mem::replace(&mut call.has_arguments, true) {
                self.writer.delta(Text::Plain("{}"), sink);
            }
            call.told = true;
        }
        self.writer.stop(sink);
    }

    fn fail(&mut self, what: &str) {
        if self.fault.is_none() {
            self.fault = Some(Failure::garbage(&self.provider, what));
        }
    }
}

impl<W: Writer> ClientStream for Blocks<W> {
    fn chunk(&mut self, chunk: &[u8], sink: &mut Sink<'_>) {
        if self.ended {
            return;
        }
        let Ok(chunk) = json::parse::<Chunk<'_>>(chunk) else {
            return self.fail("a chunk of the stream is not readable");
        };
        self.begin(sink);
        for choice in chunk.choices.iter().flatten() {
            if choice.index.unwrap_or_default() != 0 {
                continue;
            }
            if let Some(delta) = &choice.delta {
                self.delta(delta, sink);
            }
            if let Some(reason) = choice.finish_reason.as_ref().and_then(Text::identifier) {
                self.finish = Some(reason);
            }
        }
    }

    fn done(&mut self, sink: &mut Sink<'_>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.begin(sink);
        self.drain(true, sink);
        self.close(sink);
        let reason = self.finish.take().unwrap_or_default();
        let finish = Finish::read(&reason, !self.calls.is_empty());
        self.writer.end(finish, sink);
    }

    fn fault(&mut self) -> Option<Failure> {
        self.fault.take()
    }

    fn failed(&mut self, error: &ApiError, out: &mut Vec<u8>) -> bool {
        self.ended = true;
        self.writer.failed(error, out)
    }
}

/// Whether it is a JSON string with something in it; imitators write null, too.
fn is_text(text: &Text<'_>) -> bool {
    !text.is_empty()
}

/// The text as the inside of a JSON string.
fn escaped(text: Text<'_>) -> String {
    match text {
        Text::Raw(raw) => json::inner(raw).to_owned(),
        Text::Plain(text) => serde_json::value::to_raw_value(text)
            .map(|raw| json::inner(&raw).to_owned())
            .unwrap_or_default(),
        Text::Number(_) => String::new(),
    }
}

fn read_thinking<'a>(blocks: &ThinkingBlocks<'a>) -> Vec<ThinkingIn<'a>> {
    match blocks {
        ThinkingBlocks::Raw(raw) => serde_json::from_str(raw.get()).unwrap_or_default(),
        ThinkingBlocks::One(_) => Vec::new(),
    }
}
