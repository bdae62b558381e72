//! What other providers' answers and clients leave in a conversation, and OpenAI refuses to hear of.
//!
//! A conversation may have begun with a model that thinks aloud, or be marked for another's cache. OpenAI,
//! Azure, Groq and Mistral refuse members of messages that they do not know, and ids of calls that are not
//! formed as theirs; the other imitators may know them (DeepSeek wants its reasoning back), and get all.

use dragoman_proto::{Dialect, UpstreamConfig};
use serde_json::value::{RawValue, to_raw_value};

use super::request::is_openai_s;
use crate::{
    hub::{self, Unsupported},
    json::{self, Object},
};

/// Members of a message that say what its author thought, and how that is proven.
const THOUGHTS: [&str; 4] = [
    "reasoning_content",
    "thinking_blocks",
    "provider_specific_fields",
    "extra_content",
];
const MARK: &str = "cache_control";

/// The ids that a provider takes.
#[derive(Debug, Clone, Copy)]
enum Ids {
    /// Up to forty characters.
    OpenAi,
    /// Nine letters and digits.
    Mistral,
    /// Any.
    Any,
}

/// Takes out of a chat request's messages and tools what its provider would refuse, and reports it.
pub(super) fn clean(
    request: &mut Object<'_>,
    config: &UpstreamConfig,
    unsupported: &mut Unsupported,
) {
    let Some(ids) = strictness(config) else {
        return;
    };
    let mut cleaning = Cleaning {
        ids,
        lost_thoughts: false,
        lost_marks: false,
    };
    let messages = request.some("messages");
    if let Some(messages) = messages.and_then(|raw| cleaning.messages(raw)) {
        request.set("messages", &messages);
    }
    if let Some(tools) = request.some("tools").and_then(|raw| cleaning.tools(raw)) {
        request.set("tools", &tools);
    }
    if cleaning.lost_thoughts {
        unsupported.leave_out("messages.reasoning_content");
    }
    if cleaning.lost_marks {
        unsupported.leave_out("messages.cache_control");
    }
}

/// Takes out of a Responses request's input the reasoning that this gateway told of other providers'
/// models: OpenAI looks for it among its own, and refuses the request.
pub(super) fn clean_input(request: &mut Object<'_>, unsupported: &mut Unsupported) {
    const REASONING: &str = r#""reasoning""#;
    let input = request.some("input").filter(|raw| is_list(raw));
    let Some(raw) = input.filter(|raw| raw.get().contains(REASONING)) else {
        return;
    };
    let Ok(mut items) = serde_json::from_str::<Vec<Box<RawValue>>>(raw.get()) else {
        return;
    };
    let before = items.len();
    items.retain(|raw| !Object::parse(raw.get().as_bytes()).is_ok_and(|item| is_told_here(&item)));
    if items.len() < before {
        request.set("input", &items);
        unsupported.leave_out("input.reasoning");
    }
}

/// Whether an item is reasoning that the writer of Responses told: its ids end in a number.
fn is_told_here(item: &Object<'_>) -> bool {
    let text = |name: &str| item.some(name).and_then(json::string);
    let id = text("id").unwrap_or_default();
    let is_numbered = id
        .strip_prefix("rs_")
        .is_some_and(|rest| rest.contains('_'));
    let proof = text("encrypted_content");
    text("type").as_deref() == Some("reasoning")
        && proof.map_or(is_numbered, |proof| proof.starts_with("dragoman-"))
}

/// How a provider that refuses what it does not know wants its ids; `None` for all others.
fn strictness(config: &UpstreamConfig) -> Option<Ids> {
    match (&config.dialect, config.provider.as_str()) {
        (Dialect::Azure, _) => Some(Ids::OpenAi),
        (Dialect::OpenAi, "openai") if is_openai_s(&config.model) => Some(Ids::OpenAi),
        (Dialect::OpenAi, "mistral") => Some(Ids::Mistral),
        (Dialect::OpenAi, "groq") => Some(Ids::Any),
        _ => None,
    }
}

