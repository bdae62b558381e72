//! Which provider has which endpoint: where one has it not the answer says so, and a fallback that
//! has it is taken at once.

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
            let root = provider.root();
            let ollama = json!({"model": "ollama_chat/llama3", "api_base": root});
            let azure = json!({
                "model": "azure/my-gpt", "api_base": root, "api_version": "2024-10-21",
                "api_key": "azure-key",
            });
            let config = Config::new()
                .openai("openai", &provider, "any")
                .anthropic("anthropic", &provider, "claude-x")
                .gemini("gemini", &provider, "gemini-2.5-flash")
                .cohere("cohere", &provider, "command-a")
                .deployment("ollama", ollama.clone())
                .deployment("azure", azure.clone())
                .anthropic("first", &provider, "claude-x")
                .deployment("both", ollama)
                .openai("both", &provider, "any")
                .deployment("third", azure)
                .fallback("first", &["third", "openai"]);
            let setup = Setup::new(&config).env("SERVER_ROOT_PATH", "/ai-api");
            let stack = setup.start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

/// An endpoint besides chat, the least that can be asked of it, and the providers that lack it.
fn endpoints() -> Vec<(&'static str, Value, &'static [&'static str])> {
    let chatters: &[&str] = &["anthropic", "gemini", "ollama", "cohere"];
    vec![
        ("/embeddings", json!({"input": "x"}), &["anthropic"]),
        (
            "/images/generations",
            json!({"prompt": "x"}),
            &["anthropic", "ollama", "cohere"],
        ),
        (
            "/audio/speech",
            json!({"input": "x", "voice": "alloy"}),
            chatters,
        ),
        (
            "/moderations",
            json!({"input": "x"}),
            &["anthropic", "gemini", "ollama", "azure", "cohere"],
        ),
        (
            "/rerank",
            json!({"query": "x", "documents": ["a"]}),
            &["anthropic", "gemini", "ollama", "azure"],
        ),
    ]
}

/// The same for forms; `file` is the name of the file's field.
const FORMS: [(&str, &str, &[&str]); 4] = [
    ("/images/edits", "image", &["anthropic", "ollama", "cohere"]),
    (
        "/images/variations",
        "image",
        &["anthropic", "gemini", "ollama", "azure", "cohere"],
    ),
    (
        "/audio/transcriptions",
        "file",
        &["anthropic", "gemini", "ollama", "cohere"],
    ),
    (
        "/audio/translations",
        "file",
        &["anthropic", "gemini", "ollama", "cohere"],
    ),
];

async fn send_form(path: &str, file: &'static str, model: &str, note: &str) -> Reply {
    let bytes = Part::bytes(b"\x89PNG file".to_vec()).file_name("a.png");
    let bytes = bytes.mime_str("image/png").expect("a type");
    let form = Form::new()
        .text("model", model.to_owned())
        .text("prompt", note.to_owned())
        .part(file, bytes);
    let request = fixture().await.stack.request(Method::POST, path);
    Reply::of(request.multipart(form)).await
}

fn with_model(body: &Value, model: &str) -> Value {
    let mut body = body.clone();
    body["model"] = json!(model);
    body
}

#[track_caller]
fn assert_says_who_lacks_what(reply: &Reply, provider: &str, path: &str) {
    let error = reply.error(400, "invalid_request_error");
    let message = error["message"].as_str().unwrap_or_default();
    let lacks = format!("does not serve /v1{path}");
    assert!(message.contains(&lacks), "{message}");
    assert!(message.starts_with(provider), "{message}");
    assert_eq!(error["param"], "model", "{error}");
}

#[test]
fn an_endpoint_that_a_provider_lacks_is_a_400_that_names_both() {
    run(async {
        let stack = &fixture().await.stack;
        for (path, body, lacking) in endpoints() {
            for provider in lacking {
                let body = with_model(&body, provider);
                let reply = stack.post(&format!("/v1{path}"), &body).await;
                assert_says_who_lacks_what(&reply, provider, path);
            }
        }
        for (path, file, lacking) in FORMS {
            for provider in lacking {
                let reply = send_form(&format!("/v1{path}"), file, provider, "x").await;
                assert_says_who_lacks_what(&reply, provider, path);
            }
        }
    });
}

#[test]
fn a_fallback_that_has_the_endpoint_is_taken_at_once() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        let body = json!({"model": "first", "input": "moderate me for a fallback"});
        let reply = stack.post("/v1/moderations", &body).await;
        assert!(reply.ok()["results"].is_array());
        // Neither Anthropic nor Azure was asked: they have no such endpoint.
        provider.request_with("moderate me for a fallback");
        assert_eq!(reply.header("x-litellm-attempted-retries"), "0");
        let row = stack.ledger().request(&reply.request_id()).await;
        assert_eq!((row.attempts, row.state.as_str()), (1, "complete"));

        let note = "edit for a fallback";
        send_form("/v1/images/edits", "image", "first", note)
            .await
            .ok();
        let sent = provider.request_with(note);
        assert!(
            sent.path.starts_with("/openai/deployments/my-gpt/"),
            "{}",
            sent.path
        );
    });
}

