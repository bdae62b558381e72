//! A request that a deployment cannot express goes to one that can, whatever the order; where there is
//! none, the first says what it lacks.

use dragoman_tests::{
    harness::{Config, Reply, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
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
            let config = Config::new()
                .anthropic("both", &provider, "claude-x")
                .with(json!({"order": 1}))
                .openai("both", &provider, "gpt-both")
                .with(json!({"order": 2}))
                .anthropic("first", &provider, "claude-x")
                .fallback("first", &["second"])
                .openai("second", &provider, "gpt-second")
                .anthropic("lenient", &provider, "claude-x")
                .with(json!({"drop_params": true}))
                .fallback("lenient", &["second"])
                .anthropic("poor", &provider, "claude-x")
                .fallback("poor", &["poorer"])
                .ollama("poorer", &provider, "llama-x")
                .anthropic("any/*", &provider, "*")
                .fallback("any/*", &["second"])
                .anthropic("flaky", &provider, "claude-x")
                .fallback("flaky", &["broken", "second", "first"])
                .openai("broken", &provider, "x!error-503")
                .ollama("local", &provider, "llama-x")
                .fallback("local", &["second"]);
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

/// What Anthropic has no word for, and OpenAI has.
fn openai_s() -> Vec<(&'static str, Value)> {
    vec![
        ("n", json!(2)),
        ("seed", json!(7)),
        ("logprobs", json!(true)),
        ("presence_penalty", json!(0.5)),
        ("logit_bias", json!({"1": 2})),
        ("temperature", json!(1.5)),
        ("service_tier", json!("flex")),
    ]
}

fn with(model: &str, text: &str, field: &str, value: Value) -> Value {
    let mut body = json!({"model": model, "messages": [{"role": "user", "content": text}]});
    body[field] = value;
    body
}

const OPENAI: &str = "/v1/chat/completions";
const ANTHROPIC: &str = "/v1/messages";

impl Fixture {
    /// The paths that a request with this text was sent to, and its answer.
    async fn asked(&self, text: &str, body: Value) -> (Vec<String>, Reply) {
        let reply = self.stack.chat(body).await;
        let requests = self.provider.requests_with(text).into_iter();
        (requests.map(|request| request.path).collect(), reply)
    }
}

#[test]
fn another_deployment_of_the_alias_answers_what_the_first_cannot_express() {
    run(async {
        let fixture = fixture().await;
        for (field, value) in openai_s() {
            let text = format!("both {field}.");
            let body = with("both", &text, field, value.clone());
            let (paths, reply) = fixture.asked(&text, body).await;
            assert_eq!(reply.said(), format!("You said: {text}"));
            assert_eq!(paths, [OPENAI], "{field}");
            assert_eq!(fixture.provider.request_with(&text).json()[field], value);
        }
    });
}

#[test]
fn a_fallback_answers_what_the_alias_cannot_express() {
    run(async {
        let fixture = fixture().await;
        for (field, value) in openai_s() {
            let text = format!("fallback {field}.");
            let (paths, reply) = fixture
                .asked(&text, with("first", &text, field, value))
                .await;
            assert_eq!(reply.said(), format!("You said: {text}"));
            assert_eq!(paths, [OPENAI], "{field}");
            assert_eq!(reply.header("x-litellm-attempted-fallbacks"), "1");
            assert_eq!(reply.header("x-dragoman-dropped-params"), "");
        }
    });
}

#[test]
fn a_stream_goes_there_too() {
    run(async {
        let fixture = fixture().await;
        let text = "a stream with a seed";
        let streamed = fixture
            .stack
            .stream_chat(with("first", text, "seed", json!(1)))
            .await;
        assert_eq!(streamed.said(), format!("You said: {text}"));
        assert_eq!(fixture.provider.request_with(text).path, OPENAI);
    });
}

#[test]
fn what_asks_for_nothing_stays_with_the_first() {
    run(async {
        let fixture = fixture().await;
        for (field, value) in [
            ("n", json!(1)),
            ("logprobs", json!(false)),
            ("presence_penalty", json!(0)),
            ("seed", Value::Null),
            ("temperature", json!(0.5)),
            ("user", json!("somebody")),
        ] {
            let text = format!("nothing by {field}.");
            let (paths, reply) = fixture
                .asked(&text, with("both", &text, field, value))
                .await;
            reply.ok();
            assert_eq!(paths, [ANTHROPIC], "{field}");
        }
    });
}

#[test]
fn what_nobody_can_express_is_refused_by_the_first() {
    run(async {
        let fixture = fixture().await;
        let text = "nobody biases";
        let body = with("poor", text, "logit_bias", json!({"1": 2}));
        let (paths, reply) = fixture.asked(text, body).await;
        let error = reply.error(400, "invalid_request_error");
        assert_eq!(error["param"], "logit_bias");
        assert_eq!(error["code"], "unsupported_parameter");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("anthropic"), "{message}");
        assert!(paths.is_empty());
    });
}

#[test]
fn a_deployment_that_drops_is_not_passed_over() {
    run(async {
        let fixture = fixture().await;
        let text = "drop it where you are";
        let (paths, reply) = fixture
            .asked(text, with("lenient", text, "seed", json!(7)))
            .await;
        reply.ok();
        assert_eq!(paths, [ANTHROPIC]);
        assert_eq!(reply.header("x-dragoman-dropped-params"), "seed");
    });
}

#[test]
fn a_client_decides_itself_whether_to_drop() {
    run(async {
        let fixture = fixture().await;
        for (model, drop, path) in [("first", true, ANTHROPIC), ("lenient", false, OPENAI)] {
            let text = format!("the client says {drop}.");
            let mut body = with(model, &text, "seed", json!(7));
            body["drop_params"] = json!(drop);
            let (paths, reply) = fixture.asked(&text, body).await;
            reply.ok();
            assert_eq!(paths, [path], "{model}");
        }
    });
}

#[test]
fn the_model_behind_a_wildcard_decides() {
    run(async {
        let fixture = fixture().await;
        // Newer models take no temperature.
        for (model, path) in [
            ("any/claude-sonnet-4-20250514", ANTHROPIC),
            ("any/claude-opus-4-7", OPENAI),
        ] {
            let text = format!("wild {model}.");
            let body = with(model, &text, "temperature", json!(0.5));
            let (paths, reply) = fixture.asked(&text, body).await;
            reply.ok();
            assert_eq!(paths, [path], "{model}");
        }
    });
}

#[test]
fn a_failure_moves_on_among_those_that_can_express_the_request() {
    run(async {
        let fixture = fixture().await;
        let text = "past the broken one";
        let (paths, reply) = fixture
            .asked(text, with("flaky", text, "seed", json!(7)))
            .await;
        assert_eq!(reply.said(), format!("You said: {text}"));
        assert_eq!(paths, [OPENAI, OPENAI]);
    });
}

#[test]
fn what_stands_in_messages_decides_too() {
    run(async {
        let fixture = fixture().await;
        let picture = json!({"type": "image_url", "image_url": {"url": "https://x.test/x.png"}});
        let sound =
            json!({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}});
        for (model, part) in [("local", picture), ("first", sound)] {
            let text = format!("look and listen, {model}.");
            let content = json!([{"type": "text", "text": text}, part]);
            let body = json!({"model": model, "messages": [{"role": "user", "content": content}]});
            let (paths, reply) = fixture.asked(&text, body).await;
            reply.ok();
            assert_eq!(paths, [OPENAI], "{model}");
        }
    });
}

#[test]
fn responses_go_to_who_keeps_what_they_refer_to() {
    run(async {
        let fixture = fixture().await;
        let text = "as we said before";
        let body = json!({"model": "first", "input": text, "previous_response_id": "resp_1"});
        fixture.stack.post("/v1/responses", &body).await.ok();
        assert_eq!(fixture.provider.request_with(text).path, "/v1/responses");
    });
}
