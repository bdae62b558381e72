//! Endpoints besides chat, passed through to providers of OpenAI's kind; Messages to Anthropic.

use dragoman_dialect::{RequestHead, Translated, translate_request};
use dragoman_proto::{Admission, ApiError, Dialect, Operation};
use serde_json::{Value, json};

use crate::support::{self, JSON, SSE, admission, answer, deployment, head, respond};

pub(crate) fn translate(
    target: &str,
    operation: Operation,
    body: &Value,
) -> Result<Translated, ApiError> {
    let admission = Admission {
        output_cap: Some(50),
        ..admission(operation, body["stream"] == true)
    };
    let body = serde_json::to_vec(body).unwrap();
    support::translate(&deployment(target), &admission, None, &body)
}

pub(crate) fn sent(translated: &Translated) -> Value {
    serde_json::from_slice(translated.body.as_ref().unwrap()).unwrap()
}

#[test]
fn an_embedding_is_passed_and_counted() {
    let body = json!({"model": "alias", "input": ["a"], "timeout": 3});
    let translated = translate("openai", Operation::Embeddings, &body).unwrap();
    assert_eq!(translated.path, "/v1/embeddings");
    assert_eq!(
        sent(&translated),
        json!({"model": "gpt-4o-mini", "input": ["a"]})
    );
    let reply = br#"{"object":"list","data":[{"embedding":[0.1]}],"model":"real","usage":{"prompt_tokens":4,"total_tokens":4}}"#;
    let outcome = answer(&translated.response, JSON, reply);
    assert!(outcome.body.contains(r#""model":"alias""#));
    assert!(
        outcome.report.contains("input_tokens: 4,"),
        "{}",
        outcome.report
    );
}

#[test]
fn images_are_counted() {
    let body = json!({"model": "alias", "prompt": "a cat", "n": 2});
    let translated = translate("openai", Operation::ImagesGenerations, &body).unwrap();
    let reply = br#"{"created":1,"data":[{"url":"a"},{"url":"b"}]}"#;
    let outcome = answer(&translated.response, JSON, reply);
    assert!(outcome.report.contains("images: 2,"), "{}", outcome.report);
    assert_eq!(outcome.body.as_bytes(), reply);
}

#[test]
fn speech_is_passed_as_bytes_and_counted_by_characters() {
    let body = json!({"model": "alias", "input": "grüße", "voice": "v"});
    let translated = translate("openai", Operation::AudioSpeech, &body).unwrap();
    let outcome = respond(
        &translated.response,
        &head(200, "audio/mpeg"),
        [&b"ID3"[..], b"x"],
    );
    assert_eq!((outcome.body.as_str(), outcome.head.status), ("ID3x", 200));
    assert_eq!(outcome.head.content_type, "audio/mpeg");
    assert!(
        outcome.report.contains("characters: 5"),
        "{}",
        outcome.report
    );
}

#[test]
fn a_form_has_only_its_model_replaced() {
    let form = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nalias\r\n--b\r\n\
                Content-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nalias\r\n--b--\r\n";
    let kind = "multipart/form-data; boundary=b";
    let translated = support::translate(
        &deployment("openai"),
        &admission(Operation::AudioTranscriptions, false),
        Some(kind),
        form.as_bytes(),
    )
    .unwrap();
    let sent = String::from_utf8(translated.body.unwrap()).unwrap();
    assert_eq!(sent, form.replacen("alias", "gpt-4o-mini", 1));
    assert_eq!(translated.headers[0], ("content-type", kind.to_owned()));
    let text = respond(
        &translated.response,
        &head(200, "text/plain"),
        [&b"hello"[..]],
    );
    assert_eq!(text.body, "hello");
}

#[test]
fn the_output_is_capped() {
    for (target, operation, body, field) in [
        (
            "openai",
            Operation::ChatCompletions,
            json!({"messages": []}),
            "max_completion_tokens",
        ),
        (
            "groq",
            Operation::ChatCompletions,
            json!({"max_completion_tokens": 900}),
            "max_tokens",
        ),
        (
            "openai",
            Operation::ChatCompletions,
            json!({"max_tokens": 900}),
            "max_tokens",
        ),
        (
            "openai",
            Operation::Completions,
            json!({"prompt": "x"}),
            "max_tokens",
        ),
        (
            "openai",
            Operation::Responses,
            json!({"input": "x"}),
            "max_output_tokens",
        ),
        (
            "anthropic",
            Operation::Messages,
            json!({"max_tokens": 51}),
            "max_tokens",
        ),
    ] {
        let sent = sent(&translate(target, operation, &body).unwrap());
        assert_eq!(sent[field], 50, "{target} {operation:?}: {sent}");
    }
    let small = json!({"max_tokens": 7, "messages": []});
    let sent = sent(&translate("openai", Operation::ChatCompletions, &small).unwrap());
    assert_eq!(sent["max_tokens"], 7);
}

#[test]
fn defaults_yield_to_the_client() {
    let mut deployment = deployment("openai");
    deployment.defaults =
        serde_json::from_value(json!({"temperature": 0.2, "top_p": 0.5})).unwrap();
    let body = br#"{"messages":[],"temperature":0.9}"#;
    let admission = admission(Operation::ChatCompletions, false);
    let translated = support::translate(&deployment, &admission, None, body).unwrap();
    let sent = sent(&translated);
    assert_eq!(
        (&sent["temperature"], &sent["top_p"]),
        (&json!(0.9), &json!(0.5))
    );
}

#[test]
fn a_client_cannot_steer_the_gateway() {
    let body = json!({"messages": [], "api_base": "http://evil.test", "api_key": "sk-x",
        "base_url": "x", "custom_llm_provider": "y", "mock_response": "z", "metadata": {"a": 1}});
    let sent = sent(&translate("openai", Operation::ChatCompletions, &body).unwrap());
    let names: Vec<_> = sent.as_object().unwrap().keys().collect();
    assert_eq!(names, ["messages", "model", "max_completion_tokens"]);
}

/// The least that can be asked of an endpoint.
fn least(operation: Operation) -> String {
    let members = match operation {
        Operation::Completions | Operation::ImagesGenerations => r#""prompt":"x""#,
        Operation::ChatCompletions | Operation::Messages | Operation::CountTokens => {
            r#""max_tokens":9,"messages":[{"role":"user","content":"x"}]"#
        }
        Operation::Rerank => r#""query":"x","documents":["x"]"#,
        _ => r#""input":"x""#,
    };
    format!("{{{members}}}")
}

#[test]
fn a_plan_can_count_on_what_a_dialect_says_it_serves() {
    let form = "--b\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nx\r\n--b\r\n\
                Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\
                Content-Type: image/png\r\n\r\nx\r\n--b--\r\n";
    for name in [
        "openai",
        "groq",
        "anthropic",
        "ollama",
        "azure",
        "cohere",
        "gemini",
        "vertex-gemini",
        "vertex-claude",
    ] {
        for operation in Operation::ALL {
            let deployment = deployment(name);
            let least = least(operation);
            let (kind, body) = if operation.is_multipart() {
                (Some("multipart/form-data; boundary=b"), form.as_bytes())
            } else {
                (None, least.as_bytes())
            };
            let head = RequestHead {
                content_type: kind,
                ..RequestHead::default()
            };
            let asked = translate_request(&deployment, &admission(operation, false), &head, body);
            let served = deployment.dialect.serves(operation, &deployment.model);
            match asked {
                Ok(_) => assert!(served, "{name} {operation:?} is served"),
                Err(error) => {
                    assert!(!served, "{name} {operation:?}: {}", error.message);
                    let says = format!(
                        "{} does not serve /v1{}",
                        deployment.provider,
                        operation.path()
                    );
                    assert!(error.message.starts_with(&says), "{}", error.message);
                    assert_eq!(error.status(), 400);
                }
            }
        }
    }
}

#[test]
fn the_documented_table_is_what_dialects_serve() {
    use Dialect::{Anthropic, Azure, Cohere, Gemini, Ollama, OpenAi};
    let page = include_str!("../../../docs/endpoints.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let mut documented = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        for path in cells[0].split(", ").map(|path| path.trim_matches('`')) {
            let operation = Operation::at(&format!("/{path}")).unwrap();
            let dialects = [OpenAi, OpenAi, Azure, Anthropic, Gemini, Cohere, Ollama];
            for (dialect, cell) in dialects.into_iter().zip(&cells[1..]) {
                let says = *cell != "400";
                assert_eq!(dialect.serves(operation, "m"), says, "{path} {dialect:?}");
            }
            documented.push(operation);
        }
    }
    documented.sort();
    assert_eq!(documented, Operation::ALL);
}

#[test]
fn anthropic_says_what_it_does_not_have() {
    let error = translate("anthropic", Operation::Embeddings, &json!({"input": "x"})).unwrap_err();
    assert_eq!(error.status(), 400);
    assert!(
        error.message.contains("/v1/embeddings"),
        "{}",
        error.message
    );
}

#[test]
fn responses_streams_are_passed_and_counted() {
    let body = json!({"model": "alias", "input": "x", "stream": true});
    let translated = translate("openai", Operation::Responses, &body).unwrap();
    let stream = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"real\"}}\n\n\
        event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hi\"}\n\n\
        event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"model\":\"real\",\"usage\":{\"input_tokens\":3,\"output_tokens\":2}}}\n\n";
    let outcome = respond(&translated.response, &head(200, SSE), [stream.as_bytes()]);
    assert_eq!(outcome.body, stream.replace("real", "alias"));
    assert!(outcome.report.contains("Complete"), "{}", outcome.report);
    assert!(
        outcome.report.contains("output_tokens: 2,"),
        "{}",
        outcome.report
    );
    let cut = stream.split("event: response.completed").next().unwrap();
    let outcome = respond(&translated.response, &head(200, SSE), [cut.as_bytes()]);
    assert_eq!(outcome.body.matches("event: response.failed\n").count(), 1);
    assert!(
        outcome.body.contains(r#""response":{"id":"r","#),
        "{}",
        outcome.body
    );
}

#[test]
fn anthropic_s_own_stream_is_passed_and_counted() {
    let body = json!({"model": "alias", "max_tokens": 9, "stream": true,
        "messages": [{"role": "user", "content": "x"}], "metadata": {"user_id": "u"}});
    let translated = translate("anthropic", Operation::Messages, &body).unwrap();
    assert_eq!(translated.path, "/v1/messages");
    assert_eq!(sent(&translated)["metadata"]["user_id"], "u");
    let stream = std::fs::read(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/streams/anthropic/text.sse"
    ))
    .unwrap();
    let outcome = respond(&translated.response, &head(200, SSE), [&stream[..]]);
    assert!(outcome.body.contains(r#""model":"alias""#) && !outcome.body.contains("claude-3"));
    assert!(
        outcome
            .body
            .ends_with("event: message_stop\ndata: {\"type\": \"message_stop\"}\n\n")
    );
    assert!(
        outcome.report.contains("output_tokens: 15,"),
        "{}",
        outcome.report
    );
}
