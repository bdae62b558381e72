//! Messages from a client that speaks Anthropic's API itself: passed through, with the model
//! replaced and the usage read.

use dragoman_proto::{ApiError, Operation};
use serde_json::value::RawValue;

use super::{
    error, headers, path,
    schema::{StreamEvent, UsageIn},
    stream::failure,
};
use crate::{
    edge,
    failure::Failure,
    framing::Event,
    hub::prepare,
    json::Object,
    meter::Meter,
    request::{Call, ResponseContext, Translated},
    sink::{EventTranslator, Flow, Sink},
};

/// The client's request for this deployment.
pub(super) fn request(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = Object::parse(call.body).map_err(|error| edge::invalid_json(&error))?;
    let unsupported = prepare(&mut request, call.config);
    request.set("model", &call.config.model);
    if call.admission.operation == Operation::Messages
        && let Some(cap) = call.admission.output_cap
        && request
            .read::<u64>("max_tokens")
            .is_none_or(|wanted| wanted > cap)
    {
        request.set("max_tokens", &cap);
    }
    Ok(Translated {
        path: path(call),
        headers: headers(call),
        body: Some(request.to_bytes(call.body.len() + 64)),
        dropped: unsupported.finish()?,
        response: call.context(),
    })
}

/// The client's answer.
pub(super) fn answer(
    context: &ResponseContext,
    body: &[u8],
    meter: &mut Meter,
) -> Result<Vec<u8>, Failure> {
    let provider = &context.provider;
    let mut answer = Object::parse(body)
        .map_err(|_| Failure::garbage(provider, "the answer is not a JSON object"))?;
    if context.operation == Operation::CountTokens {
        return match answer.some("input_tokens") {
            Some(_) => Ok(body.to_vec()),
            None => Err(Failure::garbage(
                provider,
                "the answer has no `input_tokens`",
            )),
        };
    }
    if answer.some("content").is_none() {
        return Err(match error::read(body) {
            Some(_) => failure(provider, body),
            None => Failure::garbage(provider, "the answer is not a message"),
        });
    }
    if let Some(usage) = answer.read::<UsageIn>("usage") {
        meter.counted(usage.onto(&meter.known()));
    } else {
        meter.output(body.len());
    }
    answer.set("model", &context.alias);
    Ok(answer.to_bytes(body.len() + 64))
}

/// The state of a stream that is passed through.
#[derive(Debug)]
pub(super) struct NativeStream {
    provider: String,
    alias: String,
}

impl NativeStream {
    pub(super) fn new(context: &ResponseContext) -> Self {
        Self {
            provider: context.provider.clone(),
            alias: context.alias.clone(),
        }
    }

    /// The event with our name for the model.
    fn rename<'a>(&self, data: &'a [u8]) -> Option<Object<'a>> {
        let mut object = Object::parse(data).ok()?;
        let raw = object.some("message")?.get().to_owned();
        let mut message = Object::parse(raw.as_bytes()).ok()?;
        message.set("model", &self.alias);
        object.set("message", &message);
        Some(object)
    }
}

impl EventTranslator for NativeStream {
    fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_>) -> Result<Flow, Failure> {
        let unreadable =
            || Failure::garbage(&self.provider, "an event of the stream is not readable");
        let parsed: StreamEvent<'_> =
            serde_json::from_slice(&event.data).map_err(|_| unreadable())?;
        let kind = &*parsed.r#type;
        if kind == "error" {
            return Err(failure(&self.provider, &event.data));
        }
        if let Some(usage) = parsed.message.as_ref().and_then(|message| message.usage) {
            sink.meter.input(usage.onto(&sink.meter.known()));
        }
        if let Some(usage) = parsed.usage {
            sink.meter.counted(usage.onto(&sink.meter.known()));
        }
        if let Some(delta) = &parsed.delta {
            let text = delta.text.or(delta.partial_json).or(delta.thinking);
            sink.meter
                .output(text.map_or(0, |raw| crate::json::inner(raw).len()));
        }
        let meaningful = matches!(
            kind,
            "content_block_delta" | "message_delta" | "message_stop"
        );
        if kind == "message_start"
            && let Some(object) = self.rename(&event.data)
        {
            sink.event(meaningful, Some(kind), &object);
        } else {
            let raw: &RawValue = serde_json::from_slice(&event.data).map_err(|_| unreadable())?;
            sink.event(meaningful, Some(kind), raw);
        }
        Ok(if kind == "message_stop" {
            Flow::Done
        } else {
            Flow::Continue
        })
    }

    fn end(&mut self, _: &mut Sink<'_>) -> Result<(), Failure> {
        Err(Failure::garbage(
            &self.provider,
            "the stream ended before the answer did",
        ))
    }
}
