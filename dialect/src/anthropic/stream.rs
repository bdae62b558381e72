//! Anthropic's event stream as chat chunks.

use serde_json::value::RawValue;

use super::{
    JSON_TOOL, citations, error,
    schema::{AnswerBlock, StreamDelta, StreamEvent, finish_reason},
};
use crate::{
    failure::Failure,
    framing::Event,
    hub::{
        self, Annotation, ChatWriter, Delta, FunctionDelta, Page, ProviderFields, ThinkingBlock,
        ToolCallDelta, UsageOut,
    },
    json::{self, Object, Text},
    request::ResponseContext,
    sink::{EventTranslator, Flow, Sink},
};

/// The state of a message stream.
#[derive(Debug)]
pub(super) struct MessageStream {
    provider: String,
    writer: ChatWriter,
    json_tool: bool,
    block: OpenBlock,
    finish: Option<&'static str>,
    /// Characters of the content so far, and up to the block that is being streamed.
    characters: u64,
    block_start: u64,
    /// The pages that this block cites.
    pages: Vec<Page>,
}

/// The content block that is being streamed; there is one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenBlock {
    Text,
    /// A call of the client's tools.
    Tool,
    /// The tool that stands for the answer.
    Json {
        has_input: bool,
    },
    /// Something that a chat has no word for.
    Other,
}

impl MessageStream {
    pub(super) fn new(context: &ResponseContext) -> Self {
        Self {
            provider: context.provider.clone(),
            writer: ChatWriter::new(context),
            json_tool: context.json_tool,
            block: OpenBlock::Other,
            finish: None,
            characters: 0,
            block_start: 0,
            pages: Vec::new(),
        }
    }

    fn content(&mut self, text: Option<&RawValue>, sink: &mut Sink<'_>) {
        if let Some(text) = text.filter(|raw| !json::inner(raw).is_empty()) {
            self.characters += hub::citations::characters(text);
            self.writer.content(Text::Raw(text), sink);
        }
    }

    /// A citation leaves at once as it is; as an annotation it waits for the end of its block.
    fn citation(&mut self, raw: &RawValue, sink: &mut Sink<'_>) {
        if self.pages.len() < hub::citations::MAX_KEPT {
            self.pages.extend(citations::page(raw));
        }
        let mut delta = Delta::default();
        delta
            .rest
            .set("provider_specific_fields", &ProviderFields::one(raw));
        self.writer.write(delta, sink);
    }

    fn annotations(&mut self, sink: &mut Sink<'_>) {
        let (start, end) = (self.block_start, self.characters);
        let pages = self.pages.drain(..);
        let annotations: Vec<Annotation> = pages.map(|page| page.at(start, end)).collect();
        if !annotations.is_empty() {
            let mut delta = Delta::default();
            self.writer.told().annotate(&mut delta, annotations);
            self.writer.write(delta, sink);
        }
    }

    fn thinking(&mut self, piece: Option<ThinkingBlock<'_>>, sink: &mut Sink<'_>) {
        if let Some(piece) = piece {
            self.writer.thinking(piece, sink);
        }
    }

