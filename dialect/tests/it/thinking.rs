//! Thinking that is streamed, put together as OpenAI's client does it, and sent back: the provider gets
//! its own blocks again.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{
    aws,
    support::{AWS, SSE, answer, chat, context},
};

/// Who thinks in blocks, and what their streams are.
const THINKERS: [(&str, &str); 3] = [("anthropic", SSE), ("vertex-claude", SSE), ("bedrock", AWS)];

/// A block of thinking: the pieces of its words and its signature, or what is redacted.
#[derive(Debug, Clone)]
enum Thought {
    Signed(Vec<String>, String),
    Redacted(String),
}

fn any_thought() -> impl Strategy<Value = Thought> {
    prop_oneof![
        (proptest::collection::vec(".{1,6}", 0..4), "[a-z]{1,6}")
            .prop_map(|(words, signature)| Thought::Signed(words, signature)),
        "[a-z]{1,6}".prop_map(Thought::Redacted),
    ]
}

impl Thought {
    /// As it is in LiteLLM's `thinking_blocks` and Anthropic's content.
    fn block(&self) -> Value {
        match self {
            Self::Signed(words, signature) => {
                json!({"type": "thinking", "thinking": words.concat(), "signature": signature})
            }
            Self::Redacted(data) => json!({"type": "redacted_thinking", "data": data}),
        }
    }

    /// As it is in Converse's content.
    fn converse(&self) -> Value {
        match self {
            Self::Signed(words, signature) => json!({"reasoningContent": {"reasoningText":
                {"text": words.concat(), "signature": signature}}}),
            Self::Redacted(data) => json!({"reasoningContent": {"redactedContent": data}}),
        }
    }
}

/// An event of Anthropic's.
fn event(kind: &str, mut data: Value) -> String {
    data["type"] = json!(kind);
    format!("event: {kind}\ndata: {data}\n\n")
}

