//! What waits for the open call to end.

use serde_json::value::RawValue;

use super::Kind;
use crate::json::{self, Text};

/// The most that waits for an open call to end.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Pieces of blocks, in the order in which their blocks are told.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pieces: Vec<Piece>,
    bytes: usize,
}

#[derive(Debug)]
struct Piece {
    kind: Kind,
    /// The inside of a JSON string.
    text: String,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Whether there is more than may wait.
    pub(super) fn is_over_full(&self) -> bool {
        self.bytes > MAX_BYTES
    }

    /// What the next block is.
    pub(super) fn next(&self) -> Option<Kind> {
        self.pieces.first().map(|piece| piece.kind)
    }

    /// Adds to the last block if it is of the same kind, and to a call wherever that waits.
    pub(super) fn push(&mut self, kind: Kind, text: Text<'_>) {
        let position = match kind {
            Kind::Call(_) => self.pieces.iter().position(|piece| piece.kind == kind),
            _ => self
                .pieces
                .last()
                .is_some_and(|piece| piece.kind == kind)
                .then(|| self.pieces.len().saturating_sub(1)),
        };
        let text = escaped(text);
        self.bytes = self.bytes.saturating_add(text.len());
        match position.and_then(|at| self.pieces.get_mut(at)) {
            Some(piece) => piece.text.push_str(&text),
            None => self.pieces.push(Piece { kind, text }),
        }
    }

    /// Takes the next block out, with its text as a JSON string.
    pub(super) fn pop(&mut self) -> Option<(Kind, Box<RawValue>)> {
        if self.pieces.is_empty() {
            return None;
        }
        let Piece { kind, text } = self.pieces.remove(0);
        self.bytes = self.bytes.saturating_sub(text.len());
        let quoted = RawValue::from_string(format!("\"{text}\"")).ok()?;
        Some((kind, quoted))
    }
}

/// The text as the inside of a JSON string.
fn escaped(text: Text<'_>) -> String {
    match text {
        Text::Raw(raw) => json::inner(raw).to_owned(),
        Text::Plain(text) => serde_json::value::to_raw_value(text)
            .map(|raw| json::inner(&raw).to_owned())
            .unwrap_or_default(),
        Text::Number(_) => String::new(),
    }
}
