//! Reading `POST /v1/messages` as strictly as Anthropic does.

use serde_json::Value;

use super::super::{
    check::{Checked, Invalid, Object},
    thinking::{REDACTED, is_signed},
    turn::{Asked, Choice, PER_IMAGE, PER_MESSAGE, PER_TOOL, Tool, count},
};

/// How the answer is wanted.
pub(super) struct Wanted {
    pub(super) model: String,
    pub(super) stream: bool,
}

pub(super) fn read(json: &Value, counting: bool) -> Checked<(Asked, Wanted)> {
    let mut body = Object::new("", json, false)?;
    let model = body.need_text("model")?.to_owned();
    if model.is_empty() {
        return Err(body.wrong("model", "String should have at least 1 character"));
    }
    let max_tokens = body.integer("max_tokens", 1..=1_000_000)?;
    if max_tokens.is_none() && !counting {
        return Err(body.missing("max_tokens"));
    }
    let mut asked = Asked {
        max_tokens: max_tokens.and_then(|max| u64::try_from(max).ok()),
        ..Asked::default()
    };
    system(&mut body, &mut asked)?;
    messages(&mut body, &mut asked)?;
    tools(&mut body, &mut asked)?;
    asked.stop = stop_sequences(&mut body)?;
    let temperature = body.number("temperature", 0.0..=1.0)?;
    body.number("top_p", 0.0..=1.0)?;
    body.integer("top_k", 0..=i64::MAX)?;
    asked.reasoning = thinking(&mut body, max_tokens, temperature)?;
    if let Some(mut metadata) = body.object("metadata")? {
        metadata.text("user_id")?;
        metadata.finish()?;
    }
    body.one_of("service_tier", &["auto", "standard_only"])?;
    body.skip(&[
        "container",
        "context_management",
        "output_config",
        "cache_control",
    ]);
    body.skip(&["inference_geo", "speed"]);
    let stream = body.flag("stream")?.unwrap_or(false);
    body.finish()?;
    Ok((asked, Wanted { model, stream }))
}

fn system(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    match body.any("system") {
        None => {}
        Some(Value::String(text)) => asked.input_tokens += count(text),
        Some(_) => {
            let blocks = body.list("system")?.into_iter().flatten();
            for (index, block) in blocks.enumerate() {
                let mut block = Object::new(&format!("system.{index}"), block, false)?;
                block
                    .one_of("type", &["text"])?
                    .ok_or_else(|| block.missing("type"))?;
                asked.input_tokens += count(non_empty(&mut block)?);
                block.skip(&["cache_control", "citations"]);
                block.finish()?;
            }
        }
    }
    Ok(())
}

fn non_empty<'a>(block: &mut Object<'a>) -> Checked<&'a str> {
    let text = block.need_text("text")?;
    if text.is_empty() {
        return Err(block.wrong("text", "text content blocks must be non-empty"));
    }
    Ok(text)
}

fn stop_sequences(body: &mut Object<'_>) -> Checked<Vec<String>> {
    body.list("stop_sequences")?;
    let sequences = body.texts("stop_sequences", 8191)?;
    if sequences.iter().any(|sequence| sequence.trim().is_empty()) {
        let message = "each stop sequence must contain non-whitespace";
        return Err(body.wrong("stop_sequences", message));
    }
    Ok(sequences)
}

fn thinking(
    body: &mut Object<'_>,
    max_tokens: Option<i64>,
    temperature: Option<f64>,
) -> Checked<bool> {
    let Some(mut thinking) = body.object("thinking")? else {
        return Ok(false);
    };
    let kind = thinking
        .one_of("type", &["enabled", "disabled", "adaptive"])?
        .ok_or_else(|| thinking.missing("type"))?;
    if kind == "enabled" {
        let budget = thinking
            .integer("budget_tokens", 1024..=1_000_000)?
            .ok_or_else(|| thinking.missing("budget_tokens"))?;
        if max_tokens.is_some_and(|max| max <= budget) {
            let message = "`max_tokens` must be greater than `thinking.budget_tokens`";
            return Err(body.wrong("max_tokens", message));
        }
        if temperature.is_some_and(|t| t < 1.0) {
            let message = "`temperature` may only be set to 1 when thinking is enabled";
            return Err(body.wrong("temperature", message));
        }
    }
    thinking.skip(&["display"]);
    thinking.finish()?;
    Ok(kind != "disabled")
}

