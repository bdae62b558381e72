//! Nothing that a client or a provider sends makes the crate panic, and tool arguments survive.

use dragoman_dialect::{
    RequestHead, ResponseHead, ResponseTranslator, edge::inspect, translate_request,
};
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
            "candidates",
            "parts",
            "functionCall",
            "args",
            "finishReason",
            "usageMetadata",
            "inlineData",
            "$ref",
            "anyOf",
            "properties",
            "parameters",
        ]
        .as_slice(),
    )
    .prop_map(str::to_owned)
}

/// A delta as some provider may write it.
fn any_delta() -> impl Strategy<Value = Value> {
    let call = (0_u64..3, any::<bool>(), ".{0,6}").prop_map(|(index, named, arguments)| {
        let mut call = json!({"index": index, "function": {"arguments": arguments}});
        if named {
            call["id"] = json!(format!("call_{index}"));
            call["function"]["name"] = json!("f");
        }
        json!({"tool_calls": [call]})
    });
    let cited = ("[a-z]{1,6}", 0_u64..12, 0_u64..12).prop_map(|(page, start, end)| {
        json!({"annotations": [{"type": "url_citation", "url_citation":
            {"url": page, "title": "t", "start_index": start, "end_index": end}}]})
    });
    prop_oneof![
        "[a-z]{0,6}".prop_map(|text| json!({"content": text})),
        "[a-z]{0,6}".prop_map(|text| json!({"reasoning_content": text})),
        call,
        cited,
    ]
}

/// The pages in the annotations or citations of these texts, in the order of the alphabet.
fn pages<'a>(texts: impl IntoIterator<Item = &'a Value>) -> Vec<String> {
    let lists = texts.into_iter().filter_map(Value::as_array).flatten();
    let page = |entry: &Value| {
        let entry = entry.get("url_citation").unwrap_or(entry);
        entry["url"].as_str().map(str::to_owned)
    };
    let mut pages: Vec<String> = lists.filter_map(page).collect();
    pages.sort();
    pages
}

/// The texts in the events of one type.
fn told(body: &str, name: &str, text: impl Fn(&Value) -> Value) -> String {
    body.split_terminator("\n\n")
        .filter_map(|event| event.strip_prefix(&format!("event: {name}\ndata: ")))
        .filter_map(|data| {
            let data: Value = serde_json::from_str(data).unwrap();
            text(&data).as_str().map(str::to_owned)
        })
        .collect()
}

/// The pages that a client's stream cites. A response's last event has those of the events before.
fn cited(body: &str) -> Vec<String> {
    let events: Vec<Value> = body
        .split_terminator("\n\n")
        .map(|event| serde_json::from_str(event.split_once("data: ").unwrap().1).unwrap())
        .collect();
    let deltas = events.iter().map(|event| &event["delta"]["citation"]);
    let added = events.iter().map(|event| &event["annotation"]);
    let told: Value = deltas
        .chain(added)
        .filter(|page| page.is_object())
        .cloned()
        .collect();
    let told = pages([&told]);
    let last = &events.last().unwrap()["response"]["output"];
    if let Some(items) = last.as_array() {
        let whole = pages(items.iter().map(|item| &item["content"][0]["annotations"]));
        assert_eq!(told, whole);
    }
    told
}

