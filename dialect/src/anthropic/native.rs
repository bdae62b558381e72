//! Messages from a client that speaks Anthropic's API itself: passed through, with the model
//! replaced and the usage read.

use dragoman_proto::{ApiError, Operation};
use serde_json::value::{RawValue, to_raw_value};

use super::{
    error, foreign_ids, headers, late_system, path,
    schema::{StreamEvent, UsageIn},
    stream::{failure, is_unknown},
    thinking,
};
use crate::{
    failure::Failure,
    framing::Event,
    hub::{self, Unsupported, prepare},
    json::{self, Object},
    meter::Meter,
    request::{Call, ResponseContext, Translated},
    sink::{EventTranslator, Flow, Sink},
};

/// A deployment's defaults that are the same in chat and in Messages.
const DEFAULTS: [&str; 6] = [
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "thinking",
    "service_tier",
];
/// The most betas, and the longest name of one.
const MAX_BETAS: usize = 64;
const MAX_BETA: usize = 128;
/// Betas that make a request dearer than its price says.
const DEAR: [&str; 2] = ["context-1m-", "fast-mode-"];

/// The client's request for this deployment.
pub(super) fn request(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = call.object()?;
    let given: Vec<String> = request.names().map(str::to_owned).collect();
    let mut unsupported = prepare(&mut request, call.config);
    // A deployment's defaults are chat's, of which not all have a place here.
    request.retain(|name| DEFAULTS.contains(&name) || given.iter().any(|known| known == name));
    request.set("model", &call.config.model);
    if let Some(messages) = without_unproven(&request) {
        request.set("messages", &messages);
        unsupported.leave_out("messages.thinking");
    }
    if let Some(messages) = without_foreign(&request) {
        request.set("messages", &messages);
        unsupported.leave_out("messages.citations");
    }
    if let Some(messages) = foreign_ids::fitted(&request) {
        request.set("messages", &messages);
    }
    late_system::fold(&mut request, &call.config.model);
    if let Some(cap) = call.admission.output_cap
        && call.admission.operation == Operation::Messages
    {
        limit(&mut request, cap, &mut unsupported);
    }
    let mut headers = headers(call);
    let betas = Betas::read(call.head.anthropic_beta.unwrap_or_default());
    if !betas.dear.is_empty() && request.remove("speed") {
        unsupported.leave_out("speed");
    }
    for beta in betas.dear {
        unsupported.leave_out(&format!("anthropic-beta.{beta}"));
    }
    if !betas.named.is_empty() {
        headers.push(("anthropic-beta", betas.named.join(",")));
    }
    Ok(Translated {
        path: path(call),
        headers,
        body: Some(request.to_bytes(call.body.len() + 64)),
        dropped: unsupported.finish()?,
        response: call.context(),
    })
}

/// Lowers `max_tokens` to `cap`, and with it the budget for thinking, which is a part of it.
fn limit(request: &mut Object<'_>, cap: u64, unsupported: &mut Unsupported) {
    let wanted = request.read::<u64>("max_tokens");
    if wanted.is_some_and(|wanted| wanted <= cap) {
        return;
    }
    request.set("max_tokens", &cap);
    let raw: Option<Box<RawValue>> = request.read("thinking");
    let raw = raw.as_deref().map(RawValue::get).unwrap_or_default();
    let mut thought = Object::parse(raw.as_bytes()).unwrap_or_default();
    let Some(budget) = thought.read::<u64>("budget_tokens").filter(|b| *b >= cap) else {
        return;
    };
    if let Some(budget) = thinking::budget(budget, cap) {
        thought.set("budget_tokens", &budget);
        request.set("thinking", &thought);
        return;
    }
    request.remove("thinking");
    unsupported.leave_out("thinking");
    // Where nobody thinks, no thinking can be cleared.
    let clears = |raw: &RawValue| raw.get().contains("\"clear_thinking");
    if request.some("context_management").is_some_and(clears) {
        request.remove("context_management");
        unsupported.leave_out("context_management");
    }
}

/// The client's betas.
#[derive(Debug, Default)]
struct Betas<'a> {
    /// Those that go on; what is no name of one is not among them.
    named: Vec<&'a str>,
    /// Those that make a request dearer than its price says.
    dear: Vec<&'a str>,
}