fn tools(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    for (index, tool) in body.list("tools")?.into_iter().flatten().enumerate() {
        let mut tool = Object::new(&format!("tools.{index}"), tool, false)?;
        tool.one_of("type", &["custom"])?;
        let name = tool.need_text("name")?;
        if name.is_empty() || name.len() > 128 {
            let message = "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'";
            return Err(tool.wrong("name", message));
        }
        tool.text("description")?;
        let mut schema = tool
            .object("input_schema")?
            .ok_or_else(|| tool.missing("input_schema"))?;
        if schema.text("type")? != Some("object") {
            return Err(schema.wrong("type", "Input should be 'object'"));
        }
        asked.tools.push(Tool {
            name: name.to_owned(),
            schema: tool.any("input_schema").cloned().unwrap_or_default(),
        });
        tool.skip(&["cache_control", "strict"]);
        tool.finish()?;
        asked.input_tokens += PER_TOOL;
    }
    tool_choice(body, asked)
}

fn tool_choice(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    let Some(mut choice) = body.object("tool_choice")? else {
        return Ok(());
    };
    let kind = choice
        .one_of("type", &["auto", "any", "tool", "none"])?
        .ok_or_else(|| choice.missing("type"))?;
    if asked.tools.is_empty() {
        let message = "tool_choice may only be specified while providing tools";
        return Err(body.wrong("tool_choice", message));
    }
    asked.choice = match kind {
        "auto" => Choice::Auto,
        "any" => Choice::Any,
        "none" => Choice::None,
        _ => Choice::Named(choice.need_text("name")?.to_owned()),
    };
    if let Choice::Named(name) = &asked.choice
        && !asked.tools.iter().any(|tool| tool.name == *name)
    {
        return Err(choice.wrong("name", format!("Tool '{name}' not found in provided tools")));
    }
    if kind != "none" {
        asked.single_call = choice.flag("disable_parallel_tool_use")?.unwrap_or(false);
    }
    choice.finish()
}

fn messages(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    let messages = body
        .list("messages")?
        .ok_or_else(|| body.missing("messages"))?;
    if messages.is_empty() {
        return Err(body.wrong("messages", "at least one message is required"));
    }
    let mut last_role = "";
    let mut pending: Vec<String> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let path = format!("messages.{index}");
        let mut message = Object::new(&path, message, false)?;
        let role = message
            .one_of("role", &["user", "assistant"])?
            .ok_or_else(|| message.missing("role"))?;
        if role == last_role {
            let text = format!(
                "roles must alternate between \"user\" and \"assistant\", but found multiple \
                 \"{role}\" roles in a row"
            );
            return Err(Invalid::value("messages", text));
        }
        last_role = role;
        let content = Content::read(&mut message, role, &pending)?;
        message.finish()?;
        unanswered(&path, &pending, &content.results)?;
        pending = content.calls;
        asked.input_tokens += content.tokens + PER_MESSAGE;
        if role == "user" {
            asked.results = content.results.into_iter().map(|(_, text)| text).collect();
            // A message of results alone asks nothing new.
            if !content.said.is_empty() || asked.results.is_empty() {
                asked.said = content.said;
            }
        }
    }
    unanswered("messages", &pending, &[])
}

fn unanswered(path: &str, pending: &[String], results: &[(String, String)]) -> Checked<()> {
    let missing: Vec<&str> = pending
        .iter()
        .filter(|id| !results.iter().any(|(result, _)| result == *id))
        .map(String::as_str)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Invalid::value(
        path,
        format!(
            "`tool_use` ids were found without `tool_result` blocks immediately after: {}. Each \
             `tool_use` block must have a corresponding `tool_result` block in the next message.",
            missing.join(", ")
        ),
    ))
}

/// What is kept of one message.
#[derive(Default)]
struct Content {
    said: String,
    /// Ids and texts.
    results: Vec<(String, String)>,
    calls: Vec<String>,
    tokens: u64,
}

impl Content {
    fn read(message: &mut Object<'_>, role: &str, pending: &[String]) -> Checked<Self> {
        let mut content = Self::default();
        let value = message.need("content")?;
        if let Value::String(text) = value {
            if text.is_empty() {
                let text = "messages must have non-empty content";
                return Err(message.wrong("content", text));
            }
            content.tokens = count(text);
            content.said.clone_from(text);
            return Ok(content);
        }
        let blocks = message.list("content")?;
        if blocks.is_none_or(Vec::is_empty) {
            return Err(message.wrong("content", "messages must have non-empty content"));
        }
        for (index, block) in blocks.into_iter().flatten().enumerate() {
            let at = message.at(&format!("content.{index}"));
            let mut block = Object::new(&at, block, false)?;
            content.block(&mut block, role, pending)?;
            block.skip(&["cache_control"]);
            block.finish()?;
        }
        Ok(content)
    }

