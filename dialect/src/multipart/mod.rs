//! `multipart/form-data` (RFC 7578), as far as a gateway looks into it: names and short values. Files
//! are never copied.

mod reader;

use std::ops::Range;

use dragoman_proto::ApiError;

pub(crate) use reader::{Event, PartHead, Reader};

/// A part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// The field's name.
    pub(crate) name: String,
    /// Whether it is a file.
    pub(crate) is_file: bool,
    /// `content-type`, where it says so.
    pub(crate) content_type: Option<String>,
    /// Where its bytes are in the body.
    pub(crate) range: Range<usize>,
    /// The same with the delimiter before it and its headers.
    whole: Range<usize>,
}

/// What becomes of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit<'a> {
    /// It stays.
    Keep,
    /// It has other bytes.
    Replace(&'a [u8]),
    /// It is left out.
    Drop,
}

/// Why a form does not parse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FormError {
    #[error("the content type has no usable boundary")]
    Boundary,
    #[error("the form does not end with its boundary")]
    Unterminated,
    #[error("a part of the form has no name")]
    Unnamed,
    #[error("the head of a part of the form is longer than 8 KiB")]
    LongHead,
    #[error("the form can be read in two ways: a boundary or the head of a part is misplaced")]
    Ambiguous,
    #[error("the form has more than 256 parts")]
    TooMany,
}

impl From<FormError> for ApiError {
    fn from(error: FormError) -> Self {
        Self::invalid(error.to_string())
    }
}

/// The boundary in a content type of `multipart/form-data` (RFC 2046, 5.1.1); `None` also where there
/// are two, of which the provider may take the other.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let mut found = parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().to_ascii_lowercase().starts_with("boundary"));
    let (name, value) = found.next()?;
    let value = value.trim();
    let value = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value);
    let is_fit = |c: char| c.is_ascii_alphanumeric() || "'()+_,-./:=? ".contains(c);
    let is_usable = name.trim().eq_ignore_ascii_case("boundary")
        && found.next().is_none()
        && (1..=200).contains(&value.len())
        && value.chars().all(is_fit);
    is_usable.then_some(value)
}

/// The parts of a form, in order.
pub(crate) fn parts(content_type: &str, body: &[u8]) -> Result<Vec<Part>, FormError> {
    let mut reader = Reader::new(content_type)?;
    let mut parts = Vec::new();
    reader.feed(body, &mut |event| {
        Part::note(&mut parts, event);
        Ok::<(), FormError>(())
    })?;
    reader.finish()?;
    Ok(parts)
}

impl Part {
    /// Keeps what `event` says of a form's parts. One that has not ended has no bytes yet.
    pub(crate) fn note(parts: &mut Vec<Self>, event: Event<'_>) {
        match event {
            Event::Begin {
                head,
                delimiter,
                start,
            } => parts.push(Self {
                name: head.name,
                is_file: head.is_file,
                content_type: head.content_type,
                range: start..start,
                whole: delimiter..start,
            }),
            Event::Bytes(_) => {}
            Event::End(end) => {
                if let Some(part) = parts.last_mut() {
                    part.range.end = end;
                    part.whole.end = end + 2;
                }
            }
        }
    }
}

/// A field's name without what makes it a list or a member of an object.
pub(crate) fn plain(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

/// The text of the last field called `name`.
pub(crate) fn text<'a>(body: &'a [u8], parts: &[Part], name: &str) -> Option<&'a str> {
    let part = parts
        .iter()
        .rfind(|part| part.name == name && !part.is_file)?;
    std::str::from_utf8(body.get(part.range.clone())?).ok()
}

/// The form with `more` fields before its parts, and each part as `edit` has it.
pub(crate) fn edited<'e>(
    content_type: &str,
    body: &[u8],
    parts: &[Part],
    more: &[(&str, &str)],
    edit: impl Fn(&Part) -> Edit<'e>,
) -> Option<Vec<u8>> {
    let boundary = boundary(content_type)?;
    let mut form = Vec::with_capacity(body.len() + 256);
    for (name, value) in more {
        let head =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
        form.extend_from_slice(head.as_bytes());
        form.extend_from_slice(value.as_bytes());
        form.extend_from_slice(b"\r\n");
    }
    let mut at = parts.first()?.whole.start;
    for part in parts {
        let (cut, bytes): (_, &[u8]) = match edit(part) {
            Edit::Keep => continue,
            Edit::Replace(bytes) => (part.range.clone(), bytes),
            Edit::Drop => (part.whole.clone(), b""),
        };
        form.extend_from_slice(body.get(at..cut.start)?);
        form.extend_from_slice(bytes);
        at = cut.end;
    }
    form.extend_from_slice(body.get(at..)?);
    Some(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=\"xYz\"";
    const FORM: &[u8] = b"--xYz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a;b\"\r\n\
        Content-Type: audio/wav\r\n\r\n\x00\xff\r\n\r\n\r\n--xYz\r\ncontent-disposition: form-data; \
        name=\"model\"\r\n\r\nwhisper\r\n--xYz--\r\n";

    #[test]
    fn fields_are_found_beside_files() {
        let parts = parts(TYPE, FORM).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(text(FORM, &parts, "model"), Some("whisper"));
        assert_eq!(FORM[parts[0].range.clone()], *b"\x00\xff\r\n\r\n");
    }

    fn edit(more: &[(&str, &str)], name: &str, edit: Edit<'_>) -> Vec<u8> {
        let found = parts(TYPE, FORM).unwrap();
        let kept = |part: &Part| if part.name == name { edit } else { Edit::Keep };
        edited(TYPE, FORM, &found, more, kept).unwrap()
    }

    #[test]
    fn only_the_field_s_bytes_are_replaced() {
        let replaced = edit(&[], "model", Edit::Replace(b"whisper-1"));
        let again = parts(TYPE, &replaced).unwrap();
        assert_eq!(text(&replaced, &again, "model"), Some("whisper-1"));
        assert_eq!(replaced.len(), FORM.len() + 2);
    }

    #[test]
    fn a_field_can_be_left_out_first_or_last() {
        for (gone, left) in [("model", "file"), ("file", "model")] {
            let form = edit(&[], gone, Edit::Drop);
            let again = parts(TYPE, &form).unwrap();
            assert_eq!(
                again
                    .iter()
                    .map(|part| part.name.as_str())
                    .collect::<Vec<_>>(),
                [left]
            );
        }
    }

    #[test]
    fn fields_can_be_added() {
        let form = edit(&[("n", "2"), ("size", "auto")], "", Edit::Keep);
        let again = parts(TYPE, &form).unwrap();
        assert_eq!((text(&form, &again, "n"), again.len()), (Some("2"), 4));
        assert!(form.ends_with(FORM));
    }

    #[test]
    fn a_part_tells_its_type() {
        let found = parts(TYPE, FORM).unwrap();
        assert_eq!(found[0].content_type.as_deref(), Some("audio/wav"));
        assert_eq!(found[1].content_type, None);
    }

    #[test]
    fn a_form_that_is_cut_is_refused() {
        for end in [1, 20, 60, FORM.len() - 6] {
            assert!(parts(TYPE, &FORM[..end]).is_err(), "{end}");
        }
        assert_eq!(parts("multipart/form-data", FORM), Err(FormError::Boundary));
    }
}
