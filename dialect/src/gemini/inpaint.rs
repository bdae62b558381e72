//! Edits by Imagen's model for it, on Vertex AI
//! (<https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api-edit>).

use base64::{Engine, engine::general_purpose::STANDARD};
use dragoman_proto::ApiError;
use serde::Serialize;

use super::mask;
use crate::json;

/// The picture has this id, its mask the next.
const PICTURE: u64 = 1;

/// The client's pictures and what to do with them.
pub(super) struct Wish<'a> {
    pub(super) prompt: &'a str,
    pub(super) count: Option<&'a str>,
    pub(super) pictures: Vec<&'a [u8]>,
    pub(super) mask: Option<&'a [u8]>,
}

#[derive(Serialize)]
struct Predict<'a> {
    instances: [Instance<'a>; 1],
    parameters: Parameters,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Instance<'a> {
    prompt: &'a str,
    reference_images: Vec<Reference>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Reference {
    reference_type: &'static str,
    reference_id: u64,
    reference_image: Picture,
    #[serde(skip_serializing_if = "Option::is_none")]
    mask_image_config: Option<MaskConfig>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Picture {
    bytes_base64_encoded: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MaskConfig {
    mask_mode: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    edit_mode: &'static str,
    sample_count: u64,
}

impl Reference {
    fn new(reference_type: &'static str, reference_id: u64, bytes: &[u8]) -> Self {
        Self {
            reference_type,
            reference_id,
            reference_image: Picture {
                bytes_base64_encoded: STANDARD.encode(bytes),
            },
            mask_image_config: None,
        }
    }
}

/// The body of `predict`.
///
/// # Errors
/// Not exactly one picture, a number of images that is none, a mask that is no readable PNG.
pub(super) fn body(wish: &Wish<'_>) -> Result<Vec<u8>, ApiError> {
    let [picture] = wish.pictures.as_slice() else {
        let message = "this model edits exactly one image";
        return Err(ApiError::invalid(message).param("image"));
    };
    let sample_count = wish
        .count
        .map_or(Ok(1), str::parse)
        .map_err(|_| ApiError::invalid("n must be a whole number").param("n"))?;
    let mut reference_images = vec![Reference::new("REFERENCE_TYPE_RAW", PICTURE, picture)];
    if let Some(given) = wish.mask {
        let white = mask::white_where_clear(given)
            .map_err(|error| ApiError::invalid(format!("mask: {error}")).param("mask"))?;
        let given = white.as_deref().unwrap_or(given);
        reference_images.push(Reference {
            mask_image_config: Some(MaskConfig {
                mask_mode: "MASK_MODE_USER_PROVIDED",
            }),
            ..Reference::new("REFERENCE_TYPE_MASK", PICTURE + 1, given)
        });
    }
    let edit_mode = if wish.mask.is_some() {
        "EDIT_MODE_INPAINT_INSERTION"
    } else {
        "EDIT_MODE_DEFAULT"
    };
    let predict = Predict {
        instances: [Instance {
            prompt: wish.prompt,
            reference_images,
        }],
        parameters: Parameters {
            edit_mode,
            sample_count,
        },
    };
    let mut out = Vec::with_capacity(picture.len() / 3 * 4 + 512);
    json::write(&mut out, &predict);
    Ok(out)
}
