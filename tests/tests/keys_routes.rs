//! Keys that may use some endpoints only, and the names that they have for models.

use dragoman_tests::{
    harness::{Client, Config, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
use serde_json::{Value, json};

struct Fixture {
    stack: Stack,
    _provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn holder(fields: Value) -> Client {
    let fixture = FIXTURE.get(async || {
        let provider = ScriptedProvider::start().await?;
        let config = Config::new()
            .openai("m", &provider, "gpt-x")
            .openai("fails", &provider, "gpt-x!error-500")
            .openai("embed", &provider, "text-embedding-x");
        let stack = Setup::new(&config).start().await?;
        Ok(Fixture {
            stack,
            _provider: provider,
        })
    });
    let stack = &fixture.await.stack;
    let key = stack.new_key(fields).await;
    stack.holding(&key)
}

#[test]
fn a_key_for_some_endpoints_may_use_no_others() {
    run(async {
        let client = holder(json!({"allowed_routes": ["/embeddings"]})).await;
        let embedding = json!({"model": "embed", "input": "hello"});
        client.post("/v1/embeddings", &embedding).await.ok();
        client.post("/embeddings", &embedding).await.ok();
        for refused in [client.hello("m").await, client.get("/v1/models").await] {
            let error = refused.error(403, "permission_error");
            assert_eq!(error["code"], "key_route_access_denied");
        }
        let message = json!({
            "model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}],
        });
        let refused = client.post("/v1/messages", &message).await;
        assert_eq!(refused.status, 403, "{}", refused.text());
        assert_eq!(refused.json()["error"]["type"], "permission_error");
    });
}

#[test]
fn a_key_for_models_alone_may_not_ask_about_itself() {
    run(async {
        let client = holder(json!({"key_type": "llm_api"})).await;
        client.hello("m").await.ok();
        client.get("/v1/models").await.ok();
        client.get("/key/info").await.error(403, "permission_error");
    });
}

#[test]
fn a_client_s_own_fallbacks_may_use_the_key_s_names() {
    run(async {
        let client = holder(json!({"models": ["fails", "m"], "aliases": {"mine": "m"}})).await;
        let body = json!({
            "model": "fails", "fallbacks": ["mine"],
            "messages": [{"role": "user", "content": "hello"}],
        });
        assert_eq!(client.chat(body.clone()).await.said(), "You said: hello");
        let other = holder(json!({"models": ["fails"], "aliases": {"mine": "m"}})).await;
        assert_ne!(other.chat(body).await.status, 200, "m is not its own");
    });
}
