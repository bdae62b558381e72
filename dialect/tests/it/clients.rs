//! Clients of Anthropic's Messages and OpenAI's Responses, against providers with and without them.

use std::fmt::Write;

use dragoman_dialect::{Outgoing, RequestHead, ResponseContext, ResponseTranslator, Translated};
use dragoman_proto::{Admission, ApiError, Operation};
use serde_json::{Value, json};

use crate::support::{
    self, DIALECTS, JSON, SSE, admission, answer, deployment, fixtures, head, pretty, respond,
    stream_type,
};

/// A client's API: its name in fixtures, and the least that can be asked in it.
const CLIENTS: [(&str, Operation, &str); 2] = [
    (
        "messages",
        Operation::Messages,
        r#"{"max_tokens":9,"messages":[{"role":"user","content":"x"}]"#,
    ),
    ("responses", Operation::Responses, r#"{"input":"x""#),
];

fn translate(target: &str, operation: Operation, body: &[u8]) -> Result<Translated, ApiError> {
    let stream = serde_json::from_slice::<Value>(body).is_ok_and(|body| body["stream"] == true);
    let admission = admission(operation, stream);
    support::translate(&deployment(target), &admission, None, body)
}

fn context(target: &str, operation: Operation, stream: bool) -> ResponseContext {
    let (_, _, least) = CLIENTS.iter().find(|client| client.1 == operation).unwrap();
    let body = format!("{least},\"stream\":{stream}}}");
    translate(target, operation, body.as_bytes())
        .unwrap()
        .response
}

/// Providers' streams, with a deployment that sends them and has no such API itself.
fn streams(operation: Operation) -> Vec<(String, &'static str, Vec<u8>)> {
    let mut found = Vec::new();
    let mut add = |folder: &str, target| {
        for (name, stream) in fixtures(&format!("streams/{folder}")) {
            found.push((format!("{folder}__{name}"), target, stream));
        }
    };
    add("openai", "groq");
    add("clients", "groq");
    if operation == Operation::Responses {
        add("anthropic", "anthropic");
    }
    found
}

#[test]
fn requests_of_each_client() {
    for (client, operation, _) in CLIENTS {
        for (name, body) in fixtures(&format!("clients/{client}")) {
            let mut text = String::new();
            for target in ["openai", "openai-reasoning", "groq", "anthropic", "bedrock"] {
                let _ = writeln!(text, "=== {target}");
                match translate(target, operation, &body) {
                    Ok(translated) => {
                        let _ = writeln!(text, "POST {}", translated.path);
                        if !translated.dropped.is_empty() {
                            let _ = writeln!(text, "dropped: {}", translated.dropped.join(", "));
                        }
                        let sent = translated.body.as_deref().unwrap_or(&body);
                        let _ = writeln!(text, "\n{}\n", pretty(sent));
                    }
                    Err(error) => {
                        let body = error.body(operation.client_dialect());
                        let _ = writeln!(text, "{} {}\n", error.status(), pretty(&body));
                    }
                }
            }
            insta::assert_snapshot!(format!("{client}__request__{name}"), text);
        }
    }
}

#[test]
fn answers_to_each_client() {
    for (client, operation, _) in CLIENTS {
        let mut answers = vec![("clients", "groq"), ("openai", "groq")];
        if operation == Operation::Responses {
            answers.push(("anthropic", "anthropic"));
        }
        for (folder, target) in answers {
            for (name, body) in fixtures(&format!("answers/{folder}")) {
                let outcome = answer(&context(target, operation, false), JSON, &body);
                let text = format!(
                    "{:?}\n{}\n\n{}",
                    outcome.head,
                    outcome.report,
                    pretty(outcome.body.as_bytes())
                );
                insta::assert_snapshot!(format!("{client}__answer__{folder}__{name}"), text);
            }
        }
    }
}

#[test]
fn streams_to_each_client() {
    for (client, operation, _) in CLIENTS {
        for (name, target, stream) in streams(operation) {
            let context = context(target, operation, true);
            let whole = respond(&context, &head(200, SSE), [&stream[..]]);
            let text = format!("{:?}\n{}\n\n{}", whole.head, whole.report, whole.body);
            insta::assert_snapshot!(format!("{client}__stream__{name}"), text);
        }
    }
}

#[test]
fn a_client_s_stream_is_the_same_at_every_split() {
    for (_, operation, _) in CLIENTS {
        for (name, target, stream) in streams(operation) {
            let context = context(target, operation, true);
            let whole = respond(&context, &head(200, SSE), [&stream[..]]);
            for at in 0..=stream.len() {
                let (left, right) = stream.split_at(at);
                let split = respond(&context, &head(200, SSE), [left, right]);
                assert_eq!(split, whole, "{name} split at {at}");
            }
        }
    }
}

/// What each dialect's stream becomes for each client, however it arrives. Where a provider has the
/// client's API itself there is nothing of ours between.
#[test]
fn each_dialect_s_stream_is_the_same_to_each_client_at_every_split() {
    for (_, operation, _) in CLIENTS {
        for dialect in DIALECTS {
            let is_native = operation == Operation::Messages && dialect == "anthropic"
                || operation == Operation::Responses && dialect == "openai";
            if is_native {
                continue;
            }
            let context = context(dialect, operation, true);
            let head = head(200, stream_type(dialect));
            for (name, stream) in fixtures(&format!("streams/{dialect}")) {
                let whole = respond(&context, &head, [&stream[..]]);
                for at in 0..=stream.len() {
                    let (left, right) = stream.split_at(at);
                    let split = respond(&context, &head, [left, right]);
                    assert_eq!(split, whole, "{operation:?} {dialect} {name} split at {at}");
                }
            }
        }
    }
}

/// The events of a stream that a client got.
fn events(body: &str) -> Vec<(String, Value)> {
    body.split_terminator("\n\n")
        .map(|event| {
            let (name, data) = event.split_once('\n').unwrap();
            let name = name.strip_prefix("event: ").unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(data["type"], name);
            (name.to_owned(), data)
        })
        .collect()
}

/// Every provider's streams.
fn all_streams() -> Vec<(String, &'static str, Vec<u8>)> {
    let mut found = streams(Operation::Messages);
    for dialect in DIALECTS {
        if !matches!(dialect, "openai" | "anthropic") {
            for (name, stream) in fixtures(&format!("streams/{dialect}")) {
                found.push((format!("{dialect}__{name}"), dialect, stream));
            }
        }
    }
    found
}

#[test]
fn a_response_s_events_are_numbered_and_end_once() {
    for (name, target, stream) in all_streams() {
        let context = context(target, Operation::Responses, true);
        let outcome = respond(&context, &head(200, SSE), [&stream[..]]);
        if outcome.head.status != 200 {
            continue;
        }
        let events = events(&outcome.body);
        for (number, (_, data)) in events.iter().enumerate() {
            assert_eq!(data["sequence_number"], number, "{name}");
        }
        let count = |kind: &str| events.iter().filter(|(event, _)| event == kind).count();
        let ends = ["completed", "incomplete", "failed"];
        let ended: usize = ends
            .iter()
            .map(|end| count(&format!("response.{end}")))
            .sum();
        assert_eq!(ended, 1, "{name}");
        let (last, data) = events.last().unwrap();
        if last != "response.failed" {
            let done = count("response.output_item.done");
            assert_eq!(count("response.output_item.added"), done, "{name}");
            let output = data["response"]["output"].as_array().unwrap();
            assert_eq!(output.len(), done, "{name}");
        }
    }
}

#[test]
fn a_message_s_events_are_in_order() {
    for (name, target, stream) in all_streams() {
        let context = context(target, Operation::Messages, true);
        let outcome = respond(&context, &head(200, SSE), [&stream[..]]);
        if outcome.head.status != 200 {
            continue;
        }
        let (mut open, mut index, mut last) = (false, 0, String::new());
        for (at, (event, data)) in events(&outcome.body).into_iter().enumerate() {
            assert_eq!(at == 0, event == "message_start", "{name}");
            match event.as_str() {
                "content_block_start" => {
                    assert!(!open, "{name}");
                    assert_eq!(data["index"], index, "{name}");
                    open = true;
                }
                "content_block_delta" => {
                    assert!(open, "{name}");
                    assert_eq!(data["index"], index, "{name}");
                }
                "content_block_stop" => {
                    assert!(open, "{name}");
                    assert_eq!(data["index"], index, "{name}");
                    open = false;
                    index += 1;
                }
                "message_delta" => assert!(!open, "{name}"),
                "message_stop" => assert_eq!(last, "message_delta", "{name}"),
                _ => {}
            }
            last = event;
        }
        assert!(matches!(last.as_str(), "message_stop" | "error"), "{name}");
    }
}

#[test]
fn one_error_ends_a_message() {
    let (_, target, stream) = streams(Operation::Messages)
        .into_iter()
        .find(|(name, ..)| name == "openai__error_after_content")
        .unwrap();
    let context = context(target, Operation::Messages, true);
    let outcome = respond(&context, &head(200, SSE), [&stream[..]]);
    let events = events(&outcome.body);
    let errors: Vec<_> = events.iter().filter(|(name, _)| name == "error").collect();
    assert_eq!(errors.len(), 1);
    assert_eq!(errors[0].1["error"]["type"], "api_error");
    assert_eq!(events.last().unwrap().0, "error");
}

#[test]
fn an_error_has_the_shape_of_the_client_s_api() {
    let body = br#"{"error":{"message":"slow down","type":"rate_limit_error","code":null}}"#;
    for stream in [false, true] {
        let context = context("groq", Operation::Messages, stream);
        let outcome = respond(&context, &head(429, JSON), [&body[..]]);
        let error: Value = serde_json::from_str(&outcome.body).unwrap();
        assert_eq!(error["type"], "error");
        assert_eq!(error["error"]["type"], "rate_limit_error");
        assert_eq!((outcome.head.status, outcome.head.retryable), (429, true));
    }
}

#[test]
fn tokens_are_estimated_where_no_provider_counts() {
    let body = br#"{"messages":[{"role":"user","content":"x"}]}"#;
    let admission = admission(Operation::CountTokens, false);
    let head = RequestHead::default();
    let translate =
        |target| dragoman_dialect::translate_request(&deployment(target), &admission, &head, body);
    assert_eq!(
        translate("groq").unwrap(),
        Outgoing::Answer {
            content_type: JSON,
            body: br#"{"input_tokens":17}"#.to_vec()
        }
    );
    let Outgoing::Request(counted) = translate("anthropic").unwrap() else {
        unreachable!("Anthropic counts itself");
    };
    assert_eq!(counted.path, "/v1/messages/count_tokens");
}

#[test]
fn the_output_cap_reaches_chat() {
    for (_, operation, least) in CLIENTS {
        let admission = Admission {
            output_cap: Some(5),
            ..admission(operation, false)
        };
        let body = format!("{least}}}");
        let translated =
            support::translate(&deployment("groq"), &admission, None, body.as_bytes()).unwrap();
        let sent: Value = serde_json::from_slice(&translated.body.unwrap()).unwrap();
        assert_eq!(sent["max_tokens"], 5, "{operation:?}");
    }
}

#[test]
fn an_event_leaves_as_soon_as_it_is_whole() {
    for (_, operation, _) in CLIENTS {
        let context = context("groq", operation, true);
        let mut translator = ResponseTranslator::new(context, &head(200, SSE));
        let mut out = Vec::new();
        let role = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
        translator.feed(role, false, &mut out);
        assert!(translator.head().is_none() && out.is_empty());
        let text = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
        translator.feed(text, false, &mut out);
        assert!(translator.head().is_some());
        assert!(String::from_utf8_lossy(&out).ends_with("}\n\n"));
        assert!(String::from_utf8_lossy(&out).contains(r#""a""#));
    }
}

#[test]
fn claude_s_own_thinking_and_messages_stay_as_they_are() {
    let body = json!({"max_tokens": 9, "top_k": 3, "thinking": {"type": "adaptive"}, "x": 1,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]});
    let translated = translate(
        "anthropic",
        Operation::Messages,
        body.to_string().as_bytes(),
    );
    let sent: Value = serde_json::from_slice(&translated.unwrap().body.unwrap()).unwrap();
    let mut expected = body;
    expected["model"] = json!("claude-sonnet-4-20250514");
    assert_eq!(sent, expected);
}

#[test]
fn unproven_thinking_does_not_go_to_anthropic() {
    let block =
        |signature: &str| json!({"type": "thinking", "thinking": "t", "signature": signature});
    let text = json!({"type": "text", "text": "x"});
    let body = json!({"max_tokens": 9, "messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [block(""), text]},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": [block("")]},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": [block("sig"), text]},
    ]});
    let translated = translate(
        "anthropic",
        Operation::Messages,
        body.to_string().as_bytes(),
    )
    .unwrap();
    let sent: Value = serde_json::from_slice(&translated.body.unwrap()).unwrap();
    let contents: Vec<&Value> = sent["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["content"])
        .collect();
    assert_eq!(
        contents,
        [
            &json!("a"),
            &json!([text]),
            &json!("b"),
            &json!("c"),
            &json!([block("sig"), text])
        ]
    );
    assert_eq!(translated.dropped, ["messages.thinking"]);
}

#[test]
fn betas_go_to_anthropic_but_not_those_with_another_price() {
    let head = RequestHead {
        anthropic_beta: Some("interleaved-thinking-2025-05-14, context-1m-2025-08-07,a\u{e4},b-1"),
        ..RequestHead::default()
    };
    let body = br#"{"max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
    let admission = admission(Operation::Messages, false);
    for (target, expected) in [
        ("anthropic", Some("interleaved-thinking-2025-05-14,b-1")),
        ("openai", None),
    ] {
        let outgoing =
            dragoman_dialect::translate_request(&deployment(target), &admission, &head, body);
        let Outgoing::Request(translated) = outgoing.unwrap() else {
            unreachable!("a message is not answered here");
        };
        let sent = translated
            .headers
            .iter()
            .find(|(name, _)| *name == "anthropic-beta");
        assert_eq!(sent.map(|(_, value)| value.as_str()), expected);
    }
}

#[test]
fn events_that_nobody_knows_yet_do_no_harm() {
    let context = context("anthropic", Operation::Messages, true);
    let stream = b"event: news\ndata: {\"type\":\"news\",\"delta\":5,\"usage\":\"x\"}\n\n\
        event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n\
        event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    let outcome = respond(&context, &head(200, SSE), [&stream[..]]);
    assert_eq!(outcome.head.status, 200);
    assert!(outcome.report.contains("Complete"), "{}", outcome.report);
}

#[test]
fn defaults_of_chat_stay_out_of_native_requests() {
    let mut deployment = deployment("anthropic");
    deployment.defaults =
        serde_json::from_value(json!({"temperature": 0.2, "frequency_penalty": 1, "stop": ["x"]}))
            .unwrap();
    let body = br#"{"max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
    let admission = admission(Operation::Messages, false);
    let translated = support::translate(&deployment, &admission, None, body).unwrap();
    let sent: Value = serde_json::from_slice(&translated.body.unwrap()).unwrap();
    let mut names: Vec<_> = sent
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["max_tokens", "messages", "model", "temperature"]);
}

