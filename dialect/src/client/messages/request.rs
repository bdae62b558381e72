//! A Messages request as a chat request.
//!
//! Choices where the two APIs do not meet:
//! - A budget for thinking becomes an effort: below 4096 tokens `low`, below 16384 `medium`, else
//!   `high`. A model that is not known to reason is not asked to.
//! - `cache_control`, signed thinking and `top_k` go to targets that have a word for them. Elsewhere
//!   the first two are only hints and left out; `top_k` is refused.
//! - The user's id is cut to the 64 characters that OpenAI takes.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde_json::value::RawValue;

use super::{
    super::{
        ChatRequest, Client,
        chat::{Function, JsonSchema, ResponseFormat, Tool, ToolChoice, invalid, read},
        search,
    },
    content::Conversation,
    schema::{MessageIn, OutputConfig, OutputFormat, ThinkingConfig, ToolChoiceIn, ToolIn},
};
use crate::{
    edge,
    hub::Unsupported,
    json::{self, Object},
    registry::ProviderDialect,
    request::Call,
};

/// The longest name of a user.
const MAX_USER: usize = 64;

/// Members that are told in other words, or not at all.
const TRANSLATED: [&str; 14] = [
    "messages",
    "system",
    "stop_sequences",
    "metadata",
    "thinking",
    "tools",
    "tool_choice",
    "output_config",
    "output_format",
    "service_tier",
    "context_management",
    "container",
    "mcp_servers",
    "cache_control",
];

/// The client's request as the hub's.
pub(in super::super) fn request(
    folder: &dyn ProviderDialect,
    call: &Call<'_>,
) -> Result<ChatRequest, ApiError> {
    let request = Object::parse(call.body).map_err(|error| edge::invalid_json(&error))?;
    let mut unsupported = Unsupported::new(&request, call.config);
    let extras = folder.takes_extras(call.config);
    let mut chat = request.clone();
    chat.retain(|name| !TRANSLATED.contains(&name));
    refuse(&request, &mut chat, extras, &mut unsupported);
    messages(&request, &mut chat, extras, &mut unsupported)?;
    tools(folder, call, &request, &mut chat, &mut unsupported)?;
    let config: OutputConfig<'_> = read(&request, "output_config")?.unwrap_or_default();
    reasoning(folder, call, &request, &config, &mut chat, &mut unsupported)?;
    let format = match config.format {
        Some(format) => Some(format),
        None => read(&request, "output_format")?,
    };
    if let Some(format) = format {
        chat.set("response_format", &response_format(&format)?);
    }
    if let Some(stops) = request.some("stop_sequences") {
        chat.set("stop", stops);
    }
    if let Some(user) = user(&request) {
        chat.set("user", &user);
    }
    Ok(ChatRequest {
        body: chat.to_bytes(call.body.len() + 256),
        dropped: unsupported.finish()?,
        client: Client::Messages,
    })
}

/// What no chat request can say.
fn refuse(
    request: &Object<'_>,
    chat: &mut Object<'_>,
    extras: bool,
    unsupported: &mut Unsupported,
) {
    for name in ["container", "mcp_servers"] {
        let asks = request.some(name).is_some_and(|raw| raw.get() != "[]");
        if asks {
            unsupported.refuse(name);
        }
    }
    // Without it the answer is the same, at most dearer or longer in coming.
    for name in ["context_management", "cache_control"] {
        if request.some(name).is_some() {
            unsupported.leave_out(name);
        }
    }
    if request.some("top_k").is_some() && !extras && !unsupported.is_allowed("top_k") {
        unsupported.refuse("top_k");
        chat.remove("top_k");
    }
}

fn messages(
    request: &Object<'_>,
    chat: &mut Object<'_>,
    extras: bool,
    unsupported: &mut Unsupported,
) -> Result<(), ApiError> {
    let mut conversation = Conversation::new(extras, unsupported);
    if let Some(system) = request.some("system") {
        conversation.system(system)?;
    }
    let messages: Vec<MessageIn<'_>> =
        read(request, "messages")?.ok_or_else(|| invalid("messages", "is missing"))?;
    for (index, message) in messages.into_iter().enumerate() {
        conversation.add(index, &message)?;
    }
    chat.set("messages", &conversation.messages);
    Ok(())
}

