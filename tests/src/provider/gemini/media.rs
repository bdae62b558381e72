//! Embeddings, and the answers of models that draw.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    super::{
        check::{Checked, Object},
        reply::Answer,
        serve::Call,
        turn::{Usage, count},
    },
    request,
};

/// Tokens that a picture is made of.
const PER_PICTURE: u64 = 1290;

/// <https://ai.google.dev/api/embeddings#method:-models.batchembedcontents>
pub(super) fn embeddings(call: &Call<'_>, model: &str) -> Checked<Answer> {
    let mut body = Object::new("", &call.json, false)?;
    let requests = body
        .list("requests")?
        .ok_or_else(|| body.missing("requests"))?;
    let mut vectors = Vec::new();
    let mut tokens = 0;
    for (index, request) in requests.iter().enumerate() {
        let mut request = Object::new(&format!("requests[{index}]"), request, false)?;
        if request.need_text("model")? != format!("models/{model}") {
            return Err(request.wrong("model", "not the model of the path"));
        }
        let size = request
            .integer("outputDimensionality", 1..=3072)?
            .unwrap_or(4);
        request.one_of("taskType", &["RETRIEVAL_QUERY", "RETRIEVAL_DOCUMENT"])?;
        let mut content = request
            .object("content")?
            .ok_or_else(|| request.missing("content"))?;
        let parts = content.list("parts")?.cloned().unwrap_or_default();
        content.finish()?;
        request.finish()?;
        let texts = parts.iter().filter_map(|part| part["text"].as_str());
        let text: Vec<&str> = texts.collect();
        tokens += count(&text.join(" "));
        let values: Vec<f64> = (0..size).map(|_| 0.5).collect();
        vectors.push(json!({"values": values}));
    }
    body.finish()?;
    let used = Usage {
        input: tokens,
        ..Usage::default()
    };
    let path = &call.request.path;
    call.state.charge(call.number, path, model, false, used);
    Ok(Answer::json(200, &json!({"embeddings": vectors})))
}

/// <https://ai.google.dev/gemini-api/docs/image-generation>
pub(super) fn picture(call: &Call<'_>, model: &str) -> Checked<Answer> {
    let asked = request::read(&call.json, model)?;
    let config = &call.json["generationConfig"];
    if config["responseModalities"] != json!(["TEXT", "IMAGE"]) {
        let body = Object::new("generationConfig", config, false)?;
        return Err(body.wrong("responseModalities", "this model makes text and images"));
    }
    let words = format!("You said: {}", asked.said);
    let used = Usage {
        input: asked.input_tokens,
        output: PER_PICTURE + count(&words),
        ..Usage::default()
    };
    let path = &call.request.path;
    call.state.charge(call.number, path, model, false, used);
    let bytes = BASE64_STANDARD.encode(b"\x89PNG scripted");
    let parts: [Value; 2] = [
        json!({"text": words}),
        json!({"inlineData": {"mimeType": "image/png", "data": bytes}}),
    ];
    Ok(Answer::json(
        200,
        &json!({
            "candidates": [{
                "content": {"role": "model", "parts": parts}, "finishReason": "STOP", "index": 0,
            }],
            "usageMetadata": {
                "promptTokenCount": used.input, "candidatesTokenCount": used.output,
                "totalTokenCount": used.input + used.output,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": used.input}],
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": PER_PICTURE}],
            },
            "modelVersion": model,
        }),
    ))
}
