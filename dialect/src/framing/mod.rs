//! The byte layer: encodings undone, bytes cut into events. It knows nothing of what events mean.

mod inflate;
mod sse;

pub(crate) use inflate::Inflate;
pub(crate) use sse::{Event, SseFramer};