fn tools(
    folder: &dyn ProviderDialect,
    call: &Call<'_>,
    request: &Object<'_>,
    chat: &mut Object<'_>,
    unsupported: &mut Unsupported,
) -> Result<(), ApiError> {
    let extras = folder.takes_extras(call.config);
    let given: Vec<ToolIn<'_>> = read(request, "tools")?.unwrap_or_default();
    let raws: Vec<&RawValue> = read(request, "tools")?.unwrap_or_default();
    let mut tools = Vec::with_capacity(given.len());
    for (tool, raw) in given.into_iter().zip(raws) {
        match tool.r#type.as_deref() {
            None | Some("custom") => tools.push(Tool {
                r#type: "function",
                function: Function {
                    name: tool.name,
                    description: tool.description,
                    parameters: tool.input_schema,
                    strict: tool.strict,
                },
                cache_control: tool.cache_control.filter(|_| extras),
            }),
            // The provider's own: to search the web, to edit a text, to use a computer.
            Some(kind) => {
                if !search::take(folder, call, raw, chat, unsupported) {
                    unsupported.refuse(&format!("tools.{kind}"));
                }
            }
        }
    }
    if tools.is_empty() {
        return Ok(());
    }
    chat.set("tools", &tools);
    let Some(choice) = read::<ToolChoiceIn<'_>>(request, "tool_choice")? else {
        return Ok(());
    };
    let word = match (&*choice.r#type, choice.name) {
        ("auto", _) => ToolChoice::Word("auto"),
        ("any", _) => ToolChoice::Word("required"),
        ("none", _) => ToolChoice::Word("none"),
        ("tool", Some(name)) => ToolChoice::function(name),
        _ => {
            let what = "must be of type auto, any or none, or of type tool with a name";
            return Err(invalid("tool_choice", what));
        }
    };
    chat.set("tool_choice", &word);
    if choice.disable_parallel_tool_use == Some(true) {
        chat.set("parallel_tool_calls", &false);
    }
    Ok(())
}

/// The client's wish for thinking, as an effort.
fn reasoning(
    folder: &dyn ProviderDialect,
    call: &Call<'_>,
    request: &Object<'_>,
    config: &OutputConfig<'_>,
    chat: &mut Object<'_>,
    unsupported: &mut Unsupported,
) -> Result<(), ApiError> {
    const FIELD: &str = "reasoning_effort";
    let thinking: Option<ThinkingConfig<'_>> = read(request, "thinking")?;
    let effort = match (&config.effort, thinking) {
        (_, Some(thinking)) if thinking.r#type == "disabled" => None,
        (Some(effort), _) => Some(match &**effort {
            "low" => "low",
            "medium" => "medium",
            _ => "high",
        }),
        (None, Some(thinking)) => thinking.budget_tokens.map(|budget| match budget {
            0..4096 => "low",
            4096..16384 => "medium",
            _ => "high",
        }),
        (None, None) => None,
    };
    let Some(effort) = effort.filter(|_| request.some(FIELD).is_none()) else {
        return Ok(());
    };
    if folder.reasons(call.config) {
        chat.set(FIELD, effort);
    } else {
        unsupported.leave_out("thinking");
    }
    Ok(())
}

fn response_format<'a>(format: &OutputFormat<'a>) -> Result<ResponseFormat<'a>, ApiError> {
    let schema = format
        .schema
        .filter(|_| format.r#type == "json_schema")
        .ok_or_else(|| {
            invalid(
                "output_config.format",
                "must be of type json_schema, with a schema",
            )
        })?;
    Ok(ResponseFormat {
        r#type: "json_schema",
        json_schema: Some(JsonSchema {
            name: Cow::Borrowed("answer"),
            description: None,
            schema,
            strict: Some(true),
        }),
    })
}

/// The end user, as OpenAI takes it.
fn user(request: &Object<'_>) -> Option<String> {
    let metadata: Object<'_> = serde_json::from_str(request.some("metadata")?.get()).ok()?;
    let user = json::string(metadata.some("user_id")?)?;
    let user: String = user.chars().take(MAX_USER).collect();
    Some(user).filter(|user| !user.is_empty())
}
