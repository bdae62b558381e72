//! The answers of `POST /v1/messages`.

use serde_json::{Map, Value, json};

use super::super::{
    openai::thirds,
    reply::Event,
    thinking::{REDACTED, SIGNATURE},
    turn::{Citation, Finish, Turn},
};

pub(super) struct Writer<'a> {
    pub(super) number: u64,
    pub(super) model: &'a str,
    pub(super) turn: &'a Turn,
    pub(super) show_usage: bool,
}

impl Writer<'_> {
    fn stop(&self) -> (&'static str, Value) {
        match &self.turn.finish {
            Finish::Stop => ("end_turn", Value::Null),
            Finish::Length => ("max_tokens", Value::Null),
            Finish::Calls => ("tool_use", Value::Null),
            Finish::Sequence(sequence) => ("stop_sequence", json!(sequence)),
        }
    }

    fn usage(&self, output: u64) -> Value {
        let usage = self.turn.usage;
        json!({
            "input_tokens": usage.input - usage.cached - usage.cache_write,
            "cache_creation_input_tokens": usage.cache_write,
            "cache_read_input_tokens": usage.cached,
            "output_tokens": output,
            "service_tier": "standard",
        })
    }

    fn tool_use(&self, index: usize, name: &str, input: &Value) -> Value {
        let id = format!("toolu_{}_{index}", self.number);
        json!({"type": "tool_use", "id": id, "name": name, "input": input})
    }

    pub(super) fn whole(&self) -> Value {
        let mut content = Vec::new();
        if let Some(thought) = self.turn.reasoning {
            content.push(json!({
                "type": "thinking", "thinking": thought, "signature": SIGNATURE,
            }));
        }
        if self.turn.redacted {
            content.push(redacted());
        }
        if !self.turn.words.is_empty() {
            content.extend(self.texts().map(|(words, citation)| {
                let mut block = json!({"type": "text", "text": words.concat()});
                if let Some(citation) = citation {
                    block["citations"] = json!([location(citation)]);
                }
                block
            }));
        }
        for (index, call) in self.turn.calls.iter().enumerate() {
            content.push(self.tool_use(index, &call.name, &call.arguments));
        }
        let (reason, sequence) = self.stop();
        let mut message = self.message(&json!(content), &json!(reason), &sequence);
        if self.show_usage {
            message["usage"] = self.usage(self.turn.usage.output);
        }
        message
    }

    /// The words by block: what is cited has one of its own.
    fn texts(&self) -> impl Iterator<Item = (&[String], Option<&Citation>)> {
        let words = &self.turn.words;
        let uncited = self.turn.citations.first();
        let uncited = uncited.map_or(words.len(), |first| first.words.start);
        let cited = self.turn.citations.iter();
        let cited = cited.map(|citation| (&words[citation.words.clone()], Some(citation)));
        std::iter::once((&words[..uncited], None)).chain(cited)
    }

    fn message(&self, content: &Value, reason: &Value, sequence: &Value) -> Value {
        json!({
            "id": format!("msg_{}", self.number), "type": "message", "role": "assistant",
            "model": self.model, "content": content, "stop_reason": reason,
            "stop_sequence": sequence,
        })
    }

    pub(super) fn events(&self, many_pings: bool) -> Vec<Event> {
        let mut message = self.message(&json!([]), &Value::Null, &Value::Null);
        if self.show_usage {
            message["usage"] = self.usage(1);
        }
        let mut events = vec![event("message_start", json!({"message": message}))];
        for (index, (block, deltas)) in self.blocks().into_iter().enumerate() {
            let start = json!({"index": index, "content_block": block});
            events.push(event("content_block_start", start));
            if index == 0 || many_pings {
                events.push(event("ping", json!({})));
            }
            for delta in deltas {
                let delta = json!({"index": index, "delta": delta});
                events.push(event("content_block_delta", delta));
            }
            events.push(event("content_block_stop", json!({"index": index})));
        }
        let (reason, sequence) = self.stop();
        let mut last = json!({"delta": {"stop_reason": reason, "stop_sequence": sequence}});
        if self.show_usage {
            last["usage"] = json!({"output_tokens": self.turn.usage.output});
        }
        events.push(event("message_delta", last));
        events.push(event("message_stop", json!({})).last());
        events
    }

    /// Each content block as it starts, with its deltas.
    fn blocks(&self) -> Vec<(Value, Vec<Value>)> {
        let mut blocks = Vec::new();
        if let Some(thought) = self.turn.reasoning {
            let words = thirds(thought).into_iter();
            let words = words.map(|words| json!({"type": "thinking_delta", "thinking": words}));
            let signature = json!({"type": "signature_delta", "signature": SIGNATURE});
            blocks.push((
                json!({"type": "thinking", "thinking": "", "signature": ""}),
                words.chain([signature]).collect(),
            ));
        }
        if self.turn.redacted {
            blocks.push((redacted(), Vec::new()));
        }
        if !self.turn.words.is_empty() {
            blocks.extend(self.texts().map(|(words, citation)| {
                let words = words.iter();
                let mut deltas: Vec<Value> = words
                    .map(|word| json!({"type": "text_delta", "text": word}))
                    .collect();
                let mut block = json!({"type": "text", "text": ""});
                if let Some(citation) = citation {
                    block["citations"] = json!([]);
                    let cited = json!({"type": "citations_delta", "citation": location(citation)});
                    deltas.insert(0, cited);
                }
                (block, deltas)
            }));
        }
        for (index, call) in self.turn.calls.iter().enumerate() {
            let arguments = call.arguments.to_string();
            let parts = thirds(&arguments);
            // The real API begins with an empty fragment.
            let fragments = std::iter::once(String::new()).chain(parts);
            let deltas =
                fragments.map(|part| json!({"type": "input_json_delta", "partial_json": part}));
            let block = self.tool_use(index, &call.name, &json!({}));
            blocks.push((block, deltas.collect()));
        }
        blocks
    }
}

/// Thinking that is not shown.
fn redacted() -> Value {
    json!({"type": "redacted_thinking", "data": REDACTED})
}

/// A page that the model found.
fn location(citation: &Citation) -> Value {
    json!({
        "type": "web_search_result_location", "url": citation.url, "title": citation.title,
        "encrypted_index": "Eo8BCioIAhgB", "cited_text": "as it is written",
    })
}

/// An event whose data begins with its type, as the real API's does.
fn event(name: &'static str, data: Value) -> Event {
    let mut fields = Map::new();
    fields.insert("type".to_owned(), json!(name));
    if let Value::Object(data) = data {
        fields.extend(data);
    }
    Event::named(name, Value::Object(fields))
}
