//! Limits: requests and tokens per minute, requests at a time.

use std::time::Duration;

use dragoman_tests::{
    harness::{Client, Config, Reply, Setup, Shared, Stack, eventually, run},
    provider::ScriptedProvider,
};
use reqwest::Method;
use serde_json::{Value, json};

struct Fixture {
    stack: Stack,
    _provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn stack() -> &'static Stack {
    let fixture = FIXTURE.get(async || {
        let provider = ScriptedProvider::start().await?;
        let config = Config::new()
            .openai("m", &provider, "gpt-x")
            .openai("slow", &provider, "gpt-x!delay-1500")
            .openai("stalls", &provider, "gpt-x!stall")
            .openai("stalls-midway", &provider, "gpt-x!stall-after-3")
            .openai("fails", &provider, "gpt-x!error-500")
            .openai("breaks", &provider, "gpt-x!error-after-3")
            .openai("falls-over", &provider, "gpt-x!error-503")
            .fallback("falls-over", &["m"]);
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

/// A refusal because of a limit that ends within a minute.
fn limited(reply: &Reply) {
    reply.error(429, "rate_limit_error");
    let after: u64 = reply.header("retry-after").parse().expect("seconds");
    assert!((1..=60).contains(&after), "{after}");
    assert_eq!(reply.header("x-should-retry"), "");
}

#[test]
fn requests_per_minute_are_limited_and_counted_down() {
    run(async {
        let client = holder(json!({"rpm_limit": 2})).await;
        for remaining in ["1", "0"] {
            let reply = client.hello("m").await;
            reply.ok();
            assert_eq!(reply.header("x-ratelimit-limit-requests"), "2");
            assert_eq!(reply.header("x-ratelimit-remaining-requests"), remaining);
            assert!(reply.header("x-ratelimit-reset-requests").ends_with('s'));
        }
        limited(&client.hello("m").await);
    });
}

#[test]
fn a_stream_says_what_is_left_of_a_limit_too() {
    run(async {
        let client = holder(json!({"rpm_limit": 5})).await;
        let streamed = client.stream_hello("m").await;
        streamed.chunks();
        let header = |name| streamed.reply.header(name);
        assert_eq!(header("x-ratelimit-limit-requests"), "5");
        assert_eq!(header("x-ratelimit-remaining-requests"), "4");
    });
}

#[test]
fn tokens_per_minute_are_reserved_as_estimated_and_settled_as_used() {
    run(async {
        let client = holder(json!({"tpm_limit": 1000})).await;
        let asking = json!({
            "model": "m", "max_tokens": 900, "messages": [{"role": "user", "content": "hello"}],
        });
        let first = client.chat(asking.clone()).await;
        first.ok();
        assert_eq!(first.header("x-ratelimit-limit-tokens"), "1000");
        let left: u64 = first
            .header("x-ratelimit-remaining-tokens")
            .parse()
            .expect("tokens");
        assert!(left < 100, "900 are reserved: {left}");
        // It used few, so that as much fits again once it has settled.
        eventually("the unused tokens are given back", async || {
            (client.chat(asking.clone()).await.status == 200).then_some(())
        })
        .await;
    });
}

#[test]
fn a_request_that_does_not_fit_into_this_minute_s_tokens_is_refused() {
    run(async {
        let client = holder(json!({"tpm_limit": 100})).await;
        let asking = |model: &str| {
            json!({
                "model": model, "max_tokens": 60,
                "messages": [{"role": "user", "content": "hello"}],
            })
        };
        let slow = client.chat(asking("slow"));
        let other = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            client.chat(asking("m")).await
        };
        let (slow, other) = tokio::join!(slow, other);
        slow.ok();
        limited(&other);
    });
}

#[test]
fn requests_at_a_time_are_limited() {
    run(async {
        let client = holder(json!({"max_parallel_requests": 1})).await;
        let slow = client.hello("slow");
        let other = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            client.hello("m").await
        };
        let (slow, other) = tokio::join!(slow, other);
        slow.ok();
        other.error(429, "rate_limit_error");
        assert_ne!(other.header("retry-after"), "");
        gives_back(&client).await;
    });
}

/// The key has its one slot free.
async fn gives_back(client: &Client) {
    eventually("the slot is free again", async || {
        (client.hello("m").await.status == 200).then_some(())
    })
    .await;
}

#[test]
fn a_request_that_ends_badly_gives_its_slot_back() {
    run(async {
        for model in ["fails", "breaks", "falls-over"] {
            let client = holder(json!({"max_parallel_requests": 1})).await;
            client.stream_hello(model).await;
            gives_back(&client).await;
        }
    });
}

#[test]
fn a_client_that_leaves_gives_its_slot_back() {
    run(async {
        for model in ["stalls", "stalls-midway"] {
            let client = holder(json!({"max_parallel_requests": 1})).await;
            let body = json!({
                "model": model, "stream": true, "messages": [{"role": "user", "content": "go"}],
            });
            let request = client
                .request(Method::POST, "/v1/chat/completions")
                .json(&body);
            let left = tokio::time::timeout(Duration::from_millis(700), async {
                let mut response = request.send().await.expect("an answer");
                while response.chunk().await.is_ok_and(|piece| piece.is_some()) {}
            });
            assert!(left.await.is_err(), "{model} answers");
            gives_back(&client).await;
        }
    });
}

#[test]
fn a_team_s_limit_is_shared_by_its_keys() {
    run(async {
        let stack = stack().await;
        let team = stack.manage("/team/new", json!({"rpm_limit": 2})).await;
        let mut statuses = Vec::new();
        for _ in 0..3 {
            let client = holder(json!({"team_id": team["team_id"]})).await;
            statuses.push(client.hello("m").await.status);
        }
        assert_eq!(statuses, [200, 200, 429]);
    });
}

async fn with_usage_limits(enforced: bool) -> (Stack, ScriptedProvider) {
    let provider = ScriptedProvider::start().await.expect("a provider");
    let limits = json!({"sk-test-master": {"max_requests": 1, "max_tokens": 100_000}});
    let config = Config::new()
        .openai("m", &provider, "gpt-x")
        .set("general_settings", "usage_limits", limits)
        .set("dragoman", "enforce_usage_limits", json!(enforced));
    let stack = Setup::new(&config).start().await.expect("a stack");
    (stack, provider)
}

#[test]
fn usage_limits_are_enforced_when_that_is_asked_for() {
    run(async {
        let (stack, _provider) = with_usage_limits(true).await;
        stack.hello("m").await.ok();
        limited(&stack.hello("m").await);
    });
}

#[test]
fn usage_limits_are_ignored_otherwise_and_a_warning_says_so() {
    run(async {
        let (stack, _provider) = with_usage_limits(false).await;
        stack.hello("m").await.ok();
        stack.hello("m").await.ok();
        assert!(stack.service_log().contains("enforce_usage_limits"));
    });
}
