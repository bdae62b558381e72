//! Streams: their golden form, and the same form however the bytes are split.

use dragoman_dialect::{ResponseContext, ResponseHead, ResponseTranslator};

use crate::support::{DIALECTS, Outcome, SSE, context, fixtures, head, respond, stream_type};

const USAGE: &str = r#","stream":true,"stream_options":{"include_usage":true}"#;
const PLAIN: &str = r#","stream":true"#;

fn contexts(dialect: &str, name: &str) -> Vec<ResponseContext> {
    let schema = if name == "json_schema" {
        r#","response_format":{"type":"json_schema","json_schema":{"name":"n"}}"#
    } else {
        ""
    };
    [USAGE, PLAIN]
        .map(|extra| context(dialect, &format!("{extra}{schema}")))
        .to_vec()
}

fn each_stream(mut check: impl FnMut(&str, &ResponseContext, &[u8], &Outcome)) {
    for dialect in DIALECTS {
        for (name, stream) in fixtures(&format!("streams/{dialect}")) {
            for context in contexts(dialect, &name) {
                let head = head(200, stream_type(dialect));
                let whole = respond(&context, &head, [&stream[..]]);
                check(&format!("{dialect}__{name}"), &context, &stream, &whole);
            }
        }
    }
}

fn head_of(name: &str) -> ResponseHead<'static> {
    let dialect = name.split("__").next().unwrap_or_default();
    head(200, stream_type(dialect))
}

#[test]
fn streams_of_each_dialect() {
    let mut last = String::new();
    each_stream(|name, _, _, whole| {
        // The first context asks for the usage; the second does not.
        let suffix = if last == name { "__no_usage" } else { "" };
        last = name.to_owned();
        let text = format!("{:?}\n{}\n\n{}", whole.head, whole.report, whole.body);
        insta::assert_snapshot!(format!("stream__{name}{suffix}"), text);
    });
}

#[test]
fn a_stream_is_the_same_at_every_split() {
    each_stream(|name, context, stream, whole| {
        let head = head_of(name);
        for at in 0..=stream.len() {
            let (left, right) = stream.split_at(at);
            let split = respond(context, &head, [left, right]);
            assert_eq!(&split, whole, "{name} split at {at}");
        }
    });
}

#[test]
fn a_stream_is_the_same_byte_by_byte() {
    each_stream(|name, context, stream, whole| {
        let split = respond(context, &head_of(name), stream.chunks(1));
        assert_eq!(&split, whole, "{name}");
    });
}

#[test]
fn an_event_leaves_as_soon_as_it_is_whole() {
    let context = context("openai", PLAIN);
    let mut translator = ResponseTranslator::new(context, &head(200, SSE));
    let mut out = Vec::new();
    let role = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\"}}]}\n\n";
    translator.feed(role, false, &mut out);
    assert!(translator.head().is_none() && out.is_empty());
    let text = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n";
    translator.feed(text, false, &mut out);
    assert!(translator.head().is_some());
    assert_eq!(String::from_utf8_lossy(&out).matches("data: ").count(), 2);
}

#[test]
fn a_cancelled_stream_is_not_free() {
    let plain = context("openai", PLAIN);
    let mut translator = ResponseTranslator::new(plain, &head(200, SSE));
    let mut out = Vec::new();
    let text = b"data: {\"choices\":[{\"delta\":{\"content\":\"eight by\"}}]}\n\n";
    translator.feed(text, false, &mut out);
    let usage = translator.report().usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (17, 2));

    let (_, stream) = fixtures("streams/anthropic")
        .into_iter()
        .find(|(name, _)| name == "cut_after_content")
        .unwrap();
    let mut translator = ResponseTranslator::new(context("anthropic", PLAIN), &head(200, SSE));
    translator.feed(&stream, false, &mut out);
    let report = translator.report();
    assert_eq!(
        (report.usage.input_tokens, report.usage.output_tokens),
        (33, 2)
    );
    assert_eq!(report.outcome, dragoman_proto::Outcome::Streaming);
}

#[test]
fn one_error_ends_a_stream() {
    each_stream(|name, _, _, whole| {
        let is_broken = name.contains("after_content");
        assert_eq!(
            whole.body.matches("data: {\"error\"").count(),
            usize::from(is_broken),
            "{name}"
        );
        if is_broken {
            assert!(!whole.body.contains("[DONE]"), "{name}");
            assert!(!whole.body.contains("never"), "{name}");
            assert_eq!(whole.head.status, 200, "{name}");
        }
        if name.contains("before_content") || name.contains("without_content") {
            assert!(whole.head.retryable && whole.head.status >= 500, "{name}");
        }
    });
}
