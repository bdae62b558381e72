//! The error contract: one shape, the right status, and nothing in the message that is nobody's
//! business, whoever failed: the provider, the way to it, or we.

use dragoman_tests::{
    each_dialect,
    harness::{Config, DIALECTS, Reply, Setup, Shared, Stack, free_port, run},
    provider::ScriptedProvider,
};
use serde_json::{Value, json};

const FAILURES: &[&str] = &[
    "close",
    "reset",
    "stall",
    "end-after-0",
    "error-after-0",
    "error-400",
    "error-401",
    "error-403",
    "error-429-7",
    "error-500",
    "error-503",
    "error-529",
    "context-length",
    "content-policy",
    "html",
    "broken-json",
    "empty",
    "length-20",
    "refused",
    "unresolved",
];

struct Fixture {
    stack: Stack,
    provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let mut config = Config::new()
                .openai("well", &provider, "gpt-well")
                // its script is for one test alone: any other request would take a line of it
                .openai("retried", &provider, "gpt-retried");
            for failure in FAILURES {
                for dialect in DIALECTS {
                    let alias = format!("{dialect}-{failure}");
                    config = config.speaking(dialect, &alias, &provider, &format!("x!{failure}"));
                    config = match *failure {
                        "refused" => config.nowhere(&free_port().to_string()),
                        "unresolved" => config.nowhere("nobody.invalid"),
                        "stall" => config.with(json!({"timeout": 1, "stream_timeout": 1})),
                        _ => config,
                    };
                }
            }
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

/// The error of a request to the deployment that fails so, which is the same for JSON and for a
/// stream.
async fn error(
    fixture: &Fixture,
    alias: &str,
    failure: &str,
    status: u16,
    kind: &str,
) -> (Reply, Value) {
    let model = format!("{alias}-{failure}");
    let streamed = fixture.stack.stream_hello(&model).await;
    streamed.reply.error(status, kind);
    let reply = fixture.stack.hello(&model).await;
    let error = reply.error(status, kind);
    (reply, error)
}

each_dialect! {
    [openai anthropic gemini ollama cohere bedrock]

    async fn a_provider_that_refuses_our_key_is_a_bad_gateway(fixture, alias) {
        error(fixture, alias, "error-401", 502, "api_error").await;
    }

    async fn a_provider_that_forbids_us_the_model_is_a_bad_gateway(fixture, alias) {
        error(fixture, alias, "error-403", 502, "api_error").await;
    }

    async fn a_provider_s_400_stays_one(fixture, alias) {
        let (_, error) =
            error(fixture, alias, "error-400", 400, "invalid_request_error").await;
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains("as scripted"), "{message}");
    }

    async fn a_provider_s_rate_limit_is_a_429_that_says_when_to_return(fixture, alias) {
        let (reply, error) = error(fixture, alias, "error-429-7", 429, "rate_limit_error").await;
        assert_eq!(reply.header("retry-after"), "7");
        assert_eq!(error["code"], "rate_limit_exceeded");
    }

    async fn a_provider_s_internal_error_is_a_bad_gateway(fixture, alias) {
        error(fixture, alias, "error-500", 502, "api_error").await;
    }

    async fn a_provider_that_is_unavailable_is_a_503(fixture, alias) {
        error(fixture, alias, "error-503", 503, "service_unavailable_error").await;
    }

    async fn a_provider_that_is_overloaded_is_a_503(fixture, alias) {
        error(fixture, alias, "error-529", 503, "service_unavailable_error").await;
    }

    async fn a_prompt_that_is_too_long_has_openai_s_code(fixture, alias) {
        let (_, error) =
            error(fixture, alias, "context-length", 400, "invalid_request_error").await;
        assert_eq!(error["code"], "context_length_exceeded");
    }

    async fn a_prompt_that_is_refused_has_openai_s_code(fixture, alias) {
        let (_, error) =
            error(fixture, alias, "content-policy", 400, "invalid_request_error").await;
        assert_eq!(error["code"], "content_policy_violation");
    }

