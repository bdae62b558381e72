//! `/v2/embed` (<https://docs.cohere.com/reference/embed>).

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{error, headers, path, schema::UsageIn};
use crate::{
    edge,
    failure::Failure,
    hub::{self, prepare},
    json::{self, Object},
    meter::Meter,
    request::{Call, ResponseContext, Translated},
};

/// For a client that does not say what the vectors are for.
const DEFAULT_INPUT_TYPE: &str = "search_document";

/// What is read here; `user` and `metadata` are the gateway's.
const TRANSLATED: [&str; 8] = [
    "model",
    "input",
    "dimensions",
    "encoding_format",
    "input_type",
    "truncate",
    "user",
    "metadata",
];

#[derive(Debug, Serialize)]
struct EmbedRequest<'a> {
    model: &'a str,
    texts: Vec<Cow<'a, str>>,
    input_type: Cow<'a, str>,
    embedding_types: [&'a str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct EmbedAnswer<'a> {
    #[serde(borrow)]
    embeddings: Embeddings<'a>,
    #[serde(default)]
    meta: Option<UsageIn>,
}

#[derive(Debug, Deserialize)]
struct Embeddings<'a> {
    #[serde(borrow)]
    float: Vec<&'a RawValue>,
}

/// The client's request for `/v2/embed`.
pub(super) fn request(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = Object::parse(call.body).map_err(|error| edge::invalid_json(&error))?;
    let mut unsupported = prepare(&mut request, call.config);
    unsupported.refuse_strange(&mut request, &TRANSLATED);
    let mut response = call.context();
    response.base64 = hub::wants_base64(&request)?;
    let embed = EmbedRequest {
        model: &call.config.model,
        texts: texts(&request)?,
        input_type: request
            .some("input_type")
            .and_then(json::string)
            .unwrap_or(Cow::Borrowed(DEFAULT_INPUT_TYPE)),
        embedding_types: ["float"],
        output_dimension: request.some("dimensions"),
        truncate: request.some("truncate"),
    };
    let mut body = Vec::with_capacity(call.body.len() + 128);
    json::write(&mut body, &embed);
    Ok(Translated {
        path: path(call, "/embed"),
        headers: headers(call),
        body: Some(body),
        dropped: unsupported.finish()?,
        response,
    })
}

fn texts<'a>(request: &'a Object<'_>) -> Result<Vec<Cow<'a, str>>, ApiError> {
    let raw = request.some("input").unwrap_or(RawValue::NULL);
    if let Some(one) = json::string(raw) {
        return Ok(vec![one]);
    }
    let names: Vec<json::Name<'a>> = serde_json::from_str(raw.get()).map_err(|_| {
        ApiError::invalid("input must be a string or an array of strings: Cohere takes no tokens")
            .param("input")
    })?;
    Ok(names.into_iter().map(|name| name.0).collect())
}

/// The client's answer.
pub(super) fn answer(
    context: &ResponseContext,
    body: &[u8],
    meter: &mut Meter,
) -> Result<Vec<u8>, Failure> {
    let garbage = || Failure::garbage(&context.provider, "the answer has no `embeddings`");
    let answer: EmbedAnswer<'_> = json::parse(body).map_err(|_| match error::read(body) {
        Some(error) => Failure::of_provider(&context.provider, 502, &error, None),
        None => garbage(),
    })?;
    match answer.meta.and_then(|meta| meta.usage()) {
        Some(usage) => meter.counted(usage),
        None => meter.output(0),
    }
    let tokens = meter.usage().input_tokens;
    hub::embeddings(context, &answer.embeddings.float, tokens).ok_or_else(garbage)
}
