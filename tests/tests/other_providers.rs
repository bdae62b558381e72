//! Providers with an API of their own, played strictly: Ollama, and OpenAI's behind Azure's paths.

use dragoman_tests::{
    harness::{Config, Setup, Shared, Stack, run},
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
            let root = provider.root();
            let ollama = |prefix: &str, model: &str, base: &str| {
                json!({"model": format!("{prefix}/{model}"), "api_base": format!("{root}{base}")})
            };
            let azure = |version: &str| {
                json!({
                    "model": "azure/my-gpt", "api_base": root, "api_version": version,
                    "api_key": "azure-key",
                })
            };
            let config = Config::new()
                .deployment("ollama", ollama("ollama_chat", "llama3", "/v1"))
                .deployment("ollama-plain", ollama("ollama", "llama3", ""))
                .deployment("ollama!error-after-3", ollama("ollama", "x!error-after-3", ""))
                .deployment("ollama!error-after-0", ollama("ollama", "x!error-after-0", ""))
                .deployment("ollama!error-503", ollama("ollama", "x!error-503", ""))
                .deployment("ollama!context-length", ollama("ollama", "x!context-length", ""))
                .deployment("ollama!split", ollama("ollama", "x!split-3!crlf!open-end", ""))
                .deployment("azure", azure("2024-10-21"))
                .deployment("azure-responds", azure("2025-04-01-preview"))
                .openai("openai", &provider, "gpt-x")
                .openai("broken", &provider, "x!error-503")
                .fallback("broken", &["ollama"])
                .fallback("ollama!error-503", &["openai"])
                .fallback("ollama!error-after-0", &["azure"]);
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

fn user(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

/// Asks for `text` with `more` in the request, and gives back what the provider was sent.
async fn sent(alias: &str, text: &str, more: Value) -> Value {
    let fixture = fixture().await;
    let mut body = json!({"model": alias, "messages": user(text)});
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    let reply = fixture.stack.chat(body).await;
    assert_eq!(reply.said(), format!("You said: {text}"));
    fixture.provider.request_with(text).json()
}

#[test]
fn ollama_answers_at_its_root_under_either_prefix() {
    run(async {
        let fixture = fixture().await;
        for alias in ["ollama", "ollama-plain"] {
            let text = format!("hello {alias}");
            sent(alias, &text, json!({})).await;
            let request = fixture.provider.request_with(&text);
            assert_eq!(request.path, "/api/chat");
            assert_eq!(request.header("content-type"), Some("application/json"));
            assert_eq!(request.header("authorization"), None);
        }
    });
}

#[test]
fn ollama_gets_its_options() {
    run(async {
        let more = json!({"temperature": 0.25, "max_tokens": 50, "stop": "never", "seed": 7,
            "response_format": {"type": "text"}, "user": "somebody"});
        let body = sent("ollama", "options for ollama", more).await;
        let expected =
            json!({"temperature": 0.25, "num_predict": 50, "stop": ["never"], "seed": 7});
        assert_eq!(body["options"], expected);
        assert_eq!(
            (&body["stream"], &body["model"]),
            (&json!(false), &json!("llama3"))
        );
    });
}

#[test]
fn ollama_s_usage_is_in_the_ledger() {
    run(async {
        let fixture = fixture().await;
        let body = json!({"model": "ollama", "messages": user("count for the ledger")});
        let reply = fixture.stack.chat(body).await;
        let usage = reply.ok()["usage"].clone();
        let counted = fixture.provider.usage_with("count for the ledger");
        assert_eq!(usage["prompt_tokens"], counted.input_tokens);
        assert_eq!(usage["completion_tokens"], counted.output_tokens);
        let row = fixture.stack.ledger().request(&reply.request_id()).await;
        assert_eq!(u64::try_from(row.output_tokens), Ok(counted.output_tokens));
    });
}

#[test]
fn ollama_s_lines_become_an_event_stream() {
    run(async {
        let fixture = fixture().await;
        for alias in ["ollama", "ollama!split"] {
            let text = format!("streamed Zürich 🎉 {alias}");
            let streamed = fixture
                .stack
                .stream_chat(json!({
                    "model": alias, "messages": user(&text),
                    "stream_options": {"include_usage": true},
                }))
                .await;
            assert!(
                streamed
                    .reply
                    .header("content-type")
                    .starts_with("text/event-stream")
            );
            let chunks = streamed.chunks();
            assert_eq!(streamed.said(), format!("You said: {text}"));
            assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
            let last = chunks.last().expect("chunks");
            let counted = fixture.provider.usage_with(&text);
            assert_eq!(last["usage"]["completion_tokens"], counted.output_tokens);
        }
    });
}

#[test]
fn ollama_calls_tools_and_hears_their_results() {
    run(async {
        let fixture = fixture().await;
        let tools = json!([{"type": "function", "function": {"name": "weather", "parameters": {
            "type": "object", "properties": {"city": {"type": "string"}},
        }}}]);
        let mut messages = user("the weather please, ollama");
        let body = json!({"model": "ollama", "messages": messages, "tools": tools});
        let answer = fixture.stack.chat(body.clone()).await.ok();
        assert_eq!(
            answer["choices"][0]["finish_reason"], "tool_calls",
            "{answer}"
        );
        let message = &answer["choices"][0]["message"];
        let call = &message["tool_calls"][0];
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
        let arguments: Value = serde_json::from_str(arguments).expect("JSON");
        assert_eq!(arguments, json!({"city": "a \"city\" in Zürich\n"}));

        let chunks = fixture.stack.stream_chat(body).await.chunks();
        let streamed = chunks
            .iter()
            .map(|chunk| &chunk["choices"][0]["delta"]["tool_calls"][0])
            .find(|call| !call.is_null());
        assert_eq!(streamed.expect("a call")["function"]["name"], "weather");

        let list = messages.as_array_mut().expect("a list");
        list.push(message.clone());
        list.push(
            json!({"role": "tool", "tool_call_id": call["id"], "content": "it is sunny, ollama"}),
        );
        let body = json!({"model": "ollama", "messages": messages, "tools": tools});
        fixture.stack.chat(body).await.ok();
        let sent = fixture.provider.request_with("it is sunny, ollama").json();
        assert_eq!(sent["messages"][2]["tool_name"], "weather");
        let heard = &sent["messages"][1]["tool_calls"][0]["function"]["arguments"];
        assert_eq!(heard, &arguments);
    });
}

#[test]
fn an_image_s_address_is_no_image_for_ollama() {
    run(async {
        let fixture = fixture().await;
        let image = json!({"type": "image_url", "image_url": {"url": "https://a.example/cat.png"}});
        let body = json!({"model": "ollama", "messages": [{"role": "user", "content": [image]}]});
        let error = fixture
            .stack
            .chat(body)
            .await
            .error(400, "invalid_request_error");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains("inline"), "{message}");
    });
}

#[test]
fn a_broken_line_of_ollama_s_ends_the_stream_with_one_error() {
    run(async {
        let fixture = fixture().await;
        let streamed = fixture.stack.stream_hello("ollama!error-after-3").await;
        let (chunks, error) = streamed.broken_off();
        assert!(!chunks.is_empty());
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains("running the model"), "{error}");
    });
}

