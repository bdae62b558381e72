//! Reading Converse as strictly as AWS does.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::super::{
    check::{Checked, Object},
    thinking::{REDACTED, is_signed},
    turn::{Asked, Choice, PER_IMAGE, PER_MESSAGE, PER_TOOL, Tool, count},
};

/// Reads the body of a request to `model`.
pub(super) fn read(json: &Value, model: &str) -> Checked<Asked> {
    let mut body = Object::new("", json, false)?;
    let mut asked = Asked::default();
    system(&mut body, &mut asked)?;
    messages(&mut body, &mut asked)?;
    tool_config(&mut body, &mut asked)?;
    inference_config(&mut body, &mut asked)?;
    if let Some(mut output) = body.object("outputConfig")? {
        output_config(&mut output, &mut asked)?;
        output.finish()?;
    }
    if let Some(mut tier) = body.object("serviceTier")? {
        tier.one_of("type", &["priority", "default", "flex", "reserved"])?
            .ok_or_else(|| tier.missing("type"))?;
        tier.finish()?;
    }
    if let Some(mut performance) = body.object("performanceConfig")? {
        performance.one_of("latency", &["standard", "optimized"])?;
        performance.finish()?;
    }
    if let Some(mut guardrail) = body.object("guardrailConfig")? {
        guardrail.need_text("guardrailIdentifier")?;
        guardrail.need_text("guardrailVersion")?;
        guardrail.one_of("trace", &["enabled", "disabled", "enabled_full"])?;
        guardrail.one_of("streamProcessingMode", &["sync", "async"])?;
        guardrail.finish()?;
    }
    if let Some(fields) = body.object("additionalModelRequestFields")? {
        model_fields(fields, model, &mut asked)?;
    }
    body.object("requestMetadata")?;
    body.finish()?;
    Ok(asked)
}

fn system(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    for (index, block) in body.list("system")?.into_iter().flatten().enumerate() {
        let mut block = Object::new(&format!("system.{index}"), block, false)?;
        if let Some(text) = block.text("text")? {
            asked.input_tokens += words(&block, text)?;
        } else {
            cache_point(&mut block)?;
        }
        block.finish()?;
    }
    Ok(())
}

/// Words of a text, which must not be blank.
fn words(block: &Object<'_>, text: &str) -> Checked<u64> {
    if text.trim().is_empty() {
        let message = "The text field in the ContentBlock object is blank.";
        return Err(block.wrong("text", message));
    }
    Ok(count(text))
}

fn cache_point(block: &mut Object<'_>) -> Checked<()> {
    let mut point = block
        .object("cachePoint")?
        .ok_or_else(|| block.missing("text"))?;
    point
        .one_of("type", &["default"])?
        .ok_or_else(|| point.missing("type"))?;
    point.one_of("ttl", &["5m", "1h"])?;
    point.finish()
}

/// What is kept of one message.
#[derive(Default)]
struct Message {
    said: String,
    calls: Vec<String>,
    /// Ids and texts.
    results: Vec<(String, String)>,
    tokens: u64,
}

fn messages(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    let messages = body
        .list("messages")?
        .ok_or_else(|| body.missing("messages"))?;
    let mut pending: Vec<String> = Vec::new();
    let mut last = "assistant";
    let mut uses_tools = false;
    for (index, message) in messages.iter().enumerate() {
        let mut object = Object::new(&format!("messages.{index}"), message, false)?;
        let role = object
            .one_of("role", &["user", "assistant"])?
            .ok_or_else(|| object.missing("role"))?;
        if role == last {
            let message =
                "roles must alternate between \"user\" and \"assistant\", and begin with \"user\"";
            return Err(object.wrong("role", message));
        }
        last = role;
        let message = read_message(&mut object, role)?;
        object.finish()?;
        let mut answered: Vec<&str> = message.results.iter().map(|(id, _)| &**id).collect();
        answered.sort_unstable();
        pending.sort_unstable();
        if answered != pending {
            let message =
                "Expected toolResult blocks for exactly the toolUse blocks of the previous turn.";
            return Err(body.wrong("messages", message));
        }
        uses_tools |= !pending.is_empty() || !message.calls.is_empty();
        pending = message.calls;
        asked.input_tokens += message.tokens + PER_MESSAGE;
        if role == "user" {
            asked.results = message.results.into_iter().map(|(_, text)| text).collect();
            if !message.said.is_empty() || asked.results.is_empty() {
                asked.said = message.said;
            }
        }
    }
    if last != "user" {
        let message = "A conversation must end with a user message.";
        return Err(body.wrong("messages", message));
    }
    if uses_tools && body.any("toolConfig").is_none() {
        let message = "The toolConfig field must be defined when using toolUse and toolResult content blocks.";
        return Err(body.wrong("toolConfig", message));
    }
    Ok(())
}

