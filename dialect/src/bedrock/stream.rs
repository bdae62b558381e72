//! ConverseStream's events as chat chunks.

use serde::Deserialize;
use serde_json::value::RawValue;

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
    hub::{
        Choice, Delta, FunctionDelta, StreamFrame, ThinkingBlock, Told, ToolCallDelta, ToolCalls,
        UsageOut,
    },
    json::{self, Text},
    request::ResponseContext,
    sink::{EventTranslator, Flow, Sink},
};

/// The state of a stream.
#[derive(Debug)]
pub(super) struct ConverseStream {
    provider: String,
    frame: StreamFrame,
    include_usage: bool,
    json_tool: bool,
    has_role: bool,
    /// How many calls of the client's tools there were.
    calls: u64,
    block: OpenBlock,
    told: Told,
    /// How the message stopped; what it used is still to come.
    stopped: Option<Option<&'static str>>,
}

/// The content block that is being streamed; there is one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OpenBlock {
    /// Text or thinking, whose start is not announced.
    Plain,
    /// A call of the client's tools.
    Tool {
        index: u64,
        /// Whether a piece of its input has come.
        has_input: bool,
    },
    /// The tool that stands for the answer.
    Json { has_input: bool },
    /// A tool that Bedrock runs itself.
    Other,
}

impl ConverseStream {
    pub(super) fn new(context: &ResponseContext) -> Self {
        Self {
            provider: context.provider.clone(),
            frame: StreamFrame {
                id: format!("chatcmpl-{}", context.request_id),
                object: "chat.completion.chunk",
                created: context.created,
                model: context.alias.clone(),
            },
            include_usage: context.include_usage,
            json_tool: context.json_tool,
            has_role: false,
            calls: 0,
            block: OpenBlock::Plain,
            told: Told::default(),
            stopped: None,
        }
    }

    /// Writes one chunk; the first one of all has the role.
    fn emit(&mut self, mut delta: Delta<'_>, finish: Option<&str>, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.has_role, true) {
            delta.role = Some(Text::Plain("assistant"));
        }
        let choice = Choice {
            index: Some(0),
            delta: Some(delta),
            finish_reason: finish.map(Text::Plain),
            ..Choice::default()
        };
        let meaningful = choice.is_meaningful();
        if meaningful {
            sink.meter.output(choice.len());
        }
        sink.event(meaningful, None, &self.frame.chunk(&[choice]));
    }

    fn content(&mut self, content: Text<'_>, sink: &mut Sink<'_>) {
        let delta = Delta {
            content: Some(content),
            ..Delta::default()
        };
        self.emit(delta, None, sink);
    }

    fn call(&mut self, call: ToolCallDelta<'_>, sink: &mut Sink<'_>) {
        let delta = Delta {
            tool_calls: Some(ToolCalls::One([call])),
            ..Delta::default()
        };
        self.emit(delta, None, sink);
    }

    fn start(&mut self, call: &AnswerCall<'_>, sink: &mut Sink<'_>) {
        self.block = if self.json_tool && is_json_tool(call) {
            OpenBlock::Json { has_input: false }
        } else if call.r#type.is_some() {
            OpenBlock::Other
        } else {
            let index = self.calls;
            self.calls += 1;
            let start = ToolCallDelta {
                index,
                id: Some(call.tool_use_id.map_or(Text::Plain(""), Text::Raw)),
                r#type: Some("function"),
                function: FunctionDelta {
                    name: Some(call.name.map_or(Text::Plain(""), Text::Raw)),
                    arguments: Some(Text::Plain("")),
                },
                ..ToolCallDelta::default()
            };
            self.call(start, sink);
            OpenBlock::Tool {
                index,
                has_input: false,
            }
        };
    }

    fn delta(&mut self, piece: &PieceOfBlock<'_>, sink: &mut Sink<'_>) {
        if let Some(words) = there(piece.text) {
            self.content(words, sink);
        }
        if let Some(reasoning) = &piece.reasoning_content {
            self.thinking(reasoning, sink);
        }
        let input = piece.tool_use.as_ref().and_then(|piece| there(piece.input));
        let Some(input) = input else { return };
        match &mut self.block {
            OpenBlock::Json { has_input } => {
                *has_input = true;
                self.content(input, sink);
            }
            OpenBlock::Tool { index, has_input } => {
                *has_input = true;
                let index = *index;
                self.arguments(index, input, sink);
            }
            OpenBlock::Plain | OpenBlock::Other => {}
        }
    }

    fn arguments(&mut self, index: u64, arguments: Text<'_>, sink: &mut Sink<'_>) {
        let call = ToolCallDelta {
            index,
            function: FunctionDelta {
                name: None,
                arguments: Some(arguments),
            },
            ..ToolCallDelta::default()
        };
        self.call(call, sink);
    }

    fn thinking(&mut self, piece: &PieceOfReasoning<'_>, sink: &mut Sink<'_>) {
        let (words, signature) = (piece.text.map(Text::Raw), piece.signature.map(Text::Raw));
        let redacted = || {
            let data = there(piece.redacted_content)?;
            Some(ThinkingBlock::RedactedThinking { data })
        };
        let Some(block) = ThinkingBlock::signed(words, signature).or_else(redacted) else {
            return;
        };
        let delta = Delta {
            reasoning_content: block.words(),
            thinking_blocks: Some(self.told.thinking(block)),
            ..Delta::default()
        };
        self.emit(delta, None, sink);
    }

    /// A call without input still has arguments: the empty object.
    fn stop_block(&mut self, sink: &mut Sink<'_>) {
        self.told.end_thought();
        match std::mem::replace(&mut self.block, OpenBlock::Plain) {
            OpenBlock::Tool {
                index,
                has_input: false,
            } => self.arguments(index, Text::Plain("{}"), sink),
            OpenBlock::Json { has_input: false } => self.content(Text::Plain("{}"), sink),
            _ => {}
        }
    }

    /// The message is whole, and what it used is known if it ever will be.
    fn finish(&mut self, reason: Option<&'static str>, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let finish = match reason.ok_or_else(|| malformed(&self.provider))? {
            "tool_calls" if self.calls == 0 => "stop",
            finish => finish,
        };
        self.emit(Delta::default(), Some(finish), sink);
        if self.include_usage {
            let usage = UsageOut::with_cache(&sink.meter.usage());
            sink.event(false, None, &self.frame.usage(&usage));
        }
        sink.plain(b"[DONE]");
        Ok(())
    }

    fn read<'a, T: Deserialize<'a>>(&self, event: &'a Event<'_>) -> Result<T, Failure> {
        json::parse(&event.data)
            .map_err(|_| Failure::garbage(&self.provider, "an event of the stream is not readable"))
    }
}

/// A text that is there.
fn there(raw: Option<&RawValue>) -> Option<Text<'_>> {
    raw.map(Text::Raw).filter(|text| !text.is_empty())
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
            None => Err(Failure::garbage(
                &self.provider,
                "the stream ended before the answer did",
            )),
        }
    }
}
