//! Text completions of models that only chat.

use dragoman_dialect::{ResponseContext, Translated};
use dragoman_proto::{ApiError, Operation};
use serde_json::{Value, json};

use crate::{
    endpoints::{sent, translate},
    support::{self, DIALECTS, JSON, admission, answer, fixtures, head, respond, stream_type},
};

/// A deployment that only chats, of each dialect.
const TARGETS: [(&str, &str); 7] = [
    ("openai", "groq"),
    ("anthropic", "anthropic"),
    ("ollama", "ollama"),
    ("azure", "azure"),
    ("cohere", "cohere"),
    ("gemini", "gemini"),
    ("bedrock", "bedrock"),
];

fn complete(target: &str, body: &Value) -> Result<Translated, ApiError> {
    let admission = admission(Operation::Completions, body["stream"] == true);
    let body = serde_json::to_vec(body).unwrap();
    support::translate(&support::deployment(target), &admission, None, &body)
}

fn context(dialect: &str, stream: bool, usage: bool) -> ResponseContext {
    let (_, target) = TARGETS.iter().find(|target| target.0 == dialect).unwrap();
    let mut body = json!({"prompt": "x", "stream": stream});
    if usage {
        body["stream_options"] = json!({"include_usage": true});
    }
    complete(target, &body).unwrap().response
}

#[test]
fn a_prompt_is_what_a_user_says() {
    for (dialect, target) in TARGETS {
        for prompt in [json!("once \"upon\""), json!(["once \"upon\""])] {
            let body = json!({"model": "alias", "prompt": prompt, "max_tokens": 5, "stop": ["x"]});
            let chat = json!({"model": "alias", "max_tokens": 5, "stop": ["x"],
                "messages": [{"role": "user", "content": "once \"upon\""}]});
            let chat = support::chat(target, &serde_json::to_vec(&chat).unwrap()).unwrap();
            let translated = complete(target, &body).unwrap();
            assert_eq!(translated.path, chat.path, "{dialect}");
            assert_eq!(sent(&translated), sent(&chat), "{dialect}");
        }
    }
}

#[test]
fn a_model_that_completes_is_asked_as_such() {
    let body = json!({"model": "alias", "prompt": ["a", "b"], "suffix": "x"});
    for (target, own_host, model, native) in [
        ("openai", false, "any", true),
        ("openai", true, "gpt-3.5-turbo-instruct", true),
        ("openai", true, "ft:davinci-002:org::id", true),
        ("openai", true, "gpt-4o", false),
        ("groq", false, "any", false),
        ("azure", false, "gpt-35-turbo-instruct", true),
        ("azure", false, "gpt-4o", false),
    ] {
        let mut deployment = support::deployment(target);
        deployment.model = model.into();
        if own_host {
            deployment.authority = "api.openai.com".into();
        }
        let admission = admission(Operation::Completions, false);
        let body = serde_json::to_vec(&body).unwrap();
        let translated = support::translate(&deployment, &admission, None, &body);
        assert_eq!(translated.is_ok(), native, "{target} {model}");
        if let Ok(translated) = translated {
            assert!(
                translated.path.contains("/completions"),
                "{}",
                translated.path
            );
            assert!(!translated.path.contains("/chat/"), "{}", translated.path);
        }
    }
}

#[test]
fn what_a_chat_cannot_complete_is_refused_or_dropped() {
    for prompt in [json!(["a", "b"]), json!([1, 2]), json!([[1]]), json!([])] {
        let error = complete("anthropic", &json!({"prompt": prompt})).unwrap_err();
        assert_eq!(error.status(), 400);
        assert_eq!(error.param.as_deref(), Some("prompt"));
        assert!(error.message.contains("anthropic"), "{}", error.message);
    }
    let mut body = json!({"prompt": "x", "suffix": "y", "echo": true, "best_of": 2, "logprobs": 3});
    let error = complete("gemini", &body).unwrap_err();
    assert_eq!(error.code.as_deref(), Some("unsupported_parameter"));
    body["drop_params"] = json!(true);
    let dropped = complete("gemini", &body).unwrap().dropped;
    assert_eq!(dropped, ["suffix", "echo", "best_of", "logprobs"]);
    let neutral =
        json!({"prompt": "x", "suffix": "", "echo": false, "best_of": 1, "logprobs": null});
    assert!(complete("gemini", &neutral).unwrap().dropped.is_empty());
}

