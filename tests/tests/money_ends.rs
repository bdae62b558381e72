//! How a request ends: clients that leave, providers that fail, attempts that fail over. Each leaves
//! the right rows and gives back what it held.

use std::time::Duration;

use dragoman_tests::{
    each_dialect,
    harness::{Config, Key, RequestRow, Setup, Shared, Stack, eventually, run},
    provider::ScriptedProvider,
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
            let price =
                json!({"input_cost_per_token": 0.000_001, "output_cost_per_token": 0.000_001});
            let mut config = Config::new();
            for behaviour in [
                "",
                "!stall",
                "!stall-after-6",
                "!slow-50",
                "!error-500",
                "!error-after-6",
                "!close-after-6",
                "!error-503",
            ] {
                let openai = format!("openai{behaviour}");
                let anthropic = format!("anthropic{behaviour}");
                config = config
                    .openai(&openai, &provider, &format!("gpt-x{behaviour}"))
                    .with(price.clone())
                    .anthropic(&anthropic, &provider, &format!("claude-x{behaviour}"))
                    .with(price.clone());
            }
            let config = config
                .fallback("openai!error-503", &["anthropic"])
                .fallback("anthropic!error-503", &["openai"]);
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

/// A key with one slot and a dollar: what is held shows.
async fn one_at_a_time(stack: &Stack) -> Key {
    let fields = json!({"max_parallel_requests": 1, "max_budget": 1});
    stack.new_key(fields).await
}

/// The key's only request so far has this row; the slot is free, and no more is charged than what
/// the row says.
async fn ended(stack: &Stack, key: &Key, alias: &str) -> RequestRow {
    let row = eventually("the request has its row", async || {
        let rows = stack.ledger().requests_of(&key.id).await.ok()?;
        assert!(rows.len() < 2, "{rows:#?}");
        rows.into_iter().next()
    });
    let row = row.await;
    let fresh = one_at_a_time(stack).await;
    let fresh = stack.holding(&fresh).left_after_probe(alias).await;
    let client = stack.holding(key);
    let nanos = |dollars: &str| -> i64 {
        let (whole, part) = dollars.split_once('.').unwrap_or((dollars, ""));
        format!("{whole}{part:0<9}").parse().expect("dollars")
    };
    let body = json!({
        "model": alias, "max_tokens": 1, "messages": [{"role": "user", "content": "probe"}],
    });
    let reply = eventually("the slot is free again", async || {
        let reply = client.chat(body.clone()).await;
        (reply.status != 429).then_some(reply)
    })
    .await;
    reply.ok();
    let left = reply.header("x-dragoman-key-budget-left");
    assert_eq!(
        Some(nanos(&fresh) - nanos(left)),
        row.cost_nanos,
        "what is charged and held is what the row says: {row:#?}"
    );
    row
}

fn saying(model: &str) -> Value {
    json!({
        "model": model, "stream": true,
        "messages": [{"role": "user", "content": "one two three four"}],
    })
}

/// Reads so many pieces of the answer, if it begins at all, and leaves.
async fn leave_after(stack: &Stack, key: &Key, body: &Value, pieces: usize) {
    let client = stack.holding(key);
    let request = client
        .request(Method::POST, "/v1/chat/completions")
        .json(body);
    let reading = async {
        let mut response = request.send().await.expect("an answer");
        for _ in 0..pieces {
            response.chunk().await.expect("a piece");
        }
    };
    let _ = tokio::time::timeout(Duration::from_millis(800), reading).await;
}

each_dialect! {
    async fn a_client_that_leaves_before_the_first_byte(fixture, alias) {
        let key = one_at_a_time(&fixture.stack).await;
        leave_after(&fixture.stack, &key, &saying(&format!("{alias}!stall")), 1).await;
        let row = ended(&fixture.stack, &key, alias).await;
        assert_eq!((row.state.as_str(), row.output_tokens), ("cancelled", 0), "{row:#?}");
        assert_eq!(row.error_code.as_deref(), Some("client_disconnected"));
    }

    async fn a_client_that_leaves_in_the_middle(fixture, alias) {
        let key = one_at_a_time(&fixture.stack).await;
        leave_after(&fixture.stack, &key, &saying(&format!("{alias}!stall-after-6")), 1).await;
        let row = ended(&fixture.stack, &key, alias).await;
        assert_eq!((row.state.as_str(), row.status), ("cancelled", Some(200)), "{row:#?}");
        assert!(row.input_tokens > 0 && row.cost_nanos > Some(0), "{row:#?}");
    }

    async fn a_client_that_leaves_an_answer_that_is_no_stream(fixture, alias) {
        let key = one_at_a_time(&fixture.stack).await;
        let mut body = saying(&format!("{alias}!stall"));
        body["stream"] = json!(false);
        leave_after(&fixture.stack, &key, &body, 1).await;
        let row = ended(&fixture.stack, &key, alias).await;
        assert_eq!(row.state, "cancelled", "{row:#?}");
    }

    async fn a_client_that_leaves_at_the_end(fixture, alias) {
        let key = one_at_a_time(&fixture.stack).await;
        let client = fixture.stack.holding(&key);
        let request = client.request(Method::POST, "/v1/chat/completions").json(&saying(alias));
        let mut response = request.send().await.expect("an answer");
        let mut text = Vec::new();
        while let Some(piece) = response.chunk().await.expect("a piece") {
            text.extend_from_slice(&piece);
            if String::from_utf8_lossy(&text).contains("[DONE]") {
                break;
            }
        }
        drop(response);
        let row = ended(&fixture.stack, &key, alias).await;
        assert_eq!(row.state, "complete", "the provider has done its work: {row:#?}");
        assert_eq!(row.usage_source, "provider");
    }

    async fn a_provider_that_fails_before_the_first_token(fixture, alias) {
        let key = one_at_a_time(&fixture.stack).await;
        let client = fixture.stack.holding(&key);
        client.chat(saying(&format!("{alias}!error-500"))).await;
        let row = ended(&fixture.stack, &key, alias).await;
        assert_eq!(row.state, "failed", "{row:#?}");
        assert_eq!((row.output_tokens, row.cost_nanos), (0, Some(0)), "{row:#?}");
    }

    async fn a_provider_that_fails_after_the_first_token(fixture, alias) {
        for behaviour in ["error-after-6", "close-after-6"] {
            let key = one_at_a_time(&fixture.stack).await;
            let client = fixture.stack.holding(&key);
            client.stream_chat(saying(&format!("{alias}!{behaviour}"))).await;
            let row = ended(&fixture.stack, &key, alias).await;
            assert_eq!(row.state, "broken", "{behaviour}: {row:#?}");
            assert!(row.output_tokens > 0 && row.cost_nanos > Some(0), "{row:#?}");
        }
    }

    async fn an_attempt_that_fails_over(fixture, alias) {
        let key = one_at_a_time(&fixture.stack).await;
        let client = fixture.stack.holding(&key);
        let streamed = client.stream_chat(saying(&format!("{alias}!error-503"))).await;
        streamed.chunks();
        let row = ended(&fixture.stack, &key, alias).await;
        assert_eq!((row.state.as_str(), row.attempts), ("complete", 2), "{row:#?}");
        let attempts = fixture.stack.ledger().attempts(&row.request_id).await;
        let seen: Vec<_> = attempts
            .iter()
            .map(|attempt| (attempt.state.as_str(), attempt.output_tokens > 0))
            .collect();
        assert_eq!(seen, [("failed", false), ("complete", true)]);
    }

    async fn a_client_that_leaves_while_words_come_is_charged_what_it_got(fixture, alias) {
        let key = one_at_a_time(&fixture.stack).await;
        let body = saying(&format!("{alias}!slow-50"));
        leave_after(&fixture.stack, &key, &body, 3).await;
        let row = ended(&fixture.stack, &key, alias).await;
        assert_eq!(row.state, "cancelled", "{row:#?}");
        let whole = i64::try_from("You said: one two three four".split(' ').count()).expect("few");
        assert!((1..=whole).contains(&row.output_tokens), "{row:#?}");
    }
}

#[test]
fn the_provider_is_asked_no_more_often_than_the_rows_say() {
    run(async {
        let fixture = fixture().await;
        let key = one_at_a_time(&fixture.stack).await;
        let mut body = saying("openai!error-503");
        body["messages"][0]["content"] = json!("how often am I asked");
        let client = fixture.stack.holding(&key);
        client.stream_chat(body).await.chunks();
        let row = ended(&fixture.stack, &key, "openai").await;
        let asked = fixture.provider.requests_with("how often am I asked").len();
        assert_eq!(row.attempts, i64::try_from(asked).expect("few"));
    });
}
