//! Cohere's event stream as chat chunks.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    citations, error,
    schema::{
        CallDelta, CitationDelta, ContentDelta, PlanDelta, StreamDelta, StreamEvent, finish_reason,
    },
};
use crate::{
    failure::Failure,
    framing::Event,
    hub::{
        self, Choice, Delta, FunctionDelta, ProviderFields, StreamFrame, Told, ToolCallDelta,
        ToolCalls, UsageOut,
    },
    json::{self, Text},
    request::ResponseContext,
    sink::{EventTranslator, Flow, Sink},
};

/// The state of a chat stream.
#[derive(Debug)]
pub(super) struct ChatStream {
    provider: String,
    frame: StreamFrame,
    include_usage: bool,
    has_role: bool,
    /// How many calls of tools there were; calls come one after the other.
    calls: u64,
    /// Whether the call that is being streamed has no arguments yet.
    is_bare: bool,
    /// Characters of the plan, which is told before the text.
    planned: u64,
    told: Told,
}

impl ChatStream {
    pub(super) fn new(context: &ResponseContext) -> Self {
        Self {
            provider: context.provider.clone(),
            frame: StreamFrame {
                id: format!("chatcmpl-{}", context.request_id),
                object: "chat.completion.chunk",
                created: context.created,
                model: context.alias.clone(),
            },
            include_usage: context.include_usage,
            has_role: false,
            calls: 0,
            is_bare: false,
            planned: 0,
            told: Told::default(),
        }
    }

