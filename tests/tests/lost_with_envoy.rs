//! Requests that are under way when Envoy is killed, and those that go on for long.

use std::time::Duration;

use dragoman_tests::{
    harness::{Config, Key, Setup, Stack, eventually_within, run},
    provider::ScriptedProvider,
};
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

/// What takes a moment.
const SOON: Duration = Duration::from_secs(30);
/// What is given up when nothing is heard of it for a minute.
const GIVEN_UP: Duration = Duration::from_secs(90);

struct Scene {
    stack: Stack,
    provider: ScriptedProvider,
}

impl Scene {
    async fn start() -> Self {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let price = json!({"input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_001});
        let config = Config::new()
            .openai("m", &provider, "gpt-x")
            .with(price.clone())
            .openai("hangs", &provider, "gpt-x!stall")
            .with(price.clone())
            .openai("long", &provider, "gpt-x!words-85!slow-1000")
            .with(price)
            .set("router_settings", "timeout", json!(3));
        let stack = Setup::new(&config).start().await.expect("a stack");
        Self { stack, provider }
    }
}

#[test]
fn a_request_that_envoy_took_with_it_is_charged_what_it_held_and_marked() {
    run(async {
        let mut scene = Scene::start().await;
        let key = scene
            .stack
            .new_key(json!({"max_budget": 0.01, "max_parallel_requests": 1}))
            .await;
        let client = scene.stack.holding(&key);
        let hanging = tokio::spawn(async move {
            let body = json!({"model": "hangs", "messages": [{"role": "user", "content": "go"}]});
            let request = client.request(Method::POST, "/v1/chat/completions");
            request.json(&body).send().await.is_ok()
        });
        let asked = || scene.provider.requests_for("gpt-x!stall").len();
        eventually_within(SOON, "the provider is asked", async || {
            (asked() == 1).then_some(())
        })
        .await;
        scene.stack.envoy().kill();
        assert!(!hanging.await.expect("no panic"), "there was an answer");
        scene
            .stack
            .restart_envoy()
            .await
            .expect("Envoy starts again");
        let client = scene.stack.holding(&key);
        let held = client.hello("m").await;
        held.error(429, "rate_limit_error");
        // A request of which nothing is heard for a minute is lost.
        let ledger = scene.stack.ledger();
        let row = eventually_within(GIVEN_UP, "the request is given up", async || {
            let rows = ledger.requests_of(&key.id).await.ok()?;
            rows.into_iter().next()
        })
        .await;
        assert_eq!(
            (row.state.as_str(), row.alias.as_str()),
            ("unsettled", "hangs")
        );
        let cost = row.cost_nanos.expect("what it held");
        assert!((1..=10_000_000).contains(&cost), "{row:#?}");
        let raised = json!({"key": key.secret, "max_budget": 1});
        scene.stack.manage("/key/update", raised).await;
        client.hello("m").await.ok();
    });
}

/// A stream through Envoy, begun and not ended.
async fn long_stream(scene: &Scene) -> (Key, tokio::task::JoinHandle<bool>) {
    let limits = json!({"max_budget": 0.1, "max_parallel_requests": 1});
    let key = scene.stack.new_key(limits).await;
    let client = scene.stack.holding(&key);
    let body = json!({
        "model": "long", "stream": true, "messages": [{"role": "user", "content": "go"}],
    });
    let request = client.request(Method::POST, "/v1/chat/completions");
    let request = request.json(&body).timeout(Duration::from_secs(180));
    let reply = request.send().await.expect("an answer begins");
    assert_eq!(reply.status(), 200);
    let reading = tokio::spawn(async move {
        let text = reply.text().await;
        text.is_ok_and(|text| text.ends_with("data: [DONE]\n\n"))
    });
    (key, reading)
}

#[test]
fn a_stream_that_envoy_took_with_it_holds_nothing_for_long() {
    run(async {
        let mut scene = Scene::start().await;
        let (key, reading) = long_stream(&scene).await;
        sleep(Duration::from_secs(1)).await;
        scene.stack.envoy().kill();
        assert!(!reading.await.expect("no panic"), "the stream ended well");
        let restarted = scene.stack.restart_envoy().await;
        restarted.expect("Envoy starts again");
        let client = scene.stack.holding(&key);
        client.hello("m").await.error(429, "rate_limit_error");
        eventually_within(GIVEN_UP, "the request is given up", async || {
            sleep(Duration::from_secs(1)).await;
            (client.hello("m").await.status == 200).then_some(())
        })
        .await;
        let rows = scene.stack.ledger().requests_of(&key.id).await;
        let lost = rows.expect("rows").into_iter().next().expect("a row");
        assert_eq!(
            (lost.state.as_str(), lost.alias.as_str()),
            ("unsettled", "long")
        );
        assert!(
            lost.cost_nanos.is_some_and(|cost| cost <= 100_000_000),
            "{lost:#?}"
        );
    });
}

#[test]
fn a_stream_that_goes_on_keeps_what_it_holds() {
    run(async {
        let scene = Scene::start().await;
        let (key, reading) = long_stream(&scene).await;
        // Longer than a request may be silent.
        sleep(Duration::from_secs(75)).await;
        let ledger = scene.stack.ledger();
        assert_eq!(ledger.requests_of(&key.id).await.expect("rows"), []);
        let client = scene.stack.holding(&key);
        client.hello("m").await.error(429, "rate_limit_error");
        assert!(reading.await.expect("no panic"), "the stream broke");
        eventually_within(SOON, "it is settled", async || {
            let rows = ledger.requests_of(&key.id).await.ok()?;
            (rows.first()?.state == "complete").then_some(())
        })
        .await;
        client.hello("m").await.ok();
    });
}
