//! `/api/embed`.

use dragoman_proto::{ApiError, Usage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{error, headers, path};
use crate::{
    failure::Failure,
    hub::{self, prepare},
    json::{self, Object},
    meter::Meter,
    request::{Call, ResponseContext, Translated},
};

/// What goes to Ollama as it is; `options` among it.
const KEPT: [&str; 5] = ["dimensions", "truncate", "keep_alive", "options", "input"];

/// What is read here, or is the gateway's.
const TRANSLATED: [&str; 4] = ["model", "encoding_format", "user", "metadata"];

#[derive(Debug, Serialize)]
struct EmbedRequest<'a> {
    model: &'a str,
    #[serde(flatten)]
    rest: &'a Object<'a>,
}

#[derive(Debug, Deserialize)]
struct EmbedAnswer<'a> {
    #[serde(borrow, default)]
    embeddings: Option<Vec<&'a RawValue>>,
    #[serde(default)]
    prompt_eval_count: Option<u64>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

/// The client's request for `/api/embed`.
pub(super) fn request(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = call.object()?;
    let mut unsupported = prepare(&mut request, call.config);
    unsupported.refuse_strange(&mut request, &[&KEPT[..], &TRANSLATED].concat());
    hub::texts(&request, "Ollama")?;
    let mut response = call.context();
    response.base64 = hub::wants_base64(&request)?;
    request.retain(|name| KEPT.contains(&name));
    let embed = EmbedRequest {
        model: &call.config.model,
        rest: &request,
    };
    call.sends(
        path(call, "/api/embed"),
        headers(call),
        &embed,
        unsupported,
        response,
    )
}

/// The client's answer.
pub(super) fn answer(
    context: &ResponseContext,
    body: &[u8],
    meter: &mut Meter,
) -> Result<Vec<u8>, Failure> {
    let garbage = || Failure::garbage(&context.provider, "the answer has no `embeddings`");
    let answer: EmbedAnswer<'_> = json::parse(body).map_err(|_| garbage())?;
    if let Some(raw) = answer.error.filter(|raw| raw.get() != "null") {
        return Err(error::failure(&context.provider, raw));
    }
    let vectors = answer.embeddings.ok_or_else(garbage)?;
    match answer.prompt_eval_count {
        Some(input_tokens) => meter.counted(Usage {
            input_tokens,
            ..Usage::default()
        }),
        None => meter.output(0),
    }
    let tokens = meter.usage().input_tokens;
    hub::embeddings(context, &vectors, tokens).ok_or_else(garbage)
}