/// A stream of tool calls, cut into pieces, one call after the other or all at once.
fn tool_stream(texts: &[String], cuts: &[usize], interleave: bool) -> String {
    let mut pieces: Vec<(usize, usize, Value)> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let chars: Vec<char> = text.chars().collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (chars.len() + 1)).collect();
        cuts.extend([0, chars.len()]);
        cuts.sort_unstable();
        for (at, range) in cuts.windows(2).enumerate() {
            let piece: String = chars[range[0]..range[1]].iter().collect();
            let mut call = json!({"index": index, "function": {"arguments": piece}});
            if at == 0 {
                call["id"] = json!(format!("call_{index}"));
                call["function"]["name"] = json!("f");
            }
            pieces.push((if interleave { at } else { 0 }, index, call));
        }
    }
    pieces.sort_by_key(|(turn, index, _)| (*turn, *index));
    let mut stream = String::new();
    for (_, _, call) in pieces {
        stream += &format!(
            "data: {}\n\n",
            json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]})
        );
    }
    stream
        + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n"
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
                    let head = RequestHead { content_type: kind, anthropic_beta: kind };
                    let _ = translate_request(&deployment(target), &admission, &head, &body);
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
        for target in ["openai", "groq", "anthropic", "anthropic-new", "ollama", "gemini", "gemini-2", "vertex-claude"] {
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
                    status, content_type: Some(kind), content_encoding: encoding, ..ResponseHead::default()
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
                status: 200, content_type: Some(kind), ..ResponseHead::default()
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
            status: 200, content_type: Some(stream_type(target)), ..ResponseHead::default()
        };
        feed(target, r#","stream":true"#, &head, &[&stream]);
    }

    #[test]
    fn any_json_of_a_client_is_translated(
        items in proptest::collection::vec(any_json(), 0..4),
        members in proptest::collection::vec((member_name(), any_json()), 0..6),
    ) {
        let mut body: serde_json::Map<_, _> = members.into_iter().collect();
        body.insert("messages".into(), Value::from(items.clone()));
        body.insert("input".into(), Value::from(items));
        let body = serde_json::to_vec(&body).unwrap();
        for operation in [Operation::Messages, Operation::Responses] {
            let _ = inspect(operation, "/", None, &body);
            for target in ["openai", "groq", "anthropic"] {
                let admission = admission(operation, true);
                let _ = crate::support::translate(&deployment(target), &admission, None, &body);
            }
        }
    }

    #[test]
    fn any_chunks_end_a_client_s_stream_in_order(
        deltas in proptest::collection::vec(any_delta(), 0..12),
        finish in proptest::sample::select(&["stop", "tool_calls", "length", ""][..]),
        responses: bool,
    ) {
        let operation = if responses { Operation::Responses } else { Operation::Messages };
        let mut stream = String::new();
        for delta in &deltas {
            stream += &format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta}]}));
        }
        stream += &format!("data: {}\n\ndata: [DONE]\n\n",
            json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}));
        let body = json!({"input": "x", "messages": [{"role": "user", "content": "x"}], "stream": true});
        let admission = admission(operation, true);
        let body = body.to_string();
        let context = crate::support::translate(&deployment("groq"), &admission, None, body.as_bytes())
            .unwrap()
            .response;
        let outcome = answer(&context, SSE, stream.as_bytes());
        if outcome.head.status == 200 {
            let said: String = deltas.iter().filter_map(|delta| delta["content"].as_str()).collect();
            let (added, deltas_of_text) = if responses {
                ("response.output_item.added", told(&outcome.body, "response.output_text.delta", |data| data["delta"].clone()))
            } else {
                ("content_block_start", told(&outcome.body, "content_block_delta", |data| data["delta"]["text"].clone()))
            };
            let done = if responses { "response.output_item.done" } else { "content_block_stop" };
            prop_assert_eq!(deltas_of_text, said);
            let count = |name: &str| outcome.body.matches(&format!("event: {name}\n")).count();
            prop_assert_eq!(count(added), count(done));
            prop_assert_eq!(cited(&outcome.body), pages(deltas.iter().map(|delta| &delta["annotations"])));
        }
    }

    #[test]
    fn tool_arguments_survive_to_each_client(
        arguments in proptest::collection::vec(proptest::collection::vec((".{0,8}", any_json()), 0..4), 1..4),
        cuts in proptest::collection::vec(0_usize..40, 0..6),
        interleave: bool,
    ) {
        let texts: Vec<String> = arguments.into_iter()
            .map(|members| Value::Object(members.into_iter().collect()).to_string())
            .collect();
        let stream = tool_stream(&texts, &cuts, interleave);
        let admission = admission(Operation::Messages, true);
        let body = br#"{"messages":[{"role":"user","content":"x"}],"stream":true}"#;
        let context = crate::support::translate(&deployment("groq"), &admission, None, body)
            .unwrap()
            .response;
        let outcome = answer(&context, SSE, stream.as_bytes());
        let mut told: Vec<String> = Vec::new();
        for event in outcome.body.split_terminator("\n\n") {
            let data: Value = serde_json::from_str(event.split_once("data: ").unwrap().1).unwrap();
            match data["type"].as_str().unwrap() {
                "content_block_start" => told.push(String::new()),
                "content_block_delta" => told.last_mut().unwrap()
                    .push_str(data["delta"]["partial_json"].as_str().unwrap()),
                _ => {}
            }
        }
        prop_assert_eq!(told, texts);
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
        let call = json!({"functionCall": {"name": "f", "args": arguments}});
        let gemini = json!({"candidates": [{"content": {"parts": [call]}, "finishReason": "STOP"}]});
        for (target, member, reply) in [
            ("anthropic", "input", anthropic),
            ("ollama", "arguments", ollama),
            ("gemini", "args", gemini),
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