impl<'a> Betas<'a> {
    fn read(header: &'a str) -> Self {
        let is_name = |beta: &&str| {
            let mut bytes = beta.bytes();
            !beta.is_empty()
                && beta.len() <= MAX_BETA
                && bytes.all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        };
        let names = header.split(',').map(str::trim).filter(is_name);
        let (dear, named) = names
            .take(MAX_BETAS)
            .partition(|beta| DEAR.iter().any(|start| beta.starts_with(start)));
        Self { named, dear }
    }
}

/// The messages without thinking that has no signature: another provider thought it, and Anthropic
/// takes back only what it can prove to be its own. `None` when there is no such thinking.
fn without_unproven(request: &Object<'_>) -> Option<Box<RawValue>> {
    let raw = request.some("messages")?;
    if !raw.get().contains("\"thinking\"") {
        return None;
    }
    let mut messages: Vec<Object<'_>> = serde_json::from_str(raw.get()).ok()?;
    let mut found = false;
    messages.retain_mut(|message| {
        let Some(blocks) = proven(message) else {
            return true;
        };
        found = true;
        message.set("content", &blocks);
        blocks.get() != "[]"
    });
    found.then(|| to_raw_value(&messages).ok())?
}

/// The messages without citations that lack Anthropic's mark of the place: another provider cited.
/// A text that had no words but such citations goes with them, because Anthropic refuses it. `None`
/// when there are no such citations.
fn without_foreign(request: &Object<'_>) -> Option<Box<RawValue>> {
    let raw = request.some("messages")?;
    if !raw.get().contains("\"encrypted_index\"") {
        return None;
    }
    let mut messages: Vec<Object<'_>> = serde_json::from_str(raw.get()).ok()?;
    let mut found = false;
    messages.retain_mut(|message| {
        let Some(blocks) = own(message) else {
            return true;
        };
        found = true;
        message.set("content", &blocks);
        blocks.get() != "[]"
    });
    found.then(|| to_raw_value(&messages).ok())?
}

/// The content of a message without the citations of others; `None` when that is all of it.
fn own(message: &Object<'_>) -> Option<Box<RawValue>> {
    let is_foreign = |raw: &&RawValue| {
        let citation = Object::parse(raw.get().as_bytes());
        citation.is_ok_and(|c| c.read::<String>("encrypted_index").as_deref() == Some(""))
    };
    let mut blocks: Vec<Object<'_>> = serde_json::from_str(message.some("content")?.get()).ok()?;
    let mut changed = false;
    blocks.retain_mut(|block| {
        let cited = hub::citations::list(block.some("citations"));
        if !cited.iter().any(is_foreign) {
            return true;
        }
        changed = true;
        block.remove("citations");
        !block.some("text").is_some_and(json::is_blank)
    });
    changed.then(|| to_raw_value(&blocks).ok())?
}

/// The content of a message without unproven thinking; `None` when that is all of it.
fn proven(message: &Object<'_>) -> Option<Box<RawValue>> {
    let blocks: Vec<&RawValue> = serde_json::from_str(message.some("content")?.get()).ok()?;
    let is_proven = |raw: &&&RawValue| {
        Object::parse(raw.get().as_bytes()).is_ok_and(|block| {
            block.read::<String>("type").as_deref() != Some("thinking")
                || block
                    .some("signature")
                    .is_some_and(|raw| !json::inner(raw).is_empty())
        })
    };
    let kept: Vec<&&RawValue> = blocks.iter().filter(is_proven).collect();
    (kept.len() < blocks.len()).then(|| to_raw_value(&kept).ok())?
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
        let unreadable = || Failure::unreadable_event(&self.provider);
        let parsed: StreamEvent<'_> = match json::parse(&event.data) {
            Ok(parsed) => parsed,
            // New events may come any time, says the documentation, and look like anything.
            Err(_) if is_unknown(&event.data) => return Ok(Flow::Continue),
            Err(_) => {
                return Err(match error::read(&event.data) {
                    Some(_) => failure(&self.provider, &event.data),
                    None => unreadable(),
                });
            }
        };
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
                .output(text.map_or(0, |raw| json::inner(raw).len()));
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
        Err(Failure::cut_short(&self.provider))
    }
}
