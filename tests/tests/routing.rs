//! Which deployment a request goes to.

use dragoman_tests::{
    harness::{Config, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
use serde_json::json;

struct Fixture {
    stack: Stack,
    provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let config = Config::new()
                .openai("weighted", &provider, "gpt-heavy")
                .with(json!({"weight": 3}))
                .anthropic("weighted", &provider, "claude-light")
                .with(json!({"weight": 1}))
                .openai("once", &provider, "gpt-never")
                .with(json!({"weight": 0}))
                .openai("once", &provider, "gpt-always")
                .with(json!({"weight": 1}))
                .openai("pair", &provider, "gpt-pair!error-500")
                .anthropic("pair", &provider, "claude-pair")
                .openai("any/*", &provider, "*")
                .openai("series-4*", &provider, "number-4*")
                .openai("default", &provider, "gpt-default")
                .set("general_settings", "completion_model", json!("default"));
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

#[test]
fn requests_are_shared_by_weight() {
    run(async {
        let fixture = fixture().await;
        let requests = (0..400).map(|_| fixture.stack.hello("weighted"));
        for reply in futures::future::join_all(requests).await {
            reply.ok();
        }
        let heavy = fixture.provider.requests_for("gpt-heavy").len();
        let light = fixture.provider.requests_for("claude-light").len();
        assert_eq!(heavy + light, 400);
        // 300 is expected; 50 off is more than five standard deviations.
        assert!(
            (250..350).contains(&heavy),
            "{heavy} of 400 to the one with weight 3 of 4"
        );
    });
}

#[test]
fn a_deployment_without_weight_gets_nothing() {
    run(async {
        let fixture = fixture().await;
        for _ in 0..20 {
            fixture.stack.hello("once").await.ok();
        }
        assert!(fixture.provider.requests_for("gpt-never").is_empty());
    });
}

#[test]
fn a_retry_goes_to_the_other_deployment_of_the_alias() {
    run(async {
        let fixture = fixture().await;
        for round in 0..10 {
            let text = format!("retry {round} in a pair");
            let reply = fixture
                .stack
                .chat(json!({
                    "model": "pair", "num_retries": 1,
                    "messages": [{"role": "user", "content": text}],
                }))
                .await;
            assert_eq!(reply.said(), format!("You said: {text}"));
        }
        assert_eq!(fixture.provider.requests_for("claude-pair").len(), 10);
    });
}

#[test]
fn a_wildcard_alias_passes_the_model_on() {
    run(async {
        let fixture = fixture().await;
        let reply = fixture.stack.hello("any/thing-new").await;
        assert_eq!(reply.ok()["model"], "any/thing-new");
        assert_eq!(fixture.provider.requests_for("thing-new").len(), 1);
    });
}

#[test]
fn a_wildcard_may_stand_for_nothing() {
    run(async {
        let fixture = fixture().await;
        fixture.stack.hello("series-4").await.ok();
        fixture.stack.hello("series-4.1").await.ok();
        assert_eq!(fixture.provider.requests_for("number-4").len(), 1);
        assert_eq!(fixture.provider.requests_for("number-4.1").len(), 1);
    });
}

#[test]
fn a_request_without_a_model_goes_to_the_default() {
    run(async {
        let fixture = fixture().await;
        let body = json!({"messages": [{"role": "user", "content": "whom do I ask?"}]});
        assert_eq!(
            fixture.stack.chat(body).await.said(),
            "You said: whom do I ask?"
        );
        assert_eq!(fixture.provider.requests_for("gpt-default").len(), 1);
    });
}

#[test]
fn the_answer_names_the_deployment() {
    run(async {
        let stack = &fixture().await.stack;
        let reply = stack.hello("once").await;
        let deployment = reply.header("x-dragoman-deployment");
        assert!(!deployment.is_empty());
        assert_eq!(reply.header("x-litellm-model-id"), deployment);
    });
}
