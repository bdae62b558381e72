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
    /// Where its bytes are in the body.
    pub(crate) range: Range<usize>,
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
        let start = at + headers_end + 4;
        let length = finder
            .find(body.get(start..).unwrap_or_default())
            .ok_or(FormError::Unterminated)?;
        parts.push(Part {
            name,
            is_file,
            range: start..start + length.saturating_sub(2),
        });
        at = start + length + delimiter.len();
    }
}

/// The name in a part's headers, and whether it has a file name too.
fn disposition(headers: &[u8]) -> Option<(&str, bool)> {
    let headers = std::str::from_utf8(headers).ok()?;
    let line = headers.split("\r\n").find(|line| {
        line.get(..20)
            .is_some_and(|start| start.eq_ignore_ascii_case("content-disposition:"))
    })?;
    let mut name = None;
    let mut is_file = false;
    for parameter in line.split(';').skip(1) {
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

/// The form with other bytes in the field called `name`; `None` when it has no such field.
pub(crate) fn replace(
    body: &[u8],
    parts: &[Part<'_>],
    name: &str,
    value: &[u8],
) -> Option<Vec<u8>> {
    let mut replaced = Vec::with_capacity(body.len() + value.len());
    let mut at = 0;
    for part in parts.iter().filter(|p| p.name == name && !p.is_file) {
        replaced.extend_from_slice(body.get(at..part.range.start)?);
        replaced.extend_from_slice(value);
        at = part.range.end;
    }
    if at == 0 {
        return None;
    }
    replaced.extend_from_slice(body.get(at..)?);
    Some(replaced)
}

/// A field to put before the first part of a form that has none of that name.
pub(crate) fn prepend(content_type: &str, body: &[u8], name: &str, value: &str) -> Option<Vec<u8>> {
    let boundary = boundary(content_type)?;
    let mut form = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
    )
    .into_bytes();
    let start = memmem::find(body, format!("--{boundary}").as_bytes())?;
    form.extend_from_slice(body.get(start..)?);
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

    #[test]
    fn only_the_field_s_bytes_are_replaced() {
        let found = parts(TYPE, FORM).unwrap();
        let replaced = replace(FORM, &found, "model", b"whisper-1").unwrap();
        let again = parts(TYPE, &replaced).unwrap();
        assert_eq!(text(&replaced, &again, "model"), Some("whisper-1"));
        assert_eq!(replaced.len(), FORM.len() + 2);
    }

    #[test]
    fn a_missing_field_can_be_added() {
        let form = prepend(TYPE, FORM, "n", "2").unwrap();
        assert_eq!(text(&form, &parts(TYPE, &form).unwrap(), "n"), Some("2"));
    }

    #[test]
    fn a_form_that_is_cut_is_refused() {
        for end in [1, 20, 60, FORM.len() - 6] {
            assert!(parts(TYPE, &FORM[..end]).is_err(), "{end}");
        }
        assert_eq!(parts("multipart/form-data", FORM), Err(FormError::Boundary));
    }
}
