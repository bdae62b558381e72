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
    cohere::{EmbedRequest, Embeddings},
    failure::Failure,
    hub::{self, Unsupported, prepare},
    json::{self, Object},
    meter::Meter,
    request::{Call, ResponseContext, Translated},
};

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

/// The client's request for InvokeModel.
pub(super) fn request(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = call.object()?;
    let mut unsupported = prepare(&mut request, call.config);
    let mut response = call.context();
    response.base64 = hub::wants_base64(&request)?;
    let texts = hub::texts(&request, "Bedrock")?;
    let model = &call.config.model;
    let (path, headers) = (path(call, "invoke"), call.json_headers("application/json"));
    if model.contains("cohere.embed") {
        // The third version has vectors of one length.
        let length = dimensions(&request, !model.contains("-v3"), &mut unsupported);
        let embed = EmbedRequest::new(&request, texts, length);
        call.sends(path, headers, &embed, unsupported, response)
    } else if model.contains("titan-embed") {
        let embed = titan(&request, call, texts, &mut unsupported)?;
        call.sends(path, headers, &embed, unsupported, response)
    } else {
        let error = format!(
            "{} serves /v1/embeddings with models of Titan and of Cohere alone, not with {model}",
            call.config.provider
        );
        Err(ApiError::invalid(error).param("model"))
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

/// The client's answer. Cohere's models are counted in a header, Titan's in the body.
pub(super) fn answer(
    context: &ResponseContext,
    body: &[u8],
    meter: &mut Meter,
) -> Result<Vec<u8>, Failure> {
    let provider = &context.provider;
    const MISSING: &str = "the answer has no embeddings";
    let failed = || Failure::unreadable(provider, error::read(body).as_ref(), MISSING);
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
    hub::embeddings(context, &vectors, meter.usage().input_tokens)
        .ok_or_else(|| Failure::garbage(provider, MISSING))
}

fn vectors<'a>(answer: &Answer<'a>) -> Option<Vec<&'a RawValue>> {
    if let Some(one) = answer.embedding {
        return Some(vec![one]);
    }
    let text = answer.embeddings?.get();
    if text.starts_with('[') {
        return serde_json::from_str(text).ok();
    }
    serde_json::from_str::<Embeddings<'a>>(text)
        .ok()
        .map(|by_type| by_type.float)
}
