//! The byte layer: encodings undone, bytes cut into events. It knows nothing of what events mean.

mod aws;
mod inflate;
mod lines;
mod sse;

use std::ops::ControlFlow;

pub(crate) use aws::AwsFramer;
pub(crate) use inflate::Inflate;
pub(crate) use lines::LineFramer;
pub(crate) use sse::{Event, SseFramer};

/// The largest event.
const MAX_EVENT: usize = 8 * 1024 * 1024;

/// Bytes of room that a framer keeps for the rest of a chunk.
const KEPT: usize = 4 * 1024;

/// Drops the first `used` bytes, and the room that a burst took: streams are long, and many.
fn forget(buffer: &mut Vec<u8>, used: usize) {
    buffer.drain(..used.min(buffer.len()));
    buffer.shrink_to(KEPT);
}

/// Bytes that cannot be cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FramingError {
    /// An event is larger than the cap.
    TooLong,
    /// A checksum or a length does not fit.
    Corrupt,
}

impl FramingError {
    /// For people.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "an event of the stream is larger than 8 MiB",
            Self::Corrupt => "an event of the stream is corrupt",
        }
    }
}

/// How a provider's stream is cut into events.
#[derive(Debug)]
pub(crate) enum Framer {
    /// Server-sent events.
    Sse(SseFramer),
    /// JSON texts, one a line.
    Lines(LineFramer),
    /// AWS's binary messages.
    Aws(AwsFramer),
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
    ) -> Result<ControlFlow<B>, FramingError> {
        match self {
            Self::Sse(framer) => framer.feed(chunk, on_event),
            Self::Lines(framer) => framer.feed(chunk, on_event),
            Self::Aws(framer) => framer.feed(chunk, on_event),
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
            // A message is whole or it is none.
            Self::Aws(_) => ControlFlow::Continue(()),
        }
    }
}
