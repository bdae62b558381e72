//! Prebuilt answers, for measuring what is in front of the provider.

use std::sync::LazyLock;

use bytes::{BufMut, Bytes, BytesMut};
use serde_json::{Value, json};

use super::{connection::Request, reply::chunk};

/// Events of content in a fast stream.
pub(crate) const STREAM_EVENTS: usize = 100;

struct Prebuilt {
    chat: Bytes,
    chat_stream: Bytes,
    messages: Bytes,
    messages_stream: Bytes,
    embeddings: Bytes,
}

static PREBUILT: LazyLock<Prebuilt> = LazyLock::new(|| Prebuilt {
    chat: whole(&json!({
        "id": "chatcmpl-fast", "object": "chat.completion", "created": 1_760_000_000,
        "model": "fast",
        "choices": [{
            "index": 0, "finish_reason": "stop", "logprobs": null,
            "message": {"role": "assistant", "content": "You said: hello", "refusal": null},
        }],
        "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
    })),
    chat_stream: stream(chat_events()),
    messages: whole(&json!({
        "id": "msg_fast", "type": "message", "role": "assistant", "model": "fast",
        "content": [{"type": "text", "text": "You said: hello"}],
        "stop_reason": "end_turn", "stop_sequence": null,
        "usage": {"input_tokens": 12, "output_tokens": 3},
    })),
    messages_stream: stream(message_events()),
    embeddings: whole(&json!({
        "object": "list", "model": "fast",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.5, 0.25]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    })),
});

/// The bytes of the answer, when there is a prebuilt one.
pub(crate) fn answer(request: &Request) -> Option<&'static [u8]> {
    let streamed = wants_stream(&request.body);
    Some(match request.path.as_str() {
        "/v1/chat/completions" if streamed => &PREBUILT.chat_stream,
        "/v1/chat/completions" => &PREBUILT.chat,
        "/v1/messages" if streamed => &PREBUILT.messages_stream,
        "/v1/messages" => &PREBUILT.messages,
        "/v1/embeddings" => &PREBUILT.embeddings,
        _ => return None,
    })
}

/// Finds `"stream": true` without parsing.
fn wants_stream(body: &[u8]) -> bool {
    let key = b"\"stream\"";
    memchr::memmem::find(body, key).is_some_and(|at| {
        let rest = body.get(at + key.len()..).unwrap_or_default();
        let value = rest.iter().find(|b| !b" :\n\t".contains(b));
        value == Some(&b't')
    })
}

fn whole(value: &Value) -> Bytes {
    let body = value.to_string();
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into()
}

fn stream(events: Vec<String>) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_slice(
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    for event in events {
        bytes.put(chunk(&event.into()));
    }
    bytes.put_slice(b"0\r\n\r\n");
    bytes.freeze()
}

fn chat_events() -> Vec<String> {
    let event = |delta: Value, finish: Value, usage: Value, choices: bool| {
        let choices = if choices {
            json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish}])
        } else {
            json!([])
        };
        let chunk = json!({
            "id": "chatcmpl-fast", "object": "chat.completion.chunk", "created": 1_760_000_000,
            "model": "fast", "choices": choices, "usage": usage,
        });
        format!("data: {chunk}\n\n")
    };
    let role = json!({"role": "assistant", "content": ""});
    let mut events = vec![event(role, Value::Null, Value::Null, true)];
    for _ in 0..STREAM_EVENTS {
        let delta = json!({"content": " word"});
        events.push(event(delta, Value::Null, Value::Null, true));
    }
    events.push(event(json!({}), json!("stop"), Value::Null, true));
    let total = 12 + STREAM_EVENTS;
    let usage = json!({
        "prompt_tokens": 12, "completion_tokens": STREAM_EVENTS, "total_tokens": total,
    });
    events.push(event(Value::Null, Value::Null, usage, false));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

fn message_events() -> Vec<String> {
    let event = |name: &str, data: Value| format!("event: {name}\ndata: {data}\n\n");
    let message = json!({
        "id": "msg_fast", "type": "message", "role": "assistant", "model": "fast", "content": [],
        "stop_reason": null, "stop_sequence": null,
        "usage": {"input_tokens": 12, "output_tokens": 1},
    });
    let block = json!({"type": "text", "text": ""});
    let mut events = vec![
        event(
            "message_start",
            json!({"type": "message_start", "message": message}),
        ),
        event(
            "content_block_start",
            json!({"type": "content_block_start", "index": 0, "content_block": block}),
        ),
    ];
    for _ in 0..STREAM_EVENTS {
        let delta = json!({"type": "text_delta", "text": " word"});
        events.push(event(
            "content_block_delta",
            json!({"type": "content_block_delta", "index": 0, "delta": delta}),
        ));
    }
    let delta = json!({"stop_reason": "end_turn", "stop_sequence": null});
    let usage = json!({"output_tokens": STREAM_EVENTS});
    events.extend([
        event(
            "content_block_stop",
            json!({"type": "content_block_stop", "index": 0}),
        ),
        event(
            "message_delta",
            json!({"type": "message_delta", "delta": delta, "usage": usage}),
        ),
        event("message_stop", json!({"type": "message_stop"})),
    ]);
    events
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_recognised_without_parsing() {
        assert!(wants_stream(br#"{"stream": true}"#));
        assert!(wants_stream(br#"{"stream":true}"#));
        assert!(!wants_stream(br#"{"stream": false}"#));
        assert!(!wants_stream(br#"{"model": "x"}"#));
    }
}
