//! Chunk streams of OpenAI-compatible providers, put into OpenAI's own order: the role first, one
//! finish per choice, the usage last and only when asked for, then `[DONE]`.

use dragoman_proto::Operation;
use serde_json::value::RawValue;

use super::error;
use crate::{
    failure::Failure,
    framing::Event,
    hub::{Choice, Chunk, StreamFrame, UsageOut, read_usage},
    json::{self, Text},
    request::ResponseContext,
    sink::{EventTranslator, Flow, Sink},
};

/// The longest usage that is kept for the end of the stream.
const MAX_USAGE: usize = 4096;
/// Choices beyond this are passed on as they come, without order.
const MAX_CHOICES: usize = 256;

/// The state of a chunk stream.
#[derive(Debug)]
pub(super) struct ChunkStream {
    provider: String,
    frame: StreamFrame,
    chat: bool,
    include_usage: bool,
    /// Whether id and `created` are the provider's yet.
    named: bool,
    /// The usage as the provider wrote it, for a client that asked.
    usage: Option<String>,
    choices: Vec<ChoiceState>,
}

#[derive(Debug)]
struct ChoiceState {
    index: u64,
    finished: bool,
    /// Whether it had finished before this chunk.
    ended: bool,
}

impl ChunkStream {
    pub(super) fn new(context: &ResponseContext) -> Self {
        let chat = context.operation == Operation::ChatCompletions;
        Self {
            provider: context.provider.clone(),
            frame: if chat {
                StreamFrame::of_chat(context)
            } else {
                StreamFrame::of_text(context)
            },
            chat,
            include_usage: context.include_usage,
            named: false,
            usage: None,
            choices: Vec::new(),
        }
    }

    /// The first chunk names the stream.
    fn name(&mut self, chunk: &Chunk<'_>) {
        if std::mem::replace(&mut self.named, true) {
            return;
        }
        if let Some(id) = chunk.id.as_ref().and_then(Text::identifier) {
            self.frame.id = id;
        }
        if let Some(created) = chunk
            .created
            .as_ref()
            .and_then(Text::number)
            .filter(|c| *c > 0)
        {
            self.frame.created = created;
        }
    }

    /// Puts the role into a choice's first delta, and takes a second finish out.
    fn order(&mut self, choice: &mut Choice<'_>) {
        let index = choice.index.unwrap_or_default();
        let known = self.choices.iter_mut().find(|state| state.index == index);
        let finishes = choice.finish_reason.is_some();
        match known {
            Some(state) => {
                state.ended = state.finished;
                if state.ended {
                    choice.finish_reason = None;
                }
                state.finished |= finishes;
                if let Some(delta) = &mut choice.delta {
                    delta.role = None;
                }
            }
            None => {
                if self.choices.len() < MAX_CHOICES {
                    self.choices.push(ChoiceState {
                        index,
                        finished: finishes,
                        ended: false,
                    });
                }
                if self.chat {
                    let delta = choice.delta.get_or_insert_default();
                    delta.role = Some(Text::Plain("assistant"));
                }
            }
        }
        choice.index = Some(index);
        if self.chat {
            choice.delta.get_or_insert_default();
        }
    }

