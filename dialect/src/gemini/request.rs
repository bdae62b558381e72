//! Chat requests for Gemini.
//!
//! Choices where the two APIs do not meet:
//! - A system message in the middle keeps its place, as text of the user's turn behind the label
//!   `[System message]`. A conversation of system messages alone gets a user's turn of one full stop.
//! - Reasoning is not sent back; its signatures are, where `extra_content` brings them. A call without
//!   one, which another model may have made, is marked as such for models that want signatures.
//! - `user`, `prompt_cache_key`, `parallel_tool_calls` and the like are left out, and reported.
//! - Images and files with an address are fetched by Google, from 2.5 on; never by us.
//! - A parameter set to what it is without being set (`n: 1`, `presence_penalty: 0`) is no demand, and
//!   is left out without a word. A parameter that nobody knows is refused, since Gemini would.
//! - Gemini's own parameters pass: `safety_settings`, `cached_content`, `thinking_config`.

use dragoman_proto::ApiError;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    Target,
    content::Conversation,
    extra, headers, path,
    schema::{GenerateRequest, GenerationConfig, OutputTool, Thinking},
    subset::{self, Ordering},
    thinking, tools,
};
use crate::{
    hub::{self, Format, Unsupported, prepare},
    json::{self, Object},
    request::{Call, Translated},
};

/// What Gemini cannot express, and the value that asks for nothing.
const UNSUPPORTED: [(&str, &str); 8] = [
    ("logit_bias", "{}"),
    ("store", "false"),
    ("functions", "[]"),
    ("function_call", ""),
    ("audio", ""),
    ("prediction", ""),
    ("verbosity", r#""medium""#),
    ("service_tier", r#""auto""#),
];

/// Hints, without which the answer is none the worse.
const HINTS: [&str; 5] = [
    "user",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "parallel_tool_calls",
];

/// Parameters that are read here, besides those that every dialect reads.
const TRANSLATED: [&str; 17] = [
    "web_search_options",
    "thinking",
    "thinking_config",
    "thinkingConfig",
    "modalities",
    "temperature",
    "top_p",
    "top_k",
    "n",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logprobs",
    "top_logprobs",
    "safety_settings",
    "safetySettings",
    "cached_content",
];

/// The client's chat request as a `generateContent` request.
pub(super) fn translate(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = call.object()?;
    extra::unwrap(&mut request);
    let mut unsupported = prepare(&mut request, call.config);
    refuse(&mut request, call, &mut unsupported);
    let mut response = call.context();
    response.include_usage = hub::wants_usage(&request);
    let message = build(&request, call, &mut unsupported)?;
    let method = if call.admission.stream {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    };
    call.sends(
        path(call, method),
        headers(call),
        &message,
        unsupported,
        response,
    )
}

/// Takes out what cannot be expressed, and what asks for nothing.
fn refuse(request: &mut Object<'_>, call: &Call<'_>, unsupported: &mut Unsupported) {
    for name in ["service_tier", "parallel_tool_calls"] {
        if matches!(
            request.get(name).map(RawValue::get),
            Some(r#""default""# | "true" | "null")
        ) {
            request.remove(name);
        }
    }
    unsupported.leave_out_hints(request, &HINTS);
    unsupported.refuse_demands(request, &UNSUPPORTED);
    unsupported.refuse_quirks(request, call);
    let strange: Vec<String> = request
        .names()
        .filter(|name| {
            !hub::is_read(name) && !TRANSLATED.contains(name) && !unsupported.is_allowed(name)
        })
        .map(str::to_owned)
        .collect();
    for name in strange {
        if request.some(&name).is_some() {
            unsupported.refuse(&name);
        }
        request.remove(&name);
    }
}

/// A number that differs from what it is without being set.
fn number<'a>(request: &'a Object<'_>, name: &str, neutral: &str) -> Option<&'a RawValue> {
    request
        .some(name)
        .filter(|raw| raw.get() != neutral && (neutral != "0" || raw.get().parse() != Ok(0.0)))
}

fn build<'a>(
    request: &'a Object<'_>,
    call: &'a Call<'_>,
    unsupported: &mut Unsupported,
) -> Result<GenerateRequest<'a>, ApiError> {
    let conversation = conversation(request, Target::of(call.config))?;
    if conversation.lost_reasoning {
        unsupported.leave_out("messages.reasoning_content");
    }
    let (system_instruction, contents) = conversation.finish().ok_or_else(|| {
        ApiError::invalid("Gemini needs at least one message with content").param("messages")
    })?;
    let tools = tools::tools(request, unsupported)?;
    let has_functions = tools
        .iter()
        .any(|tool| matches!(tool, OutputTool::Functions { .. }));
    let tool_config = if has_functions {
        tools::config(request.some("tool_choice"))?
    } else {
        None
    };
    Ok(GenerateRequest {
        contents,
        system_instruction,
        tools,
        tool_config,
        safety_settings: request
            .some("safety_settings")
            .or_else(|| request.some("safetySettings")),
        cached_content: request.some("cached_content"),
        generation_config: generation_config(request, call, unsupported)?,
    })
}

fn conversation<'a>(request: &'a Object<'_>, target: Target) -> Result<Conversation<'a>, ApiError> {
    let mut conversation = Conversation::new(target);
    for (index, message) in hub::messages(request)?.into_iter().enumerate() {
        conversation.add(index, message)?;
    }
    Ok(conversation)
}

fn generation_config<'a>(
    request: &'a Object<'_>,
    call: &Call<'_>,
    unsupported: &mut Unsupported,
) -> Result<GenerationConfig<'a>, ApiError> {
    let max_output_tokens = hub::capped(hub::output_limit(request), call.admission.output_cap);
    let mut stop_sequences = hub::stop(request)?;
    stop_sequences.retain(|stop| !stop.is_empty());
    let logprobs = request.read("logprobs").unwrap_or(false);
    // What the client insists on goes where Gemini has its own parameters.
    let mut rest = Object::default();
    for (name, value) in request.iter() {
        if !hub::is_read(name) && !TRANSLATED.contains(&name) {
            rest.push(name.to_owned().into(), value);
        }
    }
    let mut config = GenerationConfig {
        max_output_tokens,
        temperature: request.some("temperature"),
        top_p: request.some("top_p"),
        top_k: request.some("top_k"),
        candidate_count: number(request, "n", "1"),
        seed: request.some("seed"),
        presence_penalty: number(request, "presence_penalty", "0"),
        frequency_penalty: number(request, "frequency_penalty", "0"),
        stop_sequences,
        response_logprobs: logprobs.then_some(true),
        logprobs: number(request, "top_logprobs", "0").filter(|_| logprobs),
        thinking_config: thinking(request, call, unsupported)?,
        response_modalities: modalities(request, unsupported),
        rest,
        ..GenerationConfig::default()
    };
    response_format(request, call, &mut config)?;
    Ok(config)
}

