//! A service that starts before what it needs, or with what it can never use.

use std::time::{Duration, Instant};

use dragoman_tests::{
    harness::{Client, Config, Postgres, Redis, Setup, Stack, eventually_within, run},
    provider::ScriptedProvider,
};
use serde_json::json;

/// How long a database that comes may take to be used.
const SOON_USED: Duration = Duration::from_secs(30);

async fn setup(budget: bool) -> (Setup, ScriptedProvider) {
    let provider = ScriptedProvider::start().await.expect("a provider");
    let mut config = Config::new().openai("m", &provider, "gpt-x");
    if budget {
        let price = json!({"input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_001});
        config = config
            .with(price)
            .set("litellm_settings", "max_budget", json!(100));
    }
    (Setup::new(&config), provider)
}

/// The answer is a 503 that names `dependency`.
async fn unavailable(client: &Client, dependency: &str) {
    let reply = client.hello("m").await;
    let error = reply.error(503, "service_unavailable_error");
    let message = error["message"].as_str().unwrap_or_default().to_lowercase();
    assert!(message.contains(dependency), "{message}");
    assert_ne!(reply.header("retry-after"), "");
}

async fn ready(stack: &Stack) {
    eventually_within(SOON_USED, "the service is ready", async || {
        (stack.get("/health/readiness").await.status == 200).then_some(())
    })
    .await;
}

#[test]
fn a_service_that_starts_before_postgresql_serves_when_it_comes() {
    run(async {
        let Some(mut postgres) = Postgres::start().await.expect("PostgreSQL starts") else {
            return;
        };
        postgres.kill();
        let (setup, _provider) = setup(false).await;
        let setup = setup.env("DATABASE_URL", &postgres.url()).unready();
        let stack = setup.start().await.expect("the service answers");
        assert_eq!(stack.get("/health/readiness").await.status, 503);
        let client = stack.client().clone().with_key("sk-not-seen-before");
        unavailable(&client, "postgresql").await;
        assert!(stack.service_log().contains("until it is there"));
        postgres.restart().await.expect("PostgreSQL starts");
        ready(&stack).await;
        let key = stack.new_key(json!({})).await;
        let holder = stack.holding(&key);
        // A store that failed is left alone for half a second.
        let id = eventually_within(SOON_USED, "keys are looked up again", async || {
            let reply = holder.hello("m").await;
            (reply.status == 200).then(|| reply.request_id())
        });
        let id = id.await;
        assert_eq!(stack.ledger().request(&id).await.key_id, key.id);
        client.hello("m").await.error(401, "authentication_error");
    });
}

#[test]
fn a_service_that_starts_before_redis_serves_when_it_comes() {
    run(async {
        let Some(mut redis) = Redis::start().await.expect("Redis starts") else {
            return;
        };
        redis.kill();
        let (setup, _provider) = setup(true).await;
        let setup = setup.env("REDIS_URL", &redis.url()).unready();
        let stack = setup.start().await.expect("the service answers");
        let readiness = stack.get("/health/readiness").await;
        assert_eq!(readiness.status, 503);
        assert!(readiness.text().contains("redis"), "{}", readiness.text());
        unavailable(stack.client(), "redis").await;
        assert!(stack.service_log().contains("until it is there"));
        redis.restart().await.expect("Redis starts");
        ready(&stack).await;
        stack.hello("m").await.ok();
    });
}

/// The start fails soon, and the log has `words`.
async fn fails(name: &str, value: &str, words: &str) {
    let (setup, _provider) = setup(false).await;
    let begun = Instant::now();
    let error = setup.env(name, value).start().await.expect_err(value);
    assert!(begun.elapsed() < Duration::from_secs(20), "{value}");
    let text = format!("{error:#}");
    assert!(text.contains(words), "{value}: {text}");
}

#[test]
fn what_can_never_be_used_ends_the_start() {
    run(async {
        let wrong = "the database of keys and ledger";
        fails("DATABASE_URL", "mysql://localhost/x", wrong).await;
        fails("REDIS_URL", "http://localhost", "REDIS_URL").await;
        if let Some(postgres) = Postgres::start().await.expect("PostgreSQL starts") {
            let unknown = postgres.url().replace("postgres@", "nobody@");
            fails("DATABASE_URL", &unknown, "nobody").await;
        }
        if let Some(redis) = Redis::start().await.expect("Redis starts") {
            let password = redis.url().replace("://", "://:wrong@");
            fails("REDIS_URL", &password, "REDIS_URL").await;
        }
    });
}
