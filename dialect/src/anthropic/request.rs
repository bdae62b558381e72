//! Chat requests for Anthropic.
//!
//! Choices where the two APIs do not meet:
//! - `max_tokens` is required there: 4096 when neither client nor deployment says anything.
//! - A system message in the middle keeps its place, as text of the user's turn behind the label
//!   `[System message]`.
//! - `response_format: json_object` becomes a sentence in the system prompt; a JSON schema becomes a
//!   tool that must be called, whose input is returned as content.
//! - `web_search_options` become Anthropic's own tool, whose searches are as many as the size of the
//!   context asks for.
//! - A parameter set to what it is without being set (`n: 1`, `presence_penalty: 0`) is no demand, and
//!   is left out without a word.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde_json::value::RawValue;

use super::{
    content::{Conversation, text_block},
    headers, path,
    schema::{MessagesRequest, Metadata, OutputTool, Thinking, ToolChoice},
    search, thinking, tools,
};
use crate::{
    hub::{self, Format, Unsupported, prepare},
    json::{self, Object},
    request::{Call, Translated},
};

/// The limit for a client that sets none.
const DEFAULT_MAX_TOKENS: u64 = 4096;
/// What a JSON answer is asked for with.
const JSON_INSTRUCTION: &str = r#""Answer with one JSON object and nothing else.""#;

/// What Anthropic cannot express, and the value that asks for nothing.
const UNSUPPORTED: [(&str, &str); 14] = [
    ("n", "1"),
    ("logprobs", "false"),
    ("top_logprobs", "0"),
    ("presence_penalty", "0"),
    ("frequency_penalty", "0"),
    ("seed", ""),
    ("logit_bias", "{}"),
    ("store", "false"),
    ("functions", "[]"),
    ("function_call", ""),
    ("modalities", r#"["text"]"#),
    ("audio", ""),
    ("prediction", ""),
    ("verbosity", r#""medium""#),
];

/// What models from 4.7 on take no more, but for the value that was the default
/// (<https://platform.claude.com/docs/en/about-claude/models/migration-guide>).
pub(crate) const SAMPLING: [(&str, &str); 3] =
    [("temperature", "1"), ("top_p", "1"), ("top_k", "0")];

/// Parameters that are read here, besides those that every dialect reads.
const TRANSLATED: [&str; 3] = ["web_search_options", "parallel_tool_calls", "thinking"];

/// The client's chat request as a Messages request.
pub(super) fn translate(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = call.object()?;
    let mut unsupported = prepare(&mut request, call.config);
    refuse(&mut request, call, &mut unsupported);
    let mut rest = request.clone();
    rest.retain(|name| !hub::is_read(name) && !TRANSLATED.contains(&name));
    let conversation = conversation(&request)?;
    if conversation.lost_reasoning {
        unsupported.leave_out("messages.reasoning_content");
    }
    let mut response = call.context();
    response.include_usage = hub::wants_usage(&request);
    let mut headers = headers(call);
    if conversation.uses_files {
        headers.push(("anthropic-beta", "files-api-2025-04-14".to_owned()));
    }
    let mut message = build(&request, &rest, call, conversation, &mut unsupported)?;
    response.json_tool = response_format(&request, &mut message)?;
    call.sends(path(call), headers, &message, unsupported, response)
}

/// Takes out what cannot be expressed.
fn refuse(request: &mut Object<'_>, call: &Call<'_>, unsupported: &mut Unsupported) {
    unsupported.refuse_demands(request, &UNSUPPORTED);
    if thinking::version(&call.config.model) >= Some((4, 7)) {
        unsupported.refuse_demands(request, &SAMPLING);
    }
    let tier = request.read::<String>("service_tier");
    if !matches!(tier.as_deref(), Some("auto" | "standard_only")) {
        if tier.as_deref().is_some_and(|tier| tier != "default") {
            unsupported.refuse("service_tier");
        }
        request.remove("service_tier");
    }
    unsupported.cool(request);
    thinking::reconcile(request, unsupported);
    unsupported.leave_out_hints(request, &["prompt_cache_key", "prompt_cache_retention"]);
    unsupported.refuse_quirks(request, call);
    for name in ["temperature", "top_p", "top_k"] {
        if request.get(name).is_some_and(|raw| raw.get() == "null") {
            request.remove(name);
        }
    }
}

fn conversation<'a>(request: &'a Object<'_>) -> Result<Conversation<'a>, ApiError> {
    let mut conversation = Conversation::default();
    for (index, message) in hub::messages(request)?.into_iter().enumerate() {
        conversation.add(index, message)?;
    }
    if conversation.messages.is_empty() {
        return Err(ApiError::invalid(
            "Anthropic needs at least one message with content that is not a system message",
        )
        .param("messages"));
    }
    Ok(conversation)
}

fn build<'a>(
    request: &'a Object<'_>,
    rest: &'a Object<'a>,
    call: &'a Call<'_>,
    conversation: Conversation<'a>,
    unsupported: &mut Unsupported,
) -> Result<MessagesRequest<'a>, ApiError> {
    let mut tools = tools::tools(request, unsupported)?;
    tools.extend(search::tool(request)?);
    let mut tool_choice = None;
    if !tools.is_empty() {
        let parallel = request.read("parallel_tool_calls");
        tool_choice = tools::choice(request.some("tool_choice"), parallel)?;
    } else if conversation.uses_tools {
        tools.push(tools::dummy_tool());
    }
    let cap = call.admission.output_cap;
    let wanted = hub::output_limit(request)
        .unwrap_or_else(|| DEFAULT_MAX_TOKENS.saturating_add(thinking_budget(request)));
    let mut message = MessagesRequest {
        model: &call.config.model,
        max_tokens: cap.map_or(wanted, |cap| wanted.min(cap)),
        system: conversation.system,
        messages: conversation.messages,
        tools,
        tool_choice,
        stop_sequences: stop(request)?,
        thinking: request.some("thinking").map(Thinking::Raw),
        output_config: None,
        metadata: user(request),
        stream: call.admission.stream,
        rest,
    };
    reasoning(request, call, &mut message, wanted, unsupported)?;
    Ok(message)
}

