//! A form piece by piece: parts as they begin, their bytes as they come.
//!
//! The boundary is looked for everywhere, and a form that has it anywhere but in a delimiter is
//! refused, as is a head that can be read in two ways. Whoever reads the form after us must find the
//! same parts in it: a `model` that only the provider sees would be one that nobody admitted.

use memchr::memmem;

use super::{FormError, boundary};

/// Forms of these endpoints have a dozen parts; images may be sixteen.
const MAX_PARTS: usize = 256;
/// The longest head of a part.
const MAX_HEAD: usize = 8 * 1024;

const LINE: &[u8] = b"\r\n";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// What a part says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartHead {
    /// The field's name.
    pub(crate) name: String,
    /// Whether it is a file.
    pub(crate) is_file: bool,
    /// `content-type`, where it says so.
    pub(crate) content_type: Option<String>,
}

/// What a form consists of, in order. Offsets are in the whole form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event<'a> {
    /// A part begins.
    Begin {
        head: PartHead,
        /// Where its delimiter is.
        delimiter: usize,
        /// Where its bytes are.
        start: usize,
    },
    /// Bytes of the part; never none.
    Bytes(&'a [u8]),
    /// The part ended here.
    End(usize),
}

/// Reads a form.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The boundary with its dashes.
    delimiter: Vec<u8>,
    state: State,
    /// Bytes about which nothing can be said yet.
    pending: Vec<u8>,
    /// Where they begin.
    at: usize,
    parts: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first delimiter.
    Before,
    /// What is pending begins with a delimiter.
    Delimiter,
    /// Among a part's bytes.
    Part,
    /// The last delimiter has passed.
    Over,
}

impl Reader {
    /// A reader of forms of this content type.
    pub(crate) fn new(content_type: &str) -> Result<Self, FormError> {
        let boundary = boundary(content_type).ok_or(FormError::Boundary)?;
        Ok(Self {
            delimiter: format!("--{boundary}").into_bytes(),
            state: State::Before,
            pending: Vec::new(),
            at: 0,
            parts: 0,
        })
    }

    /// Takes the form's next bytes, and tells `see` what they are. After an error, the reader's or
    /// one of `see`, nothing more is to be fed.
    pub(crate) fn feed<E: From<FormError>>(
        &mut self,
        bytes: &[u8],
        see: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = std::mem::take(&mut self.pending);
        buffer.extend_from_slice(bytes);
        let mut rest = buffer.as_slice();
        while let Some(used) = self.step(rest, see)? {
            rest = rest.get(used..).unwrap_or_default();
            self.at = self.at.saturating_add(used);
        }
        self.pending = rest.to_vec();
        Ok(())
    }

    /// The form has ended.
    pub(crate) fn finish(&self) -> Result<(), FormError> {
        match self.state {
            State::Over => Ok(()),
            _ => Err(FormError::Unterminated),
        }
    }

    /// Bytes that the form has at least after a part's.
    pub(crate) fn shortest_end(&self) -> usize {
        LINE.len() + self.delimiter.len() + 2
    }

    /// How many of the bytes are understood; `None` when more are needed.
    fn step<E: From<FormError>>(
        &mut self,
        rest: &[u8],
        see: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        if self.state == State::Delimiter {
            return self.head(rest, see);
        }
        let in_part = self.state == State::Part;
        let Some(found) = memmem::find(rest, &self.delimiter) else {
            // What may begin a delimiter stays, with the line's end before it.
            let known = rest.len().saturating_sub(self.delimiter.len() + 1);
            let bytes = rest.get(..known).unwrap_or_default();
            if in_part && !bytes.is_empty() {
                see(Event::Bytes(bytes))?;
            }
            return Ok((known > 0).then_some(known));
        };
        let is_first = self.state == State::Before && self.at == 0 && found == 0;
        let before = rest.get(..found).unwrap_or_default();
        let bytes = before.strip_suffix(LINE);
        if self.state == State::Over || (bytes.is_none() && !is_first) {
            return Err(FormError::Ambiguous.into());
        }
        if in_part {
            let bytes = bytes.unwrap_or_default();
            if !bytes.is_empty() {
                see(Event::Bytes(bytes))?;
            }
            see(Event::End(self.at.saturating_add(bytes.len())))?;
        }
        self.state = State::Delimiter;
        Ok(Some(found))
    }

