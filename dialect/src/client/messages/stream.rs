//! A stream as Anthropic's events
//! (<https://docs.anthropic.com/en/docs/build-with-claude/streaming>).

use dragoman_proto::ApiError;
use serde::Serialize;

use super::{
    super::blocks::{Finish, Start, Writer},
    names::LongNames,
    schema::{BlockOut, CitationOut, MessageOut, UsageOut, stop_reason},
};
use crate::{hub::UrlCitation, json::Text, request::ResponseContext, sink::Sink};

/// Writes the events of one message.
#[derive(Debug)]
pub(in super::super) struct EventWriter {
    id: String,
    model: String,
    names: LongNames,
    prompt_tokens: u64,
    index: u64,
    open: Open,
}

/// The kind of the open block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Text,
    Thinking,
    Call,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum EventOut<'a> {
    MessageStart {
        message: MessageOut<'a>,
    },
    ContentBlockStart {
        index: u64,
        content_block: StartOut<'a>,
    },
    ContentBlockDelta {
        index: u64,
        delta: DeltaOut<'a>,
    },
    ContentBlockStop {
        index: u64,
    },
    MessageDelta {
        delta: EndOut<'a>,
        usage: UsageOut,
    },
    MessageStop,
}

#[derive(Serialize)]
#[serde(untagged)]
enum StartOut<'a> {
    Block(BlockOut<'a>),
    /// Its input comes in deltas.
    Call {
        r#type: &'a str,
        id: &'a str,
        name: &'a str,
        input: Empty,
    },
}

#[derive(Serialize)]
struct Empty {}

#[derive(Serialize)]
#[serde(tag = "type")]
enum DeltaOut<'a> {
    #[serde(rename = "text_delta")]
    Text { text: Text<'a> },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: Text<'a> },
    #[serde(rename = "signature_delta")]
    Signature { signature: Text<'a> },
    #[serde(rename = "input_json_delta")]
    InputJson { partial_json: Text<'a> },
    #[serde(rename = "citations_delta")]
    Citation { citation: CitationOut },
}

#[derive(Serialize)]
struct EndOut<'a> {
    stop_reason: &'a str,
    stop_sequence: Option<&'a str>,
}

impl EventOut<'_> {
    const fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop => "message_stop",
        }
    }
}

impl EventWriter {
    pub(in super::super) fn new(context: &ResponseContext, names: &LongNames) -> Self {
        Self {
            id: format!("msg_{}", context.request_id),
            model: context.alias.clone(),
            names: names.clone(),
            prompt_tokens: context.prompt_tokens,
            index: 0,
            open: Open::Text,
        }
    }
}

/// The start of a message waits for content, or for its end.
fn write(event: &EventOut<'_>, sink: &mut Sink<'_>) {
    let meaningful = !matches!(event, EventOut::MessageStart { .. });
    sink.event(meaningful, Some(event.name()), event);
}

impl Writer for EventWriter {
    /// What is not counted yet is estimated; `message_delta` has the provider's count.
    fn begin(&mut self, sink: &mut Sink<'_>) {
        let mut usage = sink.meter.usage();
        if usage.input_tokens == 0 {
            usage.input_tokens = self.prompt_tokens;
        }
        let message = MessageOut {
            id: &self.id,
            r#type: "message",
            role: "assistant",
            model: &self.model,
            content: Vec::new(),
            stop_reason: None,
            stop_sequence: None,
            usage: UsageOut::new(&usage),
        };
        write(&EventOut::MessageStart { message }, sink);
    }

    fn start(&mut self, block: Start<'_>, sink: &mut Sink<'_>) {
        let empty = Text::Plain("");
        let (open, content_block) = match block {
            Start::Text => (
                Open::Text,
                StartOut::Block(BlockOut::Text {
                    text: empty,
                    citations: Vec::new(),
                }),
            ),
            Start::Thinking => (
                Open::Thinking,
                StartOut::Block(BlockOut::Thinking {
                    thinking: empty,
                    signature: empty,
                }),
            ),
            Start::Redacted(data) => (
                Open::Text,
                StartOut::Block(BlockOut::RedactedThinking { data }),
            ),
            Start::Call { id, name } => (
                Open::Call,
                StartOut::Call {
                    r#type: "tool_use",
                    id,
                    name: self.names.whole(name),
                    input: Empty {},
                },
            ),
        };
        self.open = open;
        let index = self.index;
        write(
            &EventOut::ContentBlockStart {
                index,
                content_block,
            },
            sink,
        );
    }

    fn delta(&mut self, text: Text<'_>, sink: &mut Sink<'_>) {
        let delta = match self.open {
            Open::Text => DeltaOut::Text { text },
            Open::Thinking => DeltaOut::Thinking { thinking: text },
            Open::Call => DeltaOut::InputJson { partial_json: text },
        };
        let index = self.index;
        write(&EventOut::ContentBlockDelta { index, delta }, sink);
    }

    fn signature(&mut self, signature: Text<'_>, sink: &mut Sink<'_>) {
        let delta = DeltaOut::Signature { signature };
        let index = self.index;
        write(&EventOut::ContentBlockDelta { index, delta }, sink);
    }

    fn citation(&mut self, citation: UrlCitation, sink: &mut Sink<'_>) {
        let delta = DeltaOut::Citation {
            citation: citation.into(),
        };
        let index = self.index;
        write(&EventOut::ContentBlockDelta { index, delta }, sink);
    }

    fn late_citation(&mut self, _: UrlCitation, _: &mut Sink<'_>) -> bool {
        false
    }

    fn stop(&mut self, sink: &mut Sink<'_>) {
        write(&EventOut::ContentBlockStop { index: self.index }, sink);
        self.index += 1;
    }

    fn end(&mut self, finish: Finish, sink: &mut Sink<'_>) {
        let usage = UsageOut::new(&sink.meter.usage());
        let delta = EndOut {
            stop_reason: stop_reason(finish),
            stop_sequence: None,
        };
        write(&EventOut::MessageDelta { delta, usage }, sink);
        write(&EventOut::MessageStop, sink);
    }

    /// Anthropic's own error event is every client's of its.
    fn failed(&mut self, _: &ApiError, _: &mut Vec<u8>) -> bool {
        false
    }
}