fn read_message(object: &mut Object<'_>, role: &str) -> Checked<Message> {
    let content = object
        .list("content")?
        .ok_or_else(|| object.missing("content"))?;
    if content.is_empty() {
        return Err(object.wrong("content", "The content field is empty."));
    }
    let mut message = Message::default();
    for (at, block) in content.iter().enumerate() {
        let mut block = Object::new(&object.at(&format!("content.{at}")), block, false)?;
        message.block(&mut block, role)?;
        block.finish()?;
    }
    Ok(message)
}

impl Message {
    fn block(&mut self, block: &mut Object<'_>, role: &str) -> Checked<()> {
        if let Some(text) = block.text("text")? {
            self.tokens += words(block, text)?;
            if !self.said.is_empty() {
                self.said.push('\n');
            }
            self.said.push_str(text);
        } else if let Some(mut image) = block.object("image")? {
            let formats = ["png", "jpeg", "gif", "webp"];
            image
                .one_of("format", &formats)?
                .ok_or_else(|| image.missing("format"))?;
            self.tokens += bytes(&mut image)?;
        } else if let Some(mut document) = block.object("document")? {
            self.tokens += document_tokens(&mut document)?;
        } else if let Some(mut call) = block.object("toolUse")? {
            if role == "user" {
                return Err(block.wrong("toolUse", "is not for user messages"));
            }
            self.calls.push(id(&mut call)?);
            call.need_text("name")?;
            let input = call.need("input")?;
            self.tokens += 1 + count(&input.to_string());
            call.finish()?;
        } else if let Some(mut result) = block.object("toolResult")? {
            if role == "assistant" {
                return Err(block.wrong("toolResult", "is not for assistant messages"));
            }
            self.result(&mut result)?;
            result.finish()?;
        } else if let Some(reasoning) = block.object("reasoningContent")? {
            thought(reasoning)?;
        } else {
            cache_point(block)?;
        }
        Ok(())
    }

    fn result(&mut self, result: &mut Object<'_>) -> Checked<()> {
        let id = id(result)?;
        let content = result
            .list("content")?
            .ok_or_else(|| result.missing("content"))?;
        let mut text = String::new();
        for (at, block) in content.iter().enumerate() {
            let mut block = Object::new(&result.at(&format!("content.{at}")), block, false)?;
            if let Some(mut image) = block.object("image")? {
                image.need_text("format")?;
                self.tokens += bytes(&mut image)?;
            } else {
                text.push_str(block.need_text("text")?);
            }
            block.finish()?;
        }
        result.one_of("status", &["success", "error"])?;
        self.tokens += count(&text);
        self.results.push((id, text));
        Ok(())
    }
}

fn id(block: &mut Object<'_>) -> Checked<String> {
    let id = block.need_text("toolUseId")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "_.:-".contains(c);
    if id.is_empty() || id.len() > 64 || !id.chars().all(fits) {
        let message = "failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.:-]+";
        return Err(block.wrong("toolUseId", message));
    }
    Ok(id.to_owned())
}

fn bytes(media: &mut Object<'_>) -> Checked<u64> {
    let mut source = media
        .object("source")?
        .ok_or_else(|| media.missing("source"))?;
    if BASE64_STANDARD.decode(source.need_text("bytes")?).is_err() {
        return Err(source.wrong("bytes", "is not base64"));
    }
    source.finish()?;
    Ok(PER_IMAGE)
}

fn document_tokens(document: &mut Object<'_>) -> Checked<u64> {
    let formats = [
        "pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md",
    ];
    document.one_of("format", &formats)?;
    let name = document.need_text("name")?;
    let fits = |c: char| c.is_ascii_alphanumeric() || " -()[]".contains(c);
    if name.is_empty() || !name.chars().all(fits) || name.contains("  ") {
        let message = "The file name can only contain alphanumeric characters, whitespace characters, hyphens, parentheses, and square brackets.";
        return Err(document.wrong("name", message));
    }
    bytes(document)
}

fn thought(mut reasoning: Object<'_>) -> Checked<()> {
    if let Some(mut text) = reasoning.object("reasoningText")? {
        let words = text.need_text("text")?;
        if !is_signed(words, text.need_text("signature")?) {
            return Err(text.wrong("signature", "Invalid `signature` in `thinking` block"));
        }
        text.finish()?;
    } else if reasoning.need_text("redactedContent")? != REDACTED {
        let message = "Invalid `data` in `redacted_thinking` block";
        return Err(reasoning.wrong("redactedContent", message));
    }
    reasoning.finish()
}

