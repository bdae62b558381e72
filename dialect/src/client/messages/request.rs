//! A Messages request as a chat request.
//!
//! Choices where the two APIs do not meet (thinking: see [`super::reasoning`], tools that come and go:
//! see [`super::offer`]):
//! - `cache_control`, signed thinking and `top_k` go to targets that have a word for them. Elsewhere
//!   the first two are only hints and left out; `top_k` is refused.
//! - The user's id is cut to the 64 characters that OpenAI takes.
//! - Where a client names betas, a member that nobody knows yet is one of theirs: it is left out, so
//!   that a client's next release works with every provider.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde_json::value::RawValue;

use super::{
    super::{
        ChatRequest, Client,
        chat::{Function, JsonSchema, ResponseFormat, Tool, ToolChoice, invalid, read},
        search,
    },
    content::{Conversation, Target},
    names::{LongNames, short},
    offer::{self, Changes, Declared},
    reasoning::reasoning,
    schema::{MessageIn, OutputConfig, OutputFormat, ToolChoiceIn, ToolIn},
};
use crate::{
    hub::{self, Unsupported},
    json::{self, Object},
    registry::ProviderDialect,
    request::Call,
};

/// The longest name of a user.
const MAX_USER: usize = 64;

/// Members that are told in other words, or ask for nothing that is not so anyway.
const TRANSLATED: [&str; 10] = [
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
];
/// What nobody else can do, and the value that does not ask for it: another answer, or in another
/// place.
const DEMANDS: [(&str, &str); 4] = [
    ("container", ""),
    ("mcp_servers", "[]"),
    ("inference_geo", "\"global\""),
    ("thread", ""),
];
/// Likewise, but without it the answer is the same, at most dearer or longer in coming.
const HINTS: [(&str, &str); 9] = [
    ("context_management", ""),
    ("cache_control", ""),
    ("compaction", ""),
    ("diagnostics", ""),
    ("speed", "\"standard\""),
    ("billing_policy", ""),
    ("fallback_credit_token", ""),
    ("user_profile_id", ""),
    ("workspace_id", ""),
];
/// Members that are the same in a chat request, or go before what is said in Messages' words.
const SHARED: [&str; 8] = [
    "model",
    "max_tokens",
    "stream",
    "temperature",
    "top_p",
    "top_k",
    "user",
    "reasoning_effort",
];

/// The members of a custom tool that are told, or only say how its input is streamed.
const TOLD_OF_TOOLS: [&str; 8] = [
    "type",
    "name",
    "description",
    "input_schema",
    "strict",
    "cache_control",
    "defer_loading",
    "eager_input_streaming",
];

/// The client's request as the hub's.
pub(in super::super) fn request(
    folder: &dyn ProviderDialect,
    call: &Call<'_>,
) -> Result<ChatRequest, ApiError> {
    let request = call.object()?;
    let mut unsupported = Unsupported::new(&request, call.config);
    let target = Target {
        extras: folder.takes_extras(call.config),
        heeds_late_system: folder.heeds_late_system(call.config),
    };
    let mut chat = request.clone();
    chat.retain(|name| !TRANSLATED.contains(&name));
    refuse(call, target.extras, &mut chat, &mut unsupported);
    let Said { changes, effort } = messages(&request, &mut chat, target, &mut unsupported)?;
    let names = tools(folder, call, &request, changes, &mut chat, &mut unsupported)?;
    let mut config: OutputConfig<'_> = read(&request, "output_config")?.unwrap_or_default();
    config.effort = effort.or(config.effort);
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
        client: Client::Messages(names),
    })
}

/// What no chat request can say.
fn refuse(call: &Call<'_>, extras: bool, chat: &mut Object<'_>, unsupported: &mut Unsupported) {
    unsupported.refuse_demands(chat, &DEMANDS);
    for (name, neutral) in HINTS {
        let asks = |raw: &RawValue| raw.get() != neutral;
        if chat.some(name).is_some_and(asks) {
            unsupported.leave_out(name);
        }
        chat.remove(name);
    }
    if call.head.anthropic_beta.is_some() {
        let is_known = |name: &&str| SHARED.contains(name) || hub::GATEWAY_ONLY.contains(name);
        let strange = chat.names().filter(|name| !is_known(name));
        for name in strange.map(str::to_owned).collect::<Vec<_>>() {
            if !unsupported.is_allowed(&name) {
                chat.remove(&name);
                unsupported.leave_out(&name);
            }
        }
    }
    if chat.some("top_k").is_some() && !extras && !unsupported.is_allowed("top_k") {
        unsupported.refuse("top_k");
        chat.remove("top_k");
    }
}

