//! Gemini's event stream as chat chunks. Each event is an answer of its own with the next parts; the
//! finish is written when the stream ends, because more may follow a candidate's.

use serde_json::value::RawValue;

use super::{
    candidate::{self, answer_id},
    error,
    grounding::{self, Places},
    schema::{AnswerCall, AnswerPart, Candidate, GenerateAnswer},
};
use crate::{
    failure::Failure,
    framing::Event,
    hub::{
        Choice, Delta, ExtraContent, FunctionDelta, Picture, ProviderFields, StreamFrame, Told,
        ToolCallDelta, ToolCalls, UsageOut,
    },
    json::{self, Text},
    request::ResponseContext,
    sink::{EventTranslator, Flow, Sink},
};

/// Candidates beyond this are left out; Gemini has at most 8.
const MAX_CHOICES: usize = 64;

/// The state of a stream.
#[derive(Debug)]
pub(super) struct AnswerStream {
    provider: String,
    request_id: String,
    frame: StreamFrame,
    include_usage: bool,
    choices: Vec<ChoiceState>,
}

#[derive(Debug)]
struct ChoiceState {
    index: u64,
    has_role: bool,
    calls: usize,
    /// Why it ended.
    finish: Option<&'static str>,
    /// Of the text so far.
    places: Places,
    told: Told,
}

impl AnswerStream {
    pub(super) fn new(context: &ResponseContext) -> Self {
        Self {
            provider: context.provider.clone(),
            request_id: context.request_id.clone(),
            frame: StreamFrame {
                id: answer_id(context),
                object: "chat.completion.chunk",
                created: context.created,
                model: context.alias.clone(),
            },
            include_usage: context.include_usage,
            choices: Vec::new(),
        }
    }

    fn answer(&mut self, answer: &GenerateAnswer<'_>, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let candidates = answer.candidates.as_deref().unwrap_or_default();
        let feedback = answer.prompt_feedback.as_ref();
        if let Some(blocked) = feedback.and_then(|f| candidate::blocked(&self.provider, f)) {
            return Err(blocked);
        }
        if candidates.is_empty() && answer.usage_metadata.is_none() && feedback.is_none() {
            return Err(Failure::garbage(
                &self.provider,
                "a chunk of the stream has no `candidates`",
            ));
        }
        for (candidate, at) in candidates.iter().zip(0..) {
            self.candidate(candidate, at, sink)?;
        }
        if let Some(usage) = &answer.usage_metadata {
            let finished = candidates.iter().any(|c| c.finish_reason.is_some());
            if finished || usage.counts_output() {
                sink.meter.counted(usage.usage());
            } else {
                sink.meter.input(usage.usage());
            }
        }
        Ok(())
    }

    fn candidate(
        &mut self,
        candidate: &Candidate<'_>,
        at: u64,
        sink: &mut Sink<'_>,
    ) -> Result<(), Failure> {
        let index = candidate.index.unwrap_or(at);
        let position = match self.choices.iter().position(|state| state.index == index) {
            Some(position) => position,
            None if self.choices.len() == MAX_CHOICES => return Ok(()),
            None => {
                self.choices.push(ChoiceState {
                    index,
                    has_role: false,
                    calls: 0,
                    finish: None,
                    places: Places::default(),
                    told: Told::default(),
                });
                self.choices.len() - 1
            }
        };
        let Some(state) = self.choices.get_mut(position) else {
            return Ok(());
        };
        let mut writer = Writer {
            frame: &self.frame,
            request_id: &self.request_id,
            state,
            logprobs: candidate
                .logprobs_result
                .as_ref()
                .and_then(candidate::logprobs),
        };
        let parts = candidate.content.as_ref().and_then(|c| c.parts.as_deref());
        for part in parts.unwrap_or_default() {
            writer.part(part, sink);
        }
        writer.grounding(candidate.grounding_metadata, sink);
        if let Some(reason) = candidate.finish_reason.as_deref() {
            if candidate::is_malformed(reason) && !sink.gate.is_open() {
                return Err(candidate::malformed(&self.provider, reason));
            }
            state.finish = Some(candidate::finish_reason(reason, state.calls > 0));
        }
        Ok(())
    }

    fn failure(&self, data: &[u8]) -> Failure {
        match error::read(data) {
            Some(error) => {
                let status = error.status.unwrap_or(502);
                Failure::of_provider(&self.provider, status, &error, None)
            }
            None => Failure::garbage(&self.provider, "a chunk of the stream is not readable"),
        }
    }
}