fn anthropic_stream(thoughts: &[Thought]) -> Vec<u8> {
    let mut stream = event("message_start", json!({"message": {"usage": {}}}));
    for (index, thought) in thoughts.iter().enumerate() {
        let empty = json!({"type": "thinking", "thinking": "", "signature": ""});
        let (start, deltas) = match thought {
            Thought::Redacted(_) => (thought.block(), Vec::new()),
            Thought::Signed(words, signature) => {
                let words = words.iter();
                let mut deltas: Vec<_> = words
                    .map(|words| json!({"type": "thinking_delta", "thinking": words}))
                    .collect();
                deltas.push(json!({"type": "signature_delta", "signature": signature}));
                (empty, deltas)
            }
        };
        let start = json!({"index": index, "content_block": start});
        stream += &event("content_block_start", start);
        for delta in deltas {
            let delta = json!({"index": index, "delta": delta});
            stream += &event("content_block_delta", delta);
        }
        stream += &event("content_block_stop", json!({"index": index}));
    }
    let end = json!({"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}});
    stream += &event("message_delta", end);
    stream += &event("message_stop", json!({}));
    stream.into_bytes()
}

fn bedrock_stream(thoughts: &[Thought]) -> Vec<u8> {
    let mut lines = vec!["messageStart {\"role\":\"assistant\"}".to_owned()];
    for (index, thought) in thoughts.iter().enumerate() {
        let deltas = match thought {
            Thought::Redacted(data) => vec![json!({"redactedContent": data})],
            Thought::Signed(words, signature) => {
                let words = words.iter().map(|words| json!({"text": words}));
                words
                    .chain([json!({"signature": signature})])
                    .collect::<Vec<_>>()
            }
        };
        for delta in deltas {
            let delta = json!({"contentBlockIndex": index, "delta": {"reasoningContent": delta}});
            lines.push(format!("contentBlockDelta {delta}"));
        }
        lines.push(format!(
            "contentBlockStop {{\"contentBlockIndex\":{index}}}"
        ));
    }
    lines.push("messageStop {\"stopReason\":\"end_turn\"}".to_owned());
    lines.push("metadata {\"usage\":{\"inputTokens\":1,\"outputTokens\":1}}".to_owned());
    aws::encode(lines.join("\n").as_bytes())
}

/// Joins a delta to what came before it, as `accumulate_delta` of OpenAI's client does.
fn accumulate(whole: &mut Map<String, Value>, delta: Map<String, Value>) {
    for (key, new) in delta {
        match (whole.get_mut(&key), new) {
            (Some(Value::String(old)), Value::String(new)) if key != "type" => old.push_str(&new),
            (Some(Value::Array(old)), Value::Array(new)) => join(old, new),
            (_, Value::Array(new)) => {
                let mut list = Vec::new();
                join(&mut list, new);
                whole.insert(key, Value::Array(list));
            }
            (_, new) => {
                whole.insert(key, new);
            }
        }
    }
}

fn join(list: &mut Vec<Value>, entries: Vec<Value>) {
    for entry in entries {
        let index = entry["index"].as_u64().expect("an entry has an index");
        let index = usize::try_from(index).unwrap();
        match list.get_mut(index) {
            Some(known) => accumulate(
                known.as_object_mut().unwrap(),
                entry.as_object().unwrap().clone(),
            ),
            // Where the list is too short, the client puts it at the end all the same.
            None => {
                assert_eq!(index, list.len(), "no entry is passed over");
                list.push(entry);
            }
        }
    }
}

/// The message of a stream of chat.
fn message(body: &str) -> Map<String, Value> {
    let mut message = Map::new();
    for event in body.split_terminator("\n\n") {
        let data = event.strip_prefix("data: ").unwrap();
        let Ok(mut chunk) = serde_json::from_str::<Value>(data) else {
            continue;
        };
        if let Value::Object(delta) = chunk["choices"][0]["delta"].take() {
            accumulate(&mut message, delta);
        }
    }
    message
}

/// What `target` is sent for a conversation with this message.
fn sent_back(target: &str, message: &Map<String, Value>) -> Vec<Value> {
    let asked = json!({"role": "user", "content": "x"});
    let mut answered = message.clone();
    answered.insert("content".into(), json!("said"));
    let body = json!({"messages": [asked, answered, asked]});
    let sent = chat(target, &serde_json::to_vec(&body).unwrap()).unwrap();
    let sent: Value = serde_json::from_slice(&sent.body.unwrap()).unwrap();
    let content = sent["messages"][1]["content"].as_array().unwrap();
    content[..content.len() - 1].to_vec()
}

proptest! {
    #[test]
    fn streamed_thinking_goes_back_as_it_came(
        thoughts in proptest::collection::vec(any_thought(), 1..5),
    ) {
        for (target, kind) in THINKERS {
            let stream = match kind {
                AWS => bedrock_stream(&thoughts),
                _ => anthropic_stream(&thoughts),
            };
            let outcome = answer(&context(target, r#","stream":true"#), kind, &stream);
            let message = message(&outcome.body);
            let mut blocks = message["thinking_blocks"].clone();
            for (index, block) in blocks.as_array_mut().unwrap().iter_mut().enumerate() {
                let number = block.as_object_mut().unwrap().remove("index");
                prop_assert_eq!(number, Some(json!(index)));
            }
            let told: Vec<Value> = thoughts.iter().map(Thought::block).collect();
            prop_assert_eq!(blocks, json!(&told));
            let own: Vec<Value> = match kind {
                AWS => thoughts.iter().map(Thought::converse).collect(),
                _ => told,
            };
            prop_assert_eq!(sent_back(target, &message), own);
        }
    }
}

#[test]
fn a_block_that_starts_whole_is_told_whole() {
    let block = json!({"type": "thinking", "thinking": "hm", "signature": "c2ln"});
    let start = event(
        "content_block_start",
        json!({"index": 0, "content_block": block}),
    );
    let stop = event("content_block_stop", json!({"index": 0}));
    let stream = start + &stop + &event("message_stop", json!({}));
    let outcome = answer(
        &context("anthropic", r#","stream":true"#),
        SSE,
        stream.as_bytes(),
    );
    let message = message(&outcome.body);
    assert_eq!(message["reasoning_content"], "hm");
    let mut expected = block;
    expected["index"] = json!(0);
    assert_eq!(message["thinking_blocks"], json!([expected]));
}

#[test]
fn thinking_that_was_cut_off_before_its_signature_stays_away_from_those_who_check_it() {
    let block = json!({"index": 0, "type": "thinking", "thinking": "hm"});
    let empty = json!({"type": "thinking", "thinking": "hm", "signature": ""});
    for block in [block, empty] {
        let answered = json!({"role": "assistant", "content": "y", "thinking_blocks": [block]});
        let body = json!({"messages": [{"role": "user", "content": "x"}, answered]});
        for (target, _) in THINKERS {
            let translated = chat(target, &serde_json::to_vec(&body).unwrap()).unwrap();
            let sent: Value = serde_json::from_slice(&translated.body.unwrap()).unwrap();
            let content = sent["messages"][1]["content"].as_array().unwrap();
            assert_eq!(content.len(), 1, "{target}");
            assert_eq!(translated.dropped, ["messages.reasoning_content"]);
        }
    }
}
