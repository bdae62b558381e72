//! The answers of Converse and ConverseStream.

use serde_json::{Value, json};

use super::super::{
    openai::thirds,
    reply::Event,
    thinking::{REDACTED, SIGNATURE},
    turn::{Finish, Turn},
};

pub(super) struct Writer<'a> {
    pub(super) number: u64,
    pub(super) turn: &'a Turn,
    pub(super) show_usage: bool,
}

impl Writer<'_> {
    /// The whole answer.
    pub(super) fn whole(&self) -> Value {
        let mut content: Vec<Value> = Vec::new();
        if let Some(thought) = self.turn.reasoning {
            let text = json!({"text": thought, "signature": SIGNATURE});
            content.push(json!({"reasoningContent": {"reasoningText": text}}));
        }
        if self.turn.redacted {
            content.push(json!({"reasoningContent": {"redactedContent": REDACTED}}));
        }
        if !self.turn.words.is_empty() {
            content.push(json!({"text": self.turn.text()}));
        }
        for (index, call) in self.turn.calls.iter().enumerate() {
            content.push(json!({"toolUse": {
                "toolUseId": self.id(index), "name": call.name, "input": call.arguments,
            }}));
        }
        let mut answer = json!({
            "metrics": {"latencyMs": 551},
            "output": {"message": {"content": content, "role": "assistant"}},
            "stopReason": self.stop_reason(),
        });
        if self.show_usage {
            answer["usage"] = self.usage();
        }
        answer
    }

    /// The answer piece by piece. AWS pads its events with letters, so that their sizes tell nothing.
    pub(super) fn events(&self) -> Vec<Event> {
        let mut events = vec![event(
            "messageStart",
            json!({"p": "abcdefgh", "role": "assistant"}),
        )];
        let mut index = 0;
        let mut block = |start: Option<Value>, deltas: Vec<Value>| {
            if let Some(start) = start {
                let start = json!({"contentBlockIndex": index, "p": "ab", "start": start});
                events.push(event("contentBlockStart", start));
            }
            for delta in deltas {
                let delta = json!({"contentBlockIndex": index, "delta": delta, "p": "abcd"});
                events.push(event("contentBlockDelta", delta));
            }
            let stop = json!({"contentBlockIndex": index, "p": "abc"});
            events.push(event("contentBlockStop", stop));
            index += 1;
        };
        if let Some(thought) = self.turn.reasoning {
            let words = thirds(thought).into_iter();
            let pieces = words.map(|words| json!({"text": words}));
            let pieces = pieces.chain([json!({"signature": SIGNATURE})]);
            let deltas = pieces.map(|piece| json!({"reasoningContent": piece}));
            block(None, deltas.collect());
        }
        if self.turn.redacted {
            let piece = json!({"reasoningContent": {"redactedContent": REDACTED}});
            block(None, vec![piece]);
        }
        if !self.turn.words.is_empty() {
            let words = self.turn.words.iter();
            block(None, words.map(|word| json!({"text": word})).collect());
        }
        for (at, call) in self.turn.calls.iter().enumerate() {
            let start = json!({"toolUse": {"name": call.name, "toolUseId": self.id(at)}});
            block(Some(start), input(&call.arguments));
        }
        let stop = json!({"p": "abcde", "stopReason": self.stop_reason()});
        events.push(event("messageStop", stop));
        let mut metadata = json!({"metrics": {"latencyMs": 551}, "p": "abcdef"});
        if self.show_usage {
            metadata["usage"] = self.usage();
        }
        events.push(event("metadata", metadata).last());
        events
    }

    fn id(&self, index: usize) -> String {
        format!("tooluse_{}-{index}", self.number)
    }

    fn stop_reason(&self) -> &'static str {
        match self.turn.finish {
            Finish::Stop => "end_turn",
            Finish::Length => "max_tokens",
            Finish::Calls => "tool_use",
            Finish::Sequence(_) => "stop_sequence",
        }
    }

    /// The input tokens exclude those from and to the cache; the total includes them.
    fn usage(&self) -> Value {
        let usage = self.turn.usage;
        let mut counts = json!({
            "inputTokens": usage.input - usage.cached - usage.cache_write,
            "outputTokens": usage.output,
            "totalTokens": usage.input + usage.output,
        });
        if usage.cached + usage.cache_write > 0 {
            counts["cacheReadInputTokens"] = json!(usage.cached);
            counts["cacheWriteInputTokens"] = json!(usage.cache_write);
        }
        counts
    }
}

fn event(name: &'static str, data: Value) -> Event {
    Event::named(name, data)
}

/// A call's input as text in pieces, the first of which is empty; none for no arguments.
fn input(arguments: &Value) -> Vec<Value> {
    if arguments.as_object().is_some_and(serde_json::Map::is_empty) {
        return Vec::new();
    }
    let text = arguments.to_string();
    let chars: Vec<char> = text.chars().collect();
    std::iter::once(String::new())
        .chain(chars.chunks(7).map(|piece| piece.iter().collect()))
        .map(|piece| json!({"toolUse": {"input": piece}}))
        .collect()
}
