//! A chat's stream, as every dialect but OpenAI's tells it: the role with the first chunk, calls one
//! after the other, one finish, the usage where it is asked for, the end.

use dragoman_proto::Usage;
use serde_json::value::RawValue;

use super::{
    Choice, Delta, FunctionDelta, StreamFrame, ThinkingBlock, Told, ToolCallDelta, ToolCalls,
    UsageOut,
};
use crate::{json::Text, request::ResponseContext, sink::Sink};

/// Writes the chunks of one choice.
#[derive(Debug)]
pub(crate) struct ChatWriter {
    frame: StreamFrame,
    include_usage: bool,
    choice: u64,
    has_role: bool,
    /// How many calls of the client's tools there were.
    calls: u64,
    /// Whether the last of them has no arguments yet.
    is_bare: bool,
    logprobs: Option<Box<RawValue>>,
    told: Told,
}

impl ChatWriter {
    /// For the answer's only choice.
    pub(crate) fn new(context: &ResponseContext) -> Self {
        Self::of_choice(context, 0)
    }

    /// For the choice with this `index`.
    pub(crate) fn of_choice(context: &ResponseContext, index: u64) -> Self {
        Self {
            frame: StreamFrame::of_chat(context),
            include_usage: context.include_usage,
            choice: index,
            has_role: false,
            calls: 0,
            is_bare: false,
            logprobs: None,
            told: Told::default(),
        }
    }

    /// How many calls there were.
    pub(crate) const fn calls(&self) -> u64 {
        self.calls
    }

    /// What of the choice's lists was told.
    pub(crate) const fn told(&mut self) -> &mut Told {
        &mut self.told
    }

    /// Gives the next chunk the odds of its tokens, where there are some.
    pub(crate) fn next_logprobs(&mut self, logprobs: Option<Box<RawValue>>) {
        self.logprobs = logprobs;
    }

    /// Writes one chunk.
    pub(crate) fn write(&mut self, delta: Delta<'_>, sink: &mut Sink<'_>) {
        self.emit(delta, None, sink);
    }

    fn emit(&mut self, mut delta: Delta<'_>, finish: Option<&str>, sink: &mut Sink<'_>) {
        if !std::mem::replace(&mut self.has_role, true) {
            delta.role = Some(Text::Plain("assistant"));
        }
        let mut choice = Choice {
            index: Some(self.choice),
            delta: Some(delta),
            finish_reason: finish.map(Text::Plain),
            ..Choice::default()
        };
        if let Some(logprobs) = self.logprobs.take() {
            choice.rest.set("logprobs", &logprobs);
        }
        let meaningful = choice.is_meaningful();
        if meaningful {
            sink.meter.output(choice.len());
        }
        sink.event(meaningful, None, &self.frame.chunk(&[choice]));
    }

    /// Says some of the answer.
    pub(crate) fn content(&mut self, text: Text<'_>, sink: &mut Sink<'_>) {
        let delta = Delta {
            content: Some(text),
            ..Delta::default()
        };
        self.write(delta, sink);
    }

    /// Says some of what is thought, of which nothing goes back to the provider.
    pub(crate) fn reasoning(&mut self, text: Text<'_>, sink: &mut Sink<'_>) {
        let delta = Delta {
            reasoning_content: Some(text),
            ..Delta::default()
        };
        self.write(delta, sink);
    }

    /// Says some of what is thought, as it goes back to the provider.
    pub(crate) fn thinking(&mut self, piece: ThinkingBlock<'_>, sink: &mut Sink<'_>) {
        let delta = Delta {
            reasoning_content: piece.words(),
            thinking_blocks: Some(self.told.thinking(piece)),
            ..Delta::default()
        };
        self.write(delta, sink);
    }

    /// Begins a call, of which the id, the name and perhaps the arguments are given.
    pub(crate) fn start_call(&mut self, mut call: ToolCallDelta<'_>, sink: &mut Sink<'_>) {
        let arguments = call.function.arguments.unwrap_or(Text::Plain(""));
        self.is_bare = arguments.is_empty();
        call.index = self.calls;
        call.r#type = Some("function");
        call.function.arguments = Some(arguments);
        self.calls += 1;
        self.call(call, sink);
    }

    /// Adds to the arguments of the last call.
    pub(crate) fn arguments(&mut self, piece: Text<'_>, sink: &mut Sink<'_>) {
        self.is_bare = false;
        let call = ToolCallDelta {
            index: self.calls.saturating_sub(1),
            function: FunctionDelta {
                name: None,
                arguments: Some(piece),
            },
            ..ToolCallDelta::default()
        };
        self.call(call, sink);
    }

    /// Ends the last call, if that is still to do. Without input it still has arguments: the empty
    /// object.
    pub(crate) fn end_call(&mut self, sink: &mut Sink<'_>) {
        if self.is_bare {
            self.arguments(Text::Plain("{}"), sink);
        }
    }

    fn call(&mut self, call: ToolCallDelta<'_>, sink: &mut Sink<'_>) {
        let delta = Delta {
            tool_calls: Some(ToolCalls::One([call])),
            ..Delta::default()
        };
        self.write(delta, sink);
    }

    /// Says why the choice ended. Calls that the client does not see are no reason.
    pub(crate) fn finish(&mut self, reason: &str, sink: &mut Sink<'_>) {
        let reason = match reason {
            "tool_calls" if self.calls == 0 => "stop",
            reason => reason,
        };
        self.emit(Delta::default(), Some(reason), sink);
    }

    /// Ends the stream, of which all choices have ended.
    pub(crate) fn done(&self, usage: impl Fn(&Usage) -> UsageOut, sink: &mut Sink<'_>) {
        if self.include_usage {
            let usage = usage(&sink.meter.usage());
            sink.event(false, None, &self.frame.usage(&usage));
        }
        sink.plain(b"[DONE]");
    }
}
