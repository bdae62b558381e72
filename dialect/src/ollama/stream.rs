//! Ollama's lines as chat chunks.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    error,
    schema::{AnswerCall, ChatAnswer},
};
use crate::{
    failure::Failure,
    framing::Event,
    hub::{Choice, Delta, FunctionDelta, StreamFrame, ToolCallDelta, ToolCalls, UsageOut},
    json::{self, Text},
    request::ResponseContext,
    sink::{EventTranslator, Flow, Sink},
};

/// The state of a chat stream.
#[derive(Debug)]
pub(super) struct ChatStream {
    provider: String,
    request_id: String,
    prompt_tokens: u64,
    frame: StreamFrame,
    include_usage: bool,
    has_role: bool,
    /// How many calls of tools there were.
    calls: u64,
}

impl ChatStream {
    pub(super) fn new(context: &ResponseContext) -> Self {
        Self {
            provider: context.provider.clone(),
            request_id: context.request_id.clone(),
            prompt_tokens: context.prompt_tokens,
            frame: StreamFrame {
                id: format!("chatcmpl-{}", context.request_id),
                object: "chat.completion.chunk",
                created: context.created,
                model: context.alias.clone(),
            },
            include_usage: context.include_usage,
            has_role: false,
            calls: 0,
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

    fn call(&mut self, call: &AnswerCall<'_>, sink: &mut Sink<'_>) {
        let index = self.calls;
        self.calls += 1;
        let id: Cow<'_, str> = call.id(&self.request_id, index);
        let call = ToolCallDelta {
            index,
            id: Some(Text::Plain(&id)),
            r#type: Some("function"),
            function: FunctionDelta {
                name: Some(call.name()),
                arguments: Some(Text::Plain(call.arguments())),
            },
            ..ToolCallDelta::default()
        };
        let delta = Delta {
            tool_calls: Some(ToolCalls::One([call])),
            ..Delta::default()
        };
        self.emit(delta, None, sink);
    }

    fn line(&mut self, line: &ChatAnswer<'_>, sink: &mut Sink<'_>) {
        let Some(message) = &line.message else {
            return;
        };
        if let Some(thinking) = text(message.thinking) {
            let delta = Delta {
                reasoning_content: Some(thinking),
                ..Delta::default()
            };
            self.emit(delta, None, sink);
        }
        if let Some(content) = text(message.content) {
            let delta = Delta {
                content: Some(content),
                ..Delta::default()
            };
            self.emit(delta, None, sink);
        }
        for call in message.tool_calls.iter().flatten() {
            self.call(call, sink);
        }
    }

    fn done(&mut self, line: &ChatAnswer<'_>, sink: &mut Sink<'_>) {
        if let Some(usage) = line.usage(self.prompt_tokens) {
            sink.meter.counted(usage);
        }
        let finish = line.finish_reason(self.calls > 0);
        self.emit(Delta::default(), Some(finish), sink);
        if self.include_usage {
            let usage = UsageOut::new(&sink.meter.usage());
            sink.event(false, None, &self.frame.usage(&usage));
        }
        sink.plain(b"[DONE]");
    }
}

/// A text that is there.
fn text(raw: Option<&RawValue>) -> Option<Text<'_>> {
    raw.map(Text::Raw).filter(|text| !text.is_empty())
}

impl EventTranslator for ChatStream {
    fn event(&mut self, event: &Event<'_>, sink: &mut Sink<'_>) -> Result<Flow, Failure> {
        let line: ChatAnswer<'_> = json::parse(&event.data).map_err(|_| {
            Failure::garbage(&self.provider, "a line of the stream is not readable")
        })?;
        if let Some(raw) = line.error.filter(|raw| raw.get() != "null") {
            return Err(error::failure(&self.provider, raw));
        }
        if line.message.is_none() && !line.done {
            return Err(Failure::garbage(
                &self.provider,
                "a line of the stream has no `message`",
            ));
        }
        self.line(&line, sink);
        if !line.done {
            return Ok(Flow::Continue);
        }
        self.done(&line, sink);
        Ok(Flow::Done)
    }

    fn end(&mut self, _: &mut Sink<'_>) -> Result<(), Failure> {
        Err(Failure::garbage(
            &self.provider,
            "the stream ended before the answer did",
        ))
    }
}
