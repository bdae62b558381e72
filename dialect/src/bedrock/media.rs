//! Images, sounds and documents: Bedrock takes their bytes, and no address.

use std::borrow::Cow;

use dragoman_proto::ApiError;

use super::schema::{Block, Document, Media, Source};
use crate::hub::{self, AudioPart, FilePart};

/// The longest name of a document.
const MAX_NAME: usize = 200;

/// An `image_url` part.
pub(super) fn image<'a>(url: &Cow<'a, str>, place: &str) -> Result<Block<'a>, ApiError> {
    let invalid = |what: &str| ApiError::invalid(format!("{place}.image_url {what}")).param(place);
    let (media_type, bytes) = hub::data_url(url).ok_or_else(|| {
        invalid("must be inline, as a base64 data URL: Bedrock fetches no addresses")
    })?;
    let format = match &*media_type {
        "image/png" => "png",
        "image/jpeg" | "image/jpg" => "jpeg",
        "image/gif" => "gif",
        "image/webp" => "webp",
        other => {
            return Err(invalid(&format!(
                "is of type {other:?}; Bedrock takes PNG, JPEG, GIF and WebP"
            )));
        }
    };
    Ok(Block::Image(Media {
        format: Cow::Borrowed(format),
        source: Source { bytes },
    }))
}

/// An `input_audio` part.
pub(super) fn audio<'a>(audio: AudioPart<'a>, place: &str) -> Result<Block<'a>, ApiError> {
    if audio.format.is_empty() {
        let error = format!("{place}.input_audio has no format");
        return Err(ApiError::invalid(error).param(place));
    }
    Ok(Block::Audio(Media {
        format: audio.format,
        source: Source { bytes: audio.data },
    }))
}

/// A `file` part, the `nth` of the request: documents of a conversation have different names.
pub(super) fn document<'a>(
    file: &FilePart<'a>,
    nth: usize,
    place: &str,
) -> Result<Block<'a>, ApiError> {
    let invalid = |what: &str| ApiError::invalid(format!("{place}.file {what}")).param(place);
    let data = file
        .file_data
        .as_ref()
        .ok_or_else(|| invalid("must be inline, as file_data: Bedrock keeps no files"))?;
    let (media_type, bytes) = hub::data_url(data).ok_or_else(|| {
        invalid("must be inline, as a base64 data URL: Bedrock fetches no addresses")
    })?;
    let format = format_of(&media_type).ok_or_else(|| {
        invalid(&format!(
            "is of type {media_type:?}; Bedrock takes PDF, text, CSV, Markdown, HTML, Word and Excel"
        ))
    })?;
    Ok(Block::Document(Document {
        format,
        name: name(file.filename.as_deref(), nth),
        source: Source { bytes },
    }))
}

fn format_of(media_type: &str) -> Option<&'static str> {
    const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
    const EXCEL: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
    Some(match media_type {
        "application/pdf" => "pdf",
        "text/plain" => "txt",
        "text/csv" => "csv",
        "text/markdown" => "md",
        "text/html" => "html",
        "application/msword" => "doc",
        WORD => "docx",
        "application/vnd.ms-excel" => "xls",
        EXCEL => "xlsx",
        _ => return None,
    })
}

/// A name as Bedrock wants it: letters, digits, single spaces, hyphens and brackets.
fn name(filename: Option<&str>, nth: usize) -> String {
    let stem = filename.map_or("", |name| {
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    });
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || "-()[]".contains(c) {
            c
        } else {
            ' '
        }
    };
    let words: String = stem.chars().map(allowed).collect();
    let mut name = words.split_whitespace().collect::<Vec<_>>().join(" ");
    if name.is_empty() {
        name.push_str("document");
    }
    let ending = if nth == 0 {
        String::new()
    } else {
        format!(" {}", nth + 1)
    };
    // Nothing but ASCII is left.
    name.truncate(MAX_NAME - ending.len());
    name + &ending
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_s_name_is_plain_and_its_own() {
        assert_eq!(
            name(Some("Jahres_bericht  (2026).v2.pdf"), 0),
            "Jahres bericht (2026) v2"
        );
        assert_eq!(name(Some("Übersicht.pdf"), 1), "bersicht 2");
        assert_eq!(name(None, 0), "document");
        assert_eq!(name(Some(&"x".repeat(300)), 11).len(), MAX_NAME);
    }
}
