//! The edge role against a fake Envoy.

use super::*;
use crate::testing::FakeHost;

const CHAT: &str =
    r#"{"model":"llm","messages":[{"role":"user","content":"hello"}],"stream":true}"#;

fn config() -> Rc<EdgeConfig> {
    Rc::new(EdgeConfig {
        root_path: "/ai-api".into(),
        max_body_bytes: 1 << 20,
    })
}

/// Runs a request through the edge in one piece.
fn run(host: &FakeHost) -> Flow {
    let mut edge = Edge::new(config());
    let size = host.request_body.borrow().len();
    match edge.on_request_headers(host, size == 0) {
        Flow::Pause if host.reply.borrow().is_none() => edge.on_request_body(host, size, true),
        flow => flow,
    }
}

#[test]
fn the_facts_of_a_chat_are_stated_in_headers() {
    let host = FakeHost::post(
        "/ai-api/v1/chat/completions",
        &[("content-type", "application/json")],
        CHAT,
    );
    assert_eq!(run(&host), Flow::Continue);
    let facts = Facts::from_headers(|name| {
        host.request_header(name)
            .map(|value| &*Box::leak(value.into_boxed_str()))
    });
    let facts = facts.unwrap();
    assert_eq!(facts.model.as_deref(), Some("llm"));
    assert_eq!(facts.operation, Operation::ChatCompletions);
    assert!(facts.stream);
    assert!(facts.prompt_tokens > 0 && facts.prompt_bound >= facts.prompt_tokens);
    assert_eq!(facts.path, "/ai-api/v1/chat/completions");
    assert_eq!(
        host.request_header(":path").as_deref(),
        Some("/v1/chat/completions")
    );
}

#[test]
fn headers_that_pose_as_ours_or_steer_the_router_are_stripped() {
    let forged = [
        ("x-dragoman-model", "gpt-4o"),
        ("x-dragoman-anything", "1"),
        ("x-envoy-max-retries", "99"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-kept", "yes"),
    ];
    let host = FakeHost::post("/v1/models", &forged, "{}");
    run(&host);
    assert!(
        !host
            .header_names()
            .iter()
            .any(|name| name.starts_with("x-dragoman-") || name.starts_with("x-envoy-"))
    );
    assert_eq!(host.request_header("x-kept").as_deref(), Some("yes"));
}

#[test]
fn what_is_not_a_provider_s_passes_unread() {
    let host = FakeHost::post("/key/generate", &[], "not json");
    assert_eq!(run(&host), Flow::Continue);
    assert!(host.reply.borrow().is_none());
}

#[test]
fn a_bad_body_is_answered_by_the_edge() {
    let host = FakeHost::post("/v1/chat/completions", &[], "{");
    assert_eq!(run(&host), Flow::Pause);
    let reply = host.replied();
    assert_eq!(reply.status, 400);
    assert!(
        reply.body.contains("invalid_request_error"),
        "{}",
        reply.body
    );
    let readable = ("access-control-allow-origin".into(), "*".into());
    assert!(reply.headers.contains(&readable), "{:?}", reply.headers);
}

#[test]
fn a_compressed_body_is_a_415() {
    let host = FakeHost::post(
        "/v1/chat/completions",
        &[("content-encoding", "gzip")],
        CHAT,
    );
    run(&host);
    assert_eq!(host.replied().status, 415);
}

#[test]
fn a_body_that_says_it_is_over_the_cap_is_refused_before_it_is_sent() {
    let host = FakeHost::post(
        "/v1/chat/completions",
        &[("content-length", "2000000")],
        CHAT,
    );
    let mut edge = Edge::new(config());
    assert_eq!(edge.on_request_headers(&host, false), Flow::Pause);
    assert_eq!(host.replied().status, 413);
}

#[test]
fn a_body_that_grows_over_the_cap_is_refused() {
    let host = FakeHost::post("/v1/chat/completions", &[], CHAT);
    let mut edge = Edge::new(config());
    edge.on_request_headers(&host, false);
    assert_eq!(
        edge.on_request_body(&host, (1 << 20) + 1, false),
        Flow::Pause
    );
    assert_eq!(host.replied().status, 413);
}

#[test]
fn an_error_is_in_the_dialect_of_the_client() {
    let host = FakeHost::post("/v1/messages", &[], "{");
    run(&host);
    assert!(
        host.replied().body.starts_with(r#"{"type":"error""#),
        "{}",
        host.replied().body
    );
}

#[test]
fn an_upstream_error_without_a_body_gets_one() {
    let host = FakeHost::default();
    host.answer(
        &[
            (":status", "503"),
            (names::BODILESS, r#"{"error":{}}"#),
            ("retry-after", "3"),
        ],
        "",
    );
    assert_eq!(
        Edge::new(config()).on_response_headers(&host, true),
        Flow::Pause
    );
    let reply = host.replied();
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (503, r#"{"error":{}}"#)
    );
    assert!(reply.headers.contains(&("retry-after".into(), "3".into())));
}
