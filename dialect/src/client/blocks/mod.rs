//! The hub's chunks as blocks of an answer, one at a time and each whole: text, thinking, calls.
//!
//! Chunks may tell several calls at once, and go back to one that they had left. Messages and
//! Responses tell one after the other. So a call stays open until its arguments are a whole object;
//! what comes in between waits.

mod calls;
mod pages;
mod queue;
mod scan;
mod writer;

use dragoman_proto::ApiError;

use super::ClientStream;
use crate::{
    failure::Failure,
    hub::{self, Chunk, Delta, ThinkingBlocks, ThinkingIn, ToolCallDelta, ToolCalls, UrlCitation},
    json::{self, Text},
    request::ResponseContext,
    sink::Sink,
};
use calls::Calls;
use pages::Pages;
use queue::Queue;
pub(super) use writer::{Finish, Start, Writer};

/// The state of a client's stream.
#[derive(Debug)]
pub(super) struct Blocks<W> {
    provider: String,
    writer: W,
    begun: bool,
    ended: bool,
    open: Option<Kind>,
    /// Thinking that has its signature is whole.
    sealed: bool,
    calls: Calls,
    queue: Queue,
    pages: Pages,
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

impl<W: Writer> Blocks<W> {
    pub(super) fn new(context: &ResponseContext, writer: W) -> Self {
        Self {
            provider: context.provider.clone(),
            writer,
            begun: false,
            ended: false,
            open: None,
            sealed: false,
            calls: Calls::new(&context.request_id),
            queue: Queue::default(),
            pages: Pages::default(),
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
        for page in hub::citations::annotations(delta.rest.get("annotations")) {
            self.cite(page, sink);
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
        let Some(at) = self.calls.place(delta) else {
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

    /// Tells of a page with the text that cites it, which is the open one, the last one, or the next.
    fn cite(&mut self, page: UrlCitation, sink: &mut Sink<'_>) {
        if self.open == Some(Kind::Text) {
            return self.writer.citation(self.pages.within(page), sink);
        }
        let late = self.pages.is_said(&page) && {
            let page = self.pages.within(page.clone());
            self.writer.late_citation(page, sink)
        };
        if !late {
            self.pages.wait(page);
        }
    }

    /// Tells of the pages that waited for the text that is open.
    fn cite_waiting(&mut self, sink: &mut Sink<'_>) {
        for page in self.pages.take() {
            self.writer.citation(self.pages.within(page), sink);
        }
    }

    /// Adds to the block of `kind`, now or when its turn comes.
    fn add(&mut self, kind: Kind, text: Text<'_>, sink: &mut Sink<'_>) {
        if matches!(kind, Kind::Call(at) if self.calls.get(at).is_some_and(|call| call.told)) {
            return;
        }
        let same = self.open == Some(kind) && !(self.sealed && kind == Kind::Thinking);
        if same && kind != Kind::Redacted {
            self.write(kind, text, sink);
        } else if self.queue.is_empty() && self.is_free() && self.is_ready(kind) {
            self.switch_with(kind, text, sink);
        } else {
            self.queue.push(kind, text);
            if self.queue.is_over_full() {
                self.fail("a tool call of the stream does not end");
            }
        }
        self.drain(false, sink);
    }

    /// Tells what waited, as far as its turn has come, or all of it at the end.
    fn drain(&mut self, all: bool, sink: &mut Sink<'_>) {
        while let Some(kind) = self.queue.next()
            && (all || self.is_free() && self.is_ready(kind))
        {
            if let Some((kind, text)) = self.queue.pop() {
                self.switch_with(kind, Text::Raw(&text), sink);
            }
        }
    }

    /// Whether the open block may end here.
    fn is_free(&self) -> bool {
        match self.open {
            Some(Kind::Call(at)) => self.calls.get(at).is_none_or(calls::Call::is_whole),
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
        if kind == Kind::Text {
            self.pages.begin();
        }
        self.writer.start(start, sink);
    }

    fn write(&mut self, kind: Kind, text: Text<'_>, sink: &mut Sink<'_>) {
        if text.is_empty() {
            return;
        }
        match kind {
            Kind::Text => self.pages.said(text),
            Kind::Call(at) => {
                if let Some(call) = self.calls.get_mut(at) {
                    call.feed(text);
                }
            }
            Kind::Thinking | Kind::Redacted => {}
        }
        self.writer.delta(text, sink);
        if kind == Kind::Text {
            self.cite_waiting(sink);
        }
    }

    /// Ends the open block. A call without arguments has the empty object.
    fn close(&mut self, sink: &mut Sink<'_>) {
        let Some(kind) = self.open.take() else { return };
        if let Kind::Call(at) = kind
            && let Some(call) = self.calls.get_mut(at)
            && !call.end()
        {
            self.writer.delta(Text::Plain("{}"), sink);
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
        if self.pages.is_waiting() {
            // No text is to come: one without words has them.
            self.switch(Kind::Text, sink);
            self.cite_waiting(sink);
        }
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

fn read_thinking<'a>(blocks: &ThinkingBlocks<'a>) -> Vec<ThinkingIn<'a>> {
    match blocks {
        ThinkingBlocks::Raw(raw) => serde_json::from_str(raw.get()).unwrap_or_default(),
        ThinkingBlocks::One(_) => Vec::new(),
    }
}
