//! Embeddings: `batchEmbedContents` of Gemini's API. On Vertex AI Gemini's models have that too, with
//! their settings in another place, and `embedContent` for one text; older models have `predict`
//! (<https://ai.google.dev/api/embeddings>,
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>; Google's
//! own client tells which model has which).

use dragoman_proto::{ApiError, Usage};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Target, error, headers, path, resource, schema::UsageMetadata};
use crate::{
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
struct Batch<R> {
    requests: Vec<R>,
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

/// The same on Vertex AI, where the path alone names the model.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct VertexRequest<'a> {
    content: Content<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    embed_content_config: Option<EmbedConfig<'a>>,
}

#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
struct EmbedConfig<'a> {
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

/// Every method's answer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    #[serde(borrow, default)]
    embeddings: Option<Vec<Vector<'a>>>,
    /// To `embedContent`.
    #[serde(borrow, default)]
    embedding: Option<Vector<'a>>,
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
    let mut request = call.object()?;
    let mut unsupported = prepare(&mut request, call.config);
    unsupported.refuse_strange(&mut request, &TRANSLATED);
    let mut response = call.context();
    response.base64 = hub::wants_base64(&request)?;
    let dimensions = request.read("dimensions");
    let task_type = request
        .some("task_type")
        .or_else(|| request.some("taskType"));
    let texts = texts(&request)?;
    let wanted = Wanted {
        texts,
        dimensions,
        task_type,
    };
    let mut body = Vec::with_capacity(call.body.len() + 128);
    let model = &call.config.model;
    let method = if !Target::of(call.config).vertex {
        wanted.in_a_batch(&resource(model), &mut body)
    } else if model.contains("gemini") {
        wanted.on_vertex(&mut body)
    } else {
        wanted.by_prediction(&mut body)
    };
    Ok(Translated {
        path: path(call, method),
        headers: headers(call),
        body: Some(body),
        dropped: unsupported.finish()?,
        response,
    })
}

/// What the client asks for.
struct Wanted<'a> {
    texts: Vec<&'a RawValue>,
    dimensions: Option<u64>,
    task_type: Option<&'a RawValue>,
}

/// Each writes the body; the answer is the method to call.
impl Wanted<'_> {
    fn in_a_batch(self, model: &str, body: &mut Vec<u8>) -> &'static str {
        let requests = self.texts.into_iter().map(|text| EmbedRequest {
            model,
            content: content(text),
            output_dimensionality: self.dimensions,
            task_type: self.task_type,
        });
        let requests = requests.collect();
        json::write(body, &Batch { requests });
        "batchEmbedContents"
    }

    fn on_vertex(self, body: &mut Vec<u8>) -> &'static str {
        let is_set = self.dimensions.is_some() || self.task_type.is_some();
        let embed_content_config = is_set.then_some(EmbedConfig {
            output_dimensionality: self.dimensions,
            task_type: self.task_type,
        });
        let requests = self.texts.into_iter().map(|text| VertexRequest {
            content: content(text),
            embed_content_config,
        });
        let requests: Vec<_> = requests.collect();
        if let [request] = requests.as_slice() {
            json::write(body, request);
            return "embedContent";
        }
        json::write(body, &Batch { requests });
        "batchEmbedContents"
    }

    fn by_prediction(self, body: &mut Vec<u8>) -> &'static str {
        let instances = self.texts.into_iter().map(|content| Instance {
            content,
            task_type: self.task_type,
        });
        let predict = Predict {
            instances: instances.collect(),
            parameters: self.dimensions.map(|output_dimensionality| Parameters {
                output_dimensionality,
            }),
        };
        json::write(body, &predict);
        "predict"
    }
}

fn content(text: &RawValue) -> Content<'_> {
    Content {
        parts: [TextPart { text }],
    }
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
    let predictions = answer.predictions.into_iter().flatten();
    let vectors: Vec<Vector<'_>> = answer
        .embeddings
        .unwrap_or_default()
        .into_iter()
        .chain(answer.embedding)
        .chain(predictions.map(|prediction| prediction.embeddings))
        .collect();
    if vectors.is_empty() {
        return Err(garbage());
    }
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
