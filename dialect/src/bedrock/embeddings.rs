//! Embeddings by InvokeModel, whose bodies are the models' own: Amazon's Titan
//! (<https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html>)
//! and Cohere's
//! (<https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-embed.html>).

use std::borrow::Cow;

use dragoman_proto::{ApiError, Usage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{error, path};
use crate::{
    edge,
    failure::Failure,
    hub::{self, Unsupported, prepare},
    json::{self, Object},
    meter::Meter,
    request::{Call, ResponseContext, Translated},
};

/// For a client that does not say what the vectors are for.
const DEFAULT_INPUT_TYPE: &str = "search_document";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TitanRequest<'a> {
    input_text: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dimensions: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    normalize: Option<&'a RawValue>,
    /// Of the model that also embeds images.
    #[serde(skip_serializing_if = "Option::is_none")]
    embedding_config: Option<TitanConfig<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TitanConfig<'a> {
    output_embedding_length: &'a RawValue,
}

#[derive(Debug, Serialize)]
struct CohereRequest<'a> {
    texts: Vec<Cow<'a, str>>,
    input_type: Cow<'a, str>,
    embedding_types: [&'a str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate: Option<&'a RawValue>,
}

/// An answer of either.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer<'a> {
    #[serde(borrow)]
    embedding: Option<&'a RawValue>,
    input_text_token_count: Option<u64>,
    /// A list, or an object of lists by their type.
    #[serde(borrow)]
    embeddings: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct ByType<'a> {
    #[serde(borrow)]
    float: Vec<&'a RawValue>,
}

/// The client's request for InvokeModel.
pub(super) fn request(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = Object::parse(call.body).map_err(|error| edge::invalid_json(&error))?;
    let mut unsupported = prepare(&mut request, call.config);
    let mut response = call.context();
    response.base64 = hub::wants_base64(&request)?;
    let texts = texts(&request)?;
    let model = &call.config.model;
    let mut body = Vec::with_capacity(call.body.len() + 128);
    if model.contains("cohere.embed") {
        json::write(&mut body, &cohere(&request, model, texts, &mut unsupported));
    } else if model.contains("titan-embed") {
        json::write(&mut body, &titan(&request, call, texts, &mut unsupported)?);
    } else {
        let error = format!(
            "{} serves /v1/embeddings with models of Titan and of Cohere alone, not with {model}",
            call.config.provider
        );
        return Err(ApiError::invalid(error).param("model"));
    }
    Ok(Translated {
        path: path(call, "invoke"),
        headers: vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json".to_owned()),
        ],
        body: Some(body),
        dropped: unsupported.finish()?,
        response,
    })
}

fn cohere<'a>(
    request: &'a Object<'_>,
    model: &str,
    texts: Vec<Cow<'a, str>>,
    unsupported: &mut Unsupported,
) -> CohereRequest<'a> {
    CohereRequest {
        texts,
        input_type: request
            .some("input_type")
            .and_then(json::string)
            .unwrap_or(Cow::Borrowed(DEFAULT_INPUT_TYPE)),
        embedding_types: ["float"],
        // The third version has vectors of one length.
        output_dimension: dimensions(request, !model.contains("-v3"), unsupported),
        truncate: request.some("truncate"),
    }
}

fn titan<'a>(
    request: &'a Object<'_>,
    call: &Call<'_>,
    texts: Vec<Cow<'a, str>>,
    unsupported: &mut Unsupported,
) -> Result<TitanRequest<'a>, ApiError> {
    let model = &call.config.model;
    let mut texts = texts.into_iter();
    let (Some(input_text), None) = (texts.next(), texts.next()) else {
        let error = format!("{model} embeds one text a request: input must hold one");
        return Err(ApiError::invalid(error).param("input"));
    };
    let embeds_images = model.contains("titan-embed-image");
    let second = model.contains("titan-embed-text-v2");
    let dimensions = dimensions(request, second || embeds_images, unsupported);
    Ok(TitanRequest {
        input_text,
        dimensions: dimensions.filter(|_| second),
        normalize: request.some("normalize").filter(|_| second),
        embedding_config: dimensions
            .filter(|_| embeds_images)
            .map(|output_embedding_length| TitanConfig {
                output_embedding_length,
            }),
    })
}

/// `dimensions`, where the model can choose.
fn dimensions<'a>(
    request: &'a Object<'_>,
    is_free: bool,
    unsupported: &mut Unsupported,
) -> Option<&'a RawValue> {
    let wanted = request.some("dimensions")?;
    if is_free {
        return Some(wanted);
    }
    unsupported.refuse("dimensions");
    None
}

fn texts<'a>(request: &'a Object<'_>) -> Result<Vec<Cow<'a, str>>, ApiError> {
    let raw = request.some("input").unwrap_or(RawValue::NULL);
    if let Some(one) = json::string(raw) {
        return Ok(vec![one]);
    }
    let names: Vec<json::Name<'a>> = serde_json::from_str(raw.get()).map_err(|_| {
        ApiError::invalid("input must be a string or an array of strings: Bedrock takes no tokens")
            .param("input")
    })?;
    Ok(names.into_iter().map(|name| name.0).collect())
}

/// The client's answer. Cohere's models are counted in a header, Titan's in the body.
pub(super) fn answer(
    context: &ResponseContext,
    body: &[u8],
    meter: &mut Meter,
) -> Result<Vec<u8>, Failure> {
    let provider = &context.provider;
    let garbage = || Failure::garbage(provider, "the answer has no embeddings");
    let failed = || match error::read(body) {
        Some(error) => Failure::of_provider(provider, error.status.unwrap_or(502), &error, None),
        None => garbage(),
    };
    let answer: Answer<'_> = json::parse(body).map_err(|_| failed())?;
    let vectors = vectors(&answer).ok_or_else(failed)?;
    let known = meter.known();
    match answer.input_text_token_count {
        Some(input_tokens) => meter.counted(Usage {
            input_tokens,
            ..Usage::default()
        }),
        None if known.input_tokens > 0 => meter.counted(known),
        None => meter.output(0),
    }
    hub::embeddings(context, &vectors, meter.usage().input_tokens).ok_or_else(garbage)
}

fn vectors<'a>(answer: &Answer<'a>) -> Option<Vec<&'a RawValue>> {
    if let Some(one) = answer.embedding {
        return Some(vec![one]);
    }
    let text = answer.embeddings?.get();
    if text.starts_with('[') {
        return serde_json::from_str(text).ok();
    }
    serde_json::from_str::<ByType<'a>>(text)
        .ok()
        .map(|by_type| by_type.float)
}