struct Cleaning {
    ids: Ids,
    lost_thoughts: bool,
    lost_marks: bool,
}

type Raws = Vec<Box<RawValue>>;

impl Cleaning {
    /// The messages, where they have to be others.
    fn messages(&mut self, raw: &RawValue) -> Option<Raws> {
        let named = |name: &str| memchr::memmem::find(raw.get().as_bytes(), name.as_bytes());
        let suspicious = ["tool_call_id", MARK].iter().chain(&THOUGHTS);
        if !suspicious.copied().any(|name| named(name).is_some()) {
            return None;
        }
        let messages: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
        let cleaned = messages.into_iter().map(|raw| self.message(raw));
        cleaned.collect()
    }

    fn message(&mut self, raw: &RawValue) -> Option<Box<RawValue>> {
        let Ok(mut message) = Object::parse(raw.get().as_bytes()) else {
            return Some(raw.to_owned());
        };
        for name in THOUGHTS {
            self.lost_thoughts |= message.some(name).is_some();
            message.remove(name);
        }
        self.unmark(&mut message);
        let content = message.some("content").filter(|raw| is_list(raw));
        if let Some(parts) = content.and_then(|raw| self.list(raw, Self::unmark)) {
            message.set("content", &parts);
        }
        self.rename(&mut message, "tool_call_id");
        let calls = message.some("tool_calls").filter(|raw| is_list(raw));
        let call = |cleaning: &mut Self, call: &mut Object<'_>| {
            cleaning.rename(call, "id");
            call.remove("extra_content");
            call.remove("provider_specific_fields");
        };
        if let Some(calls) = calls.and_then(|raw| self.list(raw, call)) {
            message.set("tool_calls", &calls);
        }
        to_raw_value(&message).ok()
    }

    /// The tools, where they have to be others.
    fn tools(&mut self, raw: &RawValue) -> Option<Raws> {
        memchr::memmem::find(raw.get().as_bytes(), MARK.as_bytes())?;
        self.list(raw, |cleaning, tool| {
            cleaning.unmark(tool);
            let function = tool.some("function").map(RawValue::to_owned);
            let function = function
                .as_deref()
                .map(|raw| Object::parse(raw.get().as_bytes()));
            if let Some(Ok(mut function)) = function {
                cleaning.unmark(&mut function);
                tool.set("function", &function);
            }
        })
    }

    /// The objects of a list, each changed.
    fn list(
        &mut self,
        raw: &RawValue,
        mut change: impl FnMut(&mut Self, &mut Object<'_>),
    ) -> Option<Raws> {
        let entries: Vec<&RawValue> = serde_json::from_str(raw.get()).ok()?;
        let changed = entries.into_iter().map(|raw| {
            let Ok(mut entry) = Object::parse(raw.get().as_bytes()) else {
                return Some(raw.to_owned());
            };
            change(self, &mut entry);
            to_raw_value(&entry).ok()
        });
        changed.collect()
    }

    fn unmark(&mut self, object: &mut Object<'_>) {
        self.lost_marks |= object.some(MARK).is_some();
        object.remove(MARK);
    }

    /// Gives a call's id the form that its provider takes.
    fn rename(&self, object: &mut Object<'_>, member: &str) {
        const OPENAI_S: usize = 40;
        const MISTRAL_S: usize = 9;
        let Some(id) = object.some(member).and_then(json::string) else {
            return;
        };
        let fitting = match self.ids {
            Ids::OpenAi if id.len() > OPENAI_S => {
                hub::call_id(id.as_ref().into(), OPENAI_S, "_-").into_owned()
            }
            Ids::Mistral => hub::short_call_id(&id, MISTRAL_S).into_owned(),
            Ids::OpenAi | Ids::Any => return,
        };
        object.set(member, &fitting);
    }
}

fn is_list(raw: &RawValue) -> bool {
    raw.get().starts_with('[')
}
