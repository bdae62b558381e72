//! Ollama's lines as chat chunks.

use std::borrow::Cow;

use super::{
    error,
    schema::{AnswerCall, ChatAnswer},
};
use crate::{
    failure::Failure,
    framing::Event,
    hub::{ChatWriter, FunctionDelta, ToolCallDelta, UsageOut},
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
    writer: ChatWriter,
}

impl ChatStream {
    pub(super) fn new(context: &ResponseContext) -> Self {
        Self {
            provider: context.provider.clone(),
            request_id: context.request_id.clone(),
            prompt_tokens: context.prompt_tokens,
            writer: ChatWriter::new(context),
        }
    }

    fn call(&mut self, call: &AnswerCall<'_>, sink: &mut Sink<'_>) {
        let id: Cow<'_, str> = call.id(&self.request_id, self.writer.calls());
        let call = ToolCallDelta {
            id: Some(Text::Plain(&id)),
            function: FunctionDelta {
                name: Some(call.name()),
                arguments: Some(Text::Plain(call.arguments())),
            },
            ..ToolCallDelta::default()
        };
        self.writer.start_call(call, sink);
    }

    fn line(&mut self, line: &ChatAnswer<'_>, sink: &mut Sink<'_>) {
        let Some(message) = &line.message else {
            return;
        };
        if let Some(thinking) = Text::there(message.thinking) {
            self.writer.reasoning(thinking, sink);
        }
        if let Some(content) = Text::there(message.content) {
            self.writer.content(content, sink);
        }
        for call in message.tool_calls.iter().flatten() {
            self.call(call, sink);
        }
    }

    fn done(&mut self, line: &ChatAnswer<'_>, sink: &mut Sink<'_>) {
        if let Some(usage) = line.usage(self.prompt_tokens) {
            sink.meter.counted(usage);
        }
        let finish = line.finish_reason(self.writer.calls() > 0);
        self.writer.finish(finish, sink);
        self.writer.done(UsageOut::new, sink);
    }
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
        Err(Failure::cut_short(&self.provider))
    }
}
