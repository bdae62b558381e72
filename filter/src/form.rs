//! What the edge says of a form to the attempts. Request headers are theirs, one after the other, so what
//! the client's said of it stands in filter state.

use crate::Host;

/// The property; nothing that is logged.
const PROPERTY: &str = "dragoman.form";
/// Bytes of a form that are looked at together: what a filter takes in, its memory keeps.
pub(crate) const PIECE: usize = 64 * 1024;

/// A form, as its client announced it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announced {
    /// The content type, with the boundary.
    pub(crate) content_type: String,
    /// How long it is, where it passes while it still comes.
    pub(crate) passes: Option<usize>,
}

impl Announced {
    /// Tells the attempts.
    pub(crate) fn tell(&self, host: &impl Host) {
        let length = self.passes.unwrap_or_default();
        let text = format!("{length} {}", self.content_type);
        host.set_property(PROPERTY, text.as_bytes());
    }

    /// What was told; `None` where the request is no form.
    pub(crate) fn told(host: &impl Host) -> Option<Self> {
        let text = String::from_utf8(host.property(&[PROPERTY])?).ok()?;
        let (length, content_type) = text.split_once(' ')?;
        Some(Self {
            content_type: content_type.to_owned(),
            passes: length.parse().ok().filter(|length| *length > 0),
        })
    }
}

/// Hands the request body's bytes from `from` to `to` to `look`, piece by piece.
pub(crate) fn pieces<E>(
    host: &impl Host,
    mut from: usize,
    to: usize,
    mut look: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    while from < to {
        let piece = host.request_body(from, PIECE.min(to - from));
        if piece.is_empty() {
            break;
        }
        from += piece.len();
        look(&piece)?;
    }
    Ok(())
}
