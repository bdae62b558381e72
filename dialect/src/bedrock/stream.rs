//! ConverseStream's events as chat chunks.

use serde::Deserialize;

use super::{
    error,
    response::{is_json_tool, malformed},
    schema::{
        AnswerCall, BlockDelta, BlockStart, MessageStop, Metadata, PieceOfBlock, PieceOfReasoning,
        finish_reason,
    },
};
use crate::{
    failure::Failure,
    framing::Event,
    hub::{ChatWriter, FunctionDelta, ThinkingBlock, ToolCallDelta, UsageOut},
    json::{self, Text},
    request::ResponseContext,
    sink::{EventTranslator, Flow, Sink},
};

/// The state of a stream.
#[derive(Debug)]
pub(super) struct ConverseStream {
    provider: String,
    writer: ChatWriter,
    json_tool: bool,
    block: OpenBlock,
    /// How the message stopped; what it used is still to come.
    stopped: Option<Option<&'static str>>,
}

/// The content block that is being streamed; there is one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenBlock {
    /// Text or thinking, whose start is not announced.
    Plain,
    /// A call of the client's tools.
    Tool,
    /// The tool that stands for the answer.
    Json { has_input: bool },
    /// A tool that Bedrock runs itself.
    Other,
}

impl ConverseStream {
    pub(super) fn new(context: &ResponseContext) -> Self {
        Self {
            provider: context.provider.clone(),
            writer: ChatWriter::new(context),
            json_tool: context.json_tool,
            block: OpenBlock::Plain,
            stopped: None,
        }
    }

    fn start(&mut self, call: &AnswerCall<'_>, sink: &mut Sink<'_>) {
        self.block = if self.json_tool && is_json_tool(call) {
            OpenBlock::Json { has_input: false }
        } else if call.r#type.is_some() {
            OpenBlock::Other
        } else {
            let start = ToolCallDelta {
                id: Some(call.tool_use_id.map_or(Text::Plain(""), Text::Raw)),
                function: FunctionDelta {
                    name: Some(call.name.map_or(Text::Plain(""), Text::Raw)),
                    arguments: None,
                },
                ..ToolCallDelta::default()
            };
            self.writer.start_call(start, sink);
            OpenBlock::Tool
        };
    }

    fn delta(&mut self, piece: &PieceOfBlock<'_>, sink: &mut Sink<'_>) {
        if let Some(words) = Text::there(piece.text) {
            self.writer.content(words, sink);
        }
        if let Some(reasoning) = &piece.reasoning_content {
            self.thinking(reasoning, sink);
        }
        let input = piece
            .tool_use
            .as_ref()
            .and_then(|piece| Text::there(piece.input));
        let Some(input) = input else { return };
        match &mut self.block {
            OpenBlock::Json { has_input } => {
                *has_input = true;
                self.writer.content(input, sink);
            }
            OpenBlock::Tool => self.writer.arguments(input, sink),
            OpenBlock::Plain | OpenBlock::Other => {}
        }
    }

    fn thinking(&mut self, piece: &PieceOfReasoning<'_>, sink: &mut Sink<'_>) {
        let (words, signature) = (piece.text.map(Text::Raw), piece.signature.map(Text::Raw));
        let redacted = || {
            let data = Text::there(piece.redacted_content)?;
            Some(ThinkingBlock::RedactedThinking { data })
        };
        if let Some(block) = ThinkingBlock::signed(words, signature).or_else(redacted) {
            self.writer.thinking(block, sink);
        }
    }

    fn stop_block(&mut self, sink: &mut Sink<'_>) {
        self.writer.told().end_thought();
        match std::mem::replace(&mut self.block, OpenBlock::Plain) {
            OpenBlock::Tool => self.writer.end_call(sink),
            OpenBlock::Json { has_input: false } => self.writer.content(Text::Plain("{}"), sink),
            _ => {}
        }
    }

    /// The message is whole, and what it used is known if it ever will be.
    fn finish(&mut self, reason: Option<&'static str>, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let reason = reason.ok_or_else(|| malformed(&self.provider))?;
        self.writer.finish(reason, sink);
        self.writer.done(UsageOut::with_cache, sink);
        Ok(())
    }

    fn read<'a, T: Deserialize<'a>>(&self, event: &'a Event<'_>) -> Result<T, Failure> {
        json::parse(&event.data).map_err(|_| Failure::unreadable_event(&self.provider))
    }
}

impl EventTranslator for ConverseStream {
    fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_>) -> Result<Flow, Failure> {
        let name = event.name.unwrap_or_default();
        if event.is_error {
            let name = String::from_utf8_lossy(name);
            return Err(error::failure(&self.provider, &name, &event.data));
        }
        match name {
            b"contentBlockStart" => {
                let started: BlockStart<'_> = self.read(event)?;
                match &started.start.tool_use {
                    Some(call) => self.start(call, sink),
                    None => self.block = OpenBlock::Other,
                }
            }
            b"contentBlockDelta" => {
                let added: BlockDelta<'_> = self.read(event)?;
                self.delta(&added.delta, sink);
            }
            b"contentBlockStop" => self.stop_block(sink),
            b"messageStop" => {
                let stop: MessageStop<'_> = self.read(event)?;
                self.stopped = Some(finish_reason(&stop.stop_reason));
            }
            b"metadata" => {
                let metadata: Metadata = self.read(event)?;
                if let Some(usage) = metadata.usage {
                    sink.meter.counted(usage.usage());
                }
                if let Some(reason) = self.stopped.take() {
                    self.finish(reason, sink)?;
                    return Ok(Flow::Done);
                }
            }
            // `messageStart`, and events of the future.
            _ => {}
        }
        Ok(Flow::Continue)
    }

    fn end(&mut self, sink: &mut Sink<'_>) -> Result<(), Failure> {
        match self.stopped.take() {
            Some(reason) => self.finish(reason, sink),
            None => Err(Failure::cut_short(&self.provider)),
        }
    }
}
