//! Embeddings: `batchEmbedContents` of Gemini's API, `predict` of Vertex AI
//! (<https://ai.google.dev/api/embeddings>,
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>).

use dragoman_proto::{ApiError, Usage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Target, error, headers, path, resource, schema::UsageMetadata};
use crate::{
    edge,
    failure::Failure,
    hub::{self, prepare},
    json::{self, Object},
    meter::Meter,
    request::{Call, ResponseContext, Translated},
};

/// What is read here; `user` names who asks.
const TRANSLATED: [&str; 8] = [
    "model",
    "input",
    "dimensions",
    "encoding_format",
    "user",
    "task_type",
    "taskType",
    "metadata",
];

#[derive(Serialize)]
struct Batch<'a> {
    requests: Vec<EmbedRequest<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EmbedRequest<'a> {
    model: &'a str,
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimensionality: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct Content<'a> {
    parts: [TextPart<'a>; 1],
}

#[derive(Serialize)]
struct TextPart<'a> {
    text: &'a RawValue,
}

#[derive(Serialize)]
struct Predict<'a> {
    instances: Vec<Instance<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<Parameters>,
}

#[derive(Serialize)]
struct Instance<'a> {
    content: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    task_type: Option<&'a RawValue>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    output_dimensionality: u64,
}

/// Either API's answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow, default)]
    embeddings: Option<Vec<Vector<'a>>>,
    #[serde(borrow, default)]
    predictions: Option<Vec<Prediction<'a>>>,
    #[serde(default)]
    usage_metadata: Option<UsageMetadata>,
}

#[derive(Deserialize)]
struct Prediction<'a> {
    #[serde(borrow)]
    embeddings: Vector<'a>,
}

#[derive(Deserialize)]
struct Vector<'a> {
    #[serde(borrow)]
    values: &'a RawValue,
    #[serde(default)]
    statistics: Option<Statistics>,
}

#[derive(Deserialize)]
struct Statistics {
    /// Vertex AI writes a number with a fraction.
    #[serde(default)]
    token_count: f64,
}

/// The client's request.
pub(super) fn request(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = Object::parse(call.body).map_err(|error| edge::invalid_json(&error))?;
    let mut unsupported = prepare(&mut request, call.config);
    unsupported.refuse_strange(&mut request, &TRANSLATED);
    let mut response = call.context();
    response.base64 = hub::wants_base64(&request)?;
    let dimensions = request.read("dimensions");
    let task_type = request
        .some("task_type")
        .or_else(|| request.some("taskType"));
    let texts = texts(&request)?;
    let model = resource(&call.config.model);
    let mut body = Vec::with_capacity(call.body.len() + 128);
    let method = if Target::of(call.config).vertex {
        let instances = texts
            .into_iter()
            .map(|content| Instance { content, task_type });
        let predict = Predict {
            instances: instances.collect(),
            parameters: dimensions.map(|output_dimensionality| Parameters {
                output_dimensionality,
            }),
        };
        json::write(&mut body, &predict);
        "predict"
    } else {
        let requests = texts.into_iter().map(|text| EmbedRequest {
            model: &model,
            content: Content {
                parts: [TextPart { text }],
            },
            output_dimensionality: dimensions,
            task_type,
        });
        let requests = requests.collect();
        json::write(&mut body, &Batch { requests });
        "batchEmbedContents"
    };
    Ok(Translated {
        path: path(call, method),
        headers: headers(call),
        body: Some(body),
        dropped: unsupported.finish()?,
        response,
    })
}

fn texts<'a>(request: &'a Object<'_>) -> Result<Vec<&'a RawValue>, ApiError> {
    let invalid = || {
        ApiError::invalid("input must be a string or an array of strings: Google takes no tokens")
            .param("input")
    };
    let raw = request.some("input").ok_or_else(invalid)?;
    let texts = if raw.get().starts_with('"') {
        vec![raw]
    } else {
        serde_json::from_str(raw.get()).map_err(|_| invalid())?
    };
    if texts.is_empty()
        || texts
            .iter()
            .any(|text: &&RawValue| !text.get().starts_with('"'))
    {
        return Err(invalid());
    }
    Ok(texts)
}

/// The client's answer.
pub(super) fn answer(
    context: &ResponseContext,
    body: &[u8],
    meter: &mut Meter,
) -> Result<Vec<u8>, Failure> {
    let provider = &context.provider;
    let garbage = || Failure::garbage(provider, "the answer has no embeddings");
    if let Some(error) = error::read(body) {
        let status = error.status.unwrap_or(502);
        return Err(Failure::of_provider(provider, status, &error, None));
    }
    let answer: Answer<'_> = json::parse(body).map_err(|_| garbage())?;
    let vectors = match (answer.embeddings, answer.predictions) {
        (Some(vectors), _) => vectors,
        (None, Some(predictions)) => predictions.into_iter().map(|p| p.embeddings).collect(),
        (None, None) => return Err(garbage()),
    };
    let counted: u64 = vectors
        .iter()
        .filter_map(|vector| vector.statistics.as_ref())
        .map(|statistics| whole(statistics.token_count))
        .fold(0, u64::saturating_add);
    match answer.usage_metadata.map(|usage| usage.usage()) {
        Some(usage) => meter.counted(usage),
        None if counted > 0 => meter.counted(Usage {
            input_tokens: counted,
            ..Usage::default()
        }),
        None => meter.output(0),
    }
    let values: Vec<&RawValue> = vectors.iter().map(|vector| vector.values).collect();
    hub::embeddings(context, &values, meter.usage().input_tokens).ok_or_else(garbage)
}

/// A count that came with a fraction, rounded up.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "bounded before"
)]
fn whole(count: f64) -> u64 {
    count.clamp(0.0, 1e9).ceil() as u64
}