/// What the conversation says of the rest of the request.
struct Said<'a> {
    changes: Changes<'a>,
    effort: Option<Cow<'a, str>>,
}

fn messages<'a>(
    request: &'a Object<'_>,
    chat: &mut Object<'_>,
    target: Target,
    unsupported: &mut Unsupported,
) -> Result<Said<'a>, ApiError> {
    let mut conversation = Conversation::new(target, unsupported);
    if let Some(system) = request.some("system") {
        conversation.system(system)?;
    }
    let messages: Vec<MessageIn<'a>> =
        read(request, "messages")?.ok_or_else(|| invalid("messages", "is missing"))?;
    conversation.add_all(messages)?;
    chat.set("messages", &conversation.messages);
    Ok(Said {
        changes: conversation.changes,
        effort: conversation.effort,
    })
}

fn tools<'a>(
    folder: &dyn ProviderDialect,
    call: &Call<'_>,
    request: &'a Object<'_>,
    changes: Changes<'a>,
    chat: &mut Object<'_>,
    unsupported: &mut Unsupported,
) -> Result<LongNames, ApiError> {
    let extras = folder.takes_extras(call.config);
    let given: Vec<ToolIn<'a>> = read(request, "tools")?.unwrap_or_default();
    let raws: Vec<&'a RawValue> = read(request, "tools")?.unwrap_or_default();
    let declared = given.into_iter().zip(raws).collect();
    let mut names = LongNames::default();
    let mut tools = Vec::new();
    for (tool, raw) in changes.offered(declared) {
        match tool.r#type.as_deref() {
            None | Some("custom") => {
                leave_out_untold(raw, unsupported);
                names.note(&tool.name);
                tools.push(function((tool, raw), extras));
            }
            // With all tools on offer there is nothing to search for.
            Some(kind) if offer::is_search(&tool) => {
                unsupported.leave_out(&format!("tools.{kind}"));
            }
            // The provider's own: to search the web, to edit a text, to use a computer.
            Some(kind) => {
                if !search::take(folder, call, raw, chat, unsupported) {
                    unsupported.refuse(&format!("tools.{kind}"));
                }
            }
        }
    }
    if !tools.is_empty() {
        chat.set("tools", &tools);
        tool_choice(request, chat)?;
    }
    Ok(names)
}

fn function<'a>((tool, _): Declared<'a>, extras: bool) -> Tool<'a> {
    Tool {
        r#type: "function",
        function: Function {
            name: short(tool.name),
            description: tool.description,
            parameters: tool.input_schema,
            strict: tool.strict,
        },
        cache_control: tool.cache_control.filter(|_| extras),
    }
}

/// Reports what a chat request does not tell of a tool: examples, who else may call it.
fn leave_out_untold(tool: &RawValue, unsupported: &mut Unsupported) {
    let tool = Object::parse(tool.get().as_bytes()).unwrap_or_default();
    for name in tool.names().filter(|name| !TOLD_OF_TOOLS.contains(name)) {
        unsupported.leave_out(&format!("tools.{name}"));
    }
}

fn tool_choice(request: &Object<'_>, chat: &mut Object<'_>) -> Result<(), ApiError> {
    let Some(choice) = read::<ToolChoiceIn<'_>>(request, "tool_choice")? else {
        return Ok(());
    };
    let word = match (&*choice.r#type, choice.name) {
        ("auto", _) => ToolChoice::Word("auto"),
        ("any", _) => ToolChoice::Word("required"),
        ("none", _) => ToolChoice::Word("none"),
        ("tool", Some(name)) => ToolChoice::function(short(name)),
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
