//! A Responses request as a chat request.
//!
//! Choices where the two APIs do not meet:
//! - What refers to something stored (`previous_response_id`, `conversation`, `prompt`) and what is to
//!   be fetched later (`background`) is a 400: nothing is kept here.
//! - `include`, `truncation`, `store` and what steers OpenAI's caches change no answer, and are left
//!   out.
//! - An effort goes to models that are known to reason, and is left out for others.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde_json::value::RawValue;

use super::{
    super::{
        ChatRequest, Client,
        chat::{Function, JsonSchema, ResponseFormat, Tool, ToolChoice, invalid, read},
        search,
    },
    echo::Echo,
    input::Conversation,
    schema::{Format, ItemIn, TextConfig, ToolIn},
};
use crate::{
    hub::Unsupported,
    json::{self, Object},
    registry::ProviderDialect,
    request::Call,
};

/// Members that are told in other words, or not at all.
const TRANSLATED: [&str; 23] = [
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_output_tokens",
    "text",
    "reasoning",
    "include",
    "truncation",
    "store",
    "metadata",
    "previous_response_id",
    "conversation",
    "background",
    "prompt",
    "max_tool_calls",
    "stream_options",
    "top_logprobs",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "client_metadata",
];

/// Members that need a memory.
const STATEFUL: [&str; 3] = ["previous_response_id", "conversation", "prompt"];

/// The client's request as the hub's.
pub(in super::super) fn request(
    folder: &dyn ProviderDialect,
    call: &Call<'_>,
) -> Result<ChatRequest, ApiError> {
    let request = call.object()?;
    for name in STATEFUL {
        if request.some(name).is_some() {
            let what = "refers to what is stored at OpenAI: for this model nothing is kept between \
                        requests, send the whole conversation as input";
            return Err(invalid(name, what));
        }
    }
    if request.read("background").unwrap_or(false) {
        return Err(invalid("background", "is not supported: nothing is stored"));
    }
    let mut unsupported = Unsupported::new(&request, call.config);
    let mut chat = request.clone();
    chat.retain(|name| !TRANSLATED.contains(&name));
    let extras = folder.takes_extras(call.config);
    input(&request, &mut chat, extras, &mut unsupported)?;
    tools(folder, call, &request, &mut chat, &mut unsupported)?;
    refuse(&request, &mut unsupported);
    if let Some(limit) = request.some("max_output_tokens") {
        chat.set("max_tokens", limit);
    }
    if let Some(user) = request.some("safety_identifier")
        && request.some("user").is_none()
    {
        chat.set("user", user);
    }
    let text: TextConfig<'_> = read(&request, "text")?.unwrap_or_default();
    if let Some(format) = text.format
        && let Some(format) = response_format(format)?
    {
        chat.set("response_format", &format);
    }
    if let Some(verbosity) = text.verbosity.filter(|raw| raw.get() != "null") {
        // Only OpenAI's own reasoning models have a word for it.
        if !extras && folder.reasons(call.config) {
            chat.set("verbosity", verbosity);
        } else {
            unsupported.leave_out("text.verbosity");
        }
    }
    reasoning(folder, call, &request, &mut chat, &mut unsupported);
    Ok(ChatRequest {
        body: chat.to_bytes(call.body.len() + 256),
        dropped: unsupported.finish()?,
        client: Client::Responses(Box::new(Echo::new(&request))),
    })
}

/// What no chat request can say.
fn refuse(request: &Object<'_>, unsupported: &mut Unsupported) {
    if request.some("max_tool_calls").is_some() {
        unsupported.refuse("max_tool_calls");
    }
    if request.read("top_logprobs").unwrap_or(0_u64) > 0 {
        unsupported.refuse("top_logprobs");
    }
}

fn input(
    request: &Object<'_>,
    chat: &mut Object<'_>,
    extras: bool,
    unsupported: &mut Unsupported,
) -> Result<(), ApiError> {
    let mut conversation = Conversation::new(extras, unsupported);
    if let Some(instructions) = request.some("instructions") {
        if json::string(instructions).is_none() {
            return Err(invalid("instructions", "must be a string"));
        }
        conversation.text("system", instructions);
    }
    match request.some("input") {
        None => return Err(invalid("input", "is missing")),
        Some(raw) if raw.get().starts_with('"') => conversation.text("user", raw),
        Some(_) => {
            let items: Vec<ItemIn<'_>> = read(request, "input")?.unwrap_or_default();
            for (index, item) in items.into_iter().enumerate() {
                conversation.add(index, item)?;
            }
        }
    }
    chat.set("messages", &conversation.finish());
    Ok(())
}

