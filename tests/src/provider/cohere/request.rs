//! Reading `POST /v2/chat` as strictly as its reference says (<https://docs.cohere.com/reference/chat>).

use serde_json::Value;

use super::super::{
    check::{Checked, Object},
    turn::{Asked, Choice, PER_IMAGE, PER_MESSAGE, PER_TOOL, Tool, count},
};

/// How the answer is wanted.
pub(super) struct Wanted {
    pub(super) model: String,
    pub(super) stream: bool,
}

pub(super) fn read(json: &Value) -> Checked<(Asked, Wanted)> {
    let mut body = Object::new("", json, false)?;
    let model = body.need_text("model")?.to_owned();
    let mut asked = Asked::default();
    messages(&mut body, &mut asked)?;
    tools(&mut body, &mut asked)?;
    if let Some(mut format) = body.object("response_format")? {
        response_format(&mut format, &mut asked)?;
        format.finish()?;
    }
    if let Some(mut thinking) = body.object("thinking")? {
        let kind = thinking
            .one_of("type", &["enabled", "disabled"])?
            .ok_or_else(|| thinking.missing("type"))?;
        asked.reasoning = kind == "enabled";
        thinking.integer("token_budget", 1..=1_000_000)?;
        thinking.finish()?;
    }
    sampling(&mut body, &mut asked)?;
    let stream = body.flag("stream")?.unwrap_or(false);
    body.flag("logprobs")?;
    body.one_of("safety_mode", &["CONTEXTUAL", "STRICT", "OFF"])?;
    body.skip(&["documents", "citation_options", "priority"]);
    body.finish()?;
    Ok((asked, Wanted { model, stream }))
}

fn sampling(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    let limit = body.integer("max_tokens", 0..=1_000_000)?;
    asked.max_tokens = limit.and_then(|limit| u64::try_from(limit).ok());
    body.list("stop_sequences")?;
    asked.stop = body.texts("stop_sequences", 5)?;
    body.number("temperature", 0.0..=2.0)?;
    body.number("p", 0.01..=0.99)?;
    body.integer("k", 0..=500)?;
    body.integer("seed", 0..=i64::MAX)?;
    body.number("frequency_penalty", 0.0..=1.0)?;
    body.number("presence_penalty", 0.0..=1.0)?;
    Ok(())
}

fn response_format(format: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    let kind = format
        .one_of("type", &["text", "json_object"])?
        .ok_or_else(|| format.missing("type"))?;
    let schema = format.object("json_schema")?.is_some();
    let schema = schema.then(|| format.any("json_schema").cloned()).flatten();
    asked.json = (kind == "json_object").then(|| schema.unwrap_or_default());
    Ok(())
}

fn tools(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    for (index, tool) in body.list("tools")?.into_iter().flatten().enumerate() {
        let mut tool = Object::new(&format!("tools[{index}]"), tool, false)?;
        tool.one_of("type", &["function"])?
            .ok_or_else(|| tool.missing("type"))?;
        let mut function = tool
            .object("function")?
            .ok_or_else(|| tool.missing("function"))?;
        let name = function.need_text("name")?.to_owned();
        function
            .object("parameters")?
            .ok_or_else(|| function.missing("parameters"))?;
        let schema = function.any("parameters").cloned().unwrap_or_default();
        function.text("description")?;
        function.finish()?;
        tool.finish()?;
        asked.tools.push(Tool { name, schema });
        asked.input_tokens += PER_TOOL;
    }
    asked.choice = match body.one_of("tool_choice", &["REQUIRED", "NONE"])? {
        Some("REQUIRED") => Choice::Any,
        Some(_) => Choice::None,
        None => Choice::Auto,
    };
    if asked.choice == Choice::Any && asked.tools.is_empty() {
        return Err(body.wrong("tool_choice", "REQUIRED needs at least one tool"));
    }
    if body.flag("strict_tools")? == Some(true) && asked.tools.is_empty() {
        return Err(body.wrong("strict_tools", "strict_tools needs at least one tool"));
    }
    Ok(())
}