#[test]
fn the_output_of_a_completion_through_chat_is_capped() {
    let body = json!({"prompt": "x", "max_tokens": 900});
    let sent = sent(&translate("anthropic", Operation::Completions, &body).unwrap());
    assert_eq!(sent["max_tokens"], 50);
}

#[test]
fn a_chat_s_answer_is_a_text() {
    for dialect in DIALECTS {
        let (_, reply) = fixtures(&format!("answers/{dialect}"))
            .into_iter()
            .find(|(name, _)| name == "text")
            .unwrap();
        let outcome = answer(&context(dialect, false, false), JSON, &reply);
        insta::assert_snapshot!(
            format!("completions__answer__{dialect}"),
            format!(
                "{}\n\n{}",
                outcome.report,
                support::pretty(outcome.body.as_bytes())
            )
        );
    }
}

#[test]
fn every_choice_of_a_chat_is_a_choice_of_text() {
    let reply = br#"{"id":"c","choices":[
        {"index":0,"message":{"content":"a"},"finish_reason":"length"},
        {"index":1,"message":{"content":null,"refusal":"no"},"finish_reason":"tool_calls"}]}"#;
    let outcome = answer(&context("openai", false, false), JSON, reply);
    let told: Value = serde_json::from_str(&outcome.body).unwrap();
    let choice = |text: &str, index: u64, finish: &str| json!({"text": text, "index": index, "logprobs": null, "finish_reason": finish});
    assert_eq!(
        told["choices"],
        json!([choice("a", 0, "length"), choice("no", 1, "stop")])
    );
    assert_eq!(told["object"], "text_completion");
    assert_eq!(told["usage"]["prompt_tokens"], 17);
}

#[test]
fn a_chat_s_stream_is_a_stream_of_text_at_every_split() {
    for dialect in DIALECTS {
        for (name, stream) in fixtures(&format!("streams/{dialect}")) {
            let context = context(dialect, true, name.len() % 2 == 0);
            let head = head(200, stream_type(dialect));
            let whole = respond(&context, &head, [&stream[..]]);
            for at in 0..=stream.len() {
                let (left, right) = stream.split_at(at);
                let split = respond(&context, &head, [left, right]);
                assert_eq!(split, whole, "{dialect} {name} split at {at}");
            }
            assert_text_stream(&format!("{dialect} {name}"), whole.head.status, &whole.body);
        }
    }
}

/// Chunks of text, each of which says something, and one end.
fn assert_text_stream(name: &str, status: u16, body: &str) {
    if status != 200 {
        return;
    }
    let events: Vec<&str> = body
        .split_terminator("\n\n")
        .map(|event| event.strip_prefix("data: ").unwrap())
        .collect();
    let (last, chunks) = events.split_last().unwrap();
    assert!(
        *last == "[DONE]" || last.starts_with("{\"error\""),
        "{name}: {last}"
    );
    for chunk in chunks {
        let chunk: Value = serde_json::from_str(chunk).unwrap();
        assert_eq!(chunk["object"], "text_completion", "{name}: {chunk}");
        let Some(choice) = chunk["choices"].get(0) else {
            assert!(chunk["usage"].is_object(), "{name}: {chunk}");
            continue;
        };
        let says = choice["text"] != "" || choice["finish_reason"].is_string();
        assert!(says && choice.get("delta").is_none(), "{name}: {chunk}");
    }
}

#[test]
fn a_stream_of_text_tells_its_usage_when_asked() {
    let (_, stream) = fixtures("streams/anthropic")
        .into_iter()
        .find(|(name, _)| name == "text")
        .unwrap();
    for usage in [false, true] {
        let head = head(200, stream_type("anthropic"));
        let outcome = respond(&context("anthropic", true, usage), &head, [&stream[..]]);
        assert_eq!(
            outcome.body.contains(r#""usage":{"#),
            usage,
            "{}",
            outcome.body
        );
    }
}
