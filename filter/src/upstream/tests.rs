//! The upstream role against a fake Envoy.

use dragoman_proto::{Admission, Dialect, Operation, Quirks, UsageSource};

use super::*;
use crate::testing::FakeHost;

const CHAT: &str = r#"{"model":"llm","messages":[{"role":"user","content":"hello"}]}"#;
const ANSWER: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;

fn config(dialect: Dialect) -> Rc<UpstreamConfig> {
    Rc::new(UpstreamConfig {
        deployment: "d1".into(),
        provider: "openai".into(),
        dialect,
        model: "gpt-x".into(),
        authority: "provider.test".into(),
        base_path: "/v1".into(),
        api_version: None,
        defaults: serde_json::Map::new(),
        drop_params: false,
        quirks: Quirks::default(),
    })
}

fn admission(stream: bool) -> Admission {
    Admission {
        request_id: "r1".into(),
        admitted_ms: 1_763_600_000_000,
        alias: "llm".into(),
        operation: Operation::ChatCompletions,
        stream,
        output_cap: None,
        output_caps: Vec::new(),
        prompt_tokens: 3,
        key_id: "master".into(),
        team_id: None,
        user_id: None,
        end_user: None,
        tags: Vec::new(),
        reserved: false,
        captured: Vec::new(),
        fallbacks: Vec::new(),
        headers: Vec::new(),
    }
}

/// A request as it reaches attempt `attempt`: with whatever client and earlier attempts left.
fn host(attempt: u64, stream: bool, body: &str) -> FakeHost {
    let left = [
        ("authorization", "Bearer sk-client"),
        ("x-api-key", "sk-of-another-provider"),
        ("cookie", "session=1"),
        ("x-dragoman-model", "llm"),
        ("x-forwarded-for", "10.0.0.1"),
        ("content-type", "application/json"),
    ];
    let host = FakeHost::post("/v1/chat/completions", &left, body);
    host.set(
        &[
            "metadata",
            "filter_metadata",
            names::ADMISSION_NAMESPACE,
            Admission::FIELD,
        ],
        admission(stream).encode().as_bytes(),
    );
    host.set(
        &["upstream", "request_attempt_count"],
        &attempt.to_le_bytes(),
    );
    host
}

fn send(upstream: &mut Upstream, host: &FakeHost) -> Flow {
    assert_eq!(upstream.on_request_headers(host, false), Flow::Pause);
    let size = host.request_body.borrow().len();
    upstream.on_request_body(host, size, true)
}

fn report(host: &FakeHost) -> AttemptReport {
    let wire = host
        .property(&[names::REPORT_PROPERTY])
        .expect("a report was written");
    AttemptReport::from_text(&wire).expect("it reads back")
}

#[test]
fn nothing_of_the_client_or_of_an_earlier_attempt_reaches_the_provider() {
    let host = host(2, false, CHAT);
    send(&mut Upstream::new(config(Dialect::OpenAi)), &host);
    let allowed = [
        ":method",
        ":path",
        ":authority",
        ":scheme",
        "user-agent",
        "content-length",
        "content-type",
        "accept",
    ];
    for name in host.header_names() {
        assert!(
            allowed.contains(&name.as_str()),
            "{name} must not reach the provider"
        );
    }
    assert_eq!(
        host.request_header(":authority").as_deref(),
        Some("provider.test")
    );
    let length = host.request_body.borrow().len().to_string();
    assert_eq!(host.request_header("content-length"), Some(length));
}

