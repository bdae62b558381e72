//! Strict budgets: many requests at once, with each backend, on one replica and on two.

use dragoman_tests::{
    harness::{
        Config, Key, Postgres, Redis, Reply, Setup, Stack, Streamed, eventually_within, run,
    },
    provider::ScriptedProvider,
};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use std::time::Duration;

/// How many ask at once.
const CROWD: usize = 200;
/// How many the budget is for.
const PLACES: i64 = 20;
/// What a whole answer costs: 6 tokens of input and 100 of output, at a millionth of a dollar each.
const ANSWER_NANOS: i64 = 106_000;

struct Scene {
    stack: Stack,
    provider: ScriptedProvider,
    _redis: Option<Redis>,
    _postgres: Option<Postgres>,
}

fn config(provider: &ScriptedProvider) -> Config {
    let price = json!({"input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_001});
    Config::new()
        .openai("m", provider, "gpt-x!delay-100!words-100")
        .with(price.clone())
        .openai("probe", provider, "gpt-x")
        .with(price)
        .set("dragoman", "min_output_tokens", json!(16))
}

async fn in_process() -> Option<Scene> {
    let provider = ScriptedProvider::start().await.expect("a provider");
    let stack = Setup::new(&config(&provider)).start().await;
    Some(Scene {
        stack: stack.expect("a stack"),
        provider,
        _redis: None,
        _postgres: None,
    })
}

async fn with_redis() -> Option<Scene> {
    let redis = Redis::start().await.expect("Redis starts")?;
    let provider = ScriptedProvider::start().await.expect("a provider");
    let setup = Setup::new(&config(&provider)).env("REDIS_URL", &redis.url());
    Some(Scene {
        stack: setup.start().await.expect("a stack"),
        provider,
        _redis: Some(redis),
        _postgres: None,
    })
}

async fn two_replicas() -> Option<Scene> {
    let redis = Redis::start().await.expect("Redis starts")?;
    let postgres = Postgres::start().await.expect("PostgreSQL starts")?;
    let provider = ScriptedProvider::start().await.expect("a provider");
    let setup = Setup::new(&config(&provider))
        .env("REDIS_URL", &redis.url())
        .env("DATABASE_URL", &postgres.url())
        .replicas(2);
    Some(Scene {
        stack: setup.start().await.expect("a stack"),
        provider,
        _redis: Some(redis),
        _postgres: Some(postgres),
    })
}

/// Dollars as a JSON number.
fn dollars(nanos: i64) -> serde_json::Value {
    serde_json::from_str(&format!(
        "{}.{:09}",
        nanos / 1_000_000_000,
        nanos % 1_000_000_000
    ))
    .expect("a number")
}

async fn ask(scene: &Scene, key: &Key, number: usize, stream: bool) -> Reply {
    let client = scene.stack.holding(key);
    let body = json!({
        "model": "m", "stream": stream,
        "messages": [{"role": "user", "content": format!("request {number}")}],
    });
    let request = client
        .request(Method::POST, "/v1/chat/completions")
        .json(&body);
    if stream {
        let streamed = Streamed::of(request).await;
        if streamed.reply.status == 200 {
            streamed.chunks();
        }
        streamed.reply
    } else {
        Reply::of(request).await
    }
}

async fn crowd(scene: Option<Scene>, stream: bool) {
    let Some(scene) = scene else { return };
    let stack = &scene.stack;
    let budget = PLACES * ANSWER_NANOS;
    let key = stack.new_key(json!({"max_budget": dollars(budget)})).await;
    let replies = join_all((0..CROWD).map(|number| ask(&scene, &key, number, stream))).await;
    let served: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 200).collect();
    for reply in replies.iter().filter(|reply| reply.status != 200) {
        assert_eq!(reply.status, 429, "{}", reply.text());
    }
    let mut charged = 0;
    for reply in &served {
        let row = stack.ledger().request(&reply.request_id()).await;
        assert_eq!(row.state, "complete", "{row:#?}");
        charged += row.cost_nanos.expect("a price");
    }
    let counted: u64 = scene
        .provider
        .usage()
        .iter()
        .map(|row| row.input_tokens + row.output_tokens)
        .sum();
    assert_eq!(
        charged,
        i64::try_from(counted * 1000).expect("little"),
        "the provider's own count"
    );
    assert!(charged <= budget, "overshot: {charged} of {budget}");
    assert!(served.len() >= 18, "only {} were served", served.len());
    nothing_is_held(stack, &key, charged).await;
}

/// With a budget of what is charged and a dollar more, the key has as much left as a new key with
/// a dollar, to the nano-dollar: no reservation stayed.
async fn nothing_is_held(stack: &Stack, key: &Key, charged: i64) {
    let fresh = stack.new_key(json!({"max_budget": 1})).await;
    let expected = stack.holding(&fresh).left_after_probe("probe").await;
    let client = stack.holding(key);
    let limit = Duration::from_secs(20);
    eventually_within(limit, "no reservation is left over", async || {
        let raised = dollars(charged + probes(stack, key).await + 1_000_000_000);
        let update = json!({"key": key.secret, "max_budget": raised});
        stack.manage("/key/update", update).await;
        if client.left_after_probe("probe").await == expected {
            return Some(());
        }
        // The last probe settles, and other replicas learn of the update.
        tokio::time::sleep(Duration::from_millis(300)).await;
        None
    })
    .await;
}

/// What the probes cost so far.
async fn probes(stack: &Stack, key: &Key) -> i64 {
    let rows = stack.ledger().requests_of(&key.id).await.expect("rows");
    let probes = rows.iter().filter(|row| row.alias == "probe");
    probes.filter_map(|row| row.cost_nanos).sum()
}

#[test]
fn a_crowd_in_process() {
    run(async { crowd(in_process().await, false).await });
}

#[test]
fn a_crowd_of_streams_in_process() {
    run(async { crowd(in_process().await, true).await });
}

#[test]
fn a_crowd_with_redis() {
    run(async { crowd(with_redis().await, false).await });
}

#[test]
fn a_crowd_of_streams_with_redis() {
    run(async { crowd(with_redis().await, true).await });
}

#[test]
fn a_crowd_on_two_replicas() {
    run(async { crowd(two_replicas().await, false).await });
}

#[test]
fn a_crowd_of_streams_on_two_replicas() {
    run(async { crowd(two_replicas().await, true).await });
}
