//! The calls of a stream, of which several may be told at once.

use super::scan::ObjectScan;
use crate::{
    hub::ToolCallDelta,
    json::{self, Text},
};

/// The most calls of one answer.
const MAX_CALLS: usize = 1024;

/// The calls so far; each is known by its place among them.
#[derive(Debug)]
pub(super) struct Calls {
    request_id: String,
    calls: Vec<Call>,
}

#[derive(Debug)]
pub(super) struct Call {
    index: u64,
    pub(super) id: String,
    pub(super) name: String,
    has_arguments: bool,
    scan: ObjectScan,
    /// It has been told; what still comes for it is nothing, or not of the object.
    pub(super) told: bool,
}

impl Calls {
    pub(super) fn new(request_id: &str) -> Self {
        Self {
            request_id: request_id.to_owned(),
            calls: Vec::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    pub(super) fn get(&self, at: usize) -> Option<&Call> {
        self.calls.get(at)
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Call> {
        self.calls.get_mut(at)
    }

    /// The call that a piece belongs to: a known one or, while there is room, a new one.
    pub(super) fn place(&mut self, delta: &ToolCallDelta<'_>) -> Option<usize> {
        let id = delta.id.as_ref().and_then(Text::identifier);
        let name = delta.function.name.as_ref().and_then(Text::identifier);
        let known = self
            .calls
            .iter()
            .rposition(|call| call.index == delta.index);
        if let Some((at, call)) = known.and_then(|at| Some((at, self.calls.get_mut(at)?))) {
            // Imitators number every call 0: another name after whole arguments is another call.
            let other = name.is_some() && call.is_whole() && id.as_ref() != Some(&call.id);
            if !other {
                if call.name.is_empty() {
                    call.name = name.unwrap_or_default();
                }
                return Some(at);
            }
        }
        if self.calls.len() >= MAX_CALLS {
            return None;
        }
        let at = self.calls.len();
        let id = id.unwrap_or_else(|| format!("call_{}_{at}", self.request_id));
        self.calls.push(Call {
            index: delta.index,
            id,
            name: name.unwrap_or_default(),
            has_arguments: false,
            scan: ObjectScan::default(),
            told: false,
        });
        Some(at)
    }
}

impl Call {
    /// Whether its arguments are an object whose last brace has come.
    pub(super) fn is_whole(&self) -> bool {
        self.scan.is_whole()
    }

    /// Takes note of a piece of its arguments.
    pub(super) fn feed(&mut self, arguments: Text<'_>) {
        self.has_arguments = true;
        match arguments {
            Text::Raw(raw) => self.scan.feed(&json::string(raw).unwrap_or_default()),
            Text::Plain(text) => self.scan.feed(text),
            Text::Number(_) => {}
        }
    }

    /// It is told to its end; whether it had arguments.
    pub(super) fn end(&mut self) -> bool {
        self.told = true;
        std::mem::replace(&mut self.has_arguments, true)
    }
}
