//! What providers answer.

use std::{collections::BTreeMap, sync::LazyLock};

use dragoman_dialect::ResponseContext;
use dragoman_proto::Operation;
use serde_json::Value;

use crate::{
    framing::messages,
    is_json, pieces,
    support::{JSON, Outcome, admission, deployment, head, respond, stream_type, translate},
};

/// Ways to ask: the operation, whether for a stream, and the least body that does.
const ASKED: [(Operation, bool, &str); 8] = [
    (Operation::ChatCompletions, false, CHAT),
    (
        Operation::ChatCompletions,
        true,
        r#"{"stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"x"}]}"#,
    ),
    (Operation::Messages, false, MESSAGE),
    (Operation::Messages, true, MESSAGE),
    (Operation::Responses, false, RESPONSE),
    (Operation::Responses, true, RESPONSE),
    (Operation::Embeddings, false, r#"{"input":"x"}"#),
    (
        Operation::ChatCompletions,
        false,
        r#"{"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"}}},"messages":[{"role":"user","content":"x"}]}"#,
    ),
];
const CHAT: &str = r#"{"messages":[{"role":"user","content":"x"}]}"#;
const MESSAGE: &str = r#"{"max_tokens":9,"messages":[{"role":"user","content":"x"}]}"#;
const RESPONSE: &str = r#"{"input":"x"}"#;

type Contexts = BTreeMap<&'static str, Vec<(Operation, ResponseContext)>>;

/// What answers to each question need to know of it.
static CONTEXTS: LazyLock<Contexts> = LazyLock::new(|| {
    let dialects = [
        "openai",
        "anthropic",
        "gemini",
        "ollama",
        "azure",
        "cohere",
        "bedrock",
    ];
    let contexts = dialects.map(|dialect| {
        let asked = ASKED.iter().filter_map(|(operation, stream, body)| {
            let admission = admission(*operation, *stream);
            let sent = translate(&deployment(dialect), &admission, None, body.as_bytes());
            Some((*operation, sent.ok()?.response))
        });
        (dialect, asked.collect())
    });
    contexts.into_iter().collect()
});

/// `data` as the answer of a deployment of `dialect` to each question: as it should be, and as a
/// failure. Whatever the pieces that it comes in, the outcome is one and the same.
pub fn of(dialect: &str, data: &[u8]) {
    for (operation, context) in CONTEXTS.get(dialect).into_iter().flatten() {
        let kind = stream_type(dialect);
        for head in [
            head(200, kind),
            head(200, JSON),
            head(429, JSON),
            head(500, "text/html"),
        ] {
            let whole = respond(context, &head, [data]);
            assert_eq!(whole, respond(context, &head, pieces(data)), "{context:?}");
            is_an_answer(&whole, *operation, context);
        }
    }
}

/// The same of Bedrock, whose streams would never be right without the right checksums.
pub fn of_bedrock(data: &[u8]) {
    of("bedrock", data);
    of("bedrock", &messages(data));
}

fn is_an_answer(outcome: &Outcome, operation: Operation, context: &ResponseContext) {
    let Outcome { head, body, .. } = outcome;
    if head.status != 200 {
        assert!((400..600).contains(&head.status), "{head:?}");
        assert!(has_error(body), "{context:?}: {body}");
    } else if head.content_type.starts_with("text/event-stream") {
        ends_once(body, operation, context);
    } else if !head.content_type.starts_with("text/html") {
        assert!(is_json(body.as_bytes()), "{context:?}: {body}");
    }
}

fn has_error(body: &str) -> bool {
    serde_json::from_str::<Value>(body).is_ok_and(|body| body["error"].is_object())
}

/// A stream is events, and its end is said once, by the last of them.
fn ends_once(body: &str, operation: Operation, context: &ResponseContext) {
    assert!(body.ends_with("\n\n"), "{context:?}: {body:?}");
    let data = body.lines().filter_map(|line| line.strip_prefix("data: "));
    let ends: Vec<bool> = data.map(|data| is_end(data, operation)).collect();
    let count = ends.iter().filter(|is_end| **is_end).count();
    let last = ends.last();
    assert_eq!((count, last), (1, Some(&true)), "{context:?}: {body}");
}

fn is_end(data: &str, operation: Operation) -> bool {
    if data == "[DONE]" {
        return true;
    }
    let event: Value = serde_json::from_str(data).expect("an event is JSON");
    let last: &[&str] = match operation {
        Operation::Messages => &["message_stop", "error"],
        Operation::Responses => &[
            "response.completed",
            "response.incomplete",
            "response.failed",
            "error",
        ],
        _ => return event["error"].is_object(),
    };
    event["type"]
        .as_str()
        .is_some_and(|kind| last.contains(&kind))
}