    fn chunk(&mut self, mut chunk: Chunk<'_>, sink: &mut Sink<'_>) -> Result<(), Failure> {
        if let Some(raw) = chunk.error.take().filter(|raw| raw.get() != "null") {
            return Err(self.failure(raw.get().as_bytes(), true));
        }
        if chunk.choices.is_none() && chunk.usage.is_none() {
            return Err(Failure::garbage(
                &self.provider,
                "a chunk of the stream has no `choices`",
            ));
        }
        if let Some(raw) = chunk.usage.take()
            && let Some(usage) = read_usage(raw)
        {
            sink.meter.counted(usage);
            if self.include_usage && raw.get().len() <= MAX_USAGE {
                self.usage = Some(raw.get().to_owned());
            }
        }
        let mut choices = chunk.choices.take().unwrap_or_default();
        if choices.is_empty() && chunk.rest.names().all(is_frame) {
            return Ok(());
        }
        self.name(&chunk);
        for choice in &mut choices {
            // Some imitators write an empty reason until there is one.
            choice.finish_reason = choice.finish_reason.filter(|reason| !reason.is_empty());
        }
        let meaningful = choices.iter().any(Choice::is_meaningful);
        let length: usize = choices.iter().map(Choice::len).sum();
        if meaningful {
            sink.meter.output(length);
        }
        for choice in &mut choices {
            self.order(choice);
        }
        let says_nothing = !choices.is_empty() && choices.iter().all(|c| self.is_idle(c));
        if says_nothing {
            return Ok(());
        }
        chunk.choices = Some(choices);
        write(chunk, &self.frame, meaningful, sink);
        Ok(())
    }

    /// Whether a choice has ended before, and this adds nothing to it.
    fn is_idle(&self, choice: &Choice<'_>) -> bool {
        !choice.is_meaningful()
            && self
                .choices
                .iter()
                .any(|state| state.ended && Some(state.index) == choice.index)
    }

    fn failure(&self, raw: &[u8], is_object: bool) -> Failure {
        let error = if is_object {
            serde_json::from_slice(raw).ok().map(error::object)
        } else {
            error::read(raw)
        };
        let error = error.unwrap_or_default();
        Failure::of_provider(&self.provider, error.status.unwrap_or(502), &error, None)
    }

    fn done(&mut self, sink: &mut Sink<'_>) -> Result<(), Failure> {
        if !sink.gate.is_open() {
            return Err(Failure::garbage(
                &self.provider,
                "the stream has no content",
            ));
        }
        if self.include_usage {
            let raw = self.usage.take();
            let raw = raw
                .as_deref()
                .and_then(|raw| serde_json::from_str::<&RawValue>(raw).ok());
            match raw {
                Some(raw) => sink.event(false, None, &self.frame.usage(raw)),
                None => {
                    let usage = UsageOut::new(&sink.meter.usage());
                    sink.event(false, None, &self.frame.usage(&usage));
                }
            }
        }
        sink.plain(b"[DONE]");
        Ok(())
    }
}

/// Writes a chunk under this stream's name.
fn write<'a>(mut chunk: Chunk<'a>, frame: &'a StreamFrame, meaningful: bool, sink: &mut Sink<'_>) {
    chunk.id = Some(Text::Plain(&frame.id));
    chunk.object = Some(Text::Plain(frame.object));
    chunk.created = Some(Text::Number(frame.created));
    chunk.model = Some(Text::Plain(&frame.model));
    sink.event(meaningful, None, &chunk);
}

/// Members of a chunk without choices that say nothing to a client.
fn is_frame(name: &str) -> bool {
    matches!(
        name,
        "system_fingerprint"
            | "service_tier"
            | "x_groq"
            | "obfuscation"
            | "provider"
            | "prompt_filter_results"
    )
}

impl EventTranslator for ChunkStream {
    fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_>) -> Result<Flow, Failure> {
        let data = event.data.trim_ascii();
        if data == b"[DONE]" {
            return self.done(sink).map(|()| Flow::Done);
        }
        if event.name == Some(b"error") {
            return Err(self.failure(data, false));
        }
        match json::parse::<Chunk<'_>>(data) {
            Ok(chunk) => self.chunk(chunk, sink).map(|()| Flow::Continue),
            Err(_) => Err(match error::read(data) {
                Some(_) => self.failure(data, false),
                None => Failure::garbage(&self.provider, "a chunk of the stream is not readable"),
            }),
        }
    }

    fn end(&mut self, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let finished = !self.choices.is_empty() && self.choices.iter().all(|c| c.finished);
        if finished {
            self.done(sink)
        } else {
            Err(Failure::cut_short(&self.provider))
        }
    }
}
