//! The pages that an answer cites, and which of its texts they belong to.

use crate::{
    hub::{
        UrlCitation,
        citations::{MAX_KEPT, characters},
    },
    json::Text,
};

/// What is cited where. The hub counts the characters of the whole content, clients those of a block.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// Characters of the content before the last text, and up to its end.
    start: u64,
    end: u64,
    /// Pages that came while no text was open.
    waiting: Vec<UrlCitation>,
}

impl Pages {
    /// A text begins.
    pub(super) fn begin(&mut self) {
        self.start = self.end;
    }

    /// It goes on.
    pub(super) fn said(&mut self, text: Text<'_>) {
        self.end += match text {
            Text::Raw(raw) => characters(raw),
            Text::Plain(text) => text.chars().count() as u64,
            Text::Number(_) => 0,
        };
    }

    /// Whether the characters that this page is for have been told.
    pub(super) fn is_said(&self, page: &UrlCitation) -> bool {
        page.end_index <= self.end
    }

    /// Keeps a page for the next text.
    pub(super) fn wait(&mut self, page: UrlCitation) {
        if self.waiting.len() < MAX_KEPT {
            self.waiting.push(page);
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// The pages that waited.
    pub(super) fn take(&mut self) -> Vec<UrlCitation> {
        std::mem::take(&mut self.waiting)
    }

    /// The page with the characters of the last text.
    pub(super) fn within(&self, mut page: UrlCitation) -> UrlCitation {
        page.start_index = page.start_index.saturating_sub(self.start);
        page.end_index = page.end_index.saturating_sub(self.start);
        page
    }
}