    fn block(&mut self, block: &mut Object<'_>, role: &str, pending: &[String]) -> Checked<()> {
        let kinds: &[&str] = match role {
            "user" => &["text", "image", "document", "tool_result"],
            _ => &["text", "tool_use", "thinking", "redacted_thinking"],
        };
        let kind = block
            .one_of("type", kinds)?
            .ok_or_else(|| block.missing("type"))?;
        match kind {
            "text" => {
                let text = non_empty(block)?;
                block.skip(&["citations"]);
                self.tokens += count(text);
                if !self.said.is_empty() {
                    self.said.push('\n');
                }
                self.said.push_str(text);
            }
            "image" => {
                self.tokens += PER_IMAGE;
                image_source(block)?;
            }
            "document" => {
                self.tokens += PER_IMAGE;
                block.skip(&["source", "title", "context", "citations"]);
            }
            "tool_result" => self.tool_result(block, pending)?,
            "tool_use" => {
                self.calls.push(block.need_text("id")?.to_owned());
                block.need_text("name")?;
                block
                    .object("input")?
                    .ok_or_else(|| block.missing("input"))?;
                let input = block
                    .any("input")
                    .map_or(0, |input| count(&input.to_string()));
                self.tokens += 1 + input;
            }
            "thinking" => {
                let thinking = block.need_text("thinking")?;
                self.tokens += count(thinking);
                if !is_signed(thinking, block.need_text("signature")?) {
                    return Err(block.wrong("signature", "Invalid `signature` in `thinking` block"));
                }
            }
            _ => {
                if block.need_text("data")? != REDACTED {
                    return Err(block.wrong("data", "Invalid `data` in `redacted_thinking` block"));
                }
            }
        }
        Ok(())
    }

    fn tool_result(&mut self, block: &mut Object<'_>, pending: &[String]) -> Checked<()> {
        let id = block.need_text("tool_use_id")?;
        if !pending.iter().any(|call| call == id) {
            return Err(block.wrong(
                "tool_use_id",
                format!(
                    "unexpected `tool_use_id` found in `tool_result` blocks: {id}. Each \
                     `tool_result` block must have a corresponding `tool_use` block in the \
                     previous message."
                ),
            ));
        }
        if !self.said.is_empty() {
            let text = "`tool_result` blocks must come first in the content";
            return Err(block.wrong("type", text));
        }
        block.flag("is_error")?;
        let text = match block.any("content") {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(_) => {
                let parts = block.list("content")?.into_iter().flatten();
                let mut texts = Vec::new();
                for (index, part) in parts.enumerate() {
                    let at = block.at(&format!("content.{index}"));
                    let mut part = Object::new(&at, part, false)?;
                    match part.one_of("type", &["text", "image", "document"])? {
                        Some("text") => texts.push(non_empty(&mut part)?.to_owned()),
                        Some("image") => image_source(&mut part)?,
                        _ => part.skip(&["source"]),
                    }
                    part.skip(&["cache_control"]);
                    part.finish()?;
                }
                texts.join("\n")
            }
        };
        self.tokens += count(&text);
        self.results.push((id.to_owned(), text));
        Ok(())
    }
}

fn image_source(block: &mut Object<'_>) -> Checked<()> {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let mut source = block
        .object("source")?
        .ok_or_else(|| block.missing("source"))?;
    match source.one_of("type", &["base64", "url"])? {
        Some("base64") => {
            let types = ["image/jpeg", "image/png", "image/gif", "image/webp"];
            source
                .one_of("media_type", &types)?
                .ok_or_else(|| source.missing("media_type"))?;
            if BASE64_STANDARD.decode(source.need_text("data")?).is_err() {
                return Err(source.wrong("data", "Invalid base64 data"));
            }
        }
        Some(_) => {
            if !source.need_text("url")?.starts_with("https://") {
                return Err(source.wrong("url", "Only HTTPS URLs are supported"));
            }
        }
        None => return Err(source.missing("type")),
    }
    source.finish()
}
