//! Chat chunks as chunks of a text completion.

use dragoman_proto::ApiError;

use super::{
    super::ClientStream,
    answer::{ChoiceOut, finish},
};
use crate::{
    failure::Failure,
    hub::{Choice, Chunk, StreamFrame},
    json::{self, Text},
    request::ResponseContext,
    sink::Sink,
};

/// The state of a stream of text.
#[derive(Debug)]
pub(in super::super) struct TextStream {
    provider: String,
    frame: StreamFrame,
    ended: bool,
    fault: Option<Failure>,
}

impl TextStream {
    pub(in super::super) fn new(context: &ResponseContext) -> Self {
        Self {
            provider: context.provider.clone(),
            frame: StreamFrame::of_text(context),
            ended: false,
            fault: None,
        }
    }
}

impl ClientStream for TextStream {
    fn chunk(&mut self, chunk: &[u8], sink: &mut Sink<'_>) {
        let Ok(chunk) = json::parse::<Chunk<'_>>(chunk) else {
            let fault = "a chunk of the stream is not readable";
            self.fault = Some(Failure::garbage(&self.provider, fault));
            return;
        };
        for choice in chunk.choices.iter().flatten() {
            if let Some(choice) = told(choice) {
                sink.event(false, None, &self.frame.chunk(&[choice]));
            }
        }
        if let Some(usage) = chunk.usage.filter(|raw| raw.get() != "null") {
            sink.event(false, None, &self.frame.usage(usage));
        }
    }

    fn done(&mut self, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.ended, true) {
            sink.plain(b"[DONE]");
        }
    }

    fn fault(&mut self) -> Option<Failure> {
        self.fault.take()
    }

    fn failed(&mut self, _: &ApiError, _: &mut Vec<u8>) -> bool {
        false
    }
}

/// What a choice adds to the text; `None` where that is nothing, as with its role or its thoughts.
fn told<'a>(choice: &Choice<'a>) -> Option<ChoiceOut<Text<'a>>> {
    let delta = choice.delta.as_ref();
    let said = delta.and_then(|delta| delta.content.or(delta.refusal));
    let said = said.filter(|text| !text.is_empty());
    let reason = choice.finish_reason.filter(|reason| !reason.is_empty());
    if said.is_none() && reason.is_none() {
        return None;
    }
    Some(ChoiceOut {
        text: said.unwrap_or(Text::Plain("")),
        index: choice.index.unwrap_or_default(),
        logprobs: None,
        finish_reason: reason.map(|reason| finish(&reason.identifier().unwrap_or_default())),
    })
}
