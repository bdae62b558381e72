//! The byte layer: encodings undone, bytes cut into events. It knows nothing of what events mean.

mod inflate;
mod lines;
mod sse;

use std::ops::ControlFlow;

pub(crate) use inflate::Inflate;
pub(crate) use lines::LineFramer;
pub(crate) use sse::{Event, SseFramer};

/// The largest event.
const MAX_EVENT: usize = 8 * 1024 * 1024;

/// An event is larger than the cap.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// How a provider's stream is cut into events.
#[derive(Debug)]
pub(crate) enum Framer {
    /// Server-sent events.
    Sse(SseFramer),
    /// JSON texts, one a line.
    Lines(LineFramer),
}

impl Default for Framer {
    fn default() -> Self {
        Self::Sse(SseFramer::default())
    }
}

impl Framer {
    /// Calls `on_event` for each event that is complete with `chunk`, until it breaks.
    pub(crate) fn feed<B>(
        &mut self,
        chunk: &[u8],
        on_event: impl FnMut(&Event<'_>) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, TooLong> {
        match self {
            Self::Sse(framer) => framer.feed(chunk, on_event),
            Self::Lines(framer) => framer.feed(chunk, on_event),
        }
    }

    /// The bytes have ended: what is left may be the last event.
    pub(crate) fn finish<B>(
        &mut self,
        on_event: impl FnMut(&Event<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match self {
            Self::Sse(framer) => framer.finish(on_event),
            Self::Lines(framer) => framer.finish(on_event),
        }
    }
}
