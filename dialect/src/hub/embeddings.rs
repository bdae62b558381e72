//! Embeddings, as dialects other than OpenAI's write them.

use std::borrow::Cow;

use base64::Engine;
use dragoman_proto::ApiError;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{
    json::{self, Object},
    request::ResponseContext,
};

/// An embedding list.
#[derive(Debug, Serialize)]
struct List<'a> {
    object: &'a str,
    data: Vec<Embedding<'a>>,
    model: &'a str,
    usage: Usage,
}

#[derive(Debug, Serialize)]
struct Embedding<'a> {
    object: &'a str,
    index: usize,
    embedding: Cow<'a, RawValue>,
}

#[derive(Debug, Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}

/// Whether the client wants base64 in place of numbers.
pub(crate) fn wants_base64(request: &Object<'_>) -> Result<bool, ApiError> {
    const FIELD: &str = "encoding_format";
    match request.some(FIELD).map(RawValue::get) {
        None | Some(r#""float""#) => Ok(false),
        Some(r#""base64""#) => Ok(true),
        Some(_) => Err(ApiError::invalid("encoding_format must be float or base64").param(FIELD)),
    }
}

/// The texts of `input`, as long as it is no tokens, which `provider` does not take.
pub(crate) fn texts<'a>(
    request: &'a Object<'_>,
    provider: &str,
) -> Result<Vec<Cow<'a, str>>, ApiError> {
    const FIELD: &str = "input";
    let raw = request.some(FIELD).unwrap_or(RawValue::NULL);
    if let Some(one) = json::string(raw) {
        return Ok(vec![one]);
    }
    let names: Vec<json::Name<'a>> = serde_json::from_str(raw.get()).map_err(|_| {
        let error =
            format!("input must be a string or an array of strings: {provider} takes no tokens");
        ApiError::invalid(error).param(FIELD)
    })?;
    Ok(names.into_iter().map(|name| name.0).collect())
}

/// The client's answer: `vectors` are arrays of numbers, and leave in the encoding that the client
/// asked for. `None` when one is no array of numbers.
pub(crate) fn embeddings(
    context: &ResponseContext,
    vectors: &[&RawValue],
    tokens: u64,
) -> Option<Vec<u8>> {
    let data = vectors.iter().enumerate().map(|(index, vector)| {
        let embedding = if context.base64 {
            Cow::Owned(base64(vector)?)
        } else {
            vector.get().starts_with('[').then_some(())?;
            Cow::Borrowed(*vector)
        };
        Some(Embedding {
            object: "embedding",
            index,
            embedding,
        })
    });
    let list = List {
        object: "list",
        data: data.collect::<Option<_>>()?,
        model: &context.alias,
        usage: Usage {
            prompt_tokens: tokens,
            total_tokens: tokens,
        },
    };
    let mut out = Vec::new();
    json::write(&mut out, &list);
    Some(out)
}

/// OpenAI's base64: 32-bit floats, the least significant byte first.
pub(crate) fn base64(vector: &RawValue) -> Option<Box<RawValue>> {
    let numbers: Vec<f32> = serde_json::from_str(vector.get()).ok()?;
    let bytes: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    to_raw_value(&base64::engine::general_purpose::STANDARD.encode(bytes)).ok()
}
