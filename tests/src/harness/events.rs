//! Server-sent events as a strict client reads them.

use serde_json::Value;

/// A server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name, when it has one.
    pub name: Option<String>,
    /// Its data.
    pub data: String,
}

impl Event {
    /// The data as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.data))
    }
}

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As HTTP wants it.
    Clean,
    /// The transfer broke.
    Broken,
}

/// Reads a whole stream: each event is lines that begin with `event: ` or `data: `, then a blank
/// line; nothing else is allowed, because no client needs to bear more.
///
/// # Panics
/// When the stream is anything else.
pub(super) fn parse(bytes: &[u8], ending: Ending) -> Vec<Event> {
    let text = std::str::from_utf8(bytes).expect("a stream is UTF-8");
    let mut blocks: Vec<&str> = text.split("\n\n").collect();
    let rest = blocks.pop().unwrap_or_default();
    assert!(
        rest.is_empty() || ending == Ending::Broken,
        "the stream ends inside an event: {rest:?}"
    );
    blocks.into_iter().map(event).collect()
}

fn event(block: &str) -> Event {
    let mut name = None;
    let mut data = Vec::new();
    for line in block.split('\n') {
        if let Some(value) = line.strip_prefix("data: ") {
            data.push(value);
        } else if let Some(value) = line.strip_prefix("event: ") {
            name = Some(value.to_owned());
        } else {
            panic!("a strange line in a stream: {line:?}");
        }
    }
    let data = data.join("\n");
    Event { name, data }
}
