//! PostgreSQL and Redis that are spoken to with TLS, and certificates that are checked.

use dragoman_tests::{
    harness::{Authority, Config, Postgres, Redis, Setup, eventually, run},
    provider::ScriptedProvider,
};
use serde_json::json;

async fn setup() -> (Setup, ScriptedProvider) {
    let provider = ScriptedProvider::start().await.expect("a provider");
    let price = json!({"input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_001});
    let config = Config::new().openai("m", &provider, "gpt-x").with(price);
    (Setup::new(&config), provider)
}

/// The service does not start with `url`, and says that it is for the certificate.
async fn distrusts(name: &str, url: &str) {
    let (setup, _provider) = setup().await;
    let error = setup.env(name, url).start().await.expect_err(url);
    let text = format!("{error:#}").to_lowercase();
    assert!(text.contains("certificate"), "{text}");
}

#[test]
fn keys_and_ledger_are_in_a_postgresql_that_shows_who_it_is() {
    run(async {
        let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
        let started = Postgres::start_with_tls(&authority).await;
        let Some(postgres) = started.expect("PostgreSQL starts") else {
            return;
        };
        let (setup, _provider) = setup().await;
        let setup = setup.env("DATABASE_URL", &postgres.url());
        let stack = setup.start().await.expect("a stack");
        let key = stack.new_key(json!({})).await;
        let id = stack.holding(&key).hello("m").await.request_id();
        assert_eq!(stack.ledger().request(&id).await.key_id, key.id);
        let ca = |authority: &Authority| authority.ca().display().to_string();
        let unknown = postgres.url().replace(&ca(&authority), &ca(&other));
        distrusts("DATABASE_URL", &unknown).await;
        distrusts("DATABASE_URL", &unknown.replace("verify-full", "require")).await;
        let plain = postgres.url().replace("verify-full", "disable");
        let (setup, _provider) = self::setup().await;
        setup
            .env("DATABASE_URL", &plain)
            .start()
            .await
            .expect_err("it wants TLS");
    });
}

#[test]
fn without_an_authority_tls_to_postgresql_is_not_checked_as_libpq_has_it() {
    run(async {
        let authority = Authority::new().unwrap();
        let started = Postgres::start_with_tls(&authority).await;
        let Some(postgres) = started.expect("PostgreSQL starts") else {
            return;
        };
        let url = postgres.url();
        let (address, _) = url.split_once('?').expect("parameters");
        let (setup, _provider) = setup().await;
        let setup = setup.env("DATABASE_URL", &format!("{address}?sslmode=require"));
        let stack = setup.start().await.expect("a stack");
        stack.hello("m").await.ok();
    });
}

#[test]
fn budgets_are_in_a_redis_that_shows_who_it_is() {
    run(async {
        let (authority, other) = (Authority::new().unwrap(), Authority::new().unwrap());
        let started = Redis::start_with_tls(&authority).await;
        let Some(redis) = started.expect("Redis starts") else {
            return;
        };
        let (setup, _provider) = setup().await;
        let stack = setup.env("REDIS_URL", &redis.url()).start().await;
        let stack = stack.expect("a stack");
        let key = stack.new_key(json!({"max_budget": 1})).await;
        let client = stack.holding(&key);
        let before = client.left_after_probe("m").await;
        client.hello("m").await.ok();
        eventually("the request is charged", async || {
            (client.left_after_probe("m").await != before).then_some(())
        })
        .await;
        let ca = |authority: &Authority| authority.ca().display().to_string();
        let unknown = redis.url().replace(&ca(&authority), &ca(&other));
        distrusts("REDIS_URL", &unknown).await;
    });
}
