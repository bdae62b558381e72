//! System messages in the middle of a conversation, for models that do not heed them.
//!
//! Few models take them: older ones refuse the request, and Sonnet 5 says nothing and passes over them
//! (<https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages>). A client
//! that asks for one of our aliases cannot know which model that is, and sends them. They become text of
//! the user's turn, as in chat; what they change of the tools is changed in `tools`.

use std::borrow::Cow;

use serde_json::value::{RawValue, to_raw_value};

use super::version;
use crate::json::Object;

/// In front of the text of such a message.
const LABEL: &str = "[System message]";

/// Turns the system messages in the middle of `request` into text of the user's turns, unless `model`
/// heeds them.
pub(super) fn fold(request: &mut Object<'_>, model: &str) {
    if heeds(model) {
        return;
    }
    let Some(folded) = Folded::of(request) else {
        return;
    };
    let Folded {
        messages,
        tools,
        output_config,
    } = folded;
    let changed = [
        ("messages", messages),
        ("tools", tools),
        ("output_config", output_config),
    ];
    for (name, value) in changed {
        if let Some(value) = value {
            request.set(name, &value);
        }
    }
}

/// Whether a model heeds system messages wherever they stand. Of names that are not Anthropic's nothing is
/// known, and the request is left as it is.
fn heeds(model: &str) -> bool {
    let is = |family: &str| model.contains(family);
    !is("claude")
        || is("fable")
        || is("mythos")
        || is("opus") && version(model).is_some_and(|version| version >= (4, 8))
}

/// What changes in a request.
struct Folded {
    messages: Option<Box<RawValue>>,
    tools: Option<Box<RawValue>>,
    output_config: Option<Box<RawValue>>,
}

impl Folded {
    /// `None` when there are no such messages.
    fn of(request: &Object<'_>) -> Option<Self> {
        let raw = request.some("messages")?;
        if !raw.get().contains("\"system\"") {
            return None;
        }
        let messages: Vec<Object<'_>> = serde_json::from_str(raw.get()).ok()?;
        let last_user = messages
            .iter()
            .rposition(|message| has_role(message, "user"));
        let mut fold = Fold::default();
        for (index, message) in messages.into_iter().enumerate() {
            let is_over = last_user.is_some_and(|last| index < last)
                && message.read::<String>("clear_at").as_deref() == Some("next_user_message");
            if !has_role(&message, "system") {
                fold.messages.push(message);
            } else if is_over {
                fold.found = true;
            } else {
                fold.system(&message);
            }
        }
        fold.found.then(|| Self {
            messages: to_raw_value(&fold.messages).ok(),
            tools: fold.tools(request),
            output_config: fold.output_config(request),
        })
    }
}

/// A conversation under way.
#[derive(Default)]
struct Fold<'a> {
    messages: Vec<Object<'a>>,
    found: bool,
    added: Vec<String>,
    removed: Vec<String>,
    defined: Vec<Box<RawValue>>,
    effort: Option<Box<RawValue>>,
}

impl Fold<'_> {
    fn system(&mut self, message: &Object<'_>) {
        self.found = true;
        let config: Option<Object<'_>> = object(message, "output_config");
        let effort = config.and_then(|config| config.some("effort").map(ToOwned::to_owned));
        self.effort = effort.or(self.effort.take());
        let mut told = Vec::new();
        for block in blocks(message) {
            told.extend(self.block(block));
        }
        if told.is_empty() {
            return;
        }
        told.splice(..0, text(LABEL));
        match self.messages.last_mut() {
            Some(last) if has_role(last, "user") => {
                let mut content = blocks(last);
                content.append(&mut told);
                last.set("content", &content);
            }
            _ => {
                let mut turn = Object::default();
                turn.set("role", "user");
                turn.set("content", &told);
                self.messages.push(turn);
            }
        }
    }

    /// What stands in the user's turn for a block; a change of the tools is noted.
    fn block(&mut self, raw: Box<RawValue>) -> Option<Box<RawValue>> {
        let block = Object::parse(raw.get().as_bytes()).ok()?;
        let kind: String = block.read("type").unwrap_or_default();
        let adds = kind == "tool_addition";
        if !adds && kind != "tool_removal" {
            return Some(raw);
        }
        let tool: Object<'_> = object(&block, "tool")?;
        let definition: Option<Object<'_>> = object(&tool, "definition");
        let name: String = definition.as_ref().unwrap_or(&tool).read("name")?;
        let now = if adds { "now" } else { "no longer" };
        let told = text(&format!("[tool {name} is {now} available]"));
        // The last word on a tool counts.
        self.added.retain(|added| *added != name);
        self.removed.retain(|removed| *removed != name);
        match tool.some("definition") {
            Some(definition) if adds => {
                self.removed.push(name);
                self.defined.push(definition.to_owned());
            }
            _ if adds => self.added.push(name),
            _ => self.removed.push(name),
        }
        told
    }

    /// The tools after all changes; `None` when there are none.
    fn tools(&self, request: &Object<'_>) -> Option<Box<RawValue>> {
        if self.added.is_empty() && self.removed.is_empty() {
            return None;
        }
        let mut tools: Vec<Object<'_>> = match request.some("tools") {
            Some(raw) => serde_json::from_str(raw.get()).ok()?,
            None => Vec::new(),
        };
        let named = |tool: &Object<'_>, names: &[String]| {
            let name: Option<String> = tool.read("name");
            name.is_some_and(|name| names.contains(&name))
        };
        tools.retain(|tool| !named(tool, &self.removed));
        for tool in tools.iter_mut().filter(|tool| named(tool, &self.added)) {
            tool.remove("defer_loading");
        }
        let defined = self.defined.iter();
        tools.extend(defined.filter_map(|raw| Object::parse(raw.get().as_bytes()).ok()));
        to_raw_value(&tools).ok()
    }

    /// The effort that holds in the end.
    fn output_config(&self, request: &Object<'_>) -> Option<Box<RawValue>> {
        let effort = self.effort.as_ref()?;
        let mut config: Object<'_> = object(request, "output_config").unwrap_or_default();
        config.set("effort", effort);
        to_raw_value(&config).ok()
    }
}

fn has_role(message: &Object<'_>, role: &str) -> bool {
    message.read::<Cow<'_, str>>("role").as_deref() == Some(role)
}

fn object<'a>(parent: &'a Object<'_>, name: &str) -> Option<Object<'a>> {
    serde_json::from_str(parent.some(name)?.get()).ok()
}

/// The blocks of a message's content; Anthropic takes none without text.
fn blocks(message: &Object<'_>) -> Vec<Box<RawValue>> {
    let Some(content) = message.some("content") else {
        return Vec::new();
    };
    match serde_json::from_str::<Cow<'_, str>>(content.get()) {
        Ok(plain) if plain.is_empty() => Vec::new(),
        Ok(plain) => text(&plain).into_iter().collect(),
        Err(_) => serde_json::from_str(content.get()).unwrap_or_default(),
    }
}

/// A block of text.
fn text(plain: &str) -> Option<Box<RawValue>> {
    let mut block = Object::default();
    block.set("type", "text");
    block.set("text", plain);
    to_raw_value(&block).ok()
}
