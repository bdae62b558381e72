//! A provider that fails before the first token moves the request to the next deployment of the
//! plan, whatever that speaks; the client does not notice.

use dragoman_tests::{
    harness::{Config, DIALECTS, Setup, Shared, Stack, free_port, run},
    provider::ScriptedProvider,
};
use futures::future::join_all;
use serde_json::json;

/// Every way to fail before the first token, as the scripted provider names it.
const FAILURES: &[&str] = &[
    "close",
    "reset",
    "stall",
    "close-after-0",
    "reset-after-0",
    "stall-after-0",
    "end-after-0",
    "error-after-0",
    "error-401",
    "error-403",
    "error-404",
    "error-408",
    "error-429-1",
    "error-500",
    "error-502",
    "error-503",
    "error-504",
    "error-529",
    "context-length",
    "content-policy",
    "length+9",
    "length-20",
    "gzip-hidden",
    "html",
    "broken-json",
    "empty",
    "refused",
    "unresolved",
];

struct Fixture {
    stack: Stack,
    bad: ScriptedProvider,
    good: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let bad = ScriptedProvider::start().await?;
            let good = ScriptedProvider::start().await?;
            let mut config = Config::new()
                .set("litellm_settings", "request_timeout", json!(3))
                .openai("impatient", &bad, "x!stall")
                .with(json!({"timeout": 1, "stream_timeout": 1}))
                .fallback("impatient", &["good-openai"])
                .openai("good-openai", &good, "gpt-good")
                .anthropic("good-anthropic", &good, "claude-good");
            for failure in FAILURES {
                for dialect in DIALECTS {
                    let alias = alias(dialect, failure);
                    // Whoever speaks otherwise.
                    let other = match dialect {
                        "openai" => "good-anthropic",
                        _ => "good-openai",
                    };
                    config = config
                        .speaking(dialect, &alias, &bad, &format!("x!{failure}"))
                        .fallback(&alias, &[other]);
                    config = match *failure {
                        "refused" => config.nowhere(&free_port().to_string()),
                        "unresolved" => config.nowhere("nobody.invalid"),
                        _ => config,
                    };
                }
            }
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, bad, good })
        })
        .await
}

fn alias(dialect: &str, failure: &str) -> String {
    format!("{dialect}-{failure}")
}

/// Sends a request to the deployment that fails so, in each dialect, as JSON and as a stream: each is
/// answered by another provider, after one attempt at the first.
async fn is_survived(failure: &str) {
    let fixture = fixture().await;
    // What is wrong with a stream's events alone is no failure of an answer that is whole; and a
    // stream whose length is wrong begins well.
    let streams: &[bool] = match failure {
        "end-after-0" | "error-after-0" => &[true],
        "length+9" | "length-20" => &[false],
        _ => &[true, false],
    };
    let cases = DIALECTS.iter().flat_map(|dialect| {
        let streams = streams.iter();
        streams.map(|stream| moves_on(fixture, failure, dialect, *stream))
    });
    join_all(cases).await;
}

async fn moves_on(fixture: &Fixture, failure: &str, dialect: &str, stream: bool) {
    let text = format!("{failure} {dialect} {stream}.");
    let body = json!({
        "model": alias(dialect, failure),
        "messages": [{"role": "user", "content": text}],
    });
    let said = if stream {
        fixture.stack.stream_chat(body).await.said()
    } else {
        fixture.stack.chat(body).await.said()
    };
    assert_eq!(said, format!("You said: {text}"));
    let tried = fixture.bad.requests_with(&text).len();
    let expected = usize::from(!matches!(failure, "refused" | "unresolved"));
    assert_eq!(tried, expected, "attempts at the first: {text}");
    assert_eq!(fixture.good.requests_with(&text).len(), 1, "{text}");
}

macro_rules! survives {
    ($($name:ident: $failure:literal)*) => {$(
        #[test]
        fn $name() {
            run(is_survived($failure));
        }
    )*};
}

