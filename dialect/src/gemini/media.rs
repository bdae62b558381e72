//! Images, documents and sound of a message: sent along in base64, or fetched by Google.

use std::borrow::Cow;

use dragoman_proto::ApiError;

use super::{
    Target,
    schema::{Blob, FileData, PartData},
};
use crate::hub::{self, AudioPart, FilePart};

/// Where files are that were uploaded to Google; older models fetch nothing else.
const UPLOADED: &str = "https://generativelanguage.googleapis.com/";

/// An image: a data URL, or an address that Google fetches.
pub(super) fn image<'a>(
    url: Cow<'a, str>,
    target: Target,
    place: &str,
) -> Result<PartData<'a>, ApiError> {
    let place = format!("{place}.image_url");
    if url.starts_with("data:") {
        inline(&url, &place)
    } else {
        fetched(url, target, &place)
    }
}

/// A file: its content, or where it is.
pub(super) fn file<'a>(
    file: FilePart<'a>,
    target: Target,
    place: &str,
) -> Result<PartData<'a>, ApiError> {
    let place = format!("{place}.file");
    match (file.file_data, file.file_id) {
        (Some(data), _) if data.starts_with("data:") => inline(&data, &place),
        (Some(address), _) | (None, Some(address)) => fetched(address, target, &place),
        (None, None) => Err(ApiError::invalid(format!(
            "{place} has neither file_data nor file_id"
        ))
        .param(place)),
    }
}

/// Sound.
pub(super) fn audio(audio: AudioPart<'_>) -> PartData<'_> {
    PartData::InlineData(Blob {
        mime_type: Cow::Owned(format!("audio/{}", audio.format)),
        data: audio.data,
    })
}

fn inline<'a>(url: &Cow<'a, str>, place: &str) -> Result<PartData<'a>, ApiError> {
    let (mime_type, data) = hub::data_url(url).ok_or_else(|| {
        ApiError::invalid(format!("{place} is not a base64 data URL")).param(place)
    })?;
    Ok(PartData::InlineData(Blob { mime_type, data }))
}

fn fetched<'a>(
    address: Cow<'a, str>,
    target: Target,
    place: &str,
) -> Result<PartData<'a>, ApiError> {
    let invalid = |what: &str| ApiError::invalid(format!("{place} {what}")).param(place);
    let is_address = address.starts_with("https://") || address.starts_with("gs://");
    if !is_address {
        return Err(invalid(
            "must be a base64 data URL, or an address with https:// or gs:// that Google fetches",
        ));
    }
    if !target.fetches && !address.starts_with(UPLOADED) {
        return Err(invalid(
            "is an address, which this model does not fetch: send a base64 data URL",
        ));
    }
    let mime_type = media_type(&address);
    if target.vertex && mime_type.is_none() {
        return Err(invalid(
            "is an address without an ending that tells its type, which Vertex AI wants to know: \
             send a base64 data URL",
        ));
    }
    Ok(PartData::FileData(FileData {
        mime_type: mime_type.map(Cow::Borrowed),
        file_uri: address,
    }))
}

/// The type that an address's ending stands for.
fn media_type(address: &str) -> Option<&'static str> {
    let path = address.split(['?', '#']).next()?;
    let name = path.rsplit('/').next()?;
    let (_, ending) = name.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        "txt" | "md" => "text/plain",
        "csv" => "text/csv",
        "html" => "text/html",
        "mp3" => "audio/mp3",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "ogg" => "audio/ogg",
        "aac" => "audio/aac",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        "mpeg" | "mpg" => "video/mpeg",
        _ => return None,
    })
}