#[test]
fn of_an_alias_s_deployments_those_with_the_endpoint_are_asked() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        for n in 0..6 {
            let prompt = format!("draw cat number {n} with either");
            let body = json!({"model": "both", "prompt": prompt});
            stack.post("/v1/images/generations", &body).await.ok();
            assert_eq!(
                provider.request_with(&prompt).path,
                "/v1/images/generations"
            );
        }
    });
}

#[test]
fn every_endpoint_is_there_without_v1_and_under_the_root_path() {
    run(async {
        let stack = &fixture().await.stack;
        for prefix in ["", "/v1", "/ai-api", "/ai-api/v1"] {
            for (path, body, _) in endpoints() {
                let body = with_model(&body, "openai");
                let reply = stack.post(&format!("{prefix}{path}"), &body).await;
                assert_eq!(reply.status, 200, "{prefix}{path}: {}", reply.text());
            }
            for (path, file, _) in FORMS {
                let reply = send_form(&format!("{prefix}{path}"), file, "openai", "x").await;
                assert_eq!(reply.status, 200, "{prefix}{path}: {}", reply.text());
            }
            let body = json!({"model": "openai", "prompt": "x"});
            let reply = stack.post(&format!("{prefix}/completions"), &body).await;
            assert_eq!(reply.ok()["object"], "text_completion", "{prefix}");
        }
    });
}

#[test]
fn texts_are_completed_by_models_that_only_chat() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        for alias in ["anthropic", "gemini", "ollama", "azure", "cohere"] {
            let prompt = format!("once upon {alias}");
            let body = json!({"model": alias, "prompt": prompt, "max_tokens": 50});
            let reply = stack.post("/v1/completions", &body).await;
            let text = reply.ok();
            assert_eq!(text["object"], "text_completion", "{alias}");
            assert_eq!(text["choices"][0]["text"], format!("You said: {prompt}"));
            assert_eq!(text["choices"][0]["finish_reason"], "stop");
            assert_eq!(text["model"], alias);
            let counted = provider.usage_with(&prompt);
            let row = stack.ledger().request(&reply.request_id()).await;
            assert_eq!(row.operation, "completions");
            assert_eq!(u64::try_from(row.output_tokens), Ok(counted.output_tokens));
        }
    });
}

#[test]
fn texts_of_models_that_only_chat_are_streamed() {
    run(async {
        let stack = &fixture().await.stack;
        for alias in ["anthropic", "gemini", "ollama", "azure", "cohere"] {
            let prompt = format!("stream me upon {alias}");
            let body = json!({"model": alias, "prompt": prompt, "max_tokens": 50,
                "stream_options": {"include_usage": true}});
            let chunks = stack.stream("/v1/completions", body).await.chunks();
            let (usage, texts) = chunks.split_last().expect("chunks");
            let said = texts
                .iter()
                .filter_map(|chunk| chunk["choices"][0]["text"].as_str());
            assert_eq!(said.collect::<String>(), format!("You said: {prompt}"));
            assert!(
                texts
                    .iter()
                    .all(|chunk| chunk["object"] == "text_completion")
            );
            assert!(
                usage["usage"]["completion_tokens"].as_u64() > Some(0),
                "{usage}"
            );
        }
    });
}

#[test]
fn several_prompts_are_refused_by_models_that_only_chat() {
    run(async {
        let stack = &fixture().await.stack;
        let body = json!({"model": "anthropic", "prompt": ["a", "b"]});
        let error = stack.post("/v1/completions", &body).await;
        assert_eq!(error.error(400, "invalid_request_error")["param"], "prompt");
    });
}

#[test]
fn what_an_endpoint_cannot_express_is_refused_or_told_to_be_dropped() {
    run(async {
        let stack = &fixture().await.stack;
        for alias in ["gemini", "ollama", "cohere"] {
            let mut body = json!({"model": alias, "input": "x", "late_chunking": true});
            let error = stack.post("/v1/embeddings", &body).await;
            let error = error.error(400, "invalid_request_error");
            assert_eq!(error["param"], "late_chunking", "{alias}");
            body["drop_params"] = json!(true);
            let reply = stack.post("/v1/embeddings", &body).await;
            reply.ok();
            assert_eq!(reply.header("x-dragoman-dropped-params"), "late_chunking");
            let row = stack.ledger().request(&reply.request_id()).await;
            assert_eq!(row.dropped, r#"["late_chunking"]"#, "{alias}");
        }
    });
}

#[test]
fn rankings_and_embeddings_of_cohere_come_in_openai_s_shapes() {
    run(async {
        let stack = &fixture().await.stack;
        let body = json!({"model": "cohere", "query": "a dog", "top_n": 1,
            "documents": ["a cat", "the dog of a neighbour"]});
        let ranked = stack.post("/v1/rerank", &body).await.ok();
        assert_eq!(ranked["results"][0]["index"], 1, "{ranked}");
        assert_eq!(ranked["results"].as_array().map(Vec::len), Some(1));
        let body = json!({"model": "cohere", "input": ["two words", "one"]});
        let reply = stack.post("/v1/embeddings", &body).await;
        let list = reply.ok();
        assert_eq!(list["data"][0]["embedding"], json!([2, 0.5]));
        assert_eq!(list["usage"]["prompt_tokens"], 3);
        let row = stack.ledger().request(&reply.request_id()).await;
        assert_eq!(
            (row.input_tokens, row.usage_source.as_str()),
            (3, "provider")
        );
    });
}
