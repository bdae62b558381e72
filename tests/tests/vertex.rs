//! Vertex AI behind OpenAI's API: Gemini's and Anthropic's models, embeddings, images, and what
//! leaves the house for them.

use std::collections::BTreeSet;

use dragoman_tests::{
    harness::{Config, Reply, Setup, Shared, Stack, run},
    provider::{PROJECT, RecordedRequest, ScriptedProvider},
};
use reqwest::Method;
use serde_json::{Value, json};

struct Fixture {
    stack: Stack,
    provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

const CLAUDE: &str = "claude-sonnet-4-5@20250929";

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let config = Config::new()
                .vertex("gemini", &provider, "gemini-2.5-flash")
                .vertex("claude", &provider, CLAUDE)
                .vertex("llama", &provider, "meta/llama-3.3-70b-instruct-maas")
                .vertex("any/*", &provider, "*")
                .vertex("embedding", &provider, "text-embedding-005")
                .vertex("embedding-3072", &provider, "gemini-embedding-001")
                .vertex("imagen", &provider, "imagen-4.0-generate-001")
                .vertex("refused", &provider, "gemini-2.5-flash!error-401")
                .fallback("refused", &["other"])
                .vertex("refused-claude", &provider, &format!("{CLAUDE}!error-401"))
                .fallback("refused-claude", &["other"])
                .vertex("alone", &provider, "gemini-2.5-flash!error-401")
                .vertex("quota", &provider, "gemini-2.5-flash!error-429")
                .vertex("overloaded", &provider, &format!("{CLAUDE}!error-529"))
                .vertex("midway", &provider, "gemini-2.5-flash!error-after-2")
                .openai("other", &provider, "gpt-x");
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

fn asked(model: &str, text: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": text}]})
}

/// The path of a publisher's model.
fn path(publisher: &str, model: &str, method: &str) -> String {
    let below = format!("publishers/{publisher}/models/{model}:{method}");
    format!("/v1/projects/{PROJECT}/locations/europe-west1/{below}")
}

#[test]
fn both_publishers_models_answer_as_openai_s_would() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        for (alias, publisher, model, method) in [
            ("gemini", "google", "gemini-2.5-flash", "generateContent"),
            ("claude", "anthropic", CLAUDE, "rawPredict"),
            (
                "any/gemini-3-pro-preview",
                "google",
                "gemini-3-pro-preview",
                "generateContent",
            ),
            (
                "any/claude-haiku-4-5",
                "anthropic",
                "claude-haiku-4-5",
                "rawPredict",
            ),
        ] {
            let text = format!("an answer of {alias} from Zürich 🎉");
            let reply = stack.chat(asked(alias, &text)).await;
            assert_eq!(reply.said(), format!("You said: {text}"));
            let body = reply.ok();
            assert_eq!(body["choices"][0]["finish_reason"], "stop");
            let counted = provider.usage_with(&text);
            assert_eq!(body["usage"]["prompt_tokens"], counted.input_tokens);
            assert_eq!(body["usage"]["completion_tokens"], counted.output_tokens);
            let sent = provider.request_with(&text);
            assert_eq!(sent.path, path(publisher, model, method));
        }
    });
}

#[test]
fn both_publishers_models_stream_as_openai_s_would() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        for (alias, publisher, model, method, query) in [
            (
                "gemini",
                "google",
                "gemini-2.5-flash",
                "streamGenerateContent",
                "alt=sse",
            ),
            ("claude", "anthropic", CLAUDE, "streamRawPredict", ""),
        ] {
            let text = format!("a stream of {alias} from Zürich 🎉");
            let mut body = asked(alias, &text);
            body["stream_options"] = json!({"include_usage": true});
            let chunks = stack.stream_chat(body).await.chunks();
            let said: String = chunks
                .iter()
                .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
                .collect();
            assert_eq!(said, format!("You said: {text}"));
            let counted = provider.usage_with(&text);
            let usage = &chunks.last().unwrap()["usage"];
            assert_eq!(usage["completion_tokens"], counted.output_tokens, "{alias}");
            let sent = provider.request_with(&text);
            assert_eq!(sent.path, path(publisher, model, method));
            assert_eq!(sent.query, query);
        }
    });
}

