//! Translation between OpenAI's API and each provider's: bytes in, bytes out.
//!
//! A star, not a mesh: OpenAI's chat is the [`hub`], and each provider is a folder with the same files
//! (`schema request response stream error`) and one line in the [`registry`]. Two layers read a
//! stream: [`framing`] cuts bytes into events, then a state machine per provider turns events into
//! chunks of the hub.
//!
//! The crate runs inside a proxy: it has no clock, no randomness and no I/O, does not panic, bounds
//! its recursion and what it buffers, and keeps nothing across the events of a stream but a small
//! state.
#![cfg_attr(
    not(test),
    deny(
        clippy::panic,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing
    )
)]

mod anthropic;
mod azure;
mod bedrock;
mod client;
mod cohere;
pub mod demands;
pub mod edge;
mod failure;
mod framing;
#[cfg(fuzzing)]
pub mod fuzzing;
mod gemini;
mod head;
mod hub;
mod json;
mod meter;
mod multipart;
mod ollama;
mod openai;
mod passage;
mod registry;
mod request;
mod response;
mod sink;
mod sound;
mod vertex_ai;

pub use head::{Head, ReportState, RequestHead, ResponseHead};
pub use passage::Passage;
pub use request::{Outgoing, ResponseContext, Translated, translate_request};
pub use response::ResponseTranslator;
