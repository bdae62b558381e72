//! Requests towards OpenAI-compatible providers: the client's object with a few members changed.

use dragoman_proto::{ApiError, Dialect, Operation, UpstreamConfig};

use serde_json::value::RawValue;

use super::{form, history};
use crate::{
    hub::prepare,
    json::Object,
    request::{Call, ResponseContext, Translated},
};

const MAX_TOKENS: &str = "max_tokens";
const MAX_COMPLETION_TOKENS: &str = "max_completion_tokens";

/// What OpenAI's reasoning models do not take, and the value that asks for nothing
/// (<https://platform.openai.com/docs/guides/latest-model#gpt-5-parameter-compatibility>).
const SAMPLING: [(&str, &str); 7] = [
    ("temperature", "1"),
    ("top_p", "1"),
    ("presence_penalty", "0"),
    ("frequency_penalty", "0"),
    ("logprobs", "false"),
    ("top_logprobs", "0"),
    ("logit_bias", "{}"),
];

/// The client's request for this deployment.
pub(super) fn translate(call: &Call<'_>) -> Result<Translated, ApiError> {
    match call.admission.operation {
        Operation::Messages | Operation::CountTokens => {
            Err(call.no_such_operation("use /v1/chat/completions with this model"))
        }
        operation if operation.is_multipart() => form::translate(call),
        _ => object(call),
    }
}

fn object(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = call.object()?;
    let stores = request.read("store").unwrap_or(false);
    let mut unsupported = prepare(&mut request, call.config);
    if !stores {
        // LiteLLM's clients put their tags there; only a stored completion gives it a meaning.
        request.remove("metadata");
    }
    let mut response = call.context();
    request.set("model", &call.config.model);
    match call.admission.operation {
        Operation::ChatCompletions | Operation::Completions => {
            limit_chat(&mut request, call);
            history::clean(&mut request, call.config, &mut unsupported);
            stream_options(&mut request, call, &mut response);
        }
        Operation::Responses => {
            if request.read("background").unwrap_or(false) {
                // Its answer would be fetched later, past every budget.
                return Err(ApiError::invalid("background is not supported").param("background"));
            }
            limit(&mut request, "max_output_tokens", call);
            history::clean_input(&mut request, &mut unsupported);
        }
        Operation::AudioSpeech => {
            let input: Option<String> = request.read("input");
            response.characters = input.map_or(0, |text| text.chars().count() as u64);
        }
        Operation::Embeddings => {
            let encoding: Option<String> = request.read("encoding_format");
            response.base64 = encoding.as_deref() == Some("base64");
            if encoding.as_deref() == Some("float") {
                // What it is without being set, and unknown to some imitators.
                request.remove("encoding_format");
            }
        }
        _ => {}
    }
    if is_unsampled(&request, call) {
        unsupported.refuse_demands(&mut request, &SAMPLING);
    }
    rename(&mut request, &call.config.quirks.renamed);
    unsupported.refuse_quirks(&mut request, call);
    let dropped = unsupported.finish()?;
    Ok(translated(
        call,
        "application/json".to_owned(),
        Some(request.to_bytes(call.body.len() + 128)),
        dropped,
        response,
    ))
}

/// Calls parameters as this provider does.
fn rename(request: &mut Object<'_>, renamed: &[(String, String)]) {
    for (name, own) in renamed {
        if request.some(own).is_none()
            && let Some(value) = request.some(name).map(RawValue::to_owned)
        {
            request.set(own, &value);
        }
        request.remove(name);
    }
}

/// The output limit, under the name that this provider understands.
fn limit_chat(request: &mut Object<'_>, call: &Call<'_>) {
    let config = call.config;
    let chat = call.admission.operation == Operation::ChatCompletions;
    let renamed = match config.quirks.max_tokens_field.as_deref() {
        Some(MAX_TOKENS) => Some((MAX_COMPLETION_TOKENS, MAX_TOKENS)),
        Some(MAX_COMPLETION_TOKENS) => Some((MAX_TOKENS, MAX_COMPLETION_TOKENS)),
        _ if chat && is_openai_s_own(config) && is_reasoning(&config.model) => {
            Some((MAX_TOKENS, MAX_COMPLETION_TOKENS))
        }
        _ => None,
    };
    if let Some((from, to)) = renamed
        && chat
    {
        if request.some(to).is_none()
            && let Some(limit) = request.read::<u64>(from)
        {
            request.set(to, &limit);
        }
        request.remove(from);
    }
    let has_newer = request.some(MAX_COMPLETION_TOKENS).is_some();
    if has_newer {
        limit(request, MAX_COMPLETION_TOKENS, call);
    }
    if request.some(MAX_TOKENS).is_some() {
        limit(request, MAX_TOKENS, call);
    } else if !has_newer {
        let field = match renamed {
            Some((_, to)) if chat => to,
            _ if chat && config.provider == "openai" => MAX_COMPLETION_TOKENS,
            _ => MAX_TOKENS,
        };
        limit(request, field, call);
    }
}

