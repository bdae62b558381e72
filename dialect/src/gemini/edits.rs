//! Images out of images: the Gemini models that draw take them beside the words of a turn
//! (<https://ai.google.dev/gemini-api/docs/image-generation#image-editing>).

use std::borrow::Cow;

use base64::{Engine, engine::general_purpose::STANDARD};
use dragoman_proto::{ApiError, ErrorKind};
use serde::Serialize;

use super::{
    headers,
    images::{self, aspect_ratio},
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
const TRANSLATED: [&str; 8] = [
    "model",
    "prompt",
    "image",
    "n",
    "size",
    "response_format",
    "user",
    "stream",
];
/// Fields whose value asks for nothing.
const NEUTRAL: [(&str, &str); 7] = [
    ("n", "1"),
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
    let parts = multipart::parts(content_type, call.body)
        .map_err(|error| ApiError::new(ErrorKind::InvalidRequest, error.to_string()))?;
    if images::is_imagen(&call.config.model) {
        return Err(call.no_such_operation("this model makes images out of words alone"));
    }
    let fields = FormFields::new(call.body, &parts);
    let mut unsupported = Unsupported::of_form(&fields, call.config);
    refuse(call, &parts, &mut unsupported);
    let field = |name: &str| multipart::text(call.body, &parts, name).map(str::trim);
    let prompt = field("prompt")
        .filter(|prompt| !prompt.is_empty())
        .ok_or_else(|| ApiError::invalid("prompt is missing").param("prompt"))?;
    let ratio = field("size").and_then(|size| aspect_ratio(size, &mut unsupported));
    let pictures = parts
        .iter()
        .filter(|part| part.is_file && named(part) == "image");
    let mut turn: Vec<OutputPart<'_>> = pictures
        .filter_map(|part| Some(picture(part, call.body.get(part.range.clone())?)))
        .collect();
    turn.push(part(PartData::Text(Text::Plain(prompt))));
    let edit = Edit {
        contents: [OutputContent {
            role: "user",
            parts: turn,
        }],
        generation_config: images::DrawConfig::new(ratio),
    };
    let mut body = Vec::with_capacity(call.body.len() / 3 * 4 + 512);
    json::write(&mut body, &edit);
    let mut headers = headers(call);
    headers.retain(|(name, _)| *name != "accept");
    headers.push(("accept", "application/json".to_owned()));
    let mut response = call.context();
    response.stream = false;
    Ok(Translated {
        path: path(call, "generateContent"),
        headers,
        body: Some(body),
        dropped: unsupported.finish()?,
        response,
    })
}

/// The name of a part, without the brackets of a list.
fn named<'a>(part: &Part<'a>) -> &'a str {
    part.name.strip_suffix("[]").unwrap_or(part.name)
}

/// Names what a turn has no word for, such as a mask.
fn refuse(call: &Call<'_>, parts: &[Part<'_>], unsupported: &mut Unsupported) {
    for part in parts {
        let name = named(part);
        let text = std::str::from_utf8(call.body.get(part.range.clone()).unwrap_or_default());
        let neutral = NEUTRAL
            .iter()
            .any(|(known, value)| *known == name && text.is_ok_and(|text| text.trim() == *value));
        let read = TRANSLATED.contains(&name) && !matches!(name, "n" | "stream");
        if !neutral && !read && !unsupported.leaves_out(name) {
            unsupported.refuse(name);
        }
    }
    if multipart::text(call.body, parts, "response_format").map(str::trim) == Some("url") {
        unsupported.leave_out("response_format");
    }
}

fn picture<'a>(from: &Part<'a>, bytes: &[u8]) -> OutputPart<'a> {
    let kind = from.content_type.filter(|kind| kind.starts_with("image/"));
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
