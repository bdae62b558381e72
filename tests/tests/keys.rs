//! Virtual keys, from the first use to the last.

use std::time::Duration;

use dragoman_tests::{
    harness::{Config, MASTER_KEY, Reply, Setup, Shared, Stack, eventually_within, run},
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
        let config = Config::new()
            .openai("small", &provider, "gpt-x")
            .openai("large", &provider, "gpt-y")
            .anthropic("claude/one", &provider, "claude-x")
            .anthropic("claude/two", &provider, "claude-y");
        let stack = Setup::new(&config).start().await?;
        Ok(Fixture {
            stack,
            _provider: provider,
        })
    });
    &fixture.await.stack
}

fn listed(models: &Value) -> Vec<String> {
    let models = models["data"].as_array().cloned().unwrap_or_default();
    let ids = models.iter().filter_map(|model| model["id"].as_str());
    ids.map(str::to_owned).collect()
}

fn not_allowed(reply: &Reply) {
    let error = reply.error(403, "permission_error");
    assert_eq!(
        (&error["code"], &error["param"]),
        (&json!("key_model_access_denied"), &json!("model"))
    );
}

#[test]
fn a_generated_key_works_and_its_requests_are_its_own() {
    run(async {
        let stack = stack().await;
        let key = stack.new_key(json!({"key_alias": "somebody's"})).await;
        let reply = stack.holding(&key).hello("small").await;
        assert_eq!(reply.said(), "You said: hello");
        let row = stack.ledger().request(&reply.request_id()).await;
        assert_eq!(row.key_id, key.id);
    });
}

#[test]
fn a_key_that_nobody_generated_is_refused() {
    run(async {
        let client = stack().await.client().clone().with_key("sk-made-up");
        client
            .hello("small")
            .await
            .error(401, "authentication_error");
    });
}

#[test]
fn a_key_uses_its_models_and_no_others() {
    run(async {
        let stack = stack().await;
        let key = stack.new_key(json!({"models": ["small"]})).await;
        let client = stack.holding(&key);
        client.hello("small").await.ok();
        not_allowed(&client.hello("large").await);
        not_allowed(&client.stream_hello("large").await.reply);
    });
}

#[test]
fn a_key_s_models_may_be_a_pattern() {
    run(async {
        let stack = stack().await;
        let key = stack.new_key(json!({"models": ["claude/*"]})).await;
        let client = stack.holding(&key);
        client.hello("claude/one").await.ok();
        client.hello("claude/two").await.ok();
        not_allowed(&client.hello("small").await);
    });
}

#[test]
fn a_key_s_aliases_are_names_of_its_own() {
    run(async {
        let stack = stack().await;
        let fields = json!({"models": ["mine"], "aliases": {"mine": "large"}});
        let key = stack.new_key(fields).await;
        let reply = stack.holding(&key).hello("mine").await;
        assert_eq!(reply.ok()["model"], "mine");
    });
}

#[test]
fn models_are_listed_as_the_key_may_use_them() {
    run(async {
        let stack = stack().await;
        let all = listed(&stack.get("/v1/models").await.ok());
        assert_eq!(all, ["small", "large", "claude/one", "claude/two"]);
        let key = stack
            .new_key(json!({"models": ["large", "claude/*"]}))
            .await;
        let some = listed(&stack.holding(&key).get("/v1/models").await.ok());
        assert_eq!(some, ["large", "claude/one", "claude/two"]);
    });
}

#[test]
fn an_update_holds_at_once() {
    run(async {
        let stack = stack().await;
        let key = stack.new_key(json!({"models": ["small"]})).await;
        let client = stack.holding(&key);
        client.hello("small").await.ok();
        let update = json!({"key": key.secret, "models": ["large"]});
        stack.manage("/key/update", update).await;
        client.hello("large").await.ok();
        not_allowed(&client.hello("small").await);
    });
}

#[test]
fn a_blocked_key_is_refused_until_it_is_unblocked() {
    run(async {
        let stack = stack().await;
        let key = stack.new_key(json!({})).await;
        let client = stack.holding(&key);
        let named = json!({"key": key.secret});
        client.hello("small").await.ok();
        stack.manage("/key/block", named.clone()).await;
        let refused = client.hello("small").await;
        let error = refused.error(401, "authentication_error");
        assert_eq!(error["code"], "key_blocked");
        stack.manage("/key/unblock", named).await;
        client.hello("small").await.ok();
    });
}