    async fn a_web_page_is_a_bad_gateway(fixture, alias) {
        error(fixture, alias, "html", 502, "api_error").await;
    }

    async fn half_a_json_text_is_a_bad_gateway(fixture, alias) {
        error(fixture, alias, "broken-json", 502, "api_error").await;
    }

    async fn an_empty_answer_is_a_bad_gateway(fixture, alias) {
        error(fixture, alias, "empty", 502, "api_error").await;
    }

    async fn a_json_answer_that_is_cut_short_is_a_bad_gateway(fixture, alias) {
        let reply = fixture.stack.hello(&format!("{alias}-length-20")).await;
        reply.error(502, "api_error");
    }

    async fn a_stream_that_begins_with_an_error_has_its_status(fixture, alias) {
        let (status, kind) = match alias {
            "anthropic" | "gemini" => (503, "service_unavailable_error"),
            _ => (502, "api_error"),
        };
        let model = format!("{alias}-error-after-0");
        fixture.stack.stream_hello(&model).await.reply.error(status, kind);
    }

    async fn a_stream_without_events_is_a_bad_gateway(fixture, alias) {
        let model = format!("{alias}-end-after-0");
        fixture.stack.stream_hello(&model).await.reply.error(502, "api_error");
    }

    async fn a_refused_connection_is_a_503(fixture, alias) {
        error(fixture, alias, "refused", 503, "service_unavailable_error").await;
    }

    async fn a_name_that_does_not_resolve_is_a_503(fixture, alias) {
        error(fixture, alias, "unresolved", 503, "service_unavailable_error").await;
    }

    async fn a_connection_that_closes_is_a_503(fixture, alias) {
        error(fixture, alias, "close", 503, "service_unavailable_error").await;
    }

    async fn a_connection_that_is_reset_is_a_503(fixture, alias) {
        error(fixture, alias, "reset", 503, "service_unavailable_error").await;
    }

    async fn a_provider_that_says_nothing_is_a_504(fixture, alias) {
        error(fixture, alias, "stall", 504, "timeout_error").await;
    }

    async fn an_error_names_the_request(fixture, alias) {
        let reply = fixture.stack.hello(&format!("{alias}-error-500")).await;
        assert!(!reply.request_id().is_empty());
        assert_eq!(reply.header("x-litellm-call-id"), reply.request_id());
    }
}

#[test]
fn a_provider_s_headers_do_not_reach_the_client() {
    run(async {
        let reply = fixture().await.stack.hello("openai-error-400").await;
        for name in [
            "set-cookie",
            "openai-organization",
            "x-request-id",
            "openai-processing-ms",
        ] {
            assert_eq!(reply.header(name), "", "{name}");
        }
    });
}

#[test]
fn internal_headers_do_not_reach_the_client() {
    run(async {
        let stack = &fixture().await.stack;
        for model in ["well", "openai-error-503", "openai-empty", "openai-refused"] {
            let reply = stack.hello(model).await;
            for name in reply.headers.keys() {
                let shown = ["x-dragoman-deployment", "x-dragoman-request-id"];
                let internal = name.as_str().starts_with("x-dragoman-")
                    || name.as_str().starts_with("x-envoy-");
                assert!(
                    !internal || shown.contains(&name.as_str()),
                    "{model}: {name}"
                );
            }
        }
    });
}

#[test]
fn a_failure_that_passes_is_retried_at_the_same_deployment() {
    run(async {
        let fixture = fixture().await;
        fixture
            .provider
            .script("gpt-retried", &["error-500", "close"]);
        let text = "third time lucky";
        let body = json!({
            "model": "retried", "num_retries": 2,
            "messages": [{"role": "user", "content": text}],
        });
        assert_eq!(
            fixture.stack.chat(body).await.said(),
            format!("You said: {text}")
        );
        assert_eq!(fixture.provider.requests_with(text).len(), 3);
    });
}