fn tool_config(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    let Some(mut config) = body.object("toolConfig")? else {
        return Ok(());
    };
    let tools = config
        .list("tools")?
        .ok_or_else(|| config.missing("tools"))?;
    for (index, tool) in tools.iter().enumerate() {
        let mut tool = Object::new(&config.at(&format!("tools.{index}")), tool, false)?;
        match tool.object("toolSpec")? {
            None => cache_point(&mut tool)?,
            Some(mut spec) => {
                let name = spec.need_text("name")?;
                if spec.text("description")? == Some("") {
                    return Err(spec.wrong("description", "Member must have length greater than 0"));
                }
                spec.flag("strict")?;
                let mut schema = spec
                    .object("inputSchema")?
                    .ok_or_else(|| spec.missing("inputSchema"))?;
                let json = schema.need("json")?;
                if json.get("type").and_then(Value::as_str) != Some("object") {
                    return Err(
                        schema.wrong("json", "The value at json.type must be one of: object.")
                    );
                }
                schema.finish()?;
                spec.finish()?;
                asked.tools.push(Tool {
                    name: name.to_owned(),
                    schema: json.clone(),
                });
                asked.input_tokens += PER_TOOL;
            }
        }
        tool.finish()?;
    }
    if asked.tools.is_empty() {
        return Err(config.wrong("tools", "Member must have length greater than 0"));
    }
    if let Some(mut choice) = config.object("toolChoice")? {
        if let Some(mut tool) = choice.object("tool")? {
            asked.choice = Choice::Named(tool.need_text("name")?.to_owned());
            tool.finish()?;
        } else if choice.object("any")?.is_some() {
            asked.choice = Choice::Any;
        } else {
            choice
                .object("auto")?
                .ok_or_else(|| choice.missing("auto"))?;
        }
        choice.finish()?;
    }
    config.finish()
}

fn inference_config(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    let Some(mut config) = body.object("inferenceConfig")? else {
        return Ok(());
    };
    let max_tokens = config.integer("maxTokens", 1..=i64::from(i32::MAX))?;
    asked.max_tokens = max_tokens.and_then(|max| u64::try_from(max).ok());
    config.number("temperature", 0.0..=1.0)?;
    config.number("topP", 0.0..=1.0)?;
    config.list("stopSequences")?;
    asked.stop = config.texts("stopSequences", 2500)?;
    config.finish()
}

fn output_config(output: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    let Some(mut format) = output.object("textFormat")? else {
        return Ok(());
    };
    format
        .one_of("type", &["json_schema"])?
        .ok_or_else(|| format.missing("type"))?;
    let mut structure = format
        .object("structure")?
        .ok_or_else(|| format.missing("structure"))?;
    let mut schema = structure
        .object("jsonSchema")?
        .ok_or_else(|| structure.missing("jsonSchema"))?;
    let text = schema.need_text("schema")?;
    let parsed = serde_json::from_str(text).map_err(|_| schema.wrong("schema", "is no JSON"))?;
    asked.json = Some(parsed);
    schema.text("name")?;
    schema.text("description")?;
    schema.finish()?;
    structure.finish()?;
    format.finish()
}

/// What the model itself knows; it refuses other fields.
fn model_fields(mut fields: Object<'_>, model: &str, asked: &mut Asked) -> Checked<()> {
    if model.contains("claude") {
        if let Some(mut thinking) = fields.object("thinking")? {
            let kind = thinking.one_of("type", &["enabled", "disabled", "adaptive"])?;
            let budget = thinking.integer("budget_tokens", 1024..=200_000)?;
            let limit = asked.max_tokens.and_then(|max| i64::try_from(max).ok());
            if budget
                .zip(limit)
                .is_some_and(|(budget, limit)| budget >= limit)
            {
                let message = "`max_tokens` must be greater than `thinking.budget_tokens`.";
                return Err(fields.wrong("thinking.budget_tokens", message));
            }
            asked.reasoning = kind != Some("disabled");
            thinking.finish()?;
        }
        if let Some(mut choice) = fields.object("tool_choice")? {
            asked.single_call = choice.flag("disable_parallel_tool_use")? == Some(true);
            choice.skip(&["type", "name"]);
            choice.finish()?;
        }
        fields.skip(&["top_k", "output_config", "anthropic_beta"]);
    } else if let Some(mut config) = fields.object("inferenceConfig")? {
        config.integer("topK", 0..=128)?;
        config.finish()?;
    }
    fields.finish()
}