/// Writes one candidate's parts.
struct Writer<'s> {
    frame: &'s StreamFrame,
    request_id: &'s str,
    state: &'s mut ChoiceState,
    /// Of the chunk that is next.
    logprobs: Option<Box<RawValue>>,
}

impl Writer<'_> {
    fn part(&mut self, part: &AnswerPart<'_>, sink: &mut Sink<'_>) {
        if let Some(call) = &part.function_call {
            return self.call(call, part.thought_signature, sink);
        }
        let mut delta = Delta::default();
        if let Some(text) = part.text.filter(|text| candidate::has_text(text)) {
            let text = Some(Text::Raw(text));
            if part.thought == Some(true) {
                delta.reasoning_content = text;
            } else {
                delta.content = text;
                part.text
                    .into_iter()
                    .for_each(|raw| self.state.places.add(raw));
            }
        }
        if let Some(blob) = &part.inline_data {
            let url = format!("data:{};base64,{}", blob.mime_type, blob.data);
            delta.rest.set("images", &[Picture::new(&url)]);
        }
        if let Some(signature) = part.thought_signature {
            let extra = ExtraContent::signed(Text::Raw(signature));
            delta.rest.set("extra_content", &extra);
        }
        if delta.is_meaningful() || delta.rest.names().next().is_some() {
            self.emit(delta, None, sink);
        }
    }

    fn grounding(&mut self, raw: Option<&RawValue>, sink: &mut Sink<'_>) {
        let Some(fields) = ProviderFields::grounded(raw) else {
            return;
        };
        let mut delta = Delta::default();
        let annotations = grounding::annotations(raw, &self.state.places);
        if !annotations.is_empty() {
            let annotations = self.state.told.annotations(annotations);
            delta.rest.set("annotations", &annotations);
        }
        delta.rest.set("provider_specific_fields", &fields);
        self.emit(delta, None, sink);
    }

    fn call(&mut self, call: &AnswerCall<'_>, signature: Option<&RawValue>, sink: &mut Sink<'_>) {
        let position = self.state.calls;
        self.state.calls += 1;
        let id = candidate::call_id(self.request_id, call, self.state.index, position);
        let arguments = candidate::arguments(call);
        let call = ToolCallDelta {
            index: position as u64,
            id: Some(Text::Plain(&id)),
            r#type: Some("function"),
            function: FunctionDelta {
                name: Some(candidate::name(call)),
                arguments: Some(Text::Plain(&arguments)),
            },
            extra_content: signature.map(|raw| ExtraContent::signed(Text::Raw(raw))),
        };
        let delta = Delta {
            tool_calls: Some(ToolCalls::One([call])),
            ..Delta::default()
        };
        self.emit(delta, None, sink);
    }

    /// Writes one chunk; the first one of all has the role.
    fn emit(&mut self, mut delta: Delta<'_>, finish: Option<&str>, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.state.has_role, true) {
            delta.role = Some(Text::Plain("assistant"));
        }
        let drawn = delta.rest.get("images").is_some();
        let mut choice = Choice {
            index: Some(self.state.index),
            delta: Some(delta),
            finish_reason: finish.map(Text::Plain),
            ..Choice::default()
        };
        if let Some(logprobs) = self.logprobs.take() {
            choice.rest.set("logprobs", &logprobs);
        }
        let meaningful = drawn || choice.is_meaningful();
        if meaningful {
            sink.meter.output(choice.len());
        }
        sink.event(meaningful, None, &self.frame.chunk(&[choice]));
    }
}

impl EventTranslator for AnswerStream {
    fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_>) -> Result<Flow, Failure> {
        let answer: GenerateAnswer<'_> =
            json::parse(&event.data).map_err(|_| self.failure(&event.data))?;
        if answer.error.is_some_and(|raw| raw.get() != "null") {
            return Err(self.failure(&event.data));
        }
        self.answer(&answer, sink)?;
        Ok(Flow::Continue)
    }

    fn end(&mut self, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let finished = self.choices.iter().all(|state| state.finish.is_some());
        if self.choices.is_empty() || !finished {
            return Err(Failure::garbage(
                &self.provider,
                "the stream ended before the answer did",
            ));
        }
        for state in &mut self.choices {
            let finish = state.finish;
            let mut writer = Writer {
                frame: &self.frame,
                request_id: &self.request_id,
                state,
                logprobs: None,
            };
            writer.emit(Delta::default(), finish, sink);
        }
        if self.include_usage {
            let usage = UsageOut::new(&sink.meter.usage());
            sink.event(false, None, &self.frame.usage(&usage));
        }
        sink.plain(b"[DONE]");
        Ok(())
    }
}
