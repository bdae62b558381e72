//! Every endpoint: with and without `/v1`, under the root path; and the service's own.

use dragoman_tests::{
    harness::{Config, Reply, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
use reqwest::{
    Method,
    multipart::{Form, Part},
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
                .openai("chat", &provider, "gpt-x")
                .anthropic("claude", &provider, "claude-x")
                .openai("embed", &provider, "text-embedding-x")
                .openai("complete", &provider, "instruct-x")
                .openai("image", &provider, "dall-e-x")
                .openai("speech", &provider, "tts-x")
                .openai("whisper", &provider, "whisper-x")
                .openai("moderate", &provider, "omni-x");
            let setup = Setup::new(&config).env("SERVER_ROOT_PATH", "/ai-api");
            let stack = setup.start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

fn hello(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hello"}]})
}

macro_rules! serves_chat_at {
    ($($name:ident: $path:literal)*) => {$(
        #[test]
        fn $name() {
            run(async {
                let reply = fixture().await.stack.post($path, &hello("chat")).await;
                assert_eq!(reply.said(), "You said: hello");
            });
        }
    )*};
}

serves_chat_at! {
    chat_with_v1: "/v1/chat/completions"
    chat_without_v1: "/chat/completions"
    chat_under_the_root_path: "/ai-api/v1/chat/completions"
    chat_under_the_root_path_without_v1: "/ai-api/chat/completions"
    chat_with_a_query: "/v1/chat/completions?api-version=2024-06-01"
}

#[test]
fn chat_with_the_model_in_the_path() {
    run(async {
        let stack = &fixture().await.stack;
        for path in [
            "/engines/chat/chat/completions",
            "/openai/deployments/chat/chat/completions",
        ] {
            let body = json!({"messages": [{"role": "user", "content": "hello"}]});
            assert_eq!(
                stack.post(path, &body).await.said(),
                "You said: hello",
                "{path}"
            );
        }
    });
}

#[test]
fn models_lists_the_aliases() {
    run(async {
        let stack = &fixture().await.stack;
        for path in [
            "/v1/models",
            "/models",
            "/ai-api/v1/models",
            "/ai-api/models",
        ] {
            let list = stack.get(path).await.ok();
            assert_eq!(list["object"], "list", "{path}");
            let entries = list["data"].as_array().expect("a list").clone();
            assert!(
                entries.iter().all(|entry| entry["object"] == "model"),
                "{list}"
            );
            let ids: Vec<&str> = entries
                .iter()
                .filter_map(|entry| entry["id"].as_str())
                .collect();
            let aliases = [
                "chat", "claude", "embed", "complete", "image", "speech", "whisper", "moderate",
            ];
            assert_eq!(ids, aliases, "{path}");
        }
    });
}

#[test]
fn a_model_can_be_asked_for() {
    run(async {
        let stack = &fixture().await.stack;
        assert_eq!(stack.get("/v1/models/chat").await.ok()["id"], "chat");
        let error = stack
            .get("/v1/models/nobody")
            .await
            .error(404, "invalid_request_error");
        assert_eq!(error["code"], "model_not_found");
    });
}

#[test]
fn models_need_a_key() {
    run(async {
        let request = fixture().await.stack.bare(Method::GET, "/v1/models");
        Reply::of(request).await.error(401, "authentication_error");
    });
}

#[test]
fn liveness_needs_no_key() {
    run(async {
        let stack = &fixture().await.stack;
        for path in [
            "/health/liveliness",
            "/health/liveness",
            "/ai-api/health/liveliness",
        ] {
            let reply = Reply::of(stack.bare(Method::GET, path)).await;
            assert_eq!(reply.ok(), json!("I'm alive!"), "{path}");
        }
    });
}

#[test]
fn readiness_needs_no_key() {
    run(async {
        let request = fixture().await.stack.bare(Method::GET, "/health/readiness");
        assert_eq!(Reply::of(request).await.ok()["status"], "healthy");
    });
}

#[test]
fn health_tells_of_the_deployments() {
    run(async {
        let stack = &fixture().await.stack;
        stack.hello("chat").await.ok();
        let health = stack.get("/health").await.ok();
        assert_eq!(health["status"], "ok", "{health}");
        for list in ["healthy", "unhealthy"] {
            let entries = health[format!("{list}_endpoints")].as_array().map(Vec::len);
            let count = health[format!("{list}_count")].as_u64();
            assert_eq!(entries.map(|n| n as u64), count, "{health}");
        }
        assert!(
            !health.to_string().contains("sk-openai"),
            "a key in {health}"
        );
    });
}

#[test]
fn health_needs_a_key() {
    run(async {
        let request = fixture().await.stack.bare(Method::GET, "/health");
        Reply::of(request).await.error(401, "authentication_error");
    });
}

#[test]
fn metrics_are_prometheus_text() {
    run(async {
        let stack = &fixture().await.stack;
        stack.hello("chat").await.ok();
        let reply = stack.get("/metrics").await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(reply.header("content-type").starts_with("text/plain"));
        assert!(reply.text().contains("# TYPE "), "{}", reply.text());
    });
}

#[test]
fn embeddings_reach_the_provider_and_come_back() {
    run(async {
        let fixture = fixture().await;
        let body = json!({"model": "embed", "input": ["embed these words", "and these"]});
        for path in ["/v1/embeddings", "/embeddings", "/ai-api/v1/embeddings"] {
            let reply = fixture.stack.post(path, &body).await.ok();
            assert_eq!(reply["model"], "embed", "{path}");
            assert_eq!(reply["data"].as_array().map(Vec::len), Some(2), "{path}");
            assert_eq!(
                reply["data"][1]["embedding"].as_array().map(Vec::len),
                Some(8)
            );
            assert_eq!(reply["usage"]["prompt_tokens"], 5, "{path}");
        }
        assert_eq!(fixture.provider.requests_with("embed these words").len(), 3);
    });
}

#[test]
fn embeddings_can_be_base64() {
    run(async {
        let body = json!({"model": "embed", "input": "words", "encoding_format": "base64"});
        let reply = fixture()
            .await
            .stack
            .post("/v1/embeddings", &body)
            .await
            .ok();
        assert!(reply["data"][0]["embedding"].is_string(), "{reply}");
    });
}

#[test]
fn embeddings_without_input_are_refused() {
    run(async {
        let reply = fixture()
            .await
            .stack
            .post("/v1/embeddings", &json!({"model": "embed"}))
            .await;
        let error = reply.error(400, "invalid_request_error");
        assert_eq!(error["param"], "input");
    });
}

#[test]
fn embeddings_of_a_provider_that_has_none_are_refused() {
    run(async {
        let body = json!({"model": "claude", "input": "words"});
        let reply = fixture().await.stack.post("/v1/embeddings", &body).await;
        reply.error(400, "invalid_request_error");
    });
}

#[test]
fn completions_reach_the_provider_and_come_back() {
    run(async {
        let body = json!({"model": "complete", "prompt": "once upon", "max_tokens": 50});
        let reply = fixture()
            .await
            .stack
            .post("/v1/completions", &body)
            .await
            .ok();
        assert_eq!(reply["choices"][0]["text"], "You said: once upon");
        assert_eq!(reply["model"], "complete");
    });
}

#[test]
fn completions_stream() {
    run(async {
        let body = json!({"model": "complete", "prompt": "once upon", "max_tokens": 50});
        let streamed = fixture().await.stack.stream("/v1/completions", body).await;
        let chunks = streamed.chunks();
        let pieces = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["text"].as_str());
        assert_eq!(pieces.collect::<String>(), "You said: once upon");
    });
}

#[test]
fn images_reach_the_provider_and_come_back() {
    run(async {
        let fixture = fixture().await;
        let body = json!({"model": "image", "prompt": "a cat in boots", "size": "1024x1024"});
        let reply = fixture
            .stack
            .post("/v1/images/generations", &body)
            .await
            .ok();
        assert_eq!(reply["data"][0]["url"], "https://images.example/1.png");
        let sent = fixture.provider.request_with("a cat in boots").json();
        assert_eq!(
            sent,
            json!({"model": "dall-e-x", "prompt": "a cat in boots", "size": "1024x1024"})
        );
    });
}

#[test]
fn speech_comes_back_as_it_is() {
    run(async {
        let body = json!({"model": "speech", "input": "say this", "voice": "alloy"});
        let reply = fixture().await.stack.post("/v1/audio/speech", &body).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("content-type"), "audio/mpeg");
        assert!(reply.body.starts_with(b"ID3"));
        assert_eq!(reply.body.len(), 8000);
    });
}

#[test]
fn transcriptions_pass_the_file_through() {
    run(async {
        let fixture = fixture().await;
        // Every byte value, and what looks like the end of a part.
        let mut sound: Vec<u8> = (0..=255).cycle().take(70_000).collect();
        sound.extend_from_slice(b"\r\n--x--\r\n");
        let form = Form::new()
            .text("model", "whisper")
            .part("file", Part::bytes(sound.clone()).file_name("a.wav"))
            .text("language", "en");
        let request = fixture
            .stack
            .request(Method::POST, "/v1/audio/transcriptions");
        let reply = Reply::of(request.multipart(form)).await;
        assert_eq!(reply.ok()["text"], format!("Heard {} bytes.", sound.len()));
        let sent = fixture.provider.requests_for("whisper-x");
        assert_eq!(sent.len(), 1);
    });
}

#[test]
fn moderations_reach_the_provider_and_come_back() {
    run(async {
        let body = json!({"model": "moderate", "input": "nothing but violence"});
        let reply = fixture()
            .await
            .stack
            .post("/v1/moderations", &body)
            .await
            .ok();
        assert_eq!(reply["results"][0]["flagged"], true);
    });
}

#[test]
fn responses_reach_the_provider_and_come_back() {
    run(async {
        let body = json!({"model": "chat", "input": "hello there"});
        let reply = fixture()
            .await
            .stack
            .post("/v1/responses", &body)
            .await
            .ok();
        assert_eq!(reply["object"], "response");
        assert_eq!(
            reply["output"][0]["content"][0]["text"],
            "You said: hello there"
        );
    });
}

#[test]
fn responses_stream() {
    run(async {
        let body = json!({"model": "chat", "input": "hello there"});
        let streamed = fixture().await.stack.stream("/v1/responses", body).await;
        let last = streamed.events.last().expect("events");
        assert_eq!(last.name.as_deref(), Some("response.completed"));
        let deltas = streamed
            .events
            .iter()
            .filter(|event| event.name.as_deref() == Some("response.output_text.delta"))
            .map(|event| {
                event.json()["delta"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            });
        assert_eq!(deltas.collect::<String>(), "You said: hello there");
    });
}
