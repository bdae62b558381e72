//! The answers of `POST /v2/chat`.

use serde_json::{Value, json};

use super::super::{
    reply::Event,
    turn::{Call, Finish, Turn},
};

/// What the model says of its calls before it makes them.
const PLAN: &str = "I will use a tool.";
/// What every prompt costs the model and nobody pays.
const OWN_PROMPT: u64 = 100;

pub(super) struct Writer<'a> {
    pub(super) number: u64,
    pub(super) turn: &'a Turn,
    pub(super) show_usage: bool,
}

impl Writer<'_> {
    fn reason(&self) -> &'static str {
        match self.turn.finish {
            Finish::Stop => "COMPLETE",
            Finish::Length => "MAX_TOKENS",
            Finish::Calls => "TOOL_CALL",
            Finish::Sequence(_) => "STOP_SEQUENCE",
        }
    }

    fn id(&self) -> String {
        format!("c14c80c3-18eb-4519-9460-{:012}", self.number)
    }

    /// Numbers with a decimal point, as the real API has them.
    #[allow(clippy::cast_precision_loss, reason = "tests count little")]
    fn usage(&self) -> Value {
        let usage = self.turn.usage;
        let (input, output) = (usage.input as f64, usage.output as f64);
        json!({
            "billed_units": {"input_tokens": input, "output_tokens": output},
            "tokens": {"input_tokens": input + OWN_PROMPT as f64, "output_tokens": output},
            "cached_tokens": usage.cached as f64,
        })
    }

    fn call(&self, index: usize, call: &Call, arguments: &str) -> Value {
        let id = format!("{}_{}{index}", call.name, self.number);
        json!({"id": id, "type": "function",
            "function": {"name": call.name, "arguments": arguments}})
    }

    fn calls(&self) -> Vec<Value> {
        let calls = self.turn.calls.iter().enumerate();
        calls
            .map(|(index, call)| self.call(index, call, &call.arguments.to_string()))
            .collect()
    }

    /// Places are counted in characters.
    fn citations(&self) -> Vec<Value> {
        let citations = self.turn.citations.iter().enumerate();
        citations
            .map(|(index, citation)| {
                let (before, text) = self.turn.cited(citation);
                let start = before.chars().count();
                let id = format!("doc:{index}");
                let document = json!({"id": id, "title": citation.title, "url": citation.url});
                json!({"start": start, "end": start + text.chars().count(), "text": text,
                    "sources": [{"type": "document", "id": id, "document": document}],
                    "type": "TEXT_CONTENT"})
            })
            .collect()
    }

    pub(super) fn whole(&self) -> Value {
        let mut message = json!({"role": "assistant"});
        if self.turn.calls.is_empty() {
            let thought = self.turn.reasoning.into_iter();
            let mut content: Vec<Value> = thought
                .map(|thought| json!({"type": "thinking", "thinking": thought}))
                .collect();
            content.push(json!({"type": "text", "text": self.turn.text()}));
            message["content"] = json!(content);
            if !self.turn.citations.is_empty() {
                message["citations"] = json!(self.citations());
            }
        } else {
            message["tool_plan"] = json!(PLAN);
            message["tool_calls"] = json!(self.calls());
        }
        let mut answer =
            json!({"id": self.id(), "message": message, "finish_reason": self.reason()});
        if self.show_usage {
            answer["usage"] = self.usage();
        }
        answer
    }

    pub(super) fn events(&self) -> Vec<Event> {
        let message = json!({"role": "assistant", "content": [], "tool_plan": "",
            "tool_calls": [], "citations": []});
        let start = json!({"id": self.id(), "type": "message-start",
            "delta": {"message": message}});
        let mut events = vec![Event::named("message-start", start)];
        if self.turn.calls.is_empty() {
            let thought = self.turn.reasoning.map(|thought| vec![thought.to_owned()]);
            let thought = thought.iter().map(|words| ("thinking", words));
            let blocks = thought.chain([("text", &self.turn.words)]);
            for (index, (kind, words)) in blocks.enumerate() {
                block(&mut events, index, kind, words);
            }
            for (index, citation) in self.citations().into_iter().enumerate() {
                let start = json!({"type": "citation-start", "index": index,
                    "delta": {"message": {"citations": citation}}});
                events.push(Event::named("citation-start", start));
                let end = json!({"type": "citation-end", "index": index});
                events.push(Event::named("citation-end", end));
            }
        } else {
            let plan =
                json!({"type": "tool-plan-delta", "delta": {"message": {"tool_plan": PLAN}}});
            events.push(Event::named("tool-plan-delta", plan));
            for (index, call) in self.turn.calls.iter().enumerate() {
                self.call_events(&mut events, index, call);
            }
        }
        let mut delta = json!({"finish_reason": self.reason()});
        if self.show_usage {
            delta["usage"] = self.usage();
        }
        let end = json!({"type": "message-end", "delta": delta});
        events.push(Event::named("message-end", end).last());
        events.push(Event::data("[DONE]").last());
        events
    }

    /// A call, its arguments in two pieces.
    fn call_events(&self, events: &mut Vec<Event>, index: usize, call: &Call) {
        let start = json!({"type": "tool-call-start", "index": index,
            "delta": {"message": {"tool_calls": self.call(index, call, "")}}});
        events.push(Event::named("tool-call-start", start));
        let arguments = call.arguments.to_string();
        let (left, right) = arguments.split_at(1);
        for piece in [left, right] {
            let delta = json!({"type": "tool-call-delta", "index": index,
                "delta": {"message": {"tool_calls": {"function": {"arguments": piece}}}}});
            events.push(Event::named("tool-call-delta", delta));
        }
        let end = json!({"type": "tool-call-end", "index": index});
        events.push(Event::named("tool-call-end", end));
    }
}

/// A block of text or of thinking, word by word.
fn block(events: &mut Vec<Event>, index: usize, kind: &str, words: &[String]) {
    let content = |event: &str, content: Value| json!({"type": event, "index": index, "delta": {"message": {"content": content}}});
    let start = content("content-start", json!({"type": kind, kind: ""}));
    events.push(Event::named("content-start", start));
    for word in words {
        let delta = content("content-delta", json!({kind: word}));
        events.push(Event::named("content-delta", delta));
    }
    let end = json!({"type": "content-end", "index": index});
    events.push(Event::named("content-end", end));
}
