//! The turns of a conversation in which user and assistant alternate, as Claude's APIs want it.

use serde::Serialize;

/// Turns of blocks `B`.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(crate) struct Turns<B>(Vec<Turn<B>>);

#[derive(Debug, Serialize)]
struct Turn<B> {
    role: &'static str,
    content: Vec<B>,
}

impl<B> Default for Turns<B> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<B> Turns<B> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends blocks, to the last turn if that is the same role's.
    pub(crate) fn push(&mut self, role: &'static str, content: Vec<B>) {
        if content.is_empty() {
            return;
        }
        match self.0.last_mut() {
            Some(last) if last.role == role => last.content.extend(content),
            _ => self.0.push(Turn { role, content }),
        }
    }

    /// Adds the result of a call to the user's turn, behind the blocks of results that it begins with:
    /// results are wanted right after their calls.
    pub(crate) fn push_result(&mut self, content: Vec<B>, is_of_result: impl Fn(&B) -> bool) {
        match self.0.last_mut() {
            Some(last) if last.role == "user" => {
                let results = last.content.iter().take_while(|block| is_of_result(block));
                let at = results.count();
                last.content.splice(at..at, content);
            }
            _ => self.push("user", content),
        }
    }
}
