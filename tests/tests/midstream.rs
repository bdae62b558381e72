//! A provider that fails after the first token: the client gets what there was, then one error event
//! in its dialect and the end of the stream; where the connection itself broke, its own breaks too.
//! Never a clean end, and never a second answer.

use dragoman_tests::{
    each_dialect,
    harness::{Config, DIALECTS, Ending, Setup, Shared, Stack, Streamed, run},
    provider::ScriptedProvider,
};
use serde_json::{Value, json};

/// Each dialect has said some of the ten words by then, and none has said all.
const FAILURES: &[&str] = &[
    "error-after-6",
    "junk-after-6",
    "end-after-6",
    "close-after-6",
    "reset-after-6",
    "stall-after-6",
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
                .set("litellm_settings", "request_timeout", json!(2))
                .openai("good", &good, "gpt-good");
            for failure in FAILURES {
                for dialect in DIALECTS {
                    let alias = format!("{dialect}-{failure}");
                    config = config
                        .speaking(dialect, &alias, &bad, &format!("x!{failure}"))
                        .fallback(&alias, &["good"]);
                }
            }
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, bad, good })
        })
        .await
}

const WORDS: &str = "one two three four five six seven eight";

async fn stream(fixture: &Fixture, alias: &str, failure: &str) -> Streamed {
    let body = json!({
        "model": format!("{alias}-{failure}"),
        "messages": [{"role": "user", "content": WORDS}],
    });
    fixture.stack.stream_chat(body).await
}

fn text(chunks: &[Value]) -> String {
    let deltas = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    deltas.collect()
}

/// The beginning of the answer came, and one error event ends the stream.
fn ends_with_one_error(streamed: &Streamed) {
    let (chunks, _) = streamed.broken_off();
    is_a_beginning(&text(&chunks));
    let finished = chunks
        .iter()
        .filter(|chunk| chunk["choices"][0]["finish_reason"].is_string());
    assert_eq!(
        finished.count(),
        0,
        "a finish reason in an answer that broke off"
    );
}

fn is_a_beginning(said: &str) {
    let whole = format!("You said: {WORDS}");
    assert!(!said.is_empty() && whole.starts_with(said), "{said:?}");
    assert_ne!(said, whole);
}

/// The same, or the client's connection broke as the provider's did.
fn ends_badly(streamed: &Streamed) {
    if streamed.ending == Ending::Clean {
        return ends_with_one_error(streamed);
    }
    assert!(!streamed.reply.text().contains("[DONE]"));
    let chunks: Vec<Value> = streamed.events.iter().map(|event| event.json()).collect();
    is_a_beginning(&text(&chunks));
}

each_dialect! {
    [openai anthropic gemini ollama cohere bedrock]

    async fn an_error_event_of_the_provider_ends_the_stream_with_ours(fixture, alias) {
        ends_with_one_error(&stream(fixture, alias, "error-after-6").await);
    }

    async fn an_event_that_is_no_json_ends_the_stream_with_an_error(fixture, alias) {
        ends_with_one_error(&stream(fixture, alias, "junk-after-6").await);
    }

    async fn a_missing_terminator_ends_the_stream_with_an_error(fixture, alias) {
        ends_with_one_error(&stream(fixture, alias, "end-after-6").await);
    }

    async fn a_connection_that_closes_is_no_clean_end(fixture, alias) {
        ends_badly(&stream(fixture, alias, "close-after-6").await);
    }

    async fn a_connection_that_is_reset_is_no_clean_end(fixture, alias) {
        ends_badly(&stream(fixture, alias, "reset-after-6").await);
    }

    async fn a_provider_that_falls_silent_is_given_up_after_the_timeout(fixture, alias) {
        ends_badly(&stream(fixture, alias, "stall-after-6").await);
    }
}

#[test]
fn there_is_never_a_second_answer() {
    run(async {
        let fixture = fixture().await;
        for failure in FAILURES
            .iter()
            .filter(|failure| !failure.starts_with("stall"))
        {
            for alias in DIALECTS {
                stream(fixture, alias, failure).await;
            }
        }
        assert!(fixture.good.requests().is_empty());
        assert!(!fixture.bad.requests().is_empty());
    });
}
