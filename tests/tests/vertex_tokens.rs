//! The access tokens of Vertex AI: made out of every kind of credentials, renewed while requests go
//! on, and missing in a way that a client and an operator understand.

use std::{
    collections::BTreeSet,
    fs,
    time::{Duration, Instant},
};

use dragoman_tests::{
    harness::{Config, Setup, Stack, eventually, run},
    provider::{PROJECT, ScriptedProvider, TOKENS},
};
use serde_json::{Value, json};

const GEMINI: &str = "gemini-2.5-flash";

async fn provider() -> ScriptedProvider {
    ScriptedProvider::start().await.expect("a free port")
}

async fn start(config: &Config) -> Stack {
    Setup::new(config).start().await.expect("it starts")
}

/// How long the service took until it would serve: from its configuration, which is written just before it
/// is started, to Envoy's bootstrap. Envoy's own start is not part of it, which takes as long as others
/// let it.
fn held_back(stack: &Stack) -> Duration {
    let written = |file: &str| {
        let metadata = fs::metadata(stack.state.join(file)).expect("it was written");
        metadata.modified().expect("the time is kept")
    };
    let took = written("envoy.json").duration_since(written("config.yaml"));
    took.expect("the configuration was there first")
}

/// `litellm_params` of a deployment at `provider`, with `credentials`.
fn with_credentials(provider: &ScriptedProvider, credentials: &Value) -> Value {
    json!({
        "model": format!("vertex_ai/{GEMINI}"), "api_base": provider.root(),
        "vertex_project": PROJECT, "vertex_location": "global", "vertex_credentials": credentials,
    })
}

/// What `/health` says of the one deployment of `alias`.
async fn trouble(stack: &Stack, alias: &str) -> Option<String> {
    let health = stack.get(&format!("/health?model={alias}")).await.ok();
    let error = health["unhealthy_endpoints"][0]["error"].as_str();
    error.map(str::to_owned)
}

#[test]
fn tokens_are_renewed_and_no_request_notices() {
    run(async {
        let provider = provider().await;
        provider.tokens_live_for(Duration::from_secs(3));
        let config = Config::new().vertex("m", &provider, GEMINI).vertex(
            "long",
            &provider,
            "gemini-2.5-pro!words-60!slow-100",
        );
        let stack = start(&config).await;
        let client = stack.client().clone();
        let long = tokio::spawn(async move { client.stream_hello("long").await.said() });
        let end = Instant::now() + Duration::from_secs(8);
        while Instant::now() < end {
            stack.hello("m").await.ok();
        }
        let tokens: BTreeSet<String> = provider
            .requests_for(GEMINI)
            .iter()
            .filter_map(|request| request.header("authorization").map(str::to_owned))
            .collect();
        assert!(tokens.len() >= 3, "{tokens:?}");
        let said = long.await.expect("the stream ends");
        assert_eq!(said.split_whitespace().count(), 60, "{said}");
    });
}

#[test]
fn a_token_endpoint_that_is_down_delays_no_start_and_its_return_is_noticed() {
    run(async {
        let provider = provider().await;
        provider.always(TOKENS, "error-503");
        let config = Config::new()
            .vertex("m", &provider, GEMINI)
            .vertex("with-other", &provider, "gemini-2.5-pro")
            .fallback("with-other", &["other"])
            .openai("other", &provider, "gpt-x");
        let stack = start(&config).await;
        assert!(held_back(&stack) < Duration::from_secs(10));

        let reply = stack.hello("m").await;
        assert_eq!(reply.status, 503, "{}", reply.text());
        let error = &reply.json()["error"];
        assert_eq!(error["code"], "provider_credential_unavailable");
        let other = stack.hello("with-other").await;
        assert_eq!(other.status, 200, "{}", other.text());
        assert_eq!(
            provider.requests_for(GEMINI).len(),
            0,
            "nothing was sent in vain"
        );
        let said = trouble(&stack, "m").await.expect("it is unhealthy");
        assert!(said.contains("the token endpoint answers 503"), "{said}");
        assert!(
            stack
                .service_log()
                .contains("the token endpoint answers 503")
        );

        provider.always(TOKENS, "");
        let back = async || (stack.hello("m").await.status == 200).then_some(());
        eventually("the token endpoint's return is noticed", back).await;
        assert_eq!(trouble(&stack, "m").await, None);
    });
}

