//! Chat requests for Cohere.
//!
//! Choices where the two APIs do not meet:
//! - A named tool is the only one that is sent, and must be called.
//! - `strict` is for all tools or none.
//! - A parameter set to what it is without being set (`n: 1`) is no demand, and is left out without
//!   a word. So are `user` and `metadata`, which the gateway has read.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde_json::value::RawValue;

use super::{
    content, headers, path,
    schema::{ChatRequest, JsonFormat, OutputTool, Thinking, ToolFunction},
};
use crate::{
    hub::{self, Format, Tool, ToolChoice, Unsupported, prepare},
    json::{self, Object},
    request::{Call, Translated},
};

/// What Cohere cannot express, and the value that asks for nothing.
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
const TRANSLATED: [&str; 5] = ["top_p", "top_k", "p", "k", "thinking"];

/// A schema for a tool that says nothing of its input.
const ANY_OBJECT: &str = r#"{"type":"object","properties":{}}"#;

/// The client's chat request for `/v2/chat`.
pub(super) fn translate(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = call.object()?;
    let mut unsupported = prepare(&mut request, call.config);
    unsupported.refuse_demands(&mut request, &UNSUPPORTED);
    unsupported.refuse_quirks(&mut request, call);
    let mut rest = request.clone();
    rest.retain(|name| {
        !hub::is_read(name) && !TRANSLATED.contains(&name) && request.some(name).is_some()
    });
    let mut messages = Vec::new();
    for (index, message) in hub::messages(&request)?.into_iter().enumerate() {
        if content::loses_thinking(&message) {
            unsupported.leave_out("messages.reasoning_content");
        }
        messages.extend(content::message(index, message)?);
    }
    let mut response = call.context();
    response.include_usage = hub::wants_usage(&request);
    let choice = request
        .some("tool_choice")
        .map(hub::tool_choice)
        .transpose()?;
    let Tools { tools, strict } = tools(&request, choice.as_ref(), &mut unsupported)?;
    let chat = ChatRequest {
        model: &call.config.model,
        messages,
        tool_choice: match choice {
            Some(ToolChoice::Required | ToolChoice::Named(_)) => Some("REQUIRED"),
            Some(ToolChoice::None) if !tools.is_empty() => Some("NONE"),
            _ => None,
        },
        tools,
        strict_tools: strict,
        response_format: response_format(&request)?,
        thinking: thinking(&request)?,
        max_tokens: hub::capped(hub::output_limit(&request), call.admission.output_cap),
        stop_sequences: hub::stop(&request)?,
        p: request.some("top_p").or_else(|| request.some("p")),
        k: request.some("top_k").or_else(|| request.some("k")),
        stream: call.admission.stream,
        rest: &rest,
    };
    call.sends(
        path(call, "/chat"),
        headers(call),
        &chat,
        unsupported,
        response,
    )
}

struct Tools<'a> {
    tools: Vec<OutputTool<'a>>,
    strict: bool,
}

fn tools<'a>(
    request: &'a Object<'_>,
    choice: Option<&ToolChoice<'_>>,
    unsupported: &mut Unsupported,
) -> Result<Tools<'a>, ApiError> {
    let mut tools = Vec::new();
    let mut stricts = 0;
    for (at, raw) in hub::tools(request)?.into_iter().enumerate() {
        let tool: Option<Tool<'a>> = serde_json::from_str(raw.get()).ok();
        let Some(function) = tool.and_then(|tool| tool.function) else {
            let place = format!("tools[{at}]");
            let message = format!("{place} is not a function, and Cohere has no other tools");
            return Err(ApiError::invalid(message).param(place));
        };
        if matches!(choice, Some(ToolChoice::Named(name)) if *name != function.name) {
            continue;
        }
        stricts += usize::from(function.strict == Some(true));
        let any = serde_json::from_str(ANY_OBJECT).unwrap_or(RawValue::NULL);
        let parameters = function.parameters.filter(|raw| raw.get() != "null");
        tools.push(OutputTool {
            r#type: "function",
            function: ToolFunction {
                name: function.name,
                description: function.description.filter(|raw| raw.get() != "null"),
                parameters: Cow::Borrowed(parameters.unwrap_or(any)),
            },
        });
    }
    let strict = stricts > 0 && stricts == tools.len();
    if stricts > 0 && !strict {
        unsupported.leave_out("tools.strict");
    }
    Ok(Tools { tools, strict })
}

fn response_format<'a>(request: &'a Object<'_>) -> Result<Option<JsonFormat<'a>>, ApiError> {
    let format = hub::format(request)?.filter(|format| !matches!(format, Format::Text));
    Ok(format.map(|format| JsonFormat {
        r#type: "json_object",
        json_schema: format.schema(),
    }))
}

/// `thinking`, Cohere's own or Anthropic's, or `reasoning_effort` as a budget.
fn thinking<'a>(request: &'a Object<'_>) -> Result<Option<Thinking<'a>>, ApiError> {
    const FIELD: &str = "reasoning_effort";
    if let Some(raw) = request.some("thinking") {
        let thinking: Object<'_> = request.object("thinking");
        // Anthropic's word for it.
        let Some(budget) = thinking.read::<u64>("budget_tokens") else {
            return Ok(Some(Thinking::Raw(raw)));
        };
        return Ok(Some(Thinking::Typed {
            r#type: "enabled",
            token_budget: Some(budget),
        }));
    }
    let Some(raw) = request.some(FIELD) else {
        return Ok(None);
    };
    let (r#type, token_budget) = match json::string(raw).as_deref() {
        Some("none") => ("disabled", None),
        Some("minimal" | "low") => ("enabled", Some(1024)),
        Some("medium") => ("enabled", Some(2048)),
        Some("high") => ("enabled", Some(4096)),
        Some("xhigh" | "max") => ("enabled", Some(8192)),
        _ => {
            return Err(ApiError::invalid(
                "reasoning_effort must be none, minimal, low, medium, high or xhigh",
            )
            .param(FIELD));
        }
    };
    Ok(Some(Thinking::Typed {
        r#type,
        token_budget,
    }))
}
