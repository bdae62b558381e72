//! Strict budgets for what is no chat: images, speech, transcripts; and for what has no bound.

use dragoman_tests::{
    harness::{Client, Config, Key, Reply, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
use futures::future::join_all;
use reqwest::{
    Method, RequestBuilder,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

/// How many ask at once.
const CROWD: usize = 60;

struct Fixture {
    stack: Stack,
    _provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn stack() -> &'static Stack {
    let fixture = FIXTURE.get(async || {
        let provider = ScriptedProvider::start().await?;
        let per_token =
            json!({"input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_001});
        let config = Config::new()
            .openai("image", &provider, "dall-e-x")
            .with(json!({"output_cost_per_image": 0.04}))
            .openai("speech", &provider, "tts-x")
            .with(json!({"input_cost_per_character": 0.000_015}))
            .entry(json!({
                "model_name": "transcript",
                "litellm_params": {
                    "model": "openai/transcribe-x", "api_key": "k", "api_base": provider.openai_base(),
                },
                "model_info": {
                    "input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_001,
                    "max_output_tokens": 50,
                },
            }))
            .entry(json!({
                "model_name": "chat",
                "litellm_params": {
                    "model": "openai/gpt-x", "api_key": "k", "api_base": provider.openai_base(),
                },
                "model_info": {
                    "input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_001,
                    "max_input_tokens": 100_000,
                },
            }))
            .openai("short", &provider, "gpt-x")
            .with(per_token);
        let stack = Setup::new(&config).start().await?;
        Ok(Fixture {
            stack,
            _provider: provider,
        })
    });
    &fixture.await.stack
}

/// Many ask at once against a budget in dollars; returns how many were served, and what they cost.
async fn crowd(budget: Value, ask: impl Fn(&Client) -> RequestBuilder) -> (usize, i64) {
    let stack = stack().await;
    let key = stack.new_key(json!({"max_budget": budget})).await;
    let client = stack.holding(&key);
    let replies = join_all((0..CROWD).map(|_| Reply::of(ask(&client)))).await;
    let mut charged = 0;
    let served: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 200).collect();
    for reply in &served {
        let row = stack.ledger().request(&reply.request_id()).await;
        charged += row.cost_nanos.expect("a price");
    }
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        reply.error(429, "insufficient_quota");
    }
    (served.len(), charged)
}

#[test]
fn a_crowd_that_asks_for_images() {
    run(async {
        let (served, charged) = crowd(json!(0.8), |client| {
            let body = json!({"model": "image", "prompt": "a cat", "n": 2});
            client
                .request(Method::POST, "/v1/images/generations")
                .json(&body)
        })
        .await;
        assert_eq!((served, charged), (10, 800_000_000));
    });
}

#[test]
fn a_crowd_that_asks_for_speech() {
    run(async {
        let text = "la ".repeat(400);
        let (served, charged) = crowd(json!(0.36), |client| {
            let body = json!({"model": "speech", "voice": "alto", "input": text});
            client.request(Method::POST, "/v1/audio/speech").json(&body)
        })
        .await;
        assert!(charged <= 360_000_000, "overshot: {charged}");
        assert!((18..=20).contains(&served), "{served} were served");
    });
}

#[test]
fn a_crowd_that_sends_sound() {
    run(async {
        let (served, charged) = crowd(json!(0.01), |client| {
            let sound = Part::bytes(b"OggS".repeat(1000)).file_name("a.ogg");
            let form = Form::new().text("model", "transcript").part("file", sound);
            client
                .request(Method::POST, "/v1/audio/transcriptions")
                .multipart(form)
        })
        .await;
        assert!(charged <= 10_000_000, "overshot: {charged}");
        assert!(served >= 18, "{served} were served");
    });
}

async fn small_key() -> Client {
    let stack = stack().await;
    let key: Key = stack.new_key(json!({"max_budget": 0.05})).await;
    stack.holding(&key)
}

#[test]
fn a_stored_conversation_may_be_as_long_as_the_context() {
    run(async {
        let client = small_key().await;
        let fresh = json!({"model": "chat", "input": "hello", "max_output_tokens": 50});
        client.post("/v1/responses", &fresh).await.ok();
        let mut stored = fresh;
        stored["previous_response_id"] = json!("resp_1");
        let refused = client.post("/v1/responses", &stored).await;
        let error = refused.error(429, "insufficient_quota");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains("may cost $0.1"), "{message}");
        stored["model"] = json!("short");
        let unknown = client.post("/v1/responses", &stored).await;
        let error = unknown.error(400, "invalid_request_error");
        assert_eq!(error["code"], "cost_not_bounded");
    });
}

#[test]
fn what_a_provider_does_on_its_own_is_refused_under_a_budget_alone() {
    run(async {
        let stack = stack().await;
        let searching = json!({
            "model": "chat", "input": "hello", "tools": [{"type": "web_search"}],
        });
        let refused = small_key().await.post("/v1/responses", &searching).await;
        let error = refused.error(400, "invalid_request_error");
        assert_eq!(error["code"], "cost_not_bounded");
        assert_eq!(error["param"], "tools.web_search");
        let free = stack.post("/v1/responses", &searching).await;
        assert!(!free.text().contains("cost_not_bounded"), "{}", free.text());
        let messages = json!({
            "model": "chat", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}],
            "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        });
        let refused = small_key().await.post("/v1/messages", &messages).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert_eq!(refused.json()["error"]["type"], "invalid_request_error");
    });
}