#[test]
fn a_token_endpoint_that_hangs_delays_no_start_for_long() {
    run(async {
        let provider = provider().await;
        provider.always(TOKENS, "stall");
        let stack = start(&Config::new().vertex("m", &provider, GEMINI)).await;
        assert!(held_back(&stack) < Duration::from_secs(10));
        let asked = Instant::now();
        assert_eq!(stack.hello("m").await.status, 503);
        assert!(asked.elapsed() < Duration::from_secs(2));
    });
}

#[test]
fn an_account_that_is_refused_is_named_with_its_cause_and_passed_over() {
    run(async {
        let provider = provider().await;
        let mut stranger = provider.service_account();
        stranger["client_email"] = json!("stranger@elsewhere.iam.gserviceaccount.com");
        let config = Config::new()
            .deployment(
                "m",
                with_credentials(&provider, &json!(stranger.to_string())),
            )
            .fallback("m", &["other"])
            .openai("other", &provider, "gpt-x");
        let stack = start(&config).await;
        let reply = stack.hello("m").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let said = trouble(&stack, "m").await.expect("it is unhealthy");
        assert!(
            said.contains("answers 400: invalid_grant: Invalid JWT"),
            "{said}"
        );
    });
}

#[test]
fn every_kind_of_credentials_makes_tokens() {
    run(async {
        let provider = provider().await;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key.json");
        std::fs::write(&file, provider.service_account().to_string()).expect("it is written");
        let path = json!(file.to_string_lossy());
        let config = Config::new()
            .deployment("file", with_credentials(&provider, &path))
            .deployment(
                "map",
                with_credentials(&provider, &provider.service_account()),
            )
            .deployment(
                "user",
                with_credentials(&provider, &provider.authorized_user()),
            )
            .deployment(
                "variable",
                with_credentials(&provider, &json!("os.environ/SA")),
            )
            .deployment("metadata", with_credentials(&provider, &Value::Null));
        let stack = Setup::new(&config)
            .env("SA", &provider.service_account().to_string())
            .env("GCE_METADATA_HOST", &provider.address().to_string())
            .env("HOME", &folder.path().to_string_lossy())
            .start()
            .await
            .expect("it starts");
        for alias in ["file", "map", "user", "variable", "metadata"] {
            let reply = stack.hello(alias).await;
            assert_eq!(reply.status, 200, "{alias}: {}", reply.text());
        }
        // The map and the variable hold the same text.
        assert_eq!(provider.tokens_issued(), 4);
    });
}

#[test]
fn a_changed_configuration_keeps_the_token_and_makes_those_that_are_new() {
    run(async {
        let provider = provider().await;
        let config = Config::new().vertex("m", &provider, GEMINI);
        let stack = start(&config).await;
        stack.hello("m").await.ok();
        let user = provider.authorized_user();
        let more = config.deployment("user", with_credentials(&provider, &user));
        stack.write_config(&more.text()).expect("it is written");
        let there = async || (stack.hello("user").await.status == 200).then_some(());
        eventually("the new deployment answers", there).await;
        stack.hello("m").await.ok();
        assert_eq!(provider.tokens_issued(), 2);
    });
}

#[test]
fn revoked_tokens_are_replaced_at_once() {
    run(async {
        let provider = provider().await;
        let stack = start(&Config::new().vertex("m", &provider, GEMINI)).await;
        stack.hello("m").await.ok();
        // A younger one is not replaced: it would not be the token that is wrong.
        tokio::time::sleep(Duration::from_secs(10)).await;
        provider.revoke_tokens();
        assert_eq!(stack.hello("m").await.status, 502);
        let again = async || (stack.hello("m").await.status == 200).then_some(());
        eventually("another token is fetched", again).await;
    });
}
