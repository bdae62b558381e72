//! Providers that answer what they should not.

use std::io::Write;

use dragoman_dialect::ResponseHead;
use dragoman_proto::Operation;
use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use serde_json::json;

use crate::endpoints::translate;
use crate::support::{
    DIALECTS, JSON, NDJSON, Outcome, SSE, answer, context, fixtures, head, respond, stream_type,
};

const STREAM: &str = r#","stream":true"#;

fn assert_bad_gateway(outcome: &Outcome, case: &str) {
    assert_eq!(outcome.head.status, 502, "{case}: {outcome:?}");
    assert!(outcome.head.retryable, "{case}");
    assert_eq!(outcome.head.content_type, JSON, "{case}");
    assert!(
        outcome.body.starts_with(r#"{"error":{"message":""#),
        "{case}"
    );
}

#[test]
fn garbage_with_status_200_is_a_502() {
    let cases: [(&str, &str, &[u8]); 7] = [
        ("HTML", "text/html", b"<html><body>Sign in</body></html>"),
        ("broken JSON", JSON, b"{\"choices\": [{\"index\""),
        ("nothing", JSON, b""),
        ("white space", JSON, b" \r\n"),
        (
            "the wrong shape",
            JSON,
            b"{\"id\":\"x\",\"object\":\"chat.completion\"}",
        ),
        ("no object", JSON, b"[1,2]"),
        ("invalid UTF-8", JSON, b"{\"choices\":[\"\xff\"]}"),
    ];
    for dialect in DIALECTS {
        for extra in ["", STREAM] {
            for (case, content_type, body) in cases {
                let outcome = answer(&context(dialect, extra), content_type, body);
                assert_bad_gateway(&outcome, &format!("{case} from {dialect} {extra}"));
            }
        }
    }
}

#[test]
fn html_that_claims_to_be_a_stream_is_a_502() {
    for dialect in DIALECTS {
        let body = b"<html>\n\n</html>\n\n";
        let outcome = answer(&context(dialect, STREAM), stream_type(dialect), body);
        assert_bad_gateway(&outcome, dialect);
    }
}

#[test]
fn a_stream_that_nobody_asked_for_is_a_502() {
    for dialect in DIALECTS {
        for (name, stream) in fixtures(&format!("streams/{dialect}")) {
            let outcome = answer(&context(dialect, ""), stream_type(dialect), &stream);
            assert_bad_gateway(&outcome, &name);
        }
    }
}

#[test]
fn a_json_error_in_place_of_a_stream_keeps_its_meaning() {
    let body = br#"{"error":{"message":"slow down","code":"rate_limit_exceeded"}}"#;
    let outcome = answer(&context("openai", STREAM), JSON, body);
    assert_eq!(outcome.head.status, 429);
    assert!(outcome.body.contains("slow down"));
}

#[test]
fn errors_keep_status_message_code_and_param() {
    let body = br#"{"error":{"message":"'top_p' is out of range","type":"invalid_request_error",
        "param":"top_p","code":"invalid_value"}}"#;
    let outcome = respond(&context("openai", ""), &head(400, JSON), [&body[..]]);
    assert_eq!(
        outcome.body,
        r#"{"error":{"message":"openai: 'top_p' is out of range","type":"invalid_request_error","param":"top_p","code":"invalid_value"}}"#
    );
    assert!(!outcome.head.retryable);
    assert!(outcome.report.contains("Rejected"), "{}", outcome.report);
}

#[test]
fn anthropic_s_errors_are_translated() {
    for (status, kind, message, expected, retryable) in [
        (400, "invalid_request_error", "messages.0: bad", 400, false),
        (
            400,
            "invalid_request_error",
            "prompt is too long: 2 > 1",
            400,
            true,
        ),
        (401, "authentication_error", "invalid x-api-key", 502, true),
        (404, "not_found_error", "model: claude-9", 404, true),
        (413, "request_too_large", "too large", 413, true),
        (429, "rate_limit_error", "slow down", 429, true),
        (500, "api_error", "oops", 502, true),
        (529, "overloaded_error", "Overloaded", 503, true),
    ] {
        let body = format!(
            r#"{{"type":"error","error":{{"type":"{kind}","message":"{message}"}},"request_id":"r"}}"#
        );
        let outcome = respond(
            &context("anthropic", ""),
            &head(status, JSON),
            [body.as_bytes()],
        );
        assert_eq!(
            (outcome.head.status, outcome.head.retryable),
            (expected, retryable),
            "{kind}: {}",
            outcome.body
        );
        assert_eq!(
            outcome.body.contains(message),
            status != 401,
            "{}",
            outcome.body
        );
    }
}