fn messages(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    let messages = body
        .list("messages")?
        .ok_or_else(|| body.missing("messages"))?;
    if messages.is_empty() {
        return Err(body.wrong("messages", "at least one message is required"));
    }
    let mut pending: Vec<String> = Vec::new();
    for (index, message) in messages.iter().enumerate() {
        let mut message = Object::new(&format!("messages[{index}]"), message, false)?;
        let role = message
            .one_of("role", &["system", "user", "assistant", "tool"])?
            .ok_or_else(|| message.missing("role"))?;
        if role != "tool" && !pending.is_empty() {
            let text = format!("tool calls without results: {}", pending.join(", "));
            return Err(message.wrong("role", text));
        }
        let content = Content::read(&mut message, role)?;
        asked.input_tokens += content.tokens + PER_MESSAGE;
        match role {
            "user" => {
                asked.said = content.text;
                asked.results.clear();
            }
            "tool" => {
                let id = message.need_text("tool_call_id")?;
                let at = pending.iter().position(|call| call == id);
                let at = at.ok_or_else(|| message.wrong("tool_call_id", "no such tool call"))?;
                pending.remove(at);
                asked.results.push(content.text);
            }
            "assistant" => {
                asked.results.clear();
                message.text("tool_plan")?;
                message.skip(&["citations"]);
                pending = calls(&mut message)?;
                if content.is_absent && pending.is_empty() {
                    return Err(message.missing("content"));
                }
            }
            _ => {}
        }
        message.finish()?;
    }
    if !pending.is_empty() {
        return Err(body.wrong("messages", "the last tool calls have no results"));
    }
    Ok(())
}

/// The ids of a message's calls, whose arguments are JSON in a string.
fn calls(message: &mut Object<'_>) -> Checked<Vec<String>> {
    let mut ids = Vec::new();
    for (index, call) in message
        .list("tool_calls")?
        .into_iter()
        .flatten()
        .enumerate()
    {
        let mut call = Object::new(&message.at(&format!("tool_calls[{index}]")), call, false)?;
        ids.push(call.need_text("id")?.to_owned());
        call.one_of("type", &["function"])?
            .ok_or_else(|| call.missing("type"))?;
        let mut function = call
            .object("function")?
            .ok_or_else(|| call.missing("function"))?;
        function.need_text("name")?;
        let arguments = function.need_text("arguments")?;
        if serde_json::from_str::<serde_json::Map<String, Value>>(arguments).is_err() {
            return Err(function.wrong("arguments", "must be a JSON object"));
        }
        function.finish()?;
        call.finish()?;
    }
    Ok(ids)
}

/// What a message says.
#[derive(Default)]
struct Content {
    text: String,
    tokens: u64,
    is_absent: bool,
}

impl Content {
    /// A text, or blocks of which each role has its own.
    fn read(message: &mut Object<'_>, role: &str) -> Checked<Self> {
        let mut content = Self::default();
        match message.any("content") {
            None if role == "assistant" => content.is_absent = true,
            None => return Err(message.missing("content")),
            Some(Value::String(text)) => content.say(text),
            Some(Value::Array(blocks)) => {
                for (index, block) in blocks.iter().enumerate() {
                    let path = message.at(&format!("content[{index}]"));
                    content.block(Object::new(&path, block, false)?, role)?;
                }
            }
            Some(_) => return Err(message.wrong("content", "must be a string or an array")),
        }
        if content.tokens == 0 && content.text.is_empty() && !content.is_absent {
            return Err(message.wrong("content", "must be a non-empty string or array"));
        }
        Ok(content)
    }

    fn say(&mut self, text: &str) {
        self.text.push_str(text);
        self.tokens += count(text);
    }

    fn block(&mut self, mut block: Object<'_>, role: &str) -> Checked<()> {
        let kinds: &[&str] = match role {
            "user" => &["text", "image_url"],
            "assistant" => &["text", "thinking"],
            "tool" => &["text", "document"],
            _ => &["text"],
        };
        let kind = block
            .one_of("type", kinds)?
            .ok_or_else(|| block.missing("type"))?;
        match kind {
            "text" => self.say(block.need_text("text")?),
            "thinking" => self.tokens += count(block.need_text("thinking")?),
            "image_url" => self.image(&mut block)?,
            _ => {
                let document = block.need("document")?;
                if !document.is_object() {
                    return Err(block.wrong("document", "must be an object"));
                }
                self.say(&document.to_string());
            }
        }
        block.finish()
    }

    fn image(&mut self, block: &mut Object<'_>) -> Checked<()> {
        let mut image = block
            .object("image_url")?
            .ok_or_else(|| block.missing("image_url"))?;
        let url = image.need_text("url")?;
        if !url.starts_with("data:image/") && !url.starts_with("http") {
            return Err(image.wrong("url", "must be a URL or a base64 data URI"));
        }
        image.one_of("detail", &["auto", "low", "high"])?;
        self.tokens += PER_IMAGE;
        image.finish()
    }
}
