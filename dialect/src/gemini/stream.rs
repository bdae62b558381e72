//! Gemini's event stream as chat chunks. Each event is an answer of its own with the next parts; the
//! finish is written when the stream ends, because more may follow a candidate's.

use serde_json::value::RawValue;

use super::{
    candidate, error,
    grounding::{self, Places},
    schema::{AnswerCall, AnswerPart, Candidate, GenerateAnswer},
};
use crate::{
    failure::Failure,
    framing::Event,
    hub::{
        ChatWriter, Delta, ExtraContent, FunctionDelta, Picture, ProviderFields, ToolCallDelta,
        UsageOut,
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
    context: ResponseContext,
    choices: Vec<ChoiceState>,
}

#[derive(Debug)]
struct ChoiceState {
    index: u64,
    writer: ChatWriter,
    /// Why it ended.
    finish: Option<&'static str>,
    /// Of the text so far.
    places: Places,
}

impl AnswerStream {
    pub(super) fn new(context: &ResponseContext) -> Self {
        Self {
            context: context.clone(),
            choices: Vec::new(),
        }
    }

    fn answer(&mut self, answer: &GenerateAnswer<'_>, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let candidates = answer.candidates.as_deref().unwrap_or_default();
        let feedback = answer.prompt_feedback.as_ref();
        if let Some(blocked) = feedback.and_then(|f| candidate::blocked(&self.context.provider, f))
        {
            return Err(blocked);
        }
        if candidates.is_empty() && answer.usage_metadata.is_none() && feedback.is_none() {
            return Err(Failure::garbage(
                &self.context.provider,
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
                    writer: ChatWriter::of_choice(&self.context, index),
                    finish: None,
                    places: Places::default(),
                });
                self.choices.len() - 1
            }
        };
        let Some(state) = self.choices.get_mut(position) else {
            return Ok(());
        };
        let logprobs = candidate.logprobs_result.as_ref();
        state
            .writer
            .next_logprobs(logprobs.and_then(candidate::logprobs));
        let mut writer = Writer {
            request_id: &self.context.request_id,
            state,
        };
        let parts = candidate.content.as_ref().and_then(|c| c.parts.as_deref());
        for part in parts.unwrap_or_default() {
            writer.part(part, sink);
        }
        writer.grounding(candidate.grounding_metadata, sink);
        if let Some(reason) = candidate.finish_reason.as_deref() {
            if candidate::is_malformed(reason) && !sink.gate.is_open() {
                return Err(candidate::malformed(&self.context.provider, reason));
            }
            state.finish = Some(candidate::finish_reason(reason, state.writer.calls() > 0));
        }
        Ok(())
    }

    fn failure(&self, data: &[u8]) -> Failure {
        match error::read(data) {
            Some(error) => {
                let status = error.status.unwrap_or(502);
                Failure::of_provider(&self.context.provider, status, &error, None)
            }
            None => Failure::garbage(
                &self.context.provider,
                "a chunk of the stream is not readable",
            ),
        }
    }
}

/// Writes one candidate's parts.
struct Writer<'s> {
    request_id: &'s str,
    state: &'s mut ChoiceState,
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
            self.state.writer.write(delta, sink);
        }
    }

    fn grounding(&mut self, raw: Option<&RawValue>, sink: &mut Sink<'_>) {
        let Some(fields) = ProviderFields::grounded(raw) else {
            return;
        };
        let mut delta = Delta::default();
        let annotations = grounding::annotations(raw, &self.state.places);
        self.state.writer.told().annotate(&mut delta, annotations);
        delta.rest.set("provider_specific_fields", &fields);
        self.state.writer.write(delta, sink);
    }

    fn call(&mut self, call: &AnswerCall<'_>, signature: Option<&RawValue>, sink: &mut Sink<'_>) {
        let position = self.state.writer.calls();
        let id = candidate::call_id(self.request_id, call, self.state.index, position);
        let arguments = candidate::arguments(call);
        let call = ToolCallDelta {
            id: Some(Text::Plain(&id)),
            function: FunctionDelta {
                name: Some(candidate::name(call)),
                arguments: Some(Text::Plain(&arguments)),
            },
            extra_content: signature.map(|raw| ExtraContent::signed(Text::Raw(raw))),
            ..ToolCallDelta::default()
        };
        self.state.writer.start_call(call, sink);
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
            return Err(Failure::cut_short(&self.context.provider));
        }
        for state in &mut self.choices {
            state.writer.finish(state.finish.unwrap_or("stop"), sink);
        }
        if let Some(last) = self.choices.last() {
            last.writer.done(UsageOut::new, sink);
        }
        Ok(())
    }
}