fn tools(
    folder: &dyn ProviderDialect,
    call: &Call<'_>,
    request: &Object<'_>,
    chat: &mut Object<'_>,
    unsupported: &mut Unsupported,
) -> Result<(), ApiError> {
    let given: Vec<ToolIn<'_>> = read(request, "tools")?.unwrap_or_default();
    let raws: Vec<&RawValue> = read(request, "tools")?.unwrap_or_default();
    let mut tools = Vec::with_capacity(given.len());
    for (tool, raw) in given.into_iter().zip(raws) {
        if tool.r#type == "function" {
            tools.push(Tool {
                r#type: "function",
                function: Function {
                    name: tool.name,
                    description: tool.description.filter(|raw| raw.get() != "null"),
                    parameters: tool.parameters.filter(|raw| raw.get() != "null"),
                    strict: tool.strict,
                },
                cache_control: None,
            });
        } else if !search::take(folder, call, raw, chat, unsupported) {
            // OpenAI's own: to search files, to run code.
            unsupported.refuse(&format!("tools.{}", tool.r#type));
        }
    }
    if tools.is_empty() {
        return Ok(());
    }
    chat.set("tools", &tools);
    if let Some(parallel) = request.some("parallel_tool_calls") {
        chat.set("parallel_tool_calls", parallel);
    }
    if let Some(choice) = choice(request, unsupported)? {
        chat.set("tool_choice", &choice);
    }
    Ok(())
}

fn choice<'a>(
    request: &'a Object<'_>,
    unsupported: &mut Unsupported,
) -> Result<Option<ToolChoice<'a>>, ApiError> {
    const FIELD: &str = "tool_choice";
    let what = "must be auto, none, required, or name a function";
    let Some(raw) = request.some(FIELD) else {
        return Ok(None);
    };
    if let Some(word) = json::string(raw) {
        return match &*word {
            "auto" => Ok(Some(ToolChoice::Word("auto"))),
            "none" => Ok(Some(ToolChoice::Word("none"))),
            "required" => Ok(Some(ToolChoice::Word("required"))),
            _ => Err(invalid(FIELD, what)),
        };
    }
    let tool: ToolIn<'a> = read(request, FIELD)?.ok_or_else(|| invalid(FIELD, what))?;
    if tool.r#type == "function" && !tool.name.is_empty() {
        return Ok(Some(ToolChoice::function(tool.name)));
    }
    unsupported.refuse(&format!("{FIELD}.{}", tool.r#type));
    Ok(None)
}

fn response_format(format: Format<'_>) -> Result<Option<ResponseFormat<'_>>, ApiError> {
    let place = "text.format";
    match &*format.r#type {
        "text" => Ok(None),
        "json_object" => Ok(Some(ResponseFormat {
            r#type: "json_object",
            json_schema: None,
        })),
        "json_schema" => Ok(Some(ResponseFormat {
            r#type: "json_schema",
            json_schema: Some(JsonSchema {
                name: format.name.unwrap_or(Cow::Borrowed("answer")),
                description: format.description.filter(|raw| raw.get() != "null"),
                schema: format
                    .schema
                    .ok_or_else(|| invalid(place, "has no schema"))?,
                strict: format.strict,
            }),
        })),
        _ => Err(invalid(
            place,
            "must be of type text, json_object or json_schema",
        )),
    }
}

fn reasoning(
    folder: &dyn ProviderDialect,
    call: &Call<'_>,
    request: &Object<'_>,
    chat: &mut Object<'_>,
    unsupported: &mut Unsupported,
) {
    let reasoning: Object<'_> = request
        .some("reasoning")
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    let Some(effort) = reasoning.some("effort") else {
        return;
    };
    if folder.reasons(call.config) {
        chat.set("reasoning_effort", effort);
    } else {
        unsupported.leave_out("reasoning");
    }
}