    /// A delimiter, and the head of the part behind it.
    fn head<E: From<FormError>>(
        &mut self,
        rest: &[u8],
        see: &mut impl FnMut(Event<'_>) -> Result<(), E>,
    ) -> Result<Option<usize>, E> {
        let after = rest.get(self.delimiter.len()..).unwrap_or_default();
        if after.starts_with(b"--") {
            self.state = State::Over;
            return Ok(Some(self.delimiter.len() + 2));
        }
        let end = memmem::find(after, END_OF_HEAD);
        if end.unwrap_or(after.len()) > MAX_HEAD {
            return Err(FormError::LongHead.into());
        }
        let Some(end) = end else {
            return Ok(None);
        };
        let text = after.get(..end).unwrap_or_default();
        if memmem::find(text, &self.delimiter).is_some() {
            return Err(FormError::Ambiguous.into());
        }
        self.parts += 1;
        if self.parts > MAX_PARTS {
            return Err(FormError::TooMany.into());
        }
        let used = self.delimiter.len() + end + END_OF_HEAD.len();
        see(Event::Begin {
            head: part_head(text)?,
            delimiter: self.at,
            start: self.at.saturating_add(used),
        })?;
        self.state = State::Part;
        Ok(Some(used))
    }
}

/// Reads a part's head, which begins behind its delimiter.
fn part_head(text: &[u8]) -> Result<PartHead, FormError> {
    let text = std::str::from_utf8(text).map_err(|_| FormError::Unnamed)?;
    let mut lines = text.split("\r\n");
    let padding = lines.next().unwrap_or_default();
    if !padding.trim_matches([' ', '\t']).is_empty() {
        return Err(FormError::Ambiguous);
    }
    let mut disposition = None;
    let mut content_type = None;
    for line in lines {
        if line.starts_with([' ', '\t']) || line.chars().any(|c| c.is_control() && c != '\t') {
            return Err(FormError::Ambiguous);
        }
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let slot = match name.trim().to_ascii_lowercase().as_str() {
            "content-disposition" => &mut disposition,
            "content-type" => &mut content_type,
            _ => continue,
        };
        if slot.replace(value.trim()).is_some() {
            return Err(FormError::Ambiguous);
        }
    }
    let (name, is_file) = named(disposition.ok_or(FormError::Unnamed)?)?;
    Ok(PartHead {
        name,
        is_file,
        content_type: content_type.map(str::to_owned),
    })
}

/// The name in a disposition, and whether there is a file name too.
fn named(disposition: &str) -> Result<(String, bool), FormError> {
    let mut name = None;
    let mut is_file = false;
    let mut rest = disposition;
    while let Some((_, parameter)) = rest.split_once(';') {
        let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim_start();
        let (value, left) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_at(closing_quote(quoted)),
            None => value.split_at(value.find(';').unwrap_or(value.len())),
        };
        rest = left;
        match key.trim().to_ascii_lowercase().as_str() {
            "name" if name.replace(value.trim()).is_some() => return Err(FormError::Ambiguous),
            // Words of another encoding, or in pieces (RFC 2231), which not everybody reads.
            key if key.starts_with("name*") => return Err(FormError::Ambiguous),
            key if key.starts_with("filename") => is_file = true,
            _ => {}
        }
    }
    match name {
        Some(name) if name.contains(['"', '\\']) => Err(FormError::Ambiguous),
        Some(name) => Ok((name.to_owned(), is_file)),
        None => Err(FormError::Unnamed),
    }
}

/// Where a quoted text ends.
fn closing_quote(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    text.len()
}