    /// Writes one chunk; the first one of all has the role.
    fn emit(&mut self, mut delta: Delta<'_>, finish: Option<&str>, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.has_role, true) {
            delta.role = Some(Text::Plain("assistant"));
        }
        let choice = Choice {
            index: Some(0),
            delta: Some(delta),
            finish_reason: finish.map(Text::Plain),
            ..Choice::default()
        };
        let meaningful = choice.is_meaningful();
        if meaningful {
            sink.meter.output(choice.len());
        }
        sink.event(meaningful, None, &self.frame.chunk(&[choice]));
    }

    fn content(&mut self, raw: Option<&RawValue>, sink: &mut Sink<'_>) {
        if let Some(content) = text(raw) {
            let delta = Delta {
                content: Some(content),
                ..Delta::default()
            };
            self.emit(delta, None, sink);
        }
    }

    fn thinking(&mut self, raw: Option<&RawValue>, sink: &mut Sink<'_>) {
        if let Some(thinking) = text(raw) {
            let delta = Delta {
                reasoning_content: Some(thinking),
                ..Delta::default()
            };
            self.emit(delta, None, sink);
        }
    }

    fn citation(&mut self, raw: &RawValue, sink: &mut Sink<'_>) {
        let mut delta = Delta::default();
        let annotations = citations::annotations(raw, self.planned);
        if !annotations.is_empty() {
            let annotations = self.told.annotations(annotations);
            delta.rest.set("annotations", &annotations);
        }
        let citation = self.told.citation(raw);
        if let Some(fields) = ProviderFields::cited(citation.as_deref().into_iter().collect()) {
            delta.rest.set("provider_specific_fields", &fields);
        }
        self.emit(delta, None, sink);
    }

    fn call(&mut self, call: ToolCallDelta<'_>, sink: &mut Sink<'_>) {
        let delta = Delta {
            tool_calls: Some(ToolCalls::One([call])),
            ..Delta::default()
        };
        self.emit(delta, None, sink);
    }

    fn start_call(&mut self, delta: &CallDelta<'_>, sink: &mut Sink<'_>) {
        let call = &delta.tool_calls;
        let arguments = text(call.function.arguments);
        self.is_bare = arguments.is_none();
        let start = ToolCallDelta {
            index: self.calls,
            id: Some(call.id.map_or(Text::Plain(""), Text::Raw)),
            r#type: Some("function"),
            function: FunctionDelta {
                name: Some(call.function.name.map_or(Text::Plain(""), Text::Raw)),
                arguments: Some(arguments.unwrap_or(Text::Plain(""))),
            },
            ..ToolCallDelta::default()
        };
        self.calls += 1;
        self.call(start, sink);
    }

    fn arguments(&mut self, piece: Text<'_>, sink: &mut Sink<'_>) {
        self.is_bare = false;
        let call = ToolCallDelta {
            index: self.calls.saturating_sub(1),
            function: FunctionDelta {
                name: None,
                arguments: Some(piece),
            },
            ..ToolCallDelta::default()
        };
        self.call(call, sink);
    }

    fn end_call(&mut self, sink: &mut Sink<'_>) {
        if self.is_bare {
            self.arguments(Text::Plain("{}"), sink);
        }
    }

    fn message_end(&mut self, delta: &StreamDelta<'_>, sink: &mut Sink<'_>) -> Result<(), Failure> {
        if let Some(usage) = delta.usage.and_then(|usage| usage.usage()) {
            sink.meter.counted(usage);
        }
        let finish = finish_reason(delta.finish_reason.as_deref())
            .filter(|_| delta.error.is_none_or(|raw| raw.get() == "null"))
            .ok_or_else(|| error::failure(&self.provider, delta.error))?;
        let finish = match finish {
            "tool_calls" if self.calls == 0 => "stop",
            "content_filter" if !sink.gate.is_open() => {
                return Err(error::toxic(&self.provider));
            }
            finish => finish,
        };
        self.end_call(sink);
        self.emit(Delta::default(), Some(finish), sink);
        if self.include_usage {
            let usage = UsageOut::new(&sink.meter.usage());
            sink.event(false, None, &self.frame.usage(&usage));
        }
        sink.plain(b"[DONE]");
        Ok(())
    }

    /// The message of an event, whose shape depends on its type.
    fn message<'a, T: Deserialize<'a> + Default>(
        &self,
        delta: &StreamDelta<'a>,
    ) -> Result<T, Failure> {
        match delta.message {
            None => Ok(T::default()),
            Some(raw) => serde_json::from_str(raw.get()).map_err(|_| self.unreadable()),
        }
    }

    fn unreadable(&self) -> Failure {
        Failure::garbage(&self.provider, "an event of the stream is not readable")
    }

    fn translate(&mut self, event: &StreamEvent<'_>, sink: &mut Sink<'_>) -> Result<Flow, Failure> {
        let nothing = StreamDelta::default();
        let delta = event.delta.as_ref().unwrap_or(&nothing);
        match &*event.r#type {
            "content-start" | "content-delta" => {
                let piece: ContentDelta<'_> = self.message(delta)?;
                self.thinking(piece.content.thinking, sink);
                self.content(piece.content.text, sink);
            }
            "tool-plan-delta" => {
                let plan: PlanDelta<'_> = self.message(delta)?;
                self.planned += plan.tool_plan.map_or(0, hub::citations::characters);
                self.content(plan.tool_plan, sink);
            }
            "tool-call-start" => {
                let call: CallDelta<'_> = self.message(delta)?;
                self.end_call(sink);
                self.start_call(&call, sink);
            }
            "tool-call-delta" => {
                let call: CallDelta<'_> = self.message(delta)?;
                if let Some(piece) = text(call.tool_calls.function.arguments) {
                    self.arguments(piece, sink);
                }
            }
            "tool-call-end" => self.end_call(sink),
            "message-end" => {
                self.message_end(delta, sink)?;
                return Ok(Flow::Done);
            }
            "citation-start" => {
                let cited: CitationDelta<'_> = self.message(delta)?;
                if let Some(raw) = cited.citations {
                    self.citation(raw, sink);
                }
            }
            // Ends of blocks, and events of the future.
            _ => {}
        }
        Ok(Flow::Continue)
    }
}

/// A text that is there.
fn text(raw: Option<&RawValue>) -> Option<Text<'_>> {
    raw.map(Text::Raw).filter(|text| !text.is_empty())
}

impl EventTranslator for ChatStream {
    fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_>) -> Result<Flow, Failure> {
        match json::parse::<StreamEvent<'_>>(&event.data) {
            Ok(parsed) => self.translate(&parsed, sink),
            Err(_) => Err(match error::read(&event.data) {
                Some(error) => Failure::of_provider(&self.provider, 502, &error, None),
                None => self.unreadable(),
            }),
        }
    }

    fn end(&mut self, _: &mut Sink<'_>) -> Result<(), Failure> {
        Err(Failure::garbage(
            &self.provider,
            "the stream ended before the answer did",
        ))
    }
}
