//! `multipart/form-data` (RFC 7578), as far as a gateway looks into it: names and short values. Files
//! are never copied.

use std::ops::Range;

use memchr::memmem;

/// Forms of these endpoints have a dozen parts; images may be sixteen.
const MAX_PARTS: usize = 256;

/// A part of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    /// The field's name.
    pub(crate) name: &'a str,
    /// Whether it is a file.
    pub(crate) is_file: bool,
    /// `content-type`, where it says so.
    pub(crate) content_type: Option<&'a str>,
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
    #[error("the form has more than 256 parts")]
    TooMany,
}

/// The boundary in a content type of `multipart/form-data`.
pub(crate) fn boundary(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("boundary"))
        .map(|(_, value)| value.trim().trim_matches('"'))
        .filter(|value| !value.is_empty() && value.len() <= 200)
}

/// The parts of a form, in order.
pub(crate) fn parts<'a>(content_type: &str, body: &'a [u8]) -> Result<Vec<Part<'a>>, FormError> {
    let delimiter = format!("--{}", boundary(content_type).ok_or(FormError::Boundary)?);
    let finder = memmem::Finder::new(delimiter.as_bytes());
    let mut parts = Vec::new();
    let mut at = finder.find(body).ok_or(FormError::Unterminated)? + delimiter.len();
    loop {
        let rest = body.get(at..).unwrap_or_default();
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        if parts.len() >= MAX_PARTS {
            return Err(FormError::TooMany);
        }
        let headers_end = memmem::find(rest, b"\r\n\r\n").ok_or(FormError::Unterminated)?;
        let headers = rest.get(..headers_end).unwrap_or_default();
        let (name, is_file) = disposition(headers).ok_or(FormError::Unnamed)?;
        let content_type = header(headers, "content-type:");
        let start = at + headers_end + 4;
        let length = finder
            .find(body.get(start..).unwrap_or_default())
            .ok_or(FormError::Unterminated)?;
        parts.push(Part {
            name,
            is_file,
            content_type,
            range: start..start + length.saturating_sub(2),
            whole: at - delimiter.len()..start + length,
        });
        at = start + length + delimiter.len();
    }
}

/// The name in a part's headers, and whether it has a file name too.
fn disposition(headers: &[u8]) -> Option<(&str, bool)> {
    let line = header(headers, "content-disposition:")?;
    let mut name = None;
    let mut is_file = false;
    for parameter in line.split(';') {
        let Some((key, value)) = parameter.split_once('=') else {
            continue;
        };
        match key.trim().to_ascii_lowercase().as_str() {
            "name" => name = Some(value.trim().trim_matches('"')),
            "filename" | "filename*" => is_file = true,
            _ => {}
        }
    }
    name.map(|name| (name, is_file))
}

/// The text of the last field called `name`.
pub(crate) fn text<'a>(body: &'a [u8], parts: &[Part<'_>], name: &str) -> Option<&'a str> {
    let part = parts
        .iter()
        .rfind(|part| part.name == name && !part.is_file)?;
    std::str::from_utf8(body.get(part.range.clone())?).ok()
}

/// A header of a part, by its name in lower case with the colon.
fn header<'a>(headers: &'a [u8], name: &str) -> Option<&'a str> {
    let headers = std::str::from_utf8(headers).ok()?;
    headers.split("\r\n").find_map(|line| {
        let (start, value) = line.split_at_checked(name.len())?;
        start.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The form with `more` fields before its parts, and each part as `edit` has it.
pub(crate) fn edited<'e>(
    content_type: &str,
    body: &[u8],
    parts: &[Part<'_>],
    more: &[(&str, &str)],
    edit: impl Fn(&Part<'_>) -> Edit<'e>,
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
        let kept = |part: &Part<'_>| if part.name == name { edit } else { Edit::Keep };
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
                again.iter().map(|part| part.name).collect::<Vec<_>>(),
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
        assert_eq!(found[0].content_type, Some("audio/wav"));
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
