//! Chat requests for Ollama.
//!
//! Choices where the two APIs do not meet:
//! - Sampling parameters, and whatever is not known here (`num_ctx`, `mirostat`), are `options`.
//! - `tool_choice: none` sends no tools. Nothing makes the model call one.
//! - `reasoning_effort` is a level for models that know levels (gpt-oss); others think or do not.
//! - Images must be inline: the server does not fetch them, and neither do we.
//! - A parameter set to what it is without being set (`n: 1`) is no demand, and is left out without
//!   a word. So are `user` and `metadata`, which the gateway has read.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    content::Conversation,
    headers, path,
    schema::{ChatRequest, OutputTool, Think, ToolFunction},
};
use crate::{
    hub::{self, Format, Tool, ToolChoice, Unsupported, prepare},
    json::{self, Object},
    request::{Call, Translated},
};

/// What Ollama cannot express, and the value that asks for nothing.
const UNSUPPORTED: [(&str, &str); 14] = [
    ("n", "1"),
    ("logprobs", "false"),
    ("top_logprobs", "0"),
    ("logit_bias", "{}"),
    ("store", "false"),
    ("functions", "[]"),
    ("function_call", ""),
    ("modalities", r#"["text"]"#),
    ("audio", ""),
    ("prediction", ""),
    ("web_search_options", ""),
    ("verbosity", r#""medium""#),
    ("service_tier", r#""auto""#),
    ("parallel_tool_calls", "true"),
];

/// Parameters that are read here, besides those that every dialect reads.
const TRANSLATED: [&str; 4] = ["format", "thinking", "think", "options"];

/// Ollama's own parameters that stand beside the options.
const BESIDE_OPTIONS: [&str; 3] = ["keep_alive", "truncate", "shift"];

/// The client's chat request for `/api/chat`.
pub(super) fn translate(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = call.object()?;
    let mut unsupported = prepare(&mut request, call.config);
    unsupported.refuse_demands(&mut request, &UNSUPPORTED);
    unsupported.refuse_quirks(&mut request, call);
    let conversation = conversation(&request)?;
    if conversation.lost_thinking {
        unsupported.leave_out("messages.thinking_blocks");
    }
    let mut response = call.context();
    response.include_usage = hub::wants_usage(&request);
    let mut rest = request.clone();
    rest.retain(|name| BESIDE_OPTIONS.contains(&name));
    let chat = ChatRequest {
        model: &call.config.model,
        messages: conversation.messages,
        tools: tools(&request, &mut unsupported)?,
        format: format(&request)?,
        think: think(&request, call, &mut unsupported)?,
        options: options(&request, call)?,
        stream: call.admission.stream,
        rest,
    };
    call.sends(
        path(call, "/api/chat"),
        headers(call),
        &chat,
        unsupported,
        response,
    )
}

fn conversation<'a>(request: &'a Object<'_>) -> Result<Conversation<'a>, ApiError> {
    let mut conversation = Conversation::default();
    for (index, message) in hub::messages(request)?.into_iter().enumerate() {
        conversation.add(index, message)?;
    }
    Ok(conversation)
}

/// The tools, in OpenAI's shape without what Ollama does not know in it.
fn tools<'a>(
    request: &'a Object<'_>,
    unsupported: &mut Unsupported,
) -> Result<Vec<OutputTool<'a>>, ApiError> {
    const CHOICE: &str = "tool_choice";
    let choice = request.some(CHOICE).map(hub::tool_choice).transpose()?;
    match choice {
        None | Some(ToolChoice::Auto) => {}
        Some(ToolChoice::None) => return Ok(Vec::new()),
        Some(ToolChoice::Required | ToolChoice::Named(_)) => {
            if !unsupported.is_allowed(CHOICE) {
                unsupported.refuse_value(CHOICE, "tool_choice other than auto and none");
            }
        }
    }
    let tools = hub::tools(request)?.into_iter().enumerate();
    tools.map(|(at, raw)| tool(at, raw, unsupported)).collect()
}

fn tool<'a>(
    at: usize,
    raw: &'a RawValue,
    unsupported: &mut Unsupported,
) -> Result<OutputTool<'a>, ApiError> {
    let place = format!("tools[{at}]");
    let tool: Option<Tool<'a>> = serde_json::from_str(raw.get()).ok();
    let Some(function) = tool.and_then(|tool| tool.function) else {
        let message = format!("{place} is not a function, and Ollama has no other tools");
        return Err(ApiError::invalid(message).param(place));
    };
    if function.strict == Some(true) {
        unsupported.leave_out("tools.strict");
    }
    Ok(OutputTool {
        r#type: "function",
        function: ToolFunction {
            name: function.name,
            description: function.description,
            parameters: function.parameters,
        },
    })
}

/// `response_format`, or Ollama's own `format`.
fn format<'a>(request: &'a Object<'_>) -> Result<Option<Cow<'a, RawValue>>, ApiError> {
    let any_json = || to_raw_value("json").ok().map(Cow::Owned);
    Ok(match hub::format(request)? {
        None => request.some("format").map(Cow::Borrowed),
        Some(Format::Text) => None,
        Some(format) => format.schema().map(Cow::Borrowed).or_else(any_json),
    })
}

/// Ollama's own `think`, Anthropic's `thinking`, or `reasoning_effort`: the more precise first.
fn think<'a>(
    request: &'a Object<'_>,
    call: &Call<'_>,
    unsupported: &mut Unsupported,
) -> Result<Option<Think<'a>>, ApiError> {
    const FIELD: &str = "reasoning_effort";
    if let Some(raw) = request.some("think") {
        return Ok(Some(Think::Raw(raw)));
    }
    if request.some("thinking").is_some() {
        let thinking: Object<'_> = request.object("thinking");
        if thinking.some("budget_tokens").is_some() {
            unsupported.leave_out("thinking.budget_tokens");
        }
        let kind: Option<String> = thinking.read("type");
        return Ok(Some(Think::Flag(kind.as_deref() != Some("disabled"))));
    }
    let Some(raw) = request.some(FIELD) else {
        return Ok(None);
    };
    let level = match json::string(raw).as_deref() {
        Some("none") => return Ok(Some(Think::Flag(false))),
        Some("minimal" | "low") => "low",
        Some("medium") => "medium",
        Some("high" | "xhigh" | "max") => "high",
        _ => {
            return Err(ApiError::invalid(
                "reasoning_effort must be none, minimal, low, medium, high or xhigh",
            )
            .param(FIELD));
        }
    };
    Ok(Some(if call.config.model.contains("gpt-oss") {
        Think::Level(level)
    } else {
        Think::Flag(true)
    }))
}

/// The options: the client's own object, and what stands beside it in OpenAI's form.
fn options<'a>(request: &'a Object<'_>, call: &Call<'_>) -> Result<Object<'a>, ApiError> {
    let mut options: Object<'a> = request.object("options");
    for (name, value) in request.iter() {
        let elsewhere =
            hub::is_read(name) || TRANSLATED.contains(&name) || BESIDE_OPTIONS.contains(&name);
        if !elsewhere && value.get() != "null" {
            options.set(name, value);
        }
    }
    let stop = hub::stop(request)?;
    if !stop.is_empty() {
        options.set("stop", &stop);
    }
    let wanted = hub::output_limit(request).or_else(|| options.read("num_predict"));
    if let Some(limit) = hub::capped(wanted, call.admission.output_cap) {
        options.set("num_predict", &limit);
    }
    Ok(options)
}
