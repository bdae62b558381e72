//! `groundingMetadata` as annotations (<https://ai.google.dev/gemini-api/docs/google-search>). Google counts
//! bytes of the text, OpenAI characters.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    hub::{Annotation, Page, citations::MAX_KEPT},
    json,
};

/// Characters of several bytes that are remembered; in texts with more, nothing is annotated after.
const MAX_WIDE: usize = 16 * 1024;

/// Which character of a text a byte belongs to, without the text.
#[derive(Debug, Default)]
pub(super) struct Places {
    bytes: u64,
    /// Where each character of several bytes ends, and how many more than one all have so far.
    wide: Vec<(u64, u64)>,
    is_full: bool,
}

impl Places {
    /// The text goes on.
    pub(super) fn add(&mut self, raw: &RawValue) {
        let Some(text) = json::string(raw) else {
            return;
        };
        let start = self.bytes;
        self.bytes += text.len() as u64;
        if text.is_ascii() || self.is_full {
            return;
        }
        let mut more = self.wide.last().map_or(0, |(_, more)| *more);
        for (at, character) in text.char_indices().filter(|(_, c)| !c.is_ascii()) {
            if self.wide.len() == MAX_WIDE {
                self.is_full = true;
                return;
            }
            let length = character.len_utf8() as u64;
            more += length - 1;
            self.wide.push((start + at as u64 + length, more));
        }
    }

    /// The character at `byte`.
    fn character(&self, byte: u64) -> Option<u64> {
        let known = self.wide.last().map_or(0, |(end, _)| *end);
        if byte > self.bytes || (self.is_full && byte > known) {
            return None;
        }
        let before = self.wide.partition_point(|(end, _)| *end <= byte);
        let last = before.checked_sub(1).and_then(|last| self.wide.get(last));
        Some(byte.saturating_sub(last.map_or(0, |(_, more)| *more)))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grounding {
    #[serde(default)]
    grounding_chunks: Vec<Chunk>,
    #[serde(default)]
    grounding_supports: Vec<Support>,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    web: Option<Web>,
}

#[derive(Deserialize)]
struct Web {
    uri: String,
    #[serde(default)]
    title: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Support {
    #[serde(default)]
    segment: Segment,
    #[serde(default)]
    grounding_chunk_indices: Vec<usize>,
}

/// A part's piece, in bytes; of the first part unless it says so.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Segment {
    part_index: u64,
    start_index: u64,
    end_index: u64,
}

/// The pages for the pieces of the text that `places` knows.
pub(super) fn annotations(raw: Option<&RawValue>, places: &Places) -> Vec<Annotation> {
    let Some(grounding) = raw.and_then(|raw| serde_json::from_str::<Grounding>(raw.get()).ok())
    else {
        return Vec::new();
    };
    let mut annotations = Vec::new();
    for support in &grounding.grounding_supports {
        let segment = &support.segment;
        let (Some(start), Some(end)) = (
            places.character(segment.start_index),
            places.character(segment.end_index),
        ) else {
            continue;
        };
        for index in &support.grounding_chunk_indices {
            let web = grounding.grounding_chunks.get(*index);
            let Some(web) = web.and_then(|chunk| chunk.web.as_ref()) else {
                continue;
            };
            if segment.part_index == 0 && annotations.len() < MAX_KEPT {
                let (url, title) = (web.uri.clone(), web.title.clone());
                annotations.push(Page { url, title }.at(start, end));
            }
        }
    }
    annotations
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn bytes_are_told_as_characters_however_the_text_comes() {
        let text = "Zürich 🎉 x";
        for cut in [0, 3, 8, text.len()] {
            let mut places = Places::default();
            for piece in [&text[..cut], &text[cut..]] {
                places.add(&to_raw_value(piece).unwrap());
            }
            for (character, (byte, _)) in text.char_indices().enumerate() {
                assert_eq!(places.character(byte as u64), Some(character as u64));
            }
            assert_eq!(places.character(text.len() as u64), Some(10));
            assert_eq!(places.character(99), None);
        }
    }
}
