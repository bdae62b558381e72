//! When a part of us is down, comes back, or is told something else.

use std::time::Duration;

use dragoman_tests::{
    harness::{Config, Setup, Stack, eventually, eventually_within, run},
    provider::ScriptedProvider,
};
use futures::future::join_all;
use serde_json::json;

async fn start(provider: &ScriptedProvider) -> Stack {
    let config = Config::new().openai("m", provider, "gpt-x");
    Setup::new(&config).start().await.expect("a stack")
}

async fn provider() -> ScriptedProvider {
    ScriptedProvider::start().await.expect("a provider")
}

#[test]
fn without_the_service_requests_get_a_503_that_names_it() {
    run(async {
        let provider = provider().await;
        let mut stack = start(&provider).await;
        stack.service().kill();
        let error = stack
            .hello("m")
            .await
            .error(503, "service_unavailable_error");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains("dragoman"), "{message}");
        assert!(provider.requests().is_empty(), "a request passed for free");
    });
}

#[test]
fn without_the_service_its_own_endpoints_get_a_503() {
    run(async {
        let provider = provider().await;
        let mut stack = start(&provider).await;
        stack.service().kill();
        stack
            .get("/v1/models")
            .await
            .error(503, "service_unavailable_error");
    });
}

#[test]
fn a_service_that_comes_back_serves_again() {
    run(async {
        let provider = provider().await;
        let mut stack = start(&provider).await;
        stack.service().kill();
        stack
            .restart_service()
            .await
            .expect("the service starts again");
        eventually("requests are served again", async || {
            (stack.hello("m").await.status == 200).then_some(())
        })
        .await;
    });
}

#[test]
fn an_envoy_that_comes_back_serves_again() {
    run(async {
        let provider = provider().await;
        let mut stack = start(&provider).await;
        stack.envoy().kill();
        stack.restart_envoy().await.expect("Envoy starts again");
        assert_eq!(stack.hello("m").await.said(), "You said: hello");
    });
}

#[test]
fn the_ledger_survives_a_service_that_is_killed() {
    run(async {
        let provider = provider().await;
        let mut stack = start(&provider).await;
        let id = stack.hello("m").await.request_id();
        let before = stack.ledger().request(&id).await;
        stack.service().kill();
        stack
            .restart_service()
            .await
            .expect("the service starts again");
        assert_eq!(stack.ledger().request(&id).await, before);
    });
}

#[test]
fn a_generated_master_key_survives_a_restart() {
    run(async {
        let provider = provider().await;
        let config = json!({"model_list": [{
            "model_name": "m",
            "litellm_params": {
                "model": "openai/gpt-x", "api_base": provider.openai_base(), "api_key": "k",
            },
        }]});
        let setup = Setup::with_text(&config.to_string());
        let mut stack = setup.start().await.expect("a stack");
        let key = printed_key(&stack.service_log()).expect("the key is printed");
        let client = stack.client().clone().with_key(&key);
        assert_eq!(client.hello("m").await.said(), "You said: hello");
        let log = stack.service_log().len();
        stack.service().kill();
        stack
            .restart_service()
            .await
            .expect("the service starts again");
        assert_eq!(client.hello("m").await.said(), "You said: hello");
        assert_eq!(
            printed_key(&stack.service_log()[log..]),
            None,
            "it is printed once"
        );
    });
}

fn printed_key(log: &str) -> Option<String> {
    let (_, rest) = log.split_once("sk-")?;
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        .unwrap_or(rest.len());
    Some(format!("sk-{}", &rest[..end]))
}

#[test]
fn a_changed_configuration_is_taken_over() {
    run(async {
        let provider = provider().await;
        let stack = start(&provider).await;
        let more =
            Config::new()
                .openai("m", &provider, "gpt-x")
                .anthropic("new", &provider, "claude-new");
        stack.write_config(&more.text()).expect("written");
        eventually_within(
            Duration::from_secs(20),
            "the new alias is served",
            async || (stack.hello("new").await.status == 200).then_some(()),
        )
        .await;
    });
}

#[test]
fn no_request_is_dropped_while_the_configuration_changes() {
    run(async {
        let provider = provider().await;
        let stack = start(&provider).await;
        let more = Config::new()
            .openai("m", &provider, "gpt-x")
            .openai("new", &provider, "gpt-new");
        stack.write_config(&more.text()).expect("written");
        eventually_within(
            Duration::from_secs(20),
            "the new alias is served",
            async || {
                assert_eq!(stack.hello("m").await.said(), "You said: hello");
                (stack.hello("new").await.status == 200).then_some(())
            },
        )
        .await;
        assert_eq!(stack.hello("m").await.said(), "You said: hello");
    });
}

#[test]
fn no_request_is_dropped_while_its_deployment_changes() {
    run(async {
        let provider = provider().await;
        let stack = start(&provider).await;
        let limited = Config::new()
            .openai("m", &provider, "gpt-x")
            .with(json!({"max_tokens": 1, "timeout": 30}));
        stack.write_config(&limited.text()).expect("written");
        let is_in_force = async || {
            // all that are asked in these moments, several at once
            let replies = join_all((0..8).map(|_| stack.hello("m"))).await;
            for reply in &replies {
                assert_eq!(reply.status, 200, "{}", reply.text());
            }
            replies
                .iter()
                .any(|reply| reply.said() != "You said: hello")
                .then_some(())
        };
        let limit = Duration::from_secs(20);
        eventually_within(limit, "the new default is used", is_in_force).await;
        for _ in 0..50 {
            assert_eq!(stack.hello("m").await.status, 200);
        }
    });
}

#[test]
fn a_bad_configuration_leaves_the_old_one_running_and_says_why() {
    run(async {
        let provider = provider().await;
        let stack = start(&provider).await;
        stack.write_config("model_list: 7\n").expect("written");
        eventually_within(
            Duration::from_secs(20),
            "the log names model_list",
            async || stack.service_log().contains("model_list").then_some(()),
        )
        .await;
        assert_eq!(stack.hello("m").await.said(), "You said: hello");
    });
}

#[test]
fn a_service_that_is_asked_to_end_ends_well() {
    run(async {
        let provider = provider().await;
        let mut stack = start(&provider).await;
        stack.hello("m").await.ok();
        let service = stack.service();
        service.signal(rustix::process::Signal::TERM);
        let status = service.wait(Duration::from_secs(10)).expect("it ends");
        assert!(status.success(), "{status}");
    });
}
