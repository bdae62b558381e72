//! Event streams of other endpoints (Responses, images, speech, transcriptions): the events are
//! passed on, the model and the usage are looked at.

use dragoman_proto::{ApiError, Operation, Usage};

use super::{error, schema::ResponseEvent};
use crate::{
    client::failure_event,
    failure::Failure,
    framing::Event,
    hub::read_usage,
    json::{self, Object},
    request::ResponseContext,
    sink::{EventTranslator, Flow, Sink},
};

/// The state of an event stream.
#[derive(Debug)]
pub(super) struct EventStream {
    /// Whether an event has said that the answer, or one image of it, is whole.
    whole: bool,
    context: ResponseContext,
    /// The response's id, once it is known.
    id: Option<String>,
    /// The number of the next event.
    sequence: u64,
}

impl EventStream {
    pub(super) fn new(context: &ResponseContext) -> Self {
        Self {
            whole: false,
            context: context.clone(),
            id: None,
            sequence: 0,
        }
    }

    fn failure(&self, event: &ResponseEvent<'_>, data: &[u8]) -> Failure {
        let nested = event
            .response
            .and_then(|raw| Object::parse(raw.get().as_bytes()).ok());
        let error = event
            .error
            .map(error::object)
            .or_else(|| nested.as_ref()?.some("error").map(error::object))
            .or_else(|| error::read(data))
            .unwrap_or_default();
        Failure::of_provider(
            &self.context.provider,
            error.status.unwrap_or(502),
            &error,
            None,
        )
    }

    /// What a model speaks is sound, whether or not the usage says so.
    const fn in_its_medium(&self, usage: Usage) -> Usage {
        match self.context.operation {
            Operation::AudioSpeech => Usage {
                audio_output_tokens: usage.output_tokens,
                ..usage
            },
            _ => usage,
        }
    }

    /// Replaces the model in the event's `response`.
    fn rename(&self, data: &[u8], sink: &mut Sink<'_>, name: Option<&str>, meaningful: bool) {
        let Ok(mut object) = Object::parse(data) else {
            return;
        };
        let inner = object
            .some("response")
            .and_then(|raw| Object::parse(raw.get().as_bytes()).ok());
        if let Some(mut inner) = inner
            && inner.get("model").is_some()
        {
            inner.set("model", &self.context.alias);
            let text = inner.to_bytes(data.len());
            if let Ok(raw) = serde_json::from_slice::<&serde_json::value::RawValue>(&text) {
                let raw = raw.to_owned();
                object.set("response", &raw);
            }
        }
        sink.event(meaningful, name, &object);
    }
}

impl EventTranslator for EventStream {
    fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_>) -> Result<Flow, Failure> {
        let data = event.data.trim_ascii();
        if data == b"[DONE]" {
            self.end(sink)?;
            sink.plain(data);
            return Ok(Flow::Done);
        }
        let Ok(parsed) = serde_json::from_slice::<ResponseEvent<'_>>(data) else {
            return Err(Failure::unreadable_event(&self.context.provider));
        };
        let kind = parsed.r#type.and_then(json::string).unwrap_or_default();
        let has_error = parsed.error.is_some_and(|raw| raw.get() != "null");
        if has_error || matches!(&*kind, "error" | "response.failed") {
            return Err(self.failure(&parsed, data));
        }
        let meaningful = !matches!(
            &*kind,
            "response.created" | "response.queued" | "response.in_progress"
        );
        sink.meter
            .output(parsed.delta.map_or(0, |raw| json::inner(raw).len()));
        let nested = parsed
            .response
            .and_then(|raw| Object::parse(raw.get().as_bytes()).ok());
        if self.id.is_none() {
            let id = nested.as_ref().and_then(|response| response.some("id"));
            self.id = id.and_then(|raw| json::Text::Raw(raw).identifier());
        }
        let number = parsed.sequence_number.map(json::Text::Raw);
        if let Some(number) = number.as_ref().and_then(json::Text::number) {
            self.sequence = number.saturating_add(1);
        }
        let usage = parsed
            .usage
            .or_else(|| nested.as_ref()?.some("usage"))
            .and_then(read_usage);
        if let Some(usage) = usage {
            sink.meter.counted(self.in_its_medium(usage));
        }
        if matches!(
            &*kind,
            "image_generation.completed" | "image_edit.completed"
        ) {
            sink.meter
                .units(|usage| usage.images = usage.images.saturating_add(1));
        }
        let name = event.name.and_then(|name| std::str::from_utf8(name).ok());
        self.rename(data, sink, name, meaningful);
        let last = matches!(&*kind, "response.completed" | "response.incomplete");
        self.whole |= last || kind.ends_with(".done") || kind.ends_with(".completed");
        Ok(if last { Flow::Done } else { Flow::Continue })
    }

    fn failed(&mut self, error: &ApiError, out: &mut Vec<u8>) -> bool {
        if self.context.operation != Operation::Responses {
            return false;
        }
        failure_event(&self.context, self.id.as_deref(), self.sequence, error, out);
        true
    }

    fn end(&mut self, _: &mut Sink<'_>) -> Result<(), Failure> {
        if !self.whole || self.context.operation == Operation::Responses {
            return Err(Failure::cut_short(&self.context.provider));
        }
        Ok(())
    }
}
