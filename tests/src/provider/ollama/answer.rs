//! The answers of `POST /api/chat`.

use serde_json::{Value, json};

use super::super::{
    reply::Event,
    turn::{Finish, Turn},
};

const CREATED: &str = "2025-10-09T08:53:20.123456Z";

pub(super) struct Writer<'a> {
    pub(super) model: &'a str,
    pub(super) turn: &'a Turn,
    pub(super) show_usage: bool,
}

impl Writer<'_> {
    fn reason(&self) -> &'static str {
        match self.turn.finish {
            Finish::Length => "length",
            // Calls of tools end so as well.
            Finish::Stop | Finish::Calls | Finish::Sequence(_) => "stop",
        }
    }

    fn calls(&self) -> Vec<Value> {
        let calls = self.turn.calls.iter();
        calls
            .map(|call| json!({"function": {"name": call.name, "arguments": call.arguments}}))
            .collect()
    }

    fn part(&self, message: &Value) -> Value {
        json!({"model": self.model, "created_at": CREATED, "message": message, "done": false})
    }

    fn done(&self, mut last: Value) -> Value {
        last["done"] = json!(true);
        last["done_reason"] = json!(self.reason());
        last["total_duration"] = json!(4_883_583_458_u64);
        if self.show_usage {
            last["prompt_eval_count"] = json!(self.turn.usage.input);
            last["eval_count"] = json!(self.turn.usage.output);
        }
        last
    }

    pub(super) fn whole(&self) -> Value {
        let mut message = json!({"role": "assistant", "content": self.turn.text()});
        if let Some(thought) = self.turn.reasoning {
            message["thinking"] = json!(thought);
        }
        if !self.turn.calls.is_empty() {
            message["tool_calls"] = json!(self.calls());
        }
        self.done(self.part(&message))
    }

    pub(super) fn lines(&self) -> Vec<Event> {
        let empty = || json!({"role": "assistant", "content": ""});
        let mut lines = Vec::new();
        if let Some(thought) = self.turn.reasoning {
            let mut message = empty();
            message["thinking"] = json!(thought);
            lines.push(Event::data(self.part(&message)));
        }
        for word in &self.turn.words {
            let message = json!({"role": "assistant", "content": word});
            lines.push(Event::data(self.part(&message)));
        }
        if !self.turn.calls.is_empty() {
            let mut message = empty();
            message["tool_calls"] = json!(self.calls());
            lines.push(Event::data(self.part(&message)));
        }
        lines.push(Event::data(self.done(self.part(&empty()))).last());
        lines
    }
}
