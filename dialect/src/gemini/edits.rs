//! Images out of images: the Gemini models that draw take them beside the words of a turn
//! (<https://ai.google.dev/gemini-api/docs/image-generation#image-editing>), Imagen's model for it on
//! Vertex AI as references.

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use dragoman_proto::{ApiError, Operation, UpstreamConfig};
use serde::Serialize;

use super::{
    headers,
    images::{self, aspect_ratio},
    inpaint::{self, Wish},
    path,
    schema::{Blob, OutputContent, OutputPart, PartData},
};
use crate::{
    hub::{FormFields, Unsupported},
    json::{self, Text},
    multipart::{self, Part},
    request::{Call, Translated},
};

/// Fields that are read here. Images come as base64 whatever `response_format` says.
const TRANSLATED: [&str; 6] = [
    "model",
    "prompt",
    "image",
    "size",
    "response_format",
    "user",
];
/// And what Imagen knows besides, or not: an edit is as large as the picture.
const IMAGEN: [&str; 7] = [
    "model",
    "prompt",
    "image",
    "n",
    "mask",
    "response_format",
    "user",
];
/// Fields whose value asks for nothing.
const NEUTRAL: [(&str, &str); 8] = [
    ("n", "1"),
    ("size", "auto"),
    ("stream", "false"),
    ("quality", "auto"),
    ("background", "auto"),
    ("moderation", "auto"),
    ("output_format", "png"),
    ("input_fidelity", "low"),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Edit<'a> {
    contents: [OutputContent<'a>; 1],
    generation_config: images::DrawConfig,
}

/// The client's form.
pub(super) fn request(call: &Call<'_>) -> Result<Translated, ApiError> {
    let content_type = call.head.content_type.unwrap_or_default();
    let parts = multipart::parts(content_type, call.body)?;
    let is_imagen = edits_as_imagen(call)?;
    let fields = FormFields::new(call.body, &parts);
    let mut unsupported = Unsupported::of_form(&fields, call.config);
    let read: &[&str] = if is_imagen { &IMAGEN } else { &TRANSLATED };
    refuse(call, &parts, read, &mut unsupported);
    let field = |name: &str| multipart::text(call.body, &parts, name).map(str::trim);
    let prompt = field("prompt")
        .filter(|prompt| !prompt.is_empty())
        .ok_or_else(|| ApiError::invalid("prompt is missing").param("prompt"))?;
    let files = |name: &'static str| {
        let files = parts.iter().filter(move |part| named(part) == name);
        files.filter_map(|part| Some((part, call.body.get(part.range.clone())?)))
    };
    let images = || files("image").filter(|(part, _)| part.is_file);
    let (method, body) = if is_imagen {
        let wish = Wish {
            prompt,
            count: field("n"),
            pictures: images().map(|(_, bytes)| bytes).collect(),
            mask: files("mask").map(|(_, bytes)| bytes).next(),
        };
        ("predict", inpaint::body(&wish)?)
    } else {
        let ratio = field("size").and_then(|size| aspect_ratio(size, &mut unsupported));
        let pictures = images().map(|(part, bytes)| picture(part, bytes));
        ("generateContent", turn(pictures, prompt, ratio))
    };
    let mut headers = headers(call);
    headers.retain(|(name, _)| *name != "accept");
    headers.push(("accept", "application/json".to_owned()));
    let mut response = call.context();
    response.stream = false;
    Ok(Translated {
        path: path(call, method),
        headers,
        body: Some(body),
        dropped: unsupported.finish()?,
        response,
    })
}

/// Whether the model is Imagen's.
///
/// # Errors
/// It is one that only draws.
fn edits_as_imagen(call: &Call<'_>) -> Result<bool, ApiError> {
    let UpstreamConfig { dialect, model, .. } = call.config;
    let is_imagen = images::is_imagen(model);
    if is_imagen && !dialect.serves(Operation::ImagesEdits, model) {
        return Err(call.no_such_operation(
            "this model makes images out of words alone; imagen-3.0-capability-001 on Vertex AI \
             edits them",
        ));
    }
    Ok(is_imagen)
}

/// Pictures and words as one turn.
fn turn<'a>(
    pictures: impl Iterator<Item = OutputPart<'a>>,
    prompt: &'a str,
    ratio: Option<&'static str>,
) -> Vec<u8> {
    let mut parts: Vec<OutputPart<'_>> = pictures.collect();
    parts.push(part(PartData::Text(Text::Plain(prompt))));
    let edit = Edit {
        contents: [OutputContent {
            role: "user",
            parts,
        }],
        generation_config: images::DrawConfig::new(ratio),
    };
    let mut body = Vec::new();
    json::write(&mut body, &edit);
    body
}

/// The name of a part, without the brackets of a list.
fn named(part: &Part) -> &str {
    part.name.strip_suffix("[]").unwrap_or(&part.name)
}

/// Names what is neither `read` nor asks for nothing, such as a mask with Gemini.
fn refuse(call: &Call<'_>, parts: &[Part], read: &[&str], unsupported: &mut Unsupported) {
    for part in parts {
        let name = named(part);
        let text = std::str::from_utf8(call.body.get(part.range.clone()).unwrap_or_default());
        let neutral = NEUTRAL
            .iter()
            .any(|(known, value)| *known == name && text.is_ok_and(|text| text.trim() == *value));
        if !neutral && !read.contains(&name) && !unsupported.leaves_out(name) {
            unsupported.refuse(name);
        }
    }
    if multipart::text(call.body, parts, "response_format").map(str::trim) == Some("url") {
        unsupported.leave_out("response_format");
    }
}

fn picture<'a>(from: &'a Part, bytes: &[u8]) -> OutputPart<'a> {
    let kind = from.content_type.as_deref();
    let kind = kind.filter(|kind| kind.starts_with("image/"));
    part(PartData::InlineData(Blob {
        mime_type: Cow::Borrowed(kind.unwrap_or_else(|| kind_of(bytes))),
        data: Cow::Owned(STANDARD.encode(bytes)),
    }))
}

/// The type of a picture by its first bytes, for clients that send none.
fn kind_of(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xFF, 0xD8, ..] => "image/jpeg",
        [b'R', b'I', b'F', b'F', ..] => "image/webp",
        [b'G', b'I', b'F', ..] => "image/gif",
        _ => "image/png",
    }
}

fn part(data: PartData<'_>) -> OutputPart<'_> {
    OutputPart {
        data,
        thought_signature: None,
    }
}
