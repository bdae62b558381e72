//! Reading `POST /v1/messages` as strictly as Anthropic does.

use serde_json::Value;

use super::{
    super::{
        check::{Checked, Invalid, Object},
        turn::{Asked, Choice, PER_MESSAGE, PER_TOOL, Tool, count},
    },
    content::{Content, non_empty},
    features::Features,
    offer::Offer,
};

/// How the answer is wanted.
pub(super) struct Wanted {
    pub(super) model: String,
    pub(super) stream: bool,
}

pub(super) fn read(json: &Value, betas: &str, counting: bool) -> Checked<(Asked, Wanted)> {
    let mut body = Object::new("", json, false)?;
    let model = body.need_text("model")?.to_owned();
    if model.is_empty() {
        return Err(body.wrong("model", "String should have at least 1 character"));
    }
    let features = Features::new(&model, betas);
    features.pairs(&body, json)?;
    let max_tokens = body.integer("max_tokens", 1..=1_000_000)?;
    if max_tokens.is_none() && !counting {
        return Err(body.missing("max_tokens"));
    }
    let mut asked = Asked {
        max_tokens: max_tokens.and_then(|max| u64::try_from(max).ok()),
        ..Asked::default()
    };
    system(&mut body, &mut asked)?;
    let mut offer = Offer::default();
    tools(&mut body, &features, &mut offer)?;
    messages(&mut body, &features, &mut offer, &mut asked)?;
    asked.input_tokens += PER_TOOL * offer.count();
    tool_choice(&mut body, offer, &mut asked)?;
    asked.stop = stop_sequences(&mut body)?;
    let temperature = body.number("temperature", 0.0..=1.0)?;
    body.number("top_p", 0.0..=1.0)?;
    body.integer("top_k", 0..=i64::MAX)?;
    asked.reasoning = thinking(&mut body, &features, max_tokens, temperature)?;
    if asked.reasoning && matches!(asked.choice, Choice::Any | Choice::Named(_)) {
        let message = "Thinking may not be enabled when tool_choice forces tool use.";
        return Err(body.wrong("tool_choice", message));
    }
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
    features: &Features<'_>,
    max_tokens: Option<i64>,
    temperature: Option<f64>,
) -> Checked<bool> {
    let Some(mut thinking) = body.object("thinking")? else {
        return Ok(false);
    };
    let kind = thinking
        .one_of("type", &["enabled", "disabled", "adaptive"])?
        .ok_or_else(|| thinking.missing("type"))?;
    if kind == "adaptive" && !features.measures_itself() {
        let message = "adaptive thinking is not supported on this model";
        return Err(Invalid::value("", message));
    }
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

fn tools(body: &mut Object<'_>, features: &Features<'_>, offer: &mut Offer) -> Checked<()> {
    for (index, tool) in body.list("tools")?.into_iter().flatten().enumerate() {
        let path = format!("tools.{index}");
        let mut tool = Object::new(&path, tool, false)?;
        let kind = tool.text("type")?;
        if kind.is_some_and(|kind| kind.starts_with("web_search_")) {
            offer.declare_own(tool.need_text("name")?);
            continue;
        }
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
        let deferred = tool.flag("defer_loading")?;
        if deferred.is_some() && !features.defers() {
            return Err(Invalid::unknown(format!("{path}.custom.defer_loading")));
        }
        let declared = Tool {
            name: name.to_owned(),
            schema: tool.any("input_schema").cloned().unwrap_or_default(),
        };
        tool.skip(&["cache_control", "strict", "eager_input_streaming"]);
        tool.finish()?;
        offer.declare(declared, deferred == Some(true));
    }
    Ok(())
}

fn tool_choice(body: &mut Object<'_>, offer: Offer, asked: &mut Asked) -> Checked<()> {
    let no_tools = offer.is_empty();
    let named = body
        .any("tool_choice")
        .and_then(|choice| choice["name"].as_str());
    let is_own = named.is_some_and(|name| offer.is_own(name));
    asked.tools = offer.into_tools();
    let Some(mut choice) = body.object("tool_choice")? else {
        return Ok(());
    };
    let kind = choice
        .one_of("type", &["auto", "any", "tool", "none"])?
        .ok_or_else(|| choice.missing("type"))?;
    if no_tools {
        let message = "tool_choice may only be specified while providing tools";
        return Err(body.wrong("tool_choice", message));
    }
    asked.choice = match kind {
        "auto" => Choice::Auto,
        "any" => Choice::Any,
        "none" => Choice::None,
        "tool" if is_own => {
            choice.skip(&["name"]);
            Choice::None
        }
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

fn messages(
    body: &mut Object<'_>,
    features: &Features<'_>,
    offer: &mut Offer,
    asked: &mut Asked,
) -> Checked<()> {
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
            .one_of("role", &["user", "assistant", "system"])?
            .ok_or_else(|| message.missing("role"))?;
        if role == "system" {
            features.late_system(&path, last_role, messages.get(index + 1))?;
        } else if role == last_role {
            let text = format!(
                "roles must alternate between \"user\" and \"assistant\", but found multiple \
                 \"{role}\" roles in a row"
            );
            return Err(Invalid::value("messages", text));
        }
        let content = Content::read(&mut message, role, &pending, offer)?;
        message.finish()?;
        asked.input_tokens += content.tokens + PER_MESSAGE;
        if role == "system" {
            continue;
        }
        last_role = role;
        unanswered(&path, &pending, &content.results)?;
        pending = content.calls;
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
