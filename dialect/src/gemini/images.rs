//! Images: `predict` of the Imagen models, `generateContent` of the Gemini models that draw
//! (<https://ai.google.dev/gemini-api/docs/imagen>,
//! <https://ai.google.dev/gemini-api/docs/image-generation>).

use std::borrow::Cow;

use dragoman_proto::{ApiError, ErrorKind};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{error, headers, path, response, schema::AnswerBlob};
use crate::{
    failure::Failure,
    hub::{Unsupported, prepare},
    json::{self, Object},
    meter::Meter,
    request::{Call, ResponseContext, Translated},
};

/// What is read here. Images come as base64 whatever `response_format` says.
const TRANSLATED: [&str; 7] = [
    "model",
    "prompt",
    "n",
    "size",
    "response_format",
    "user",
    "metadata",
];

/// What Google cannot express, and the value that asks for nothing.
const UNSUPPORTED: [(&str, &str); 6] = [
    ("stream", "false"),
    ("quality", r#""auto""#),
    ("background", r#""auto""#),
    ("moderation", r#""auto""#),
    ("output_format", r#""png""#),
    ("style", ""),
];

#[derive(Serialize)]
struct Predict<'a> {
    instances: [Prompt<'a>; 1],
    parameters: Parameters,
}

#[derive(Serialize)]
struct Prompt<'a> {
    prompt: &'a RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    sample_count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    aspect_ratio: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Draw<'a> {
    contents: [Turn<'a>; 1],
    generation_config: DrawConfig,
}

#[derive(Serialize)]
struct Turn<'a> {
    role: &'a str,
    parts: [TextPart<'a>; 1],
}

#[derive(Serialize)]
struct TextPart<'a> {
    text: &'a RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DrawConfig {
    response_modalities: [&'static str; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    image_config: Option<ImageConfig>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageConfig {
    aspect_ratio: &'static str,
}

#[derive(Deserialize)]
struct Predictions<'a> {
    #[serde(borrow, default)]
    predictions: Option<Vec<Prediction<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prediction<'a> {
    #[serde(borrow, default)]
    bytes_base64_encoded: Option<Cow<'a, str>>,
}

#[derive(Serialize)]
struct Images<'a> {
    created: u64,
    data: Vec<Image<'a>>,
}

#[derive(Serialize)]
struct Image<'a> {
    b64_json: &'a str,
}

impl DrawConfig {
    /// A picture of this shape; the model may say something to it.
    pub(super) fn new(aspect_ratio: Option<&'static str>) -> Self {
        Self {
            response_modalities: ["TEXT", "IMAGE"],
            image_config: aspect_ratio.map(|aspect_ratio| ImageConfig { aspect_ratio }),
        }
    }
}

pub(super) fn is_imagen(model: &str) -> bool {
    model.contains("imagen")
}

/// The client's request.
pub(super) fn request(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = call.object()?;
    let mut unsupported = prepare(&mut request, call.config);
    unsupported.refuse_demands(&mut request, &UNSUPPORTED);
    unsupported.refuse_strange(&mut request, &TRANSLATED);
    if request.read::<String>("response_format").as_deref() == Some("url") {
        unsupported.leave_out("response_format");
    }
    let prompt = request
        .some("prompt")
        .filter(|raw| raw.get().starts_with('"'))
        .ok_or_else(|| ApiError::invalid("prompt must be a string").param("prompt"))?;
    let size: Option<String> = request.read("size");
    let aspect_ratio = size.and_then(|size| aspect_ratio(&size, &mut unsupported));
    let count = request.read::<u64>("n").unwrap_or(1);
    let mut body = Vec::with_capacity(call.body.len() + 128);
    let method = if is_imagen(&call.config.model) {
        let predict = Predict {
            instances: [Prompt { prompt }],
            parameters: Parameters {
                sample_count: count,
                aspect_ratio,
            },
        };
        json::write(&mut body, &predict);
        "predict"
    } else {
        if count > 1 {
            unsupported.refuse("n");
        }
        let draw = Draw {
            contents: [Turn {
                role: "user",
                parts: [TextPart { text: prompt }],
            }],
            generation_config: DrawConfig::new(aspect_ratio),
        };
        json::write(&mut body, &draw);
        "generateContent"
    };
    Ok(Translated {
        path: path(call, method),
        headers: headers(call),
        body: Some(body),
        dropped: unsupported.finish()?,
        response: ResponseContext {
            // Where that was dropped, the answer comes whole.
            stream: false,
            ..call.context()
        },
    })
}

/// The shape of OpenAI's sizes; Google chooses the number of pixels.
pub(super) fn aspect_ratio(size: &str, unsupported: &mut Unsupported) -> Option<&'static str> {
    let shape = shape(size);
    if shape.is_none() {
        unsupported.refuse("size");
    }
    shape.flatten()
}

/// Whether pictures of this size are drawn.
pub(crate) fn draws(size: &str) -> bool {
    shape(size).is_some()
}

/// The shape, which may be the model's choice; `None` where Google has none like it.
fn shape(size: &str) -> Option<Option<&'static str>> {
    let (width, height) = size.split_once('x').unwrap_or((size, ""));
    Some(match (width.parse::<u32>(), height.parse::<u32>()) {
        (Ok(width), Ok(height)) if width == height => Some("1:1"),
        (Ok(1792), Ok(1024)) => Some("16:9"),
        (Ok(1024), Ok(1792)) => Some("9:16"),
        (Ok(1536), Ok(1024)) | (Ok(1280), Ok(896)) => Some("4:3"),
        (Ok(1024), Ok(1536)) | (Ok(896), Ok(1280)) => Some("3:4"),
        _ if width == "auto" => None,
        _ => return None,
    })
}