#[test]
fn errors_of_ollama_and_cohere_keep_their_meaning() {
    for (dialect, status, body, expected) in [
        (
            "ollama",
            404,
            r#"{"error":"model \"x\" not found, try pulling it first"}"#,
            404,
        ),
        (
            "ollama",
            400,
            r#"{"error":"the input length exceeds the context length"}"#,
            400,
        ),
        (
            "ollama",
            400,
            r#"{"error":"\"x\" does not support tools"}"#,
            400,
        ),
        (
            "ollama",
            500,
            r#"{"error":"model requires more system memory"}"#,
            502,
        ),
        (
            "ollama",
            503,
            r#"{"error":"server busy, please try again"}"#,
            503,
        ),
        (
            "cohere",
            401,
            r#"{"id":"1","message":"invalid api token"}"#,
            502,
        ),
        (
            "cohere",
            404,
            r#"{"id":"1","message":"model 'x' not found"}"#,
            404,
        ),
        (
            "cohere",
            400,
            r#"{"id":"1","message":"too many tokens: 9"}"#,
            400,
        ),
        ("cohere", 429, r#"{"id":"1","message":"slow down"}"#, 429),
    ] {
        let outcome = respond(
            &context(dialect, ""),
            &head(status, JSON),
            [body.as_bytes()],
        );
        assert_eq!(outcome.head.status, expected, "{body}: {}", outcome.body);
        let too_long = body.contains("context length") || body.contains("too many tokens");
        assert_eq!(
            outcome.body.contains("context_length_exceeded"),
            too_long,
            "{body}"
        );
    }
}

#[test]
fn an_error_that_is_a_web_page_has_its_status() {
    let page = b"<html>502 Bad Gateway</html>";
    let outcome = respond(
        &context("openai", STREAM),
        &head(503, "text/html"),
        [&page[..]],
    );
    assert_eq!(outcome.head.status, 503);
    assert!(!outcome.body.contains("<html>"));
}

#[test]
fn retry_after_is_kept_in_whole_seconds() {
    for (seconds, millis, expected) in [
        (Some("7"), None, Some(7)),
        (Some("7"), Some("6400"), Some(7)),
        (None, Some("1"), Some(1)),
        (None, Some("6400"), Some(7)),
        (Some("Wed, 21 Oct 2026 07:28:00 GMT"), None, None),
    ] {
        let response = ResponseHead {
            retry_after: seconds,
            retry_after_ms: millis,
            ..head(429, JSON)
        };
        let outcome = respond(&context("openai", ""), &response, [&b"{}"[..]]);
        assert_eq!(
            (outcome.head.status, outcome.head.retry_after),
            (429, expected)
        );
    }
}

fn compressed(encoding: &str, body: &[u8]) -> Vec<u8> {
    let level = Compression::default();
    match encoding {
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), level);
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        "zlib" => {
            let mut encoder = ZlibEncoder::new(Vec::new(), level);
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
        _ => {
            let mut encoder = DeflateEncoder::new(Vec::new(), level);
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        }
    }
}

#[test]
fn compressed_answers_are_read() {
    for (wrapper, encoding) in [("gzip", "gzip"), ("zlib", "deflate"), ("raw", "deflate")] {
        for (dialect, folder, extra, content_type) in [
            ("openai", "answers/openai", "", JSON),
            ("anthropic", "streams/anthropic", STREAM, SSE),
            ("ollama", "streams/ollama", STREAM, NDJSON),
        ] {
            let (_, body) = fixtures(folder)
                .into_iter()
                .find(|(n, _)| n == "text")
                .unwrap();
            let context = context(dialect, extra);
            let plain = answer(&context, content_type, &body);
            let response = ResponseHead {
                content_encoding: Some(encoding),
                ..head(200, content_type)
            };
            let bytes = compressed(wrapper, &body);
            assert_eq!(respond(&context, &response, [&bytes[..]]), plain);
            assert_eq!(respond(&context, &response, bytes.chunks(1)), plain);
            let cut = respond(&context, &response, [&bytes[..bytes.len() / 2]]);
            assert!(!cut.report.contains("Complete"), "{}", cut.report);
        }
    }
}

#[test]
fn an_unknown_encoding_is_a_502() {
    let response = ResponseHead {
        content_encoding: Some("br"),
        ..head(200, JSON)
    };
    assert_bad_gateway(
        &respond(&context("openai", ""), &response, [&b"x"[..]]),
        "br",
    );
}

#[test]
fn a_bomb_is_refused() {
    let bomb = compressed("gzip", &vec![b' '; 65 * 1024 * 1024]);
    let response = ResponseHead {
        content_encoding: Some("gzip"),
        ..head(200, JSON)
    };
    let outcome = respond(&context("openai", ""), &response, [&bomb[..]]);
    assert_bad_gateway(&outcome, "bomb");
}

#[test]
fn an_anthropic_client_gets_anthropic_s_error() {
    let deployment = crate::support::deployment("anthropic");
    let admission = crate::support::admission(Operation::Messages, false);
    let body = br#"{"model":"alias","max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
    let translated = crate::support::translate(&deployment, &admission, None, body).unwrap();
    let outcome = answer(&translated.response, JSON, b"nonsense");
    assert!(
        outcome
            .body
            .starts_with(r#"{"type":"error","error":{"type":"api_error""#)
    );
}

#[test]
fn a_stream_of_events_that_is_done_before_its_answer_is_a_bad_gateway() {
    let created = "data: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"}}\n\n";
    for before in ["", created] {
        let body = json!({"input": "x", "stream": true});
        let translated = translate("openai", Operation::Responses, &body).unwrap();
        let stream = format!("{before}data: [DONE]\n\n");
        let outcome = answer(&translated.response, SSE, stream.as_bytes());
        assert_bad_gateway(&outcome, before);
    }
}