#[test]
fn a_request_falls_back_to_ollama_and_from_it() {
    run(async {
        let fixture = fixture().await;
        for alias in ["broken", "ollama!error-503", "ollama!error-after-0"] {
            let text = format!("from {alias} to another");
            let body = json!({"model": alias, "messages": user(&text)});
            let streamed = fixture.stack.stream_chat(body).await;
            assert_eq!(streamed.said(), format!("You said: {text}"), "{alias}");
            assert_eq!(fixture.provider.requests_with(&text).len(), 2, "{alias}");
        }
    });
}

#[test]
fn a_prompt_that_is_too_long_for_ollama_is_told_so() {
    run(async {
        let fixture = fixture().await;
        let reply = fixture.stack.hello("ollama!context-length").await;
        let error = reply.error(400, "invalid_request_error");
        assert_eq!(error["code"], "context_length_exceeded");
    });
}

#[test]
fn ollama_embeds() {
    run(async {
        let fixture = fixture().await;
        let body = json!({"model": "ollama", "input": ["embed this", "and that one"]});
        let list = fixture.stack.post("/v1/embeddings", &body).await.ok();
        assert_eq!(list["data"][0]["embedding"], json!([2, 0.5]));
        assert_eq!(list["usage"]["prompt_tokens"], 5);
        assert_eq!(
            fixture.provider.request_with("embed this").path,
            "/api/embed"
        );
    });
}

#[test]
fn azure_gets_deployment_version_and_key_where_it_wants_them() {
    run(async {
        let fixture = fixture().await;
        sent("azure", "hello azure", json!({})).await;
        let request = fixture.provider.request_with("hello azure");
        assert_eq!(request.path, "/openai/deployments/my-gpt/chat/completions");
        assert_eq!(request.query, "api-version=2024-10-21");
        assert_eq!(request.header("api-key"), Some("azure-key"));
        assert_eq!(request.header("authorization"), None);
        let streamed = fixture.stack.stream_hello("azure").await;
        assert_eq!(streamed.said(), "You said: hello");
    });
}

/// Older versions have no responses: they go through chat.
#[test]
fn azure_is_asked_for_responses_where_its_version_has_them() {
    run(async {
        let fixture = fixture().await;
        for (alias, path, version) in [
            ("azure-responds", "/openai/responses", "2025-04-01-preview"),
            (
                "azure",
                "/openai/deployments/my-gpt/chat/completions",
                "2024-10-21",
            ),
        ] {
            let text = format!("{alias}, respond");
            let body = json!({"model": alias, "input": text});
            let answer = fixture.stack.post("/v1/responses", &body).await.ok();
            let said = &answer["output"][0]["content"][0]["text"];
            assert_eq!(said, &json!(format!("You said: {text}")));
            let request = fixture.provider.request_with(&text);
            assert_eq!(request.path, path);
            assert_eq!(request.query, format!("api-version={version}"));
            assert_eq!(request.json()["model"], "my-gpt");
        }
    });
}