/// The client's answer.
pub(super) fn answer(
    context: &ResponseContext,
    body: &[u8],
    meter: &mut Meter,
) -> Result<Vec<u8>, Failure> {
    let provider = &context.provider;
    if let Some(error) = error::read(body) {
        let status = error.status.unwrap_or(502);
        return Err(Failure::of_provider(provider, status, &error, None));
    }
    let parsed: Predictions<'_> = json::parse(body)
        .map_err(|_| Failure::garbage(provider, "the answer is not a JSON object"))?;
    if let Some(predictions) = parsed.predictions {
        let images = predictions
            .iter()
            .filter_map(|prediction| prediction.bytes_base64_encoded.as_deref());
        return written(context, images.collect(), meter);
    }
    // Imagen leaves filtered images out, and a list without any too.
    if Object::parse(body).is_ok_and(|answer| answer.names().next().is_none()) {
        return written(context, Vec::new(), meter);
    }
    let (answer, candidates) = response::read(provider, body)?;
    if let Some(usage) = &answer.usage_metadata {
        meter.counted(usage.usage());
    }
    let contents = candidates.iter().filter_map(|c| c.content.as_ref());
    let parts = contents.flat_map(|content| content.parts.as_deref().unwrap_or_default());
    let blobs = parts.filter_map(|part| part.inline_data.as_ref());
    written(
        context,
        blobs.map(|blob: &AnswerBlob<'_>| &*blob.data).collect(),
        meter,
    )
}

/// OpenAI's list; a list of none means that all were filtered.
fn written(
    context: &ResponseContext,
    images: Vec<&str>,
    meter: &mut Meter,
) -> Result<Vec<u8>, Failure> {
    if images.is_empty() {
        return Err(Failure {
            error: ApiError::new(
                ErrorKind::ContentPolicy,
                format!("{}: no image passed the filters", context.provider),
            ),
            retryable: true,
        });
    }
    meter.units(|usage| usage.images = images.len() as u64);
    let mut out = Vec::new();
    let data = images.into_iter().map(|b64_json| Image { b64_json });
    json::write(
        &mut out,
        &Images {
            created: context.created,
            data: data.collect(),
        },
    );
    Ok(out)
}
