//! `kill -9` under load: of the service, of Envoy, of Redis, of PostgreSQL. Afterwards the ledger
//! says what the provider says, keys work, and at no time was a key called wrong.

use std::time::Duration;

use dragoman_tests::{
    harness::{
        Config, Key, Load, Outcome, Postgres, Redis, Reply, Setup, Stack, eventually_within, run,
    },
    provider::ScriptedProvider,
};
use reqwest::Method;
use serde_json::json;
use tokio::time::sleep;

/// Load before the blow, and after the recovery.
const A_WHILE: Duration = Duration::from_millis(1500);
/// How long a dependency may take to be used again.
const RECOVERY: Duration = Duration::from_secs(30);

fn config(provider: &ScriptedProvider) -> Config {
    let price = json!({"input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_001});
    Config::new()
        .openai("m", provider, "gpt-x!delay-20!words-20!slow-20")
        .with(price.clone())
        .openai("quick", provider, "gpt-x")
        .with(price)
}

struct Scene {
    stack: Stack,
    provider: ScriptedProvider,
    key: Key,
}

impl Scene {
    async fn start(prepare: impl FnOnce(Setup) -> Setup) -> Self {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let setup = prepare(Setup::new(&config(&provider)));
        let stack = setup.start().await.expect("a stack");
        let key = stack.new_key(json!({"max_budget": 100})).await;
        Self {
            stack,
            provider,
            key,
        }
    }

    fn load(&self) -> Load {
        Load::start(&self.stack.holding(&self.key), "m", 12)
    }

    /// The key works again.
    async fn recovered(&self) {
        let client = self.stack.holding(&self.key);
        eventually_within(RECOVERY, "the key works again", async || {
            let request = client
                .request(Method::POST, "/v1/chat/completions")
                .json(&json!({"model": "m", "messages": [{"role": "user", "content": "back?"}]}));
            let reply = request.send().await.ok()?;
            (reply.status() == 200).then_some(())
        })
        .await;
    }

    /// What the load has seen agrees with the ledger, and the ledger with the provider.
    async fn accounts_agree(&self, load: Load) {
        let seen = load.finish().await;
        let complete: Vec<_> = seen
            .iter()
            .filter(|asked| asked.outcome == Outcome::Complete)
            .collect();
        assert!(
            complete.len() > 20,
            "there was hardly any load: {}",
            complete.len()
        );
        let ledger = self.stack.ledger();
        let rows = eventually_within(RECOVERY, "every complete request has its row", async || {
            let rows = ledger.requests_of(&self.key.id).await.ok()?;
            let has =
                |id: &Option<String>| rows.iter().any(|row| Some(&row.request_id) == id.as_ref());
            complete.iter().all(|asked| has(&asked.id)).then_some(rows)
        });
        let rows = rows.await;
        for asked in complete {
            let row = rows
                .iter()
                .find(|row| Some(&row.request_id) == asked.id.as_ref());
            let row = row.expect("a row");
            let counted = self.provider.usage_with(&asked.text);
            let theirs = [counted.input_tokens, counted.output_tokens];
            let theirs = theirs.map(|tokens| i64::try_from(tokens).expect("few tokens"));
            assert_eq!([row.input_tokens, row.output_tokens], theirs, "{row:#?}");
            assert_eq!(row.state, "complete", "{row:#?}");
        }
        for asked in seen.iter().filter(|asked| asked.outcome == Outcome::Broken) {
            let row = rows
                .iter()
                .find(|row| Some(&row.request_id) == asked.id.as_ref());
            if let Some(row) = row {
                assert!(row.cost_nanos.is_some(), "{row:#?}");
            }
        }
    }
}

/// A key without spending and this one, given as much more as its rows say it spent, have the same
/// left: what is charged is what the ledger says, and nothing is held.
async fn nothing_is_held(scene: &Scene) {
    let stack = &scene.stack;
    let fresh = stack.new_key(json!({"max_budget": 100})).await;
    let expected = stack.holding(&fresh).left_after_probe("m").await;
    let client = stack.holding(&scene.key);
    let mut last = String::new();
    for _ in 0..20 {
        let rows = stack.ledger().requests_of(&scene.key.id).await;
        let spent: i64 = rows
            .expect("rows")
            .iter()
            .filter_map(|row| row.cost_nanos)
            .sum();
        let budget = 100_000_000_000 + spent;
        let text = format!("{}.{:09}", budget / 1_000_000_000, budget % 1_000_000_000);
        let dollars: serde_json::Value = serde_json::from_str(&text).expect("a number");
        let update = json!({"key": scene.key.secret, "max_budget": dollars});
        stack.manage("/key/update", update).await;
        last = client.left_after_probe("m").await;
        if last == expected {
            return;
        }
        sleep(Duration::from_millis(700)).await;
    }
    panic!("{last} is left, not {expected}");
}

/// Every answer that is an error is a 503 that names `dependency`.
fn only_503_that_name(load: &Load, dependency: &str) {
    for (status, text) in load.refusals() {
        assert_eq!(status, 503, "{text}");
        assert!(text.to_lowercase().contains(dependency), "{text}");
    }
}

#[test]
fn the_service() {
    run(async {
        let mut scene = Scene::start(|setup| setup).await;
        let load = scene.load();
        sleep(A_WHILE).await;
        scene.stack.service().kill();
        sleep(A_WHILE).await;
        scene
            .stack
            .restart_service()
            .await
            .expect("the service starts again");
        scene.recovered().await;
        sleep(A_WHILE).await;
        only_503_that_name(&load, "dragoman");
        scene.accounts_agree(load).await;
        nothing_is_held(&scene).await;
    });
}

#[test]
fn envoy() {
    run(async {
        let mut scene = Scene::start(|setup| setup).await;
        let load = scene.load();
        sleep(A_WHILE).await;
        scene.stack.envoy().kill();
        scene
            .stack
            .restart_envoy()
            .await
            .expect("Envoy starts again");
        scene.recovered().await;
        sleep(A_WHILE).await;
        scene.accounts_agree(load).await;
    });
}

#[test]
fn answers_given_just_before_envoy_dies_have_their_rows() {
    run(async {
        let mut scene = Scene::start(|setup| setup).await;
        let load = Load::start(&scene.stack.holding(&scene.key), "quick", 12);
        sleep(A_WHILE).await;
        scene.stack.envoy().kill();
        load.stop();
        scene.accounts_agree(load).await;
    });
}

#[test]
fn redis() {
    run(async {
        let Some(mut redis) = Redis::start().await.expect("Redis starts") else {
            return;
        };
        let scene = Scene::start(|setup| setup.env("REDIS_URL", &redis.url())).await;
        let load = scene.load();
        sleep(A_WHILE).await;
        redis.kill();
        sleep(A_WHILE).await;
        unavailable(&scene, &scene.key.secret, "redis").await;
        redis.restart().await.expect("Redis starts again");
        scene.recovered().await;
        sleep(A_WHILE).await;
        only_503_that_name(&load, "redis");
        scene.accounts_agree(load).await;
        nothing_is_held(&scene).await;
    });
}

/// What ended while Redis did not answer waits in the service, and dies with it.
#[test]
fn the_service_with_what_it_had_to_tell_redis() {
    run(async {
        let Some(redis) = Redis::start().await.expect("Redis starts") else {
            return;
        };
        let mut scene = Scene::start(|setup| setup.env("REDIS_URL", &redis.url())).await;
        let load = scene.load();
        sleep(A_WHILE * 2).await;
        // What asks to be admitted in that moment would hold something for nobody, for a minute.
        load.stop();
        sleep(Duration::from_millis(100)).await;
        redis.pause();
        sleep(A_WHILE).await;
        scene.stack.service().kill();
        redis.resume();
        let restarted = scene.stack.restart_service().await;
        restarted.expect("the service starts again");
        scene.recovered().await;
        scene.accounts_agree(load).await;
        nothing_is_held(&scene).await;
    });
}

#[test]
fn redis_and_postgresql_together() {
    run(async {
        let (redis, postgres) = (Redis::start().await, Postgres::start().await);
        let (Some(mut redis), Some(mut postgres)) = (
            redis.expect("Redis starts"),
            postgres.expect("PostgreSQL starts"),
        ) else {
            return;
        };
        let urls = [redis.url(), postgres.url()];
        let scene = Scene::start(|setup| {
            setup
                .env("REDIS_URL", &urls[0])
                .env("DATABASE_URL", &urls[1])
        });
        let scene = scene.await;
        let load = scene.load();
        sleep(A_WHILE).await;
        postgres.kill();
        sleep(Duration::from_millis(500)).await;
        redis.kill();
        sleep(A_WHILE).await;
        redis.restart().await.expect("Redis starts again");
        sleep(A_WHILE).await;
        postgres.restart().await.expect("PostgreSQL starts again");
        scene.recovered().await;
        sleep(A_WHILE).await;
        for (status, text) in load.refusals() {
            assert_eq!(status, 503, "{text}");
        }
        scene.accounts_agree(load).await;
        nothing_is_held(&scene).await;
    });
}

#[test]
fn postgresql() {
    run(async {
        let Some(mut postgres) = Postgres::start().await.expect("PostgreSQL starts") else {
            return;
        };
        let scene = Scene::start(|setup| setup.env("DATABASE_URL", &postgres.url())).await;
        let load = scene.load();
        sleep(A_WHILE).await;
        postgres.kill();
        sleep(A_WHILE).await;
        unavailable(&scene, "sk-not-seen-before", "postgresql").await;
        postgres.restart().await.expect("PostgreSQL starts again");
        scene.recovered().await;
        sleep(A_WHILE).await;
        only_503_that_name(&load, "postgresql");
        scene.accounts_agree(load).await;
        nothing_is_held(&scene).await;
        let client = scene.stack.client().clone().with_key("sk-not-seen-before");
        client.hello("m").await.error(401, "authentication_error");
    });
}

/// A request with `secret` is answered with a 503 that names `dependency`.
async fn unavailable(scene: &Scene, secret: &str, dependency: &str) {
    let client = scene.stack.client().clone().with_key(secret);
    let reply: Reply = client.hello("m").await;
    let error = reply.error(503, "service_unavailable_error");
    let message = error["message"].as_str().unwrap_or_default().to_lowercase();
    assert!(message.contains(dependency), "{message}");
    assert_ne!(reply.header("retry-after"), "");
}
