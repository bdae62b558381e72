//! Nothing that a client or a provider sends makes the crate panic, and tool arguments survive.

use dragoman_dialect::{ResponseHead, ResponseTranslator, edge::inspect, translate_request};
use dragoman_proto::Operation;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{
    DIALECTS, JSON, NDJSON, SSE, admission, answer, chat, context, deployment, fixtures,
    stream_type,
};

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((member_name(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Names that mean something to somebody, so that random objects come near to real ones.
fn member_name() -> impl Strategy<Value = String> {
    proptest::sample::select(
        [
            "messages",
            "role",
            "content",
            "type",
            "text",
            "tools",
            "function",
            "name",
            "choices",
            "delta",
            "usage",
            "error",
            "message",
            "index",
            "tool_calls",
            "arguments",
            "image_url",
            "url",
            "stop",
            "model",
            "tool_choice",
            "thinking_blocks",
            "response_format",
            "json_schema",
            "schema",
            "prompt_tokens",
            "content_block",
            "stop_reason",
            "input",
            "thinking",
            "done",
            "done_reason",
            "images",
            "options",
            "reasoning_effort",
        ]
        .as_slice(),
    )
    .prop_map(str::to_owned)
}

fn feed(target: &str, extra: &str, head: &ResponseHead<'_>, pieces: &[&[u8]]) {
    let mut translator = ResponseTranslator::new(context(target, extra), head);
    let mut out = Vec::new();
    for piece in pieces {
        translator.feed(piece, false, &mut out);
        let _ = translator.report();
    }
    translator.feed(&[], true, &mut out);
    assert!(translator.head().is_some());
}

proptest! {
    #[test]
    fn any_bytes_are_inspected_and_translated(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        for operation in Operation::ALL {
            for kind in [None, Some("multipart/form-data; boundary=a")] {
                let _ = inspect(operation, "/", kind, &body);
                for target in DIALECTS {
                    let admission = admission(operation, true);
                    let _ = translate_request(&deployment(target), &admission, kind, &body);
                }
            }
        }
    }

    #[test]
    fn any_json_is_inspected_and_translated(
        messages in proptest::collection::vec(any_json(), 0..4),
        members in proptest::collection::vec((member_name(), any_json()), 0..6),
    ) {
        let mut body: serde_json::Map<_, _> = members.into_iter().collect();
        body.entry("messages").or_insert(Value::from(messages));
        let body = serde_json::to_vec(&body).unwrap();
        let _ = inspect(Operation::ChatCompletions, "/", None, &body);
        for target in ["openai", "groq", "anthropic", "anthropic-new", "ollama"] {
            let _ = chat(target, &body);
        }
    }

    #[test]
    fn any_bytes_of_a_provider_end_in_a_head(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        status in prop_oneof![Just(200_u16), 100_u16..600],
        kind in proptest::sample::select(&[JSON, SSE, "text/html", ""][..]),
        encoding in proptest::sample::select(&[None, Some("gzip"), Some("deflate"), Some("x")][..]),
    ) {
        for target in DIALECTS {
            for extra in ["", r#","stream":true"#] {
                let head = ResponseHead {
                    status, content_type: Some(kind), content_encoding: encoding, retry_after: None,
                };
                feed(target, extra, &head, &[&body]);
            }
        }
    }

    #[test]
    fn any_json_of_a_provider_ends_in_a_head(
        events in proptest::collection::vec(any_json(), 0..5),
        kind in proptest::sample::select(&["message_start", "content_block_delta", "x"][..]),
    ) {
        let mut stream = String::new();
        for event in &events {
            stream += &format!("data: {event}\n\ndata: {}\n\n", json!({"type": kind, "delta": event}));
        }
        let lines: String = events.iter().map(|event| format!("{event}\n")).collect();
        let whole = Value::from(events).to_string();
        for target in DIALECTS {
            let head = |kind| ResponseHead {
                status: 200, content_type: Some(kind), content_encoding: None, retry_after: None,
            };
            feed(target, r#","stream":true"#, &head(SSE), &[stream.as_bytes()]);
            feed(target, r#","stream":true"#, &head(NDJSON), &[lines.as_bytes()]);
            feed(target, "", &head(JSON), &[whole.as_bytes()]);
        }
    }

    #[test]
    fn a_stream_survives_any_damage(
        pick in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte: u8,
        target in proptest::sample::select(&DIALECTS[..]),
    ) {
        let streams = fixtures(&format!("streams/{target}"));
        let mut stream = streams[pick.index(streams.len())].1.clone();
        let at = at.index(stream.len());
        stream[at] = byte;
        let head = ResponseHead {
            status: 200, content_type: Some(stream_type(target)), content_encoding: None,
            retry_after: None,
        };
        feed(target, r#","stream":true"#, &head, &[&stream]);
    }

    #[test]
    fn tool_arguments_survive_both_ways(
        arguments in proptest::collection::vec((".{0,8}", any_json()), 0..4)
    ) {
        let arguments = Value::Object(arguments.into_iter().collect());
        let body = json!({"messages": [
            {"role": "user", "content": "x"},
            {"role": "assistant", "tool_calls": [
                {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments.to_string()}},
            ]},
            {"role": "tool", "tool_call_id": "c", "content": "r"},
        ]});
        let body = serde_json::to_vec(&body).unwrap();
        let call = json!({"type": "tool_use", "id": "t", "name": "f", "input": arguments});
        let anthropic = json!({"content": [call], "stop_reason": "tool_use"});
        let call = json!({"function": {"name": "f", "arguments": arguments}});
        let ollama = json!({"message": {"tool_calls": [call]}, "done": true});
        for (target, member, reply) in [
            ("anthropic", "input", anthropic),
            ("ollama", "arguments", ollama),
        ] {
            let sent = chat(target, &body).unwrap().body.unwrap();
            let sent = String::from_utf8(sent).unwrap();
            let expected = format!(r#""{member}":{arguments}"#);
            prop_assert!(sent.contains(&expected), "{}", sent);
            let outcome = answer(&context(target, ""), JSON, reply.to_string().as_bytes());
            let answer: Value = serde_json::from_str(&outcome.body).unwrap();
            let text = answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
                .as_str()
                .unwrap();
            prop_assert_eq!(text, arguments.to_string());
        }
    }
}