#[test]
fn messages_reach_a_claude_as_they_are() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        let text = "native messages on vertex";
        let mut body = asked("claude", text);
        body["max_tokens"] = json!(64);
        let answer = stack.post("/v1/messages", &body).await.ok();
        assert_eq!(answer["type"], "message");
        assert_eq!(answer["content"][0]["text"], format!("You said: {text}"));
        let sent = provider.request_with(text).json();
        assert_eq!(sent["anthropic_version"], "vertex-2023-10-16");
        let body = asked("claude", "count these");
        let counted = stack.post("/v1/messages/count_tokens", &body).await.ok();
        assert!(counted["input_tokens"].as_u64() > Some(0), "{counted}");
    });
}

#[test]
fn open_models_answer_and_stream() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        let text = "an answer of an open model";
        let reply = stack.chat(asked("llama", text)).await;
        assert_eq!(reply.said(), format!("You said: {text}"));
        let sent = provider.request_with(text);
        assert!(sent.path.ends_with("/endpoints/openapi/chat/completions"));
        let text = "a stream of an open model";
        let streamed = stack.stream_chat(asked("llama", text)).await;
        assert_eq!(streamed.said(), format!("You said: {text}"));
    });
}

#[test]
fn every_kind_of_model_embeds() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        for (alias, input, method) in [
            (
                "embedding",
                json!(["one text", "another short text"]),
                "predict",
            ),
            ("embedding-3072", json!("a single text"), "embedContent"),
            (
                "embedding-3072",
                json!(["first", "the second"]),
                "batchEmbedContents",
            ),
        ] {
            let body = json!({"model": alias, "input": input, "dimensions": 3});
            let answer = stack.post("/v1/embeddings", &body).await.ok();
            let vectors = answer["data"].as_array().unwrap();
            assert_eq!(vectors.len(), input.as_array().map_or(1, Vec::len));
            let first = vectors[0]["embedding"].as_array().unwrap();
            assert_eq!(first.len(), 3, "{answer}");
            let sent = provider
                .requests()
                .into_iter()
                .rfind(|sent| sent.path.ends_with(&format!(":{method}")));
            let number = sent.expect("it was asked so").number;
            let counted = provider.usage();
            let counted = counted.iter().find(|row| row.number == number);
            let tokens = counted.map(|row| row.input_tokens);
            assert_eq!(
                answer["usage"]["prompt_tokens"].as_u64(),
                tokens,
                "{method}"
            );
        }
    });
}

#[test]
fn imagen_draws() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        let prompt = "a lighthouse for vertex";
        let body = json!({"model": "imagen", "prompt": prompt, "n": 2, "size": "1792x1024"});
        let answer = stack.post("/v1/images/generations", &body).await.ok();
        let images = answer["data"].as_array().unwrap();
        assert_eq!(images.len(), 2);
        assert_eq!(images[0]["b64_json"], "aW1hZ2U=");
        let sent = provider.request_with(prompt);
        assert_eq!(
            sent.path,
            path("google", "imagen-4.0-generate-001", "predict")
        );
        assert_eq!(sent.json()["parameters"]["aspectRatio"], "16:9");
        let body = json!({"model": "imagen", "prompt": "something forbidden"});
        let refused = stack.post("/v1/images/generations", &body).await;
        assert_eq!(refused.status, 400, "{}", refused.text());
        assert_eq!(refused.json()["error"]["code"], "content_policy_violation");
    });
}

