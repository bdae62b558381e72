//! Models that embed, and models that draw: `predict`, and for Gemini's own embeddings `embedContent` and
//! `batchEmbedContents`
//! (<https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api>,
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api>,
//! <https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api-edit>).

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
        images(&call.json, model.contains("capability"))
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
    if instances.is_empty() || instances.len() > 250 || model.starts_with("gemini-") {
        let message = "1 to 250 instances are allowed, and none for this model";
        return Err(body.wrong("instances", message));
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
        let values = vector(dimensions);
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

/// The answer of Gemini's own `model` to `method`.
pub(super) fn embed(call: &Call<'_>, model: &str, method: &str) -> Answer {
    let read = if method == "embedContent" {
        embed_one("", &call.json)
            .map(|(vector, tokens)| (json!({"embedding": vector, "truncated": false}), tokens))
    } else {
        embed_batch(&call.json)
    };
    match read {
        Ok((mut body, tokens)) => {
            body["usageMetadata"] = json!({"promptTokenCount": tokens, "totalTokenCount": tokens});
            let usage = Usage {
                input: tokens,
                ..Usage::default()
            };
            let path = &call.request.path;
            call.state.charge(call.number, path, model, false, usage);
            Answer::json(200, &body)
        }
        Err(invalid) => gemini::error(400, &format!("{}: {:?}", invalid.path, invalid.problem)),
    }
}

fn embed_batch(json: &Value) -> Checked<(Value, u64)> {
    let mut body = Object::new("", json, false)?;
    let requests = body
        .list("requests")?
        .ok_or_else(|| body.missing("requests"))?;
    body.finish()?;
    let mut vectors = Vec::new();
    let mut total = 0;
    for (index, request) in requests.iter().enumerate() {
        let (vector, tokens) = embed_one(&format!("requests[{index}]"), request)?;
        vectors.push(vector);
        total += tokens;
    }
    Ok((json!({"embeddings": vectors}), total))
}

/// The vector of one text, and the text's tokens.
fn embed_one(path: &str, json: &Value) -> Checked<(Value, u64)> {
    let mut request = Object::new(path, json, false)?;
    let mut dimensions = DIMENSIONS;
    if let Some(mut config) = request.object("embedContentConfig")? {
        let wanted = config.integer("outputDimensionality", 1..=3072)?;
        dimensions = wanted.unwrap_or(DIMENSIONS);
        config.text("taskType")?;
        config.finish()?;
    }
    let mut content = request
        .object("content")?
        .ok_or_else(|| request.missing("content"))?;
    request.finish()?;
    let parts = content
        .list("parts")?
        .ok_or_else(|| content.missing("parts"))?;
    let mut tokens = 0;
    for (index, part) in parts.iter().enumerate() {
        let at = content.at(&format!("parts[{index}]"));
        let mut part = Object::new(&at, part, false)?;
        tokens += count(part.need_text("text")?);
        part.finish()?;
    }
    content.text("role")?;
    content.finish()?;
    Ok((json!({"values": vector(dimensions)}), tokens))
}

fn vector(dimensions: i64) -> Vec<f64> {
    (0..dimensions).map(|i| 0.5 + i as f64 / 8.0).collect()
}

/// The pictures of an edit: one as it is, and where a mask says where to change it, that.
fn references(instance: &mut Object<'_>) -> Checked<usize> {
    let references = instance
        .list("referenceImages")?
        .ok_or_else(|| instance.missing("referenceImages"))?;
    for (index, reference) in references.iter().enumerate() {
        let path = format!("instances[0].referenceImages[{index}]");
        let mut reference = Object::new(&path, reference, false)?;
        let kinds = ["REFERENCE_TYPE_RAW", "REFERENCE_TYPE_MASK"];
        let wanted = kinds.get(index).copied().unwrap_or_default();
        reference.one_of("referenceType", &[wanted])?;
        let id = index as i64 + 1;
        reference.integer("referenceId", id..=id)?;
        let mut image = reference
            .object("referenceImage")?
            .ok_or_else(|| reference.missing("referenceImage"))?;
        image.need_text("bytesBase64Encoded")?;
        image.finish()?;
        if index == 1 {
            let mut config = reference
                .object("maskImageConfig")?
                .ok_or_else(|| reference.missing("maskImageConfig"))?;
            config.one_of("maskMode", &["MASK_MODE_USER_PROVIDED"])?;
            config.finish()?;
        }
        reference.finish()?;
    }
    Ok(references.len())
}

fn images(json: &Value, edits: bool) -> Checked<Value> {
    let mut body = Object::new("", json, false)?;
    let instances = body
        .list("instances")?
        .ok_or_else(|| body.missing("instances"))?;
    let [instance] = instances.as_slice() else {
        return Err(body.wrong("instances", "exactly one prompt is allowed"));
    };
    let mut instance = Object::new("instances[0]", instance, false)?;
    let prompt = instance.need_text("prompt")?;
    let references = if edits { references(&mut instance)? } else { 0 };
    instance.finish()?;
    let mut images = 4;
    if let Some(mut parameters) = body.object("parameters")? {
        images = parameters.integer("sampleCount", 1..=4)?.unwrap_or(images);
        if edits {
            let modes = ["EDIT_MODE_DEFAULT", "EDIT_MODE_INPAINT_INSERTION"];
            let mode = modes.get(references - 1).copied().unwrap_or_default();
            parameters.one_of("editMode", &[mode])?;
        } else {
            let ratios = ["1:1", "9:16", "16:9", "3:4", "4:3"];
            parameters.one_of("aspectRatio", &ratios)?;
        }
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
