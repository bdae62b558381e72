//! Where stream translators write: events for the client, held back until one of them means something.

use serde::Serialize;

use dragoman_proto::ApiError;

use crate::{client::ClientStream, failure::Failure, framing::Event, json, meter::Meter};

/// Held events are a role or less; a provider that sends this much of nothing is let through.
const MAX_HELD: usize = 64 * 1024;

/// A provider's stream, event by event.
pub(crate) trait EventTranslator: std::fmt::Debug {
    /// Translates one event.
    fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_>) -> Result<Flow, Failure>;

    /// The provider has sent all that it will.
    fn end(&mut self, sink: &mut Sink<'_>) -> Result<(), Failure>;

    /// Writes the event that ends a stream which broke, where it is not the client's usual one;
    /// `false` where it is.
    fn failed(&mut self, _error: &ApiError, _out: &mut Vec<u8>) -> bool {
        false
    }
}

/// Whether more is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The answer goes on.
    Continue,
    /// The answer is whole; whatever follows is ignored.
    Done,
}

/// What is kept between the events of a stream.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    held: Vec<u8>,
    open: bool,
}

impl Gate {
    /// Whether something meaningful has been written.
    pub(crate) const fn is_open(&self) -> bool {
        self.open
    }
}

/// The way out of a stream translator.
#[derive(Debug)]
pub(crate) struct Sink<'s> {
    pub(crate) out: &'s mut Vec<u8>,
    pub(crate) gate: &'s mut Gate,
    pub(crate) meter: &'s mut Meter,
    /// Whoever turns the hub's chunks into what the client speaks; `None` when that is the same.
    pub(crate) client: Option<&'s mut (dyn ClientStream + 'static)>,
}

impl Sink<'_> {
    /// Writes one event. Until the first `meaningful` one they wait.
    pub(crate) fn event<T: Serialize + ?Sized>(
        &mut self,
        meaningful: bool,
        name: Option<&str>,
        data: &T,
    ) {
        if let Some(client) = self.client.take() {
            let mut chunk = Vec::new();
            json::write(&mut chunk, data);
            client.chunk(&chunk, self);
            self.client = Some(client);
            if meaningful {
                self.target(true);
            }
            return;
        }
        let target = self.target(meaningful);
        if let Some(name) = name {
            target.extend_from_slice(b"event: ");
            target.extend_from_slice(name.as_bytes());
            target.push(b'\n');
        }
        target.extend_from_slice(b"data: ");
        json::write(target, data);
        target.extend_from_slice(b"\n\n");
    }

    /// Writes an event's data that is no JSON, such as `[DONE]`.
    pub(crate) fn plain(&mut self, data: &[u8]) {
        if let Some(client) = self.client.take() {
            client.done(self);
            self.client = Some(client);
            return;
        }
        let target = self.target(false);
        target.extend_from_slice(b"data: ");
        target.extend_from_slice(data);
        target.extend_from_slice(b"\n\n");
    }

    fn target(&mut self, meaningful: bool) -> &mut Vec<u8> {
        if !self.gate.open && (meaningful || self.gate.held.len() > MAX_HELD) {
            self.gate.open = true;
            self.out.append(&mut self.gate.held);
            self.gate.held = Vec::new();
        }
        if self.gate.open {
            self.out
        } else {
            &mut self.gate.held
        }
    }
}
