//! Reading `POST /api/chat` more strictly than Ollama does: it ignores what it does not know.

use serde_json::Value;

use super::super::{
    check::{Checked, Object},
    turn::{Asked, PER_IMAGE, PER_MESSAGE, PER_TOOL, Tool, count},
};

/// How the answer is wanted.
pub(super) struct Wanted {
    pub(super) model: String,
    pub(super) stream: bool,
    pub(super) think: bool,
}

pub(super) fn read(json: &Value) -> Checked<(Asked, Wanted)> {
    let mut body = Object::new("", json, false)?;
    let model = body.need_text("model")?.to_owned();
    let mut asked = Asked::default();
    messages(&mut body, &mut asked)?;
    tools(&mut body, &mut asked)?;
    options(&mut body, &mut asked)?;
    asked.json = match body.any("format") {
        None => None,
        Some(Value::String(word)) if word == "json" => Some(Value::Null),
        Some(schema) if schema.is_object() => Some(schema.clone()),
        Some(_) => {
            return Err(body.wrong("format", "invalid format: expected \"json\" or a schema"));
        }
    };
    let think = match body.any("think") {
        None => false,
        Some(Value::Bool(think)) => *think,
        Some(Value::String(level)) if ["low", "medium", "high"].contains(&level.as_str()) => true,
        Some(_) => return Err(body.wrong("think", "invalid think value")),
    };
    asked.reasoning = think;
    let stream = body.flag("stream")?.unwrap_or(true);
    body.skip(&["keep_alive"]);
    body.finish()?;
    let wanted = Wanted {
        model,
        stream,
        think,
    };
    Ok((asked, wanted))
}

fn options(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    let Some(mut options) = body.object("options")? else {
        return Ok(());
    };
    let limit = options.integer("num_predict", -2..=1_000_000)?;
    asked.max_tokens = limit.and_then(|limit| u64::try_from(limit).ok());
    options.list("stop")?;
    asked.stop = options.texts("stop", 64)?;
    options.number("temperature", 0.0..=2.0)?;
    options.number("top_p", 0.0..=1.0)?;
    options.integer("top_k", 0..=1000)?;
    options.integer("seed", i64::MIN..=i64::MAX)?;
    options.number("presence_penalty", -2.0..=2.0)?;
    options.number("frequency_penalty", -2.0..=2.0)?;
    options.integer("num_ctx", 1..=1_000_000)?;
    options.finish()
}

fn tools(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    for (index, tool) in body.list("tools")?.into_iter().flatten().enumerate() {
        let mut tool = Object::new(&format!("tools.{index}"), tool, false)?;
        tool.one_of("type", &["function"])?
            .ok_or_else(|| tool.missing("type"))?;
        let mut function = tool
            .object("function")?
            .ok_or_else(|| tool.missing("function"))?;
        asked.tools.push(Tool {
            name: function.need_text("name")?.to_owned(),
            schema: function.any("parameters").cloned().unwrap_or_default(),
        });
        function.text("description")?;
        function.skip(&["strict"]);
        function.finish()?;
        tool.finish()?;
        asked.input_tokens += PER_TOOL;
    }
    Ok(())
}

fn messages(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    let messages = body
        .list("messages")?
        .ok_or_else(|| body.missing("messages"))?;
    for (index, message) in messages.iter().enumerate() {
        let mut message = Object::new(&format!("messages.{index}"), message, false)?;
        let role = message
            .one_of("role", &["system", "user", "assistant", "tool"])?
            .ok_or_else(|| message.missing("role"))?;
        let content = message.need_text("content")?;
        message.text("thinking")?;
        let images = message.list("images")?.map_or(0, Vec::len) as u64;
        for image in message.texts("images", 16)? {
            if image.starts_with("data:") || image.contains("://") {
                return Err(message.wrong("images", "illegal base64 data at input byte 4"));
            }
        }
        calls(&mut message)?;
        match role {
            "user" => {
                content.clone_into(&mut asked.said);
                asked.results.clear();
            }
            "tool" => {
                message.need_text("tool_name")?;
                asked.results.push(content.to_owned());
            }
            _ => asked.results.clear(),
        }
        message.skip(&["tool_name", "tool_call_id"]);
        message.finish()?;
        asked.input_tokens += count(content) + PER_MESSAGE + images * PER_IMAGE;
    }
    Ok(())
}

/// The calls of a message: their arguments are objects.
fn calls(message: &mut Object<'_>) -> Checked<()> {
    let calls = message.list("tool_calls")?.into_iter().flatten();
    for (index, call) in calls.enumerate() {
        let mut call = Object::new(&message.at(&format!("tool_calls.{index}")), call, false)?;
        call.skip(&["id"]);
        let mut function = call
            .object("function")?
            .ok_or_else(|| call.missing("function"))?;
        function.need_text("name")?;
        function
            .object("arguments")?
            .ok_or_else(|| function.missing("arguments"))?;
        function.skip(&["index"]);
        function.finish()?;
        call.finish()?;
    }
    Ok(())
}