#[test]
fn a_key_ends_with_its_duration() {
    run(async {
        let stack = stack().await;
        let key = stack.new_key(json!({"duration": "2s"})).await;
        let client = stack.holding(&key);
        client.hello("small").await.ok();
        let refused =
            eventually_within(Duration::from_secs(10), "the key has expired", async || {
                let reply = client.hello("small").await;
                (reply.status != 200).then_some(reply)
            });
        let error = refused.await.error(401, "authentication_error");
        assert_eq!(error["code"], "expired_key");
    });
}

#[test]
fn a_regenerated_key_is_a_new_one_for_the_same_account() {
    run(async {
        let stack = stack().await;
        let key = stack.new_key(json!({"models": ["small"]})).await;
        let path = format!("/key/{}/regenerate", key.secret);
        let made = stack.manage(&path, json!({})).await;
        let secret = made["key"].as_str().expect("a key");
        assert_ne!(secret, key.secret);
        let new = stack.client().clone().with_key(secret);
        let reply = new.hello("small").await;
        reply.ok();
        let row = stack.ledger().request(&reply.request_id()).await;
        assert_eq!(row.key_id, key.id, "its history goes on");
        not_allowed(&new.hello("large").await);
        let old = stack.holding(&key);
        old.hello("small").await.error(401, "authentication_error");
    });
}

#[test]
fn both_keys_work_in_the_grace_period_and_the_new_one_after_it() {
    run(async {
        let stack = stack().await;
        let key = stack.new_key(json!({})).await;
        let path = format!("/key/{}/regenerate", key.secret);
        let made = stack.manage(&path, json!({"grace_period": "3s"})).await;
        let secret = made["key"].as_str().expect("a key");
        let (old, new) = (stack.holding(&key), stack.client().clone().with_key(secret));
        old.hello("small").await.ok();
        new.hello("small").await.ok();
        let what = "the grace period is over";
        let refused = eventually_within(Duration::from_secs(15), what, async || {
            let reply = old.hello("small").await;
            (reply.status != 200).then_some(reply)
        });
        refused.await.error(401, "authentication_error");
        new.hello("small").await.ok();
    });
}

#[test]
fn a_deleted_key_is_refused() {
    run(async {
        let stack = stack().await;
        let key = stack.new_key(json!({})).await;
        let client = stack.holding(&key);
        client.hello("small").await.ok();
        let keys = json!({"keys": [key.secret]});
        stack.manage("/key/delete", keys).await;
        let refused = client.hello("small").await;
        refused.error(401, "authentication_error");
    });
}

#[test]
fn the_holder_of_a_key_manages_nothing_and_sees_that_key_alone() {
    run(async {
        let stack = stack().await;
        let (key, other) = (
            stack.new_key(json!({})).await,
            stack.new_key(json!({})).await,
        );
        let client = stack.holding(&key);
        let named = json!({"key": other.secret, "keys": [other.secret]});
        for path in [
            "/key/generate",
            "/key/update",
            "/key/block",
            "/key/delete",
            "/key/regenerate",
            "/team/new",
            "/user/new",
            "/budget/new",
        ] {
            let refused = client.post(path, &named).await;
            refused.error(403, "permission_error");
        }
        client.get("/key/list").await.error(403, "permission_error");
        let of_other = format!("/key/info?key={}", other.secret);
        client.get(&of_other).await.error(403, "permission_error");
        let own = client.get("/key/info").await.ok();
        assert_eq!(own["info"]["token"], json!(key.id));
    });
}

#[test]
fn no_reply_but_the_first_shows_a_key() {
    run(async {
        let stack = stack().await;
        let key = stack.new_key(json!({"key_alias": "shown once"})).await;
        for path in [
            format!("/key/info?key={}", key.id),
            "/key/list?return_full_object=true&size=100".to_owned(),
        ] {
            let text = stack.get(&path).await.text();
            assert!(text.contains(&key.id), "{path}: {text}");
            assert!(!text.contains(&key.secret), "{path} shows the key");
        }
        let log = stack.service_log();
        assert!(!log.contains(&key.secret) && !log.contains(MASTER_KEY));
    });
}

#[test]
fn a_key_survives_a_restart_of_the_service() {
    run(async {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let config = Config::new().openai("m", &provider, "gpt-x");
        let mut stack = Setup::new(&config).start().await.expect("a stack");
        let key = stack.new_key(json!({})).await;
        stack.service().kill();
        stack
            .restart_service()
            .await
            .expect("the service starts again");
        stack.holding(&key).hello("m").await.ok();
    });
}
