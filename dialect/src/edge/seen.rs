//! What stands deep in a request and is not for every provider.

use super::tools::ToolSeen;
use crate::demands::Part;

/// The parts that were seen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen {
    parts: u8,
    /// Whether it is the conversation that is being read: what a schema calls its members says nothing.
    pub(super) in_conversation: bool,
}

impl Seen {
    const fn add(&mut self, part: Part) {
        self.parts |= 1 << part as u8;
    }

    pub(super) const fn has(self, part: Part) -> bool {
        self.parts & (1 << part as u8) != 0
    }

    /// A tool.
    pub(super) fn tool(&mut self, tool: &ToolSeen) {
        if let Some(part) = tool.part() {
            self.add(part);
        }
    }

    /// A member, wherever it stands.
    pub(super) fn member(&mut self, name: &str) {
        match name {
            "input_audio" if self.in_conversation => self.add(Part::Sound),
            "file_data" if self.in_conversation => self.add(Part::File),
            _ => {}
        }
    }

    /// Where a picture is.
    pub(super) fn picture(&mut self, url: &str) {
        if self.in_conversation && !url.starts_with("data:") {
            self.add(Part::PictureElsewhere);
        }
    }
}
