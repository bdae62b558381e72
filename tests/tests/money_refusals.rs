//! How a budget or a limit refuses, in each dialect, and what headers tell.

use std::time::Duration;

use dragoman_tests::{
    harness::{Client, Config, Reply, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
use serde_json::{Value, json};

struct Fixture {
    stack: Stack,
    _provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn stack() -> &'static Stack {
    let fixture = FIXTURE.get(async || {
        let provider = ScriptedProvider::start().await?;
        let price = json!({"input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_001});
        let config = Config::new()
            .openai("m", &provider, "gpt-x")
            .with(price.clone())
            .openai("slow", &provider, "gpt-x!delay-9000")
            .with(price);
        let stack = Setup::new(&config).start().await?;
        Ok(Fixture {
            stack,
            _provider: provider,
        })
    });
    &fixture.await.stack
}

async fn holder(fields: Value) -> Client {
    let stack = stack().await;
    let key = stack.new_key(fields).await;
    stack.holding(&key)
}

/// 500 output tokens, which are not made smaller than 256.
fn asking(model: &str) -> Value {
    json!({
        "model": model, "max_tokens": 500, "messages": [{"role": "user", "content": "hello"}],
    })
}

/// What both dialects tell of a key's budget of a ten-thousandth of a dollar, of which nothing is spent.
fn tells_the_budget(reply: &Reply) {
    assert_eq!(reply.header("x-litellm-key-spend"), "0");
    assert_eq!(reply.header("x-litellm-key-max-budget"), "0.0001");
    assert_eq!(reply.header("x-dragoman-key-budget-left"), "0.0001");
}

#[test]
fn an_exhausted_budget_tells_both_dialects_not_to_come_back_before_the_window_ends() {
    run(async {
        let client = holder(json!({"max_budget": 0.000_1, "budget_duration": "1h"})).await;
        let chat = client.post("/v1/chat/completions", &asking("m")).await;
        let error = chat.error(429, "insufficient_quota");
        assert_eq!(error["code"], "insufficient_quota");
        let messages = client.post("/v1/messages", &asking("m")).await;
        assert_eq!(messages.status, 429, "{}", messages.text());
        assert_eq!(messages.json()["error"]["type"], "rate_limit_error");
        for reply in [&chat, &messages] {
            let after: u64 = reply.header("retry-after").parse().expect("seconds");
            assert!((1..=3600).contains(&after), "{after}");
            assert_eq!(reply.header("x-should-retry"), "false");
            tells_the_budget(reply);
        }
    });
}

#[test]
fn a_budget_that_others_hold_tells_clients_to_try_again() {
    run(async {
        let client = holder(json!({"max_budget": 0.000_7})).await;
        let slow = client.chat(asking("slow"));
        let other = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            client.chat(asking("m")).await
        };
        let (slow, other) = tokio::join!(slow, other);
        slow.ok();
        let error = other.error(429, "insufficient_quota");
        assert_eq!(error["code"], "budget_reserved");
        assert_eq!(other.header("retry-after"), "1");
        assert_eq!(other.header("x-should-retry"), "true");
        assert_eq!(other.header("x-litellm-key-max-budget"), "0.0007");
    });
}

#[test]
fn a_served_message_tells_budget_and_limits_as_a_chat_does() {
    run(async {
        let client = holder(json!({"max_budget": 1, "rpm_limit": 9, "tpm_limit": 9000})).await;
        for path in ["/v1/chat/completions", "/v1/messages"] {
            let reply = client.post(path, &asking("m")).await;
            reply.ok();
            for (name, value) in [
                ("x-ratelimit-limit-requests", "9"),
                ("x-ratelimit-limit-tokens", "9000"),
                ("x-litellm-key-max-budget", "1"),
            ] {
                assert_eq!(reply.header(name), value, "{path}");
            }
            for name in [
                "x-ratelimit-remaining-requests",
                "x-ratelimit-reset-requests",
                "x-ratelimit-remaining-tokens",
                "x-ratelimit-reset-tokens",
                "x-dragoman-key-budget-left",
                "x-litellm-key-spend",
            ] {
                assert_ne!(reply.header(name), "", "{path}: {name}");
            }
        }
    });
}

#[test]
fn a_limit_that_is_reached_says_which_and_until_when() {
    run(async {
        let client = holder(json!({"rpm_limit": 1})).await;
        client.hello("m").await.ok();
        let chat = client.hello("m").await;
        chat.error(429, "rate_limit_error");
        let messages = client.post("/v1/messages", &asking("m")).await;
        for reply in [&chat, &messages] {
            assert_eq!(reply.status, 429);
            assert_eq!(reply.header("x-ratelimit-limit-requests"), "1");
            assert_eq!(reply.header("x-ratelimit-remaining-requests"), "0");
            let after = reply.header("retry-after");
            assert_eq!(
                reply.header("x-ratelimit-reset-requests"),
                format!("{after}s")
            );
        }
    });
}