/// The budget of the client's own `thinking`, which counts towards `max_tokens`.
fn thinking_budget(request: &Object<'_>) -> u64 {
    let thinking: Object<'_> = request.object("thinking");
    thinking.read("budget_tokens").unwrap_or_default()
}

fn reasoning<'a>(
    request: &'a Object<'_>,
    call: &Call<'_>,
    message: &mut MessagesRequest<'a>,
    wanted: u64,
    unsupported: &mut Unsupported,
) -> Result<(), ApiError> {
    const FIELD: &str = "reasoning_effort";
    // `thinking` is Anthropic's own word for it, and more precise.
    let (Some(raw), None) = (request.some(FIELD), &message.thinking) else {
        return Ok(());
    };
    let effort = json::string(raw)
        .and_then(|word| thinking::effort(&word, message.model, wanted, call.admission.output_cap))
        .ok_or_else(|| {
            ApiError::invalid("reasoning_effort must be none, minimal, low, medium, high or xhigh")
                .param(FIELD)
        })?;
    if effort.squeezed {
        unsupported.leave_out(FIELD);
    }
    message.thinking = effort.thinking;
    message.output_config = effort.output_config;
    message.max_tokens = call
        .admission
        .output_cap
        .map_or(effort.max_tokens, |cap| effort.max_tokens.min(cap));
    Ok(())
}

/// `stop`: one or several. Anthropic refuses those of nothing but white space.
fn stop<'a>(request: &'a Object<'_>) -> Result<Option<Vec<Cow<'a, str>>>, ApiError> {
    let mut stops = hub::stop(request)?;
    stops.retain(|stop| !stop.trim().is_empty());
    Ok(Some(stops).filter(|stops| !stops.is_empty()))
}

/// The end user, by whichever name OpenAI has for it.
fn user<'a>(request: &'a Object<'_>) -> Option<Metadata<'a>> {
    let raw = request
        .some("user")
        .or_else(|| request.some("safety_identifier"))?;
    json::string(raw)
        .filter(|user| !user.is_empty())
        .map(|user_id| Metadata { user_id })
}

/// Puts `response_format` into the request; tells whether a tool stands for it.
fn response_format<'a>(
    request: &'a Object<'_>,
    message: &mut MessagesRequest<'a>,
) -> Result<bool, ApiError> {
    match hub::format(request)? {
        None | Some(Format::Text) => Ok(false),
        Some(Format::Json) => {
            let instruction = serde_json::from_str::<&RawValue>(JSON_INSTRUCTION).ok();
            message.system.extend(instruction.map(text_block));
            Ok(false)
        }
        Some(Format::Schema(schema)) => {
            force_json(message, tools::json_tool(&schema));
            Ok(true)
        }
    }
}

/// Makes the model call the JSON tool: that one, or any if the client has tools of its own. While
/// thinking Anthropic takes no forced choice, and the model is left to it.
fn force_json<'a>(message: &mut MessagesRequest<'a>, tool: OutputTool<'a>) {
    let choice = message.tool_choice.as_ref().map(|choice| choice.r#type);
    let alone = message.tools.is_empty() || choice == Some("none");
    message.tools.push(tool);
    if message.thinking.is_some() || matches!(choice, Some("any" | "tool")) {
        return;
    }
    message.tool_choice = Some(ToolChoice {
        r#type: if alone { "tool" } else { "any" },
        name: alone.then_some(Cow::Borrowed(super::JSON_TOOL)),
        disable_parallel_tool_use: None,
    });
}