fn thinking<'a>(
    request: &'a Object<'_>,
    call: &Call<'_>,
    unsupported: &mut Unsupported,
) -> Result<Option<Thinking<'a>>, ApiError> {
    const FIELD: &str = "reasoning_effort";
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Claude {
        r#type: String,
        budget_tokens: Option<u64>,
    }
    let own = request
        .some("thinking_config")
        .or_else(|| request.some("thinkingConfig"));
    if let Some(own) = own {
        return Ok(Some(Thinking::Own(extra::camel(own)?)));
    }
    // Anthropic's word for it, which LiteLLM's clients use with every model.
    if let Some(claude) = request.read::<Claude>("thinking") {
        let model = &call.config.model;
        let effort = match (claude.r#type.as_str(), claude.budget_tokens) {
            ("disabled", _) => thinking::effort("none", model),
            (_, Some(tokens)) => Some(thinking::tokens(tokens, model)),
            (_, None) => None,
        };
        return Ok(config(effort, "thinking", unsupported));
    }
    let Some(raw) = request.some(FIELD) else {
        return Ok(None);
    };
    let effort = json::string(raw).and_then(|word| thinking::effort(&word, &call.config.model));
    if effort.is_none() {
        return Err(ApiError::invalid(
            "reasoning_effort must be none, minimal, low, medium, high or xhigh",
        )
        .param(FIELD));
    }
    Ok(config(effort, FIELD, unsupported))
}

fn config<'a>(
    effort: Option<thinking::Effort>,
    field: &str,
    unsupported: &mut Unsupported,
) -> Option<Thinking<'a>> {
    match effort? {
        thinking::Effort::Config(config) => Some(Thinking::Typed(config)),
        thinking::Effort::Nothing => None,
        thinking::Effort::Unsupported => {
            unsupported.refuse(field);
            None
        }
    }
}

fn modalities(request: &Object<'_>, unsupported: &mut Unsupported) -> Vec<&'static str> {
    const FIELD: &str = "modalities";
    let wanted: Vec<String> = request.read(FIELD).unwrap_or_default();
    let wanted: Vec<Option<&'static str>> = wanted
        .iter()
        .map(|modality| match modality.as_str() {
            "text" => Some("TEXT"),
            "image" => Some("IMAGE"),
            _ => None,
        })
        .collect();
    if wanted.contains(&None) {
        unsupported.refuse(FIELD);
    }
    let known: Vec<&'static str> = wanted.into_iter().flatten().collect();
    if known == ["TEXT"] { Vec::new() } else { known }
}

/// Models before 2.5 take a schema only in Gemini's subset, and order its properties by name unless
/// they are told.
fn response_format<'a>(
    request: &'a Object<'_>,
    call: &Call<'_>,
    config: &mut GenerationConfig<'a>,
) -> Result<(), ApiError> {
    let invalid = |what: &str| ApiError::invalid(what.to_owned()).param("response_format");
    let Some(format) = hub::format(request)?.filter(|format| !matches!(format, Format::Text))
    else {
        return Ok(());
    };
    config.response_mime_type = Some("application/json");
    let Some(schema) = format.schema() else {
        return Ok(());
    };
    if thinking::version(&call.config.model).is_some_and(|version| version < (2, 5)) {
        let schema: Value = serde_json::from_str(schema.get())
            .map_err(|_| invalid("response_format.json_schema.schema is not readable"))?;
        let subset = subset::convert(&schema, Ordering::Stated).map_err(|subset::TooLarge| {
            invalid("response_format.json_schema.schema has references that make it too large")
        })?;
        config.response_schema = Some(subset);
    } else {
        config.response_json_schema = Some(schema);
    }
    Ok(())
}
