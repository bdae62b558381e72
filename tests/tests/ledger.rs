//! The ledger: a row per request and per attempt, and its tokens are the provider's own count.

use std::sync::atomic::{AtomicU32, Ordering};

use dragoman_tests::{
    each_dialect,
    harness::{Config, RequestRow, Setup, Shared, Stack, eventually, run},
    provider::{ScriptedProvider, UsageRow},
};
use reqwest::Method;
use serde_json::{Value, json};

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
                .openai("openai", &provider, "gpt-x")
                .anthropic("anthropic", &provider, "claude-x")
                .openai("embed", &provider, "text-embedding-x")
                .openai("priced", &provider, "gpt-priced")
                .with(json!({
                    "input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_002,
                }));
            for behaviour in [
                "cached-5",
                "cache-write-7",
                "reasoning",
                "no-usage",
                "error-503",
                "stall-after-6",
                "error-after-6",
            ] {
                let (openai, anthropic) = (
                    format!("openai!{behaviour}"),
                    format!("anthropic!{behaviour}"),
                );
                config = config
                    .openai(&openai, &provider, &format!("gpt-x!{behaviour}"))
                    .anthropic(&anthropic, &provider, &format!("claude-x!{behaviour}"))
                    .fallback(&openai, &["anthropic"])
                    .fallback(&anthropic, &["openai"]);
            }
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

