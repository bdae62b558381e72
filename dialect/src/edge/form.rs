//! A form, as far as its short fields tell facts. Files are never looked into.

use dragoman_proto::{ApiError, ErrorKind, Facts, Operation, Overrides};

use super::{
    media::{self, Medium},
    tally::{MAX_NAME, Tally},
};
use crate::{
    multipart::{self, Part},
    sound,
};

pub(super) fn inspect(
    operation: Operation,
    path: &str,
    content_type: &str,
    body: &[u8],
) -> Result<Facts, ApiError> {
    if multipart::boundary(content_type).is_none() {
        return Err(ApiError::new(
            ErrorKind::UnsupportedMedia,
            "this endpoint takes multipart/form-data with a boundary",
        ));
    }
    let parts = multipart::parts(content_type, body)
        .map_err(|error| ApiError::invalid(error.to_string()))?;
    let images = matches!(
        operation,
        Operation::ImagesEdits | Operation::ImagesVariations
    );
    let file = if images { "image" } else { "file" };
    // Several images come as `image[]`.
    let is_input = |name: &str| name.strip_suffix("[]").unwrap_or(name) == file;
    if !parts.iter().any(|part| part.is_file && is_input(part.name)) {
        return Err(
            ApiError::invalid(format!("missing required parameter: {file}"))
                .param(file)
                .code("missing_required_parameter"),
        );
    }
    let tally = tally(body, &parts, images);
    let field = |name: &str| {
        multipart::text(body, &parts, name)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    };
    let choices = field("n").map_or(Ok(1), choices)?;
    if let Some(name) = ["model", "user"]
        .into_iter()
        .find(|name| field(name).is_some_and(|text| text.len() > MAX_NAME))
    {
        let message = format!("{name} is longer than {MAX_NAME} bytes");
        return Err(ApiError::invalid(message).param(name));
    }
    Ok(Facts {
        model: field("model").map(str::to_owned),
        operation,
        stream: field("stream").is_some_and(|text| text.eq_ignore_ascii_case("true")),
        prompt_tokens: tally.estimate(),
        prompt_bound: tally.bound(),
        extent: tally.into_extent(),
        max_tokens: None,
        choices,
        user: field("user").map(str::to_owned),
        demands: Vec::new(),
        path: path.to_owned(),
        overrides: Overrides::default(),
    })
}

/// Counts the parts that a model reads.
fn tally(body: &[u8], parts: &[Part<'_>], images: bool) -> Tally {
    let mut tally = Tally::default();
    for part in parts {
        match (part.is_file, images, part.name) {
            (true, true, _) => tally.medium(Medium::Image),
            (true, false, _) => {
                let file = body.get(part.range.clone()).unwrap_or_default();
                // What it says of itself counts where the provider counts nothing.
                let ms = media::longest_ms(file.len(), file).max(sound::milliseconds(file));
                tally.medium(Medium::Sound(ms));
            }
            (false, _, "prompt") => tally.text(part.range.len()),
            _ => {}
        }
    }
    tally
}

fn choices(text: &str) -> Result<u32, ApiError> {
    text.parse()
        .ok()
        .filter(|n| (1..=128).contains(n))
        .ok_or_else(|| ApiError::invalid("n must be an integer from 1 to 128").param("n"))
}