/// Lowers `field` to what the reservation covers, or sets it.
fn limit(request: &mut Object<'_>, field: &str, call: &Call<'_>) {
    let Some(cap) = call.admission.output_cap else {
        return;
    };
    match request.read::<u64>(field) {
        Some(wanted) if wanted <= cap => {}
        _ => request.set(field, &cap),
    }
}

/// Whether a deployment is asked for text completions as such. OpenAI itself has few models left that
/// complete; its imitators have the endpoint for all, or for none.
pub(super) fn completes(config: &UpstreamConfig) -> bool {
    let is_openai = config.authority.starts_with("api.openai.com");
    config.provider == "text-completion-openai"
        || !config.quirks.no_completions && (!is_openai || completes_texts(&config.model))
}

/// Whether a model of OpenAI's completes texts, by its name.
pub(crate) fn completes_texts(model: &str) -> bool {
    ["instruct", "davinci", "babbage"]
        .iter()
        .any(|word| model.contains(word))
}

/// Whether these are OpenAI's own models, by the names that tell them apart.
fn is_openai_s_own(config: &UpstreamConfig) -> bool {
    config.provider == "openai" || config.dialect == Dialect::Azure
}

/// OpenAI's reasoning models, which refuse `max_tokens` from OpenAI itself.
pub(super) fn is_reasoning(model: &str) -> bool {
    // Others serve them with their maker's name in front.
    let model = model.rsplit('/').next().unwrap_or(model);
    ["o1", "o3", "o4", "gpt-5", "gpt-oss"]
        .iter()
        .any(|family| match model.strip_prefix(family) {
            Some(rest) => rest.is_empty() || rest.starts_with(['-', '.']),
            None => false,
        })
}

/// Whether a request is for one of OpenAI's own models while it reasons. From 5.1 on they do so only when
/// they are asked to.
fn is_unsampled(request: &Object<'_>, call: &Call<'_>) -> bool {
    let model = call.config.model.as_str();
    let asked = matches!(
        call.admission.operation,
        Operation::ChatCompletions | Operation::Responses
    );
    let reasons = is_openai_s_own(call.config)
        && is_reasoning(model)
        && is_openai_s(model)
        && !model.contains("chat");
    if !asked || !reasons || !model.contains("gpt-5.") {
        return asked && reasons;
    }
    let effort: Option<String> = request
        .read("reasoning_effort")
        .or_else(|| request.object("reasoning").read("effort"));
    effort.is_some_and(|effort| effort != "none")
}

/// Models that only OpenAI has, whoever serves them.
pub(super) fn is_openai_s(model: &str) -> bool {
    let model = model.rsplit('/').next().unwrap_or(model);
    let model = model.strip_prefix("ft:").unwrap_or(model);
    let starts = |start: &&str| model.starts_with(*start);
    ["gpt-", "chatgpt-", "o1", "o3", "o4"].iter().any(starts) && !model.starts_with("gpt-oss")
}

/// The usage is always asked for, and hidden from a client that did not.
fn stream_options(request: &mut Object<'_>, call: &Call<'_>, response: &mut ResponseContext) {
    const FIELD: &str = "stream_options";
    let mut options: Object<'_> = request
        .some(FIELD)
        .and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default();
    response.include_usage = options.read("include_usage").unwrap_or(false);
    if !call.admission.stream || call.config.quirks.no_stream_options {
        request.remove(FIELD);
    } else if !response.include_usage {
        options.set("include_usage", &true);
        let text = options.to_bytes(32);
        if let Ok(raw) = serde_json::from_slice::<&serde_json::value::RawValue>(&text) {
            request.set(FIELD, raw);
        }
    }
}

pub(super) fn translated(
    call: &Call<'_>,
    content_type: String,
    body: Option<Vec<u8>>,
    dropped: Vec<String>,
    response: ResponseContext,
) -> Translated {
    let accept = match (call.admission.stream, call.admission.operation) {
        (true, _) => "text/event-stream",
        (false, Operation::AudioSpeech) => "*/*",
        (false, operation) if operation.is_multipart() => "*/*",
        (false, _) => "application/json",
    };
    Translated {
        path: format!(
            "{}{}",
            call.config.base_path,
            call.admission.operation.path()
        ),
        headers: vec![
            ("content-type", content_type),
            ("accept", accept.to_owned()),
        ],
        body,
        dropped,
        response,
    }
}