#[test]
fn a_refused_token_falls_back_and_is_the_gateway_s_fault() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        for alias in ["refused", "refused-claude"] {
            let text = format!("to {alias} first");
            let reply = stack.chat(asked(alias, &text)).await;
            assert_eq!(reply.status, 200, "{}", reply.text());
            assert_eq!(reply.header("x-litellm-attempted-fallbacks"), "1");
            let last = provider.requests_with(&text).pop();
            let key = last.as_ref().and_then(|sent| sent.header("authorization"));
            assert_eq!(key, Some("Bearer sk-openai-other"), "{last:#?}");
        }
        let reply = stack.hello("alone").await;
        assert_eq!(reply.status, 502, "{}", reply.text());
        let said = reply.json()["error"]["message"].to_string();
        assert!(said.contains("refused the gateway's credential"), "{said}");
    });
}

#[test]
fn failures_keep_their_meaning() {
    run(async {
        let stack = &fixture().await.stack;
        let quota = stack.hello("quota").await;
        assert_eq!(quota.status, 429, "{}", quota.text());
        assert_eq!(quota.header("retry-after"), "7");
        let overloaded = stack.hello("overloaded").await;
        assert_eq!(overloaded.status, 503, "{}", overloaded.text());
        let (chunks, _) = stack.stream_hello("midway").await.broken_off();
        assert!(!chunks.is_empty());
    });
}

/// Exactly these headers are there, and nothing of the client's is in any.
fn has_only(request: &RecordedRequest, allowed: &[&str]) {
    let names: BTreeSet<String> = request
        .headers
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    let allowed: BTreeSet<String> = allowed.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(names, allowed, "{request:#?}");
    assert_eq!(request.headers.len(), names.len(), "none is there twice");
    for (name, value) in &request.headers {
        assert!(!value.contains("leak"), "{name}: {value}");
        assert!(!value.contains("sk-test-master"), "{name}: {value}");
    }
}

#[test]
fn vertex_ai_sees_its_own_headers_and_token_alone() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        for alias in ["gemini", "claude"] {
            let text = format!("headers for {alias}");
            let request = stack
                .request(Method::POST, "/v1/chat/completions?leak=query")
                .header("x-api-key", "leak-key")
                .header("x-goog-api-key", "leak-goog")
                .header("x-goog-user-project", "leak-project")
                .header("anthropic-version", "leak-version")
                .header("cookie", "leak=1")
                .json(&asked(alias, &text));
            assert_eq!(Reply::of(request).await.status, 200);
            let sent = provider.request_with(&text);
            has_only(
                &sent,
                &[
                    "host",
                    "content-type",
                    "content-length",
                    "user-agent",
                    "accept",
                    "authorization",
                ],
            );
            let token = sent.header("authorization").unwrap_or_default();
            assert!(token.starts_with("Bearer ya29.scripted-"), "{token}");
            let host = provider.address().to_string();
            assert_eq!(sent.header("host"), Some(host.as_str()));
            assert!(!sent.query.contains("leak"));
        }
    });
}

#[test]
fn all_deployments_of_the_account_share_one_token() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        stack.hello("gemini").await.ok();
        stack.hello("claude").await.ok();
        assert_eq!(provider.tokens_issued(), 1);
    });
}

#[test]
fn neither_token_nor_key_is_in_envoy_s_configuration_or_in_a_log() {
    run(async {
        let stack = &fixture().await.stack;
        stack.hello("gemini").await.ok();
        let dump = stack.envoy_admin("/config_dump?include_eds").await;
        assert!(
            dump.contains("gemini-2.5-flash"),
            "the dump holds the deployments"
        );
        for (place, text) in [
            ("Envoy's configuration", dump),
            ("the service's log", stack.service_log()),
            ("Envoy's log", stack.envoy_log()),
        ] {
            for secret in ["ya29.", "PRIVATE KEY", "scripted-key"] {
                assert!(!text.contains(secret), "{secret} in {place}");
            }
        }
    });
}