survives! {
    a_name_that_does_not_resolve: "unresolved"
    a_connection_that_is_refused: "refused"
    a_connection_that_is_closed_before_the_headers: "close"
    a_connection_that_is_reset_before_the_headers: "reset"
    a_provider_that_says_nothing: "stall"
    a_connection_that_is_closed_after_the_headers: "close-after-0"
    a_connection_that_is_reset_after_the_headers: "reset-after-0"
    a_provider_that_says_nothing_after_the_headers: "stall-after-0"
    a_stream_that_ends_before_its_first_event: "end-after-0"
    a_stream_that_begins_with_an_error: "error-after-0"
    a_provider_that_refuses_our_key: "error-401"
    a_provider_that_forbids_us_the_model: "error-403"
    a_provider_that_does_not_know_the_model: "error-404"
    a_provider_that_finds_us_too_slow: "error-408"
    a_provider_that_limits_our_rate: "error-429-1"
    a_provider_with_an_internal_error: "error-500"
    a_provider_with_a_bad_gateway: "error-502"
    a_provider_that_is_unavailable: "error-503"
    a_provider_with_a_gateway_timeout: "error-504"
    a_provider_that_is_overloaded: "error-529"
    a_model_that_finds_the_prompt_too_long: "context-length"
    a_model_that_finds_the_prompt_improper: "content-policy"
    a_provider_that_answers_with_a_web_page: "html"
    a_provider_that_answers_with_half_a_json_text: "broken-json"
    a_provider_that_answers_with_nothing: "empty"
    an_answer_shorter_than_its_length: "length+9"
    an_answer_longer_than_its_length: "length-20"
    a_compressed_answer_that_does_not_say_so: "gzip-hidden"
}

#[test]
fn the_answer_says_how_many_fallbacks_it_took() {
    run(async {
        let stack = &fixture().await.stack;
        let direct = stack.hello("good-openai").await;
        let fallen = stack.hello(&alias("openai", "error-500")).await;
        let count = "x-litellm-attempted-fallbacks";
        assert_eq!((direct.header(count), fallen.header(count)), ("0", "1"));
    });
}

#[test]
fn the_answer_of_a_fallback_names_the_alias_that_was_asked_for() {
    run(async {
        let model = alias("openai", "error-500");
        let reply = fixture().await.stack.hello(&model).await;
        assert_eq!(reply.ok()["model"], model);
    });
}

#[test]
fn a_client_may_name_its_own_fallbacks() {
    run(async {
        let fixture = fixture().await;
        let text = "own fallbacks please";
        let reply = fixture
            .stack
            .chat(json!({
                "model": alias("openai", "error-500"), "fallbacks": ["good-openai"],
                "messages": [{"role": "user", "content": text}],
            }))
            .await;
        reply.ok();
        assert_eq!(fixture.good.request_with(text).path, "/v1/chat/completions");
    });
}

#[test]
fn a_client_may_refuse_fallbacks() {
    run(async {
        let fixture = fixture().await;
        let text = "no fallbacks please";
        let reply = fixture
            .stack
            .chat(json!({
                "model": alias("openai", "error-503"), "disable_fallbacks": true,
                "messages": [{"role": "user", "content": text}],
            }))
            .await;
        reply.error(503, "service_unavailable_error");
        assert!(fixture.good.requests_with(text).is_empty());
    });
}

#[test]
fn a_request_that_the_provider_finds_invalid_is_not_tried_elsewhere() {
    run(async {
        let fixture = fixture().await;
        let text = "invalid for everybody";
        let reply = fixture
            .stack
            .chat(json!({
                "model": "good-openai", "fallbacks": ["good-anthropic"], "temperature": "hot",
                "messages": [{"role": "user", "content": text}],
            }))
            .await;
        reply.error(400, "invalid_request_error");
        assert!(fixture.good.requests_with(text).len() <= 1);
    });
}

#[test]
fn a_deployment_s_own_timeout_holds_beside_longer_ones() {
    run(async {
        let stack = &fixture().await.stack;
        let reply = stack.hello("impatient").await;
        assert_eq!(reply.said(), "You said: hello");
        let row = stack.ledger().request(&reply.request_id()).await;
        assert!(
            (1000..2500).contains(&row.duration_ms),
            "{} ms",
            row.duration_ms
        );
    });
}

#[test]
fn a_request_of_twenty_megabytes_moves_on_whole() {
    run(async {
        let fixture = fixture().await;
        let text = format!("begin {} end of the long one", "x".repeat(20 << 20));
        let body = json!({
            "model": alias("openai", "error-503"), "max_tokens": 2,
            "messages": [{"role": "user", "content": text}],
        });
        assert_eq!(fixture.stack.chat(body).await.said(), "You said:");
        let sent = fixture.good.request_with("end of the long one");
        assert!(sent.body.len() > 20 << 20, "{} bytes", sent.body.len());
    });
}
