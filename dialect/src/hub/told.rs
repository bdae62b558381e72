//! What a stream has told of its lists, piece by piece. OpenAI's client joins the lists of several
//! deltas by the `index` of their entries, and gives up where there is none.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{Annotation, Delta, ThinkingBlock, ThinkingBlocks};
use crate::json::Object;

/// How many entries each list has so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    annotations: u64,
    citations: u64,
    thoughts: u64,
    /// Whether the last thought may still go on.
    thinking: bool,
}

/// An entry with its place in the list.
#[derive(Debug, Serialize)]
pub(crate) struct Numbered<T> {
    index: u64,
    #[serde(flatten)]
    entry: T,
}

impl Told {
    /// Adds the next annotations to a delta, if there are some.
    pub(crate) fn annotate(&mut self, delta: &mut Delta<'_>, annotations: Vec<Annotation>) {
        if !annotations.is_empty() {
            let annotations = self.annotations(annotations);
            delta.rest.set("annotations", &annotations);
        }
    }

    fn annotations(&mut self, annotations: Vec<Annotation>) -> Vec<Numbered<Annotation>> {
        let numbers = self.annotations..;
        self.annotations += annotations.len() as u64;
        let pairs = numbers.zip(annotations);
        pairs
            .map(|(index, entry)| Numbered { index, entry })
            .collect()
    }

    /// The provider's next citation; `None` when it is no object.
    pub(crate) fn citation(&mut self, raw: &RawValue) -> Option<Box<RawValue>> {
        let mut citation = Object::parse(raw.get().as_bytes()).ok()?;
        citation.set("index", &self.citations);
        self.citations += 1;
        to_raw_value(&citation).ok()
    }

    /// The next piece of the thought that goes on, or the first of another. A redacted thought is whole.
    pub(crate) fn thinking<'a>(&mut self, piece: ThinkingBlock<'a>) -> ThinkingBlocks<'a> {
        let in_words = matches!(piece, ThinkingBlock::Thinking { .. });
        if !(in_words && self.thinking) {
            self.thoughts += 1;
        }
        self.thinking = in_words;
        ThinkingBlocks::One([Numbered {
            index: self.thoughts.saturating_sub(1),
            entry: piece,
        }])
    }

    /// A block ended: what is thought next is another thought.
    pub(crate) fn end_thought(&mut self) {
        self.thinking = false;
    }
}
