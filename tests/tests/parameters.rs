//! Parameters: defaults of a deployment, and what a provider cannot express.

use dragoman_tests::{
    harness::{Config, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
use serde_json::{Value, json};

struct Fixture {
    stack: Stack,
    provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let config = Config::new()
                .anthropic("strict", &provider, "claude-x")
                .anthropic("lenient", &provider, "claude-x")
                .with(json!({"drop_params": true}))
                .openai("cool", &provider, "gpt-x")
                .with(json!({"temperature": 0.25}));
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

fn with(model: &str, text: &str, field: &str, value: Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": text}]});
    body[field] = value;
    body
}

/// What Anthropic's API has no word for.
fn unsupported() -> Vec<(&'static str, Value)> {
    vec![
        ("n", json!(2)),
        ("seed", json!(7)),
        ("logprobs", json!(true)),
        ("presence_penalty", json!(0.5)),
        ("frequency_penalty", json!(0.5)),
        ("logit_bias", json!({"1": 2})),
    ]
}

#[test]
fn an_unsupported_parameter_is_refused_by_name() {
    run(async {
        let stack = &fixture().await.stack;
        for (field, value) in unsupported() {
            let reply = stack.chat(with("strict", "hello", field, value)).await;
            let error = reply.error(400, "invalid_request_error");
            assert_eq!(error["param"], field, "{error}");
        }
    });
}

#[test]
fn an_unsupported_parameter_is_dropped_where_that_is_wanted() {
    run(async {
        let fixture = fixture().await;
        for (field, value) in unsupported() {
            let text = format!("drop {field} please");
            let reply = fixture
                .stack
                .chat(with("lenient", &text, field, value))
                .await;
            assert_eq!(reply.said(), format!("You said: {text}"));
            let sent = fixture.provider.request_with(&text).json();
            assert_eq!(sent.get(field), None);
        }
    });
}

#[test]
fn the_answer_says_what_was_dropped() {
    run(async {
        let stack = &fixture().await.stack;
        let mut body = with("lenient", "hello", "seed", json!(7));
        body["n"] = json!(2);
        let reply = stack.chat(body).await;
        let mut dropped: Vec<&str> = reply
            .header("x-dragoman-dropped-params")
            .split(',')
            .collect();
        dropped.sort_unstable();
        assert_eq!(dropped, ["n", "seed"]);
    });
}

#[test]
fn a_default_applies_when_the_client_is_silent() {
    run(async {
        let fixture = fixture().await;
        let text = "silent about temperature";
        let body = json!({"model": "cool", "messages": [{"role": "user", "content": text}]});
        fixture.stack.chat(body).await.ok();
        assert_eq!(
            fixture.provider.request_with(text).json()["temperature"],
            0.25
        );
    });
}

#[test]
fn the_client_s_value_goes_before_the_default() {
    run(async {
        let fixture = fixture().await;
        let text = "loud about temperature";
        fixture
            .stack
            .chat(with("cool", text, "temperature", json!(0.5)))
            .await
            .ok();
        assert_eq!(
            fixture.provider.request_with(text).json()["temperature"],
            0.5
        );
    });
}

#[test]
fn the_gateway_s_own_parameters_do_not_reach_the_provider() {
    run(async {
        let fixture = fixture().await;
        let text = "own parameters";
        let mut body = with("cool", text, "num_retries", json!(1));
        body["fallbacks"] = json!(["strict"]);
        body["timeout"] = json!(30);
        body["tags"] = json!(["a"]);
        body["disable_fallbacks"] = json!(false);
        fixture.stack.chat(body).await.ok();
        let sent = fixture.provider.request_with(text).json();
        let mut fields: Vec<&String> = sent.as_object().expect("an object").keys().collect();
        fields.sort();
        assert_eq!(fields, ["messages", "model", "temperature"]);
    });
}
