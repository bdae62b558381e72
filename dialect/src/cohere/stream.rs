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
    hub::{self, ChatWriter, Delta, FunctionDelta, ProviderFields, ToolCallDelta, UsageOut},
    json::{self, Text},
    request::ResponseContext,
    sink::{EventTranslator, Flow, Sink},
};

/// The state of a chat stream.
#[derive(Debug)]
pub(super) struct ChatStream {
    provider: String,
    writer: ChatWriter,
    /// Characters of the plan, which is told before the text.
    planned: u64,
}

impl ChatStream {
    pub(super) fn new(context: &ResponseContext) -> Self {
        Self {
            provider: context.provider.clone(),
            writer: ChatWriter::new(context),
            planned: 0,
        }
    }

    fn content(&mut self, raw: Option<&RawValue>, sink: &mut Sink<'_>) {
        if let Some(content) = Text::there(raw) {
            self.writer.content(content, sink);
        }
    }

    fn thinking(&mut self, raw: Option<&RawValue>, sink: &mut Sink<'_>) {
        if let Some(thinking) = Text::there(raw) {
            self.writer.reasoning(thinking, sink);
        }
    }

    fn citation(&mut self, raw: &RawValue, sink: &mut Sink<'_>) {
        let mut delta = Delta::default();
        let told = self.writer.told();
        told.annotate(&mut delta, citations::annotations(raw, self.planned));
        let citation = told.citation(raw);
        if let Some(fields) = ProviderFields::cited(citation.as_deref().into_iter().collect()) {
            delta.rest.set("provider_specific_fields", &fields);
        }
        self.writer.write(delta, sink);
    }

    fn start_call(&mut self, delta: &CallDelta<'_>, sink: &mut Sink<'_>) {
        let call = &delta.tool_calls;
        let start = ToolCallDelta {
            id: Some(call.id.map_or(Text::Plain(""), Text::Raw)),
            function: FunctionDelta {
                name: Some(call.function.name.map_or(Text::Plain(""), Text::Raw)),
                arguments: Text::there(call.function.arguments),
            },
            ..ToolCallDelta::default()
        };
        self.writer.start_call(start, sink);
    }

    fn message_end(&mut self, delta: &StreamDelta<'_>, sink: &mut Sink<'_>) -> Result<(), Failure> {
        if let Some(usage) = delta.usage.and_then(|usage| usage.usage()) {
            sink.meter.counted(usage);
        }
        let finish = finish_reason(delta.finish_reason.as_deref())
            .filter(|_| delta.error.is_none_or(|raw| raw.get() == "null"))
            .ok_or_else(|| error::failure(&self.provider, delta.error))?;
        if finish == "content_filter" && !sink.gate.is_open() {
            return Err(error::toxic(&self.provider));
        }
        self.writer.end_call(sink);
        self.writer.finish(finish, sink);
        self.writer.done(UsageOut::new, sink);
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
        Failure::unreadable_event(&self.provider)
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
                self.writer.end_call(sink);
                self.start_call(&call, sink);
            }
            "tool-call-delta" => {
                let call: CallDelta<'_> = self.message(delta)?;
                if let Some(piece) = Text::there(call.tool_calls.function.arguments) {
                    self.writer.arguments(piece, sink);
                }
            }
            "tool-call-end" => self.writer.end_call(sink),
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
        Err(Failure::cut_short(&self.provider))
    }
}