    fn start_block(&mut self, block: &AnswerBlock<'_>, sink: &mut Sink<'_>) {
        self.block_start = self.characters;
        self.writer.told().end_thought();
        self.block = match &*block.r#type {
            "text" => {
                self.content(block.text, sink);
                for raw in hub::citations::list(block.citations) {
                    self.citation(raw, sink);
                }
                OpenBlock::Text
            }
            "thinking" => {
                let words = block.thinking.map(Text::Raw);
                let signature = block.signature.map(Text::Raw);
                self.thinking(ThinkingBlock::signed(words, signature), sink);
                OpenBlock::Text
            }
            "redacted_thinking" => {
                let data = block.data.map(Text::Raw);
                let block = data.map(|data| ThinkingBlock::RedactedThinking { data });
                self.thinking(block, sink);
                OpenBlock::Other
            }
            "tool_use"
                if self.json_tool && block.name.is_some_and(|n| json::inner(n) == JSON_TOOL) =>
            {
                OpenBlock::Json { has_input: false }
            }
            "tool_use" => self.start_tool(block, sink),
            _ => OpenBlock::Other,
        };
    }

    fn start_tool(&mut self, block: &AnswerBlock<'_>, sink: &mut Sink<'_>) -> OpenBlock {
        // The input is `{}` here and comes in pieces, but may also be whole.
        let input = block.input.map_or("", RawValue::get);
        let whole = Some(input).filter(|input| !matches!(input.trim(), "" | "{}" | "null"));
        let call = ToolCallDelta {
            id: block.id.map(Text::Raw),
            function: FunctionDelta {
                name: block.name.map(Text::Raw),
                arguments: whole.map(Text::Plain),
            },
            ..ToolCallDelta::default()
        };
        self.writer.start_call(call, sink);
        OpenBlock::Tool
    }

    fn block_delta(&mut self, delta: &StreamDelta<'_>, sink: &mut Sink<'_>) {
        match &*delta.r#type {
            "text_delta" => self.content(delta.text, sink),
            "thinking_delta" => {
                let words = delta.thinking.map(Text::Raw);
                self.thinking(ThinkingBlock::signed(words, None), sink);
            }
            "signature_delta" => {
                let signature = delta.signature.map(Text::Raw);
                self.thinking(ThinkingBlock::signed(None, signature), sink);
            }
            "input_json_delta" => {
                let piece = delta
                    .partial_json
                    .filter(|raw| !json::inner(raw).is_empty());
                let Some(piece) = piece else { return };
                match &mut self.block {
                    OpenBlock::Json { has_input } => {
                        *has_input = true;
                        self.content(Some(piece), sink);
                    }
                    OpenBlock::Tool => self.writer.arguments(Text::Raw(piece), sink),
                    OpenBlock::Text | OpenBlock::Other => {}
                }
            }
            "citations_delta" => {
                if let Some(raw) = delta.citation {
                    self.citation(raw, sink);
                }
            }
            _ => {}
        }
    }

    fn stop_block(&mut self, sink: &mut Sink<'_>) {
        self.annotations(sink);
        self.writer.told().end_thought();
        match std::mem::replace(&mut self.block, OpenBlock::Other) {
            OpenBlock::Tool => self.writer.end_call(sink),
            OpenBlock::Json { has_input: false } => self.writer.content(Text::Plain("{}"), sink),
            _ => {}
        }
    }

    fn stop(&mut self, sink: &mut Sink<'_>) {
        let finish = self.finish.take().unwrap_or("stop");
        self.writer.finish(finish, sink);
        self.writer.done(UsageOut::with_cache, sink);
    }

    fn translate(&mut self, event: &StreamEvent<'_>, sink: &mut Sink<'_>) -> Flow {
        match &*event.r#type {
            "message_start" => {
                if let Some(usage) = event.message.as_ref().and_then(|message| message.usage) {
                    sink.meter.input(usage.onto(&sink.meter.known()));
                }
            }
            "content_block_start" => {
                if let Some(block) = &event.content_block {
                    self.start_block(block, sink);
                }
            }
            "content_block_delta" => {
                if let Some(delta) = &event.delta {
                    self.block_delta(delta, sink);
                }
            }
            "content_block_stop" => self.stop_block(sink),
            "message_delta" => {
                if let Some(usage) = event.usage {
                    sink.meter.counted(usage.onto(&sink.meter.known()));
                }
                if let Some(reason) = event.delta.as_ref().and_then(|d| d.stop_reason.as_deref()) {
                    self.finish = Some(finish_reason(Some(reason)));
                }
            }
            "message_stop" => {
                self.stop(sink);
                return Flow::Done;
            }
            // `ping`, and events of the future: they may be ignored, says the documentation.
            _ => {}
        }
        Flow::Continue
    }
}

/// Whether an event is of a type that we do not know, whose members may be anything.
pub(super) fn is_unknown(data: &[u8]) -> bool {
    const KNOWN: [&str; 8] = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "ping",
        "error",
    ];
    Object::parse(data).is_ok_and(|object| {
        object
            .some("type")
            .is_some_and(|kind| !KNOWN.contains(&json::inner(kind)))
    })
}

/// The failure in an `error` event.
pub(super) fn failure(provider: &str, data: &[u8]) -> Failure {
    let error = error::read(data).unwrap_or_default();
    Failure::of_provider(provider, error.status.unwrap_or(502), &error, None)
}

impl EventTranslator for MessageStream {
    fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_>) -> Result<Flow, Failure> {
        match json::parse::<StreamEvent<'_>>(&event.data) {
            Ok(parsed) if parsed.r#type == "error" => Err(failure(&self.provider, &event.data)),
            Ok(parsed) => Ok(self.translate(&parsed, sink)),
            Err(_) if is_unknown(&event.data) => Ok(Flow::Continue),
            Err(_) => Err(match error::read(&event.data) {
                Some(_) => failure(&self.provider, &event.data),
                None => Failure::unreadable_event(&self.provider),
            }),
        }
    }

    fn end(&mut self, _: &mut Sink<'_>) -> Result<(), Failure> {
        Err(Failure::cut_short(&self.provider))
    }
}
