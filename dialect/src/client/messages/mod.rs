//! Anthropic's Messages (<https://docs.anthropic.com/en/api/messages>) for deployments without it.

mod answer;
mod content;
mod names;
mod offer;
mod reasoning;
mod request;
mod schema;
mod stream;

use serde::Serialize;

pub(super) use answer::answer;
pub(crate) use names::LongNames;
pub(super) use request::request;
pub(super) use stream::EventWriter;

use crate::{json, request::Outgoing};

/// The answer to `count_tokens` where no provider counts: our own estimate.
pub(super) fn count(input_tokens: u64) -> Outgoing {
    #[derive(Serialize)]
    struct Count {
        input_tokens: u64,
    }
    let mut body = Vec::new();
    json::write(&mut body, &Count { input_tokens });
    Outgoing::Answer {
        content_type: "application/json",
        body,
    }
}