fn saying(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

/// Sends a request, as JSON or as a stream, and gives its row and the provider's.
async fn both_rows(fixture: &Fixture, model: &str, stream: bool) -> (RequestRow, UsageRow) {
    static TEXTS: AtomicU32 = AtomicU32::new(0);
    let number = TEXTS.fetch_add(1, Ordering::Relaxed);
    let text = format!("for the ledger, number {number}.");
    let body = saying(model, &text);
    let reply = if stream {
        let streamed = fixture.stack.stream_chat(body).await;
        streamed.chunks();
        streamed.reply
    } else {
        fixture.stack.chat(body).await
    };
    assert_eq!(reply.status, 200, "{}", reply.text());
    let row = fixture.stack.ledger().request(&reply.request_id()).await;
    (row, fixture.provider.usage_with(&text))
}

fn agree(row: &RequestRow, counted: &UsageRow) {
    let ours = [
        row.input_tokens,
        row.cached_tokens,
        row.cache_write_tokens,
        row.output_tokens,
    ];
    let theirs = [
        counted.input_tokens,
        counted.cached_tokens,
        counted.cache_write_tokens,
        counted.output_tokens,
    ];
    let theirs = theirs.map(|tokens| i64::try_from(tokens).expect("few tokens"));
    assert_eq!(ours, theirs, "input, cached, cache write, output: {row:#?}");
    assert_eq!(row.usage_source, "provider");
}

each_dialect! {
    async fn the_tokens_of_an_answer_are_the_provider_s(fixture, alias) {
        let (row, counted) = both_rows(fixture, alias, false).await;
        agree(&row, &counted);
    }

    async fn the_tokens_of_a_stream_are_the_provider_s(fixture, alias) {
        let (row, counted) = both_rows(fixture, alias, true).await;
        agree(&row, &counted);
    }

    async fn tokens_from_the_cache_are_counted(fixture, alias) {
        for stream in [false, true] {
            let (row, counted) =
                both_rows(fixture, &format!("{alias}!cached-5"), stream).await;
            agree(&row, &counted);
            assert_eq!(row.cached_tokens, 5);
        }
    }

    async fn reasoning_tokens_are_part_of_the_output(fixture, alias) {
        for stream in [false, true] {
            let (row, counted) =
                both_rows(fixture, &format!("{alias}!reasoning"), stream).await;
            agree(&row, &counted);
        }
    }

    async fn tokens_are_estimated_when_the_provider_counts_none(fixture, alias) {
        for stream in [false, true] {
            let (row, _) = both_rows(fixture, &format!("{alias}!no-usage"), stream).await;
            assert_eq!(row.usage_source, "estimated", "{row:#?}");
            assert!(row.input_tokens > 0 && row.output_tokens > 0, "{row:#?}");
        }
    }

    async fn a_row_tells_who_asked_whom_for_what(fixture, alias) {
        let mut body = saying(alias, &format!("who and what, {alias}"));
        body["user"] = json!("somebody");
        let reply = fixture.stack.chat(body).await;
        let row = fixture.stack.ledger().request(&reply.request_id()).await;
        let model = if alias == "openai" { "gpt-x" } else { "claude-x" };
        assert_eq!(
            (row.key_id.as_str(), row.alias.as_str(), row.operation.as_str()),
            ("master", alias, "chat_completions")
        );
        assert_eq!(row.provider.as_deref(), Some(alias));
        assert_eq!(row.provider_model.as_deref(), Some(model));
        assert_eq!(row.deployment.as_deref(), Some(reply.header("x-dragoman-deployment")));
        assert_eq!(row.end_user.as_deref(), Some("somebody"));
        assert_eq!((row.state.as_str(), row.status), ("complete", Some(200)));
    }

    async fn every_attempt_has_a_row(fixture, alias) {
        let reply = fixture.stack.hello(&format!("{alias}!error-503")).await;
        let id = reply.request_id();
        assert_eq!(reply.status, 200, "{}", reply.text());
        let row = fixture.stack.ledger().request(&id).await;
        let attempts = fixture.stack.ledger().attempts(&id).await;
        let other = if alias == "openai" { "anthropic" } else { "openai" };
        assert_eq!(row.attempts, 2);
        let seen: Vec<_> = attempts
            .iter()
            .map(|attempt| (attempt.attempt, attempt.state.as_str(), attempt.provider_status))
            .collect();
        assert_eq!(seen, [(1, "failed", Some(503)), (2, "complete", Some(200))]);
        let providers: Vec<_> = attempts.iter().map(|a| a.provider.as_deref()).collect();
        assert_eq!(providers, [Some(alias), Some(other)]);
        assert_eq!(row.provider.as_deref(), Some(other));
    }

    async fn a_request_that_fails_has_a_row(fixture, alias) {
        let mut body = saying(&format!("{alias}!error-503"), "fail for good");
        body["disable_fallbacks"] = json!(true);
        let reply = fixture.stack.chat(body).await;
        let row = fixture.stack.ledger().request(&reply.request_id()).await;
        assert_eq!((row.state.as_str(), row.status), ("failed", Some(503)), "{row:#?}");
        assert_eq!((row.output_tokens, row.attempts), (0, 1), "{row:#?}");
    }

    async fn a_stream_that_breaks_off_has_a_row_with_what_it_used(fixture, alias) {
        let model = format!("{alias}!error-after-6");
        let streamed = fixture.stack.stream_chat(saying(&model, "one two three four")).await;
        let row = fixture.stack.ledger().request(&streamed.reply.request_id()).await;
        assert_eq!(row.state, "broken", "{row:#?}");
        assert!(row.input_tokens > 0 && row.output_tokens > 0, "{row:#?}");
    }

    async fn a_client_that_leaves_in_the_middle_leaves_a_row(fixture, alias) {
        let model = format!("{alias}!stall-after-6");
        let mut body = saying(&model, "one two three four");
        body["stream"] = json!(true);
        let request = fixture.stack.request(Method::POST, "/v1/chat/completions").json(&body);
        let mut response = request.send().await.expect("headers");
        let id = response.headers()["x-dragoman-request-id"].to_str().expect("text").to_owned();
        response.chunk().await.expect("a first piece");
        drop(response);
        let row = fixture.stack.ledger().request(&id).await;
        assert_eq!(row.state, "cancelled", "{row:#?}");
        assert!(row.input_tokens > 0, "{row:#?}");
    }
}

#[test]
fn tokens_to_the_cache_are_counted() {
    run(async {
        let fixture = fixture().await;
        for stream in [false, true] {
            let (row, counted) = both_rows(fixture, "anthropic!cache-write-7", stream).await;
            agree(&row, &counted);
            assert_eq!(row.cache_write_tokens, 7);
        }
    });
}

#[test]
fn the_cost_is_the_tokens_times_the_price() {
    run(async {
        let (row, counted) = both_rows(fixture().await, "priced", false).await;
        let nanos = counted.input_tokens * 1000 + counted.output_tokens * 2000;
        assert_eq!(row.cost_nanos, Some(i64::try_from(nanos).expect("cheap")));
    });
}

#[test]
fn an_unknown_price_is_no_cost_rather_than_zero() {
    run(async {
        let (row, _) = both_rows(fixture().await, "openai", false).await;
        assert_eq!(row.cost_nanos, None);
    });
}

#[test]
fn embeddings_are_counted() {
    run(async {
        let fixture = fixture().await;
        let text = "embed this for the ledger";
        let body = json!({"model": "embed", "input": text});
        let reply = fixture.stack.post("/v1/embeddings", &body).await;
        let row = fixture.stack.ledger().request(&reply.request_id()).await;
        agree(&row, &fixture.provider.usage_with(text));
    });
}

#[test]
fn concurrent_requests_have_a_row_each() {
    run(async {
        let fixture = fixture().await;
        let requests = (0..100).map(|i| {
            let alias = if i % 2 == 0 { "openai" } else { "anthropic" };
            fixture
                .stack
                .chat(saying(alias, &format!("concurrent number {i}.")))
        });
        let replies = futures::future::join_all(requests).await;
        for (i, reply) in replies.iter().enumerate() {
            let row = fixture.stack.ledger().request(&reply.request_id()).await;
            agree(
                &row,
                &fixture
                    .provider
                    .usage_with(&format!("concurrent number {i}.")),
            );
        }
    });
}

#[test]
fn a_request_that_is_refused_at_the_door_has_no_row() {
    run(async {
        let stack = &fixture().await.stack;
        stack
            .hello("unheard-of")
            .await
            .error(404, "invalid_request_error");
        // A later request's row shows that the writer has come past the refused one.
        let reply = stack.hello("openai").await;
        stack.ledger().request(&reply.request_id()).await;
        let ledger = stack.ledger();
        let rows = eventually("the ledger can be read", async || {
            ledger.requests_for("unheard-of").await.ok()
        });
        assert_eq!(rows.await, []);
    });
}