#[test]
fn a_client_s_search_is_the_provider_s_own() {
    let place = json!({"type": "approximate", "city": "Zürich", "country": "CH"});
    let responses = json!({"input": "x", "tools": [
        {"type": "web_search", "search_context_size": "high", "user_location": place},
    ]});
    let messages = json!({"max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "tools": [
        {"type": "web_search_20250305", "name": "web_search", "max_uses": 2, "user_location": place},
    ]});
    let ask = |target: &str, operation, body: &Value| {
        translate(target, operation, &serde_json::to_vec(body).unwrap())
    };
    let translated = ask("anthropic", Operation::Responses, &responses).unwrap();
    let sent: Value = serde_json::from_slice(&translated.body.unwrap()).unwrap();
    assert_eq!(
        sent["tools"],
        json!([{"type": "web_search_20250305", "name": "web_search", "max_uses": 10,
            "user_location": place}])
    );
    let translated = ask("gemini", Operation::Messages, &messages).unwrap();
    let sent: Value = serde_json::from_slice(&translated.body.unwrap()).unwrap();
    assert_eq!(sent["tools"], json!([{"googleSearch": {}}]));
    assert_eq!(
        translated.dropped,
        [
            "tools.web_search_20250305.max_uses",
            "web_search_options.user_location"
        ]
    );
    let error = ask("groq", Operation::Responses, &responses).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("tools.web_search"));
}

#[test]
fn citations_of_others_do_not_go_to_anthropic() {
    let cited = |mark: &str| {
        json!({"type": "text", "text": "x", "citations": [{
            "type": "web_search_result_location", "url": "https://a.example/", "title": "A",
            "cited_text": "", "encrypted_index": mark,
        }]})
    };
    let mut wordless = cited("");
    wordless["text"] = json!("");
    let body = json!({"max_tokens": 9, "messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [cited(""), wordless, cited("Eo8B")]},
        {"role": "user", "content": "b"},
        {"role": "assistant", "content": [wordless]},
        {"role": "user", "content": "c"},
    ]});
    let translated = translate(
        "anthropic",
        Operation::Messages,
        body.to_string().as_bytes(),
    )
    .unwrap();
    let sent: Value = serde_json::from_slice(&translated.body.unwrap()).unwrap();
    let plain = json!({"type": "text", "text": "x"});
    assert_eq!(
        sent["messages"][1]["content"],
        json!([plain, cited("Eo8B")])
    );
    assert_eq!(sent["messages"].as_array().map(Vec::len), Some(4));
    assert_eq!(translated.dropped, ["messages.citations"]);
}