#[test]
fn a_json_answer_is_held_until_it_is_whole() {
    let host = host(1, false, CHAT);
    let mut upstream = Upstream::new(config(Dialect::OpenAi));
    assert_eq!(send(&mut upstream, &host), Flow::Continue);
    let (begin, end) = ANSWER.split_at(40);
    host.answer(
        &[(":status", "200"), ("content-type", "application/json")],
        begin,
    );
    assert_eq!(upstream.on_response_headers(&host, false), Flow::Pause);
    assert_eq!(
        upstream.on_response_body(&host, begin.len(), false),
        Flow::Pause
    );
    assert!(host.response_body.borrow().is_empty());
    *host.response_body.borrow_mut() = end.into();
    assert_eq!(
        upstream.on_response_body(&host, end.len(), true),
        Flow::Continue
    );
    let body = String::from_utf8(host.response_body.borrow().clone()).unwrap();
    assert!(body.contains(r#""model":"llm""#), "{body}");
    assert_eq!(
        host.response_header("content-length"),
        Some(body.len().to_string())
    );
    assert_eq!(
        host.response_header(names::DEPLOYMENT).as_deref(),
        Some("d1")
    );
}

#[test]
fn the_report_of_a_whole_answer_has_the_provider_s_usage() {
    let host = host(1, false, CHAT);
    let mut upstream = Upstream::new(config(Dialect::OpenAi));
    send(&mut upstream, &host);
    host.answer(
        &[(":status", "200"), ("content-type", "application/json")],
        ANSWER,
    );
    upstream.on_response_headers(&host, false);
    upstream.on_response_body(&host, ANSWER.len(), true);
    let report = report(&host);
    assert_eq!(report.outcome(), Outcome::Complete);
    assert_eq!(report.usage_source(), UsageSource::Provider);
    let usage = report.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (3, 2));
}

#[test]
fn a_failure_that_another_deployment_may_not_have_is_marked_for_the_router() {
    let host = host(1, false, CHAT);
    let mut upstream = Upstream::new(config(Dialect::OpenAi));
    send(&mut upstream, &host);
    let body = r#"{"error":{"message":"overloaded","type":"server_error"}}"#;
    host.answer(
        &[(":status", "503"), ("content-type", "application/json")],
        body,
    );
    upstream.on_response_headers(&host, false);
    upstream.on_response_body(&host, body.len(), true);
    assert_eq!(host.response_header(names::RETRY).as_deref(), Some("1"));
    assert_eq!(host.response_header(":status").as_deref(), Some("503"));
    assert_eq!(report(&host).outcome(), Outcome::Failed);
}

#[test]
fn a_failure_without_a_body_carries_its_error_to_the_edge() {
    let host = host(1, false, CHAT);
    let mut upstream = Upstream::new(config(Dialect::OpenAi));
    send(&mut upstream, &host);
    host.answer(&[(":status", "500"), ("content-length", "0")], "");
    assert_eq!(upstream.on_response_headers(&host, true), Flow::Continue);
    assert!(
        host.response_header(names::BODILESS)
            .unwrap()
            .starts_with(r#"{"error""#)
    );
    assert_eq!(host.response_header(names::RETRY).as_deref(), Some("1"));
}

#[test]
fn a_second_attempt_s_report_keeps_the_first() {
    let first = host(1, false, CHAT);
    send(&mut Upstream::new(config(Dialect::OpenAi)), &first);
    let second = host(2, false, CHAT);
    second.set(
        &[names::REPORT_PROPERTY],
        &first.property(&[names::REPORT_PROPERTY]).unwrap(),
    );
    send(&mut Upstream::new(config(Dialect::Anthropic)), &second);
    let report = report(&second);
    assert_eq!(report.attempt, 2);
    assert_eq!(
        report.earlier.iter().map(|r| r.attempt).collect::<Vec<_>>(),
        [1]
    );
}

#[test]
fn what_the_target_cannot_express_is_told_to_the_client_at_once() {
    let body = r#"{"model":"llm","messages":[{"role":"user","content":"hello"}],"seed":7}"#;
    let host = host(1, false, body);
    assert_eq!(
        send(&mut Upstream::new(config(Dialect::Anthropic)), &host),
        Flow::Pause
    );
    let reply = host.replied();
    assert_eq!(reply.status, 400);
    assert!(reply.body.contains("seed"), "{}", reply.body);
    assert_eq!(report(&host).outcome(), Outcome::Rejected);
}

#[test]
fn a_stream_s_headers_wait_for_its_first_meaningful_event() {
    let host = host(1, true, &CHAT.replacen("{", r#"{"stream":true,"#, 1));
    let mut upstream = Upstream::new(config(Dialect::OpenAi));
    send(&mut upstream, &host);
    let comment = ": ping\n\n";
    host.answer(
        &[(":status", "200"), ("content-type", "text/event-stream")],
        comment,
    );
    upstream.on_response_headers(&host, false);
    assert_eq!(
        upstream.on_response_body(&host, comment.len(), false),
        Flow::Pause
    );
    let event = "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"hi\"},\"finish_reason\":null}]}\n\n";
    *host.response_body.borrow_mut() = event.into();
    assert_eq!(
        upstream.on_response_body(&host, event.len(), false),
        Flow::Continue
    );
    assert_eq!(host.response_header(":status").as_deref(), Some("200"));
    assert_eq!(
        host.response_header("content-type").as_deref(),
        Some("text/event-stream; charset=utf-8")
    );
}

/// Attempt `attempt` of a request of Anthropic's own clients.
fn messages(attempt: u64, operation: Operation) -> FakeHost {
    let host = host(attempt, false, CHAT);
    let admission = Admission {
        operation,
        ..admission(false)
    };
    let path = [
        "metadata",
        "filter_metadata",
        names::ADMISSION_NAMESPACE,
        Admission::FIELD,
    ];
    host.set(&path, admission.encode().as_bytes());
    host
}

#[test]
fn a_request_that_needs_no_provider_is_answered_at_once() {
    let host = messages(1, Operation::CountTokens);
    let mut upstream = Upstream::new(config(Dialect::OpenAi));
    assert_eq!(send(&mut upstream, &host), Flow::Pause);
    let reply = host.replied();
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (200, r#"{"input_tokens":3}"#)
    );
    let report = report(&host);
    assert_eq!(report.outcome, i32::from(Outcome::Complete));
    assert_eq!(report.usage, None);
}

#[test]
fn an_attempt_asks_for_no_more_than_its_own_model_makes() {
    let admission = Admission {
        output_cap: Some(512),
        output_caps: vec![512, 128],
        ..admission(false)
    };
    for (attempt, cap) in [(1, 512), (2, 128), (3, 512)] {
        let host = host(attempt, false, CHAT);
        let namespace = names::ADMISSION_NAMESPACE;
        let property = ["metadata", "filter_metadata", namespace, Admission::FIELD];
        host.set(&property, admission.encode().as_bytes());
        send(&mut Upstream::new(config(Dialect::OpenAi)), &host);
        let body: serde_json::Value =
            serde_json::from_slice(&host.request_body.borrow()).expect("JSON");
        assert_eq!(body["max_completion_tokens"], cap, "attempt {attempt}");
    }
}

#[test]
fn a_stream_keeps_no_room_for_a_burst_that_has_passed() {
    let host = host(1, true, CHAT);
    let mut upstream = Upstream::new(config(Dialect::OpenAi));
    send(&mut upstream, &host);
    let event = r#"data: {"id":"1","choices":[{"index":0,"delta":{"content":"word"}}]}"#;
    let burst = format!("{event}\n\n").repeat(10_000);
    host.answer(
        &[(":status", "200"), ("content-type", "text/event-stream")],
        &burst,
    );
    upstream.on_response_headers(&host, false);
    upstream.on_response_body(&host, burst.len(), false);
    assert!(host.response_body.borrow().len() > 10_000 * event.len());
    assert!(upstream.out.capacity() <= KEPT);
}

#[test]
fn betas_survive_an_attempt_at_a_provider_without_them() {
    let host = messages(1, Operation::Messages);
    host.request
        .borrow_mut()
        .push(("anthropic-beta".into(), "b-1".into()));
    send(&mut Upstream::new(config(Dialect::OpenAi)), &host);
    assert_eq!(host.request_header("anthropic-beta"), None);
    host.set(&["upstream", "request_attempt_count"], &2_u64.to_le_bytes());
    *host.request_body.borrow_mut() = CHAT.into();
    send(&mut Upstream::new(config(Dialect::Anthropic)), &host);
    assert_eq!(
        host.request_header("anthropic-beta").as_deref(),
        Some("b-1")
    );
}
