//! `predict`: models that embed, and models that draw
//! (<https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>,
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api>).

use serde_json::{Value, json};

use super::super::{
    check::{Checked, Object},
    gemini,
    reply::Answer,
    serve::Call,
    turn::{Usage, count},
};

/// The size of a vector that nobody asks to be smaller.
const DIMENSIONS: i64 = 8;

/// The answer of `model`.
pub(super) fn answer(call: &Call<'_>, model: &str) -> Answer {
    let read = if model.starts_with("imagen") {
        images(&call.json)
    } else {
        embeddings(call, model)
    };
    match read {
        Ok(body) => Answer::json(200, &body),
        Err(invalid) => gemini::error(400, &format!("{}: {:?}", invalid.path, invalid.problem)),
    }
}

fn embeddings(call: &Call<'_>, model: &str) -> Checked<Value> {
    let mut body = Object::new("", &call.json, false)?;
    let instances = body
        .list("instances")?
        .ok_or_else(|| body.missing("instances"))?;
    // Gemini's own model takes one text at a time.
    let most = if model.starts_with("gemini-") { 1 } else { 250 };
    if instances.is_empty() || instances.len() > most {
        return Err(body.wrong("instances", format!("1 to {most} instances are allowed")));
    }
    let mut dimensions = DIMENSIONS;
    if let Some(mut parameters) = body.object("parameters")? {
        dimensions = parameters
            .integer("outputDimensionality", 1..=3072)?
            .unwrap_or(DIMENSIONS);
        parameters.flag("autoTruncate")?;
        parameters.finish()?;
    }
    body.finish()?;
    let mut total = 0;
    let mut predictions = Vec::new();
    for (index, instance) in instances.iter().enumerate() {
        let mut instance = Object::new(&format!("instances[{index}]"), instance, false)?;
        let text = instance.need_text("content")?;
        instance.text("task_type")?;
        instance.text("title")?;
        instance.finish()?;
        let tokens = count(text);
        total += tokens;
        let values: Vec<f64> = (0..dimensions).map(|i| 0.5 + i as f64 / 8.0).collect();
        predictions.push(json!({"embeddings": {
            "values": values,
            "statistics": {"truncated": false, "token_count": tokens as f64},
        }}));
    }
    let usage = Usage {
        input: total,
        ..Usage::default()
    };
    let path = &call.request.path;
    call.state.charge(call.number, path, model, false, usage);
    Ok(json!({
        "predictions": predictions,
        "metadata": {"billableCharacterCount": total * 4},
    }))
}

fn images(json: &Value) -> Checked<Value> {
    let mut body = Object::new("", json, false)?;
    let instances = body
        .list("instances")?
        .ok_or_else(|| body.missing("instances"))?;
    let [instance] = instances.as_slice() else {
        return Err(body.wrong("instances", "exactly one prompt is allowed"));
    };
    let mut instance = Object::new("instances[0]", instance, false)?;
    let prompt = instance.need_text("prompt")?;
    instance.finish()?;
    let mut images = 4;
    if let Some(mut parameters) = body.object("parameters")? {
        images = parameters.integer("sampleCount", 1..=4)?.unwrap_or(images);
        let ratios = ["1:1", "9:16", "16:9", "3:4", "4:3"];
        parameters.one_of("aspectRatio", &ratios)?;
        parameters.flag("includeRaiReason")?;
        parameters.finish()?;
    }
    body.finish()?;
    let image = json!({"bytesBase64Encoded": "aW1hZ2U=", "mimeType": "image/png"});
    // Filtered images are missing from the list, and an empty one is left out.
    if prompt.contains("forbidden") {
        return Ok(json!({}));
    }
    let images = usize::try_from(images).unwrap_or_default();
    Ok(json!({"predictions": vec![image; images]}))
}
