//! Conversations that another provider began, and words of a request that exclude each other.

use dragoman_tests::{
    each_dialect,
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
            let imitator = |model: &str| {
                json!({"model": model, "api_base": provider.openai_base(), "api_key": "k"})
            };
            let claude = "us.anthropic.claude-sonnet-4-20250514-v1:0";
            let config = Config::new()
                .openai("openai", &provider, "gpt-4o")
                .anthropic("anthropic", &provider, "claude-sonnet-4-20250514")
                .gemini("gemini", &provider, "gemini-2.5-flash")
                .ollama("ollama", &provider, "llama3")
                .cohere("cohere", &provider, "command-a")
                .bedrock("bedrock", &provider, claude)
                .openai("o3", &provider, "o3")
                .anthropic("thinks", &provider, "claude-sonnet-4-20250514!reasoning")
                .deployment("mistral", imitator("mistral/mistral-large"))
                .deployment("groq", imitator("groq/llama-3.1-70b"));
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture {
                stack,
                provider,
            })
        })
        .await
}

fn tools() -> Value {
    json!([{"type": "function", "function": {
        "name": "weather", "parameters": {"type": "object", "properties": {}},
    }}])
}

fn call(id: &str) -> Value {
    json!({
        "id": id, "type": "function", "function": {"name": "weather", "arguments": "{}"},
        "extra_content": {"google": {"thought_signature": "c2ln"}},
    })
}

/// Turns of a model that thought aloud, with calls as nobody else calls them.
fn begun_elsewhere() -> Value {
    let long = "functions.weather:1|".repeat(4);
    json!([
        {"role": "user", "content": [
            {"type": "text", "text": "How is it there?", "cache_control": {"type": "ephemeral"}},
        ]},
        {
            "role": "assistant", "content": "I look.", "reasoning_content": "Hm.",
            "tool_calls": [call("functions.weather:0"), call(&long)],
        },
        {"role": "tool", "tool_call_id": "functions.weather:0", "content": "Rain."},
        {"role": "tool", "tool_call_id": long, "content": "Sun."},
        {"role": "user", "content": "And now?"},
    ])
}

async fn goes_on(fixture: &Fixture, alias: &str) {
    let body = json!({"model": alias, "messages": begun_elsewhere(), "tools": tools()});
    let reply = fixture.stack.chat(body).await;
    assert_eq!(reply.status, 200, "{alias}: {}", reply.text());
}

each_dialect! {
    [openai anthropic gemini ollama cohere bedrock]
    async fn a_conversation_goes_on_with_another_provider(fixture, alias) {
        goes_on(fixture, alias).await;
    }
}

#[test]
fn a_conversation_goes_on_with_imitators_that_refuse_what_they_do_not_know() {
    run(async {
        let fixture = fixture().await;
        for alias in ["mistral", "groq", "o3"] {
            goes_on(fixture, alias).await;
        }
    });
}

#[test]
fn what_a_conversation_loses_on_its_way_is_reported() {
    run(async {
        let stack = &fixture().await.stack;
        let body = json!({"model": "openai", "messages": begun_elsewhere(), "tools": tools()});
        let reply = stack.chat(body).await;
        let dropped = reply.header("x-dragoman-dropped-params");
        assert_eq!(dropped, "messages.reasoning_content,messages.cache_control");
    });
}

#[test]
fn reasoning_that_was_told_of_another_model_does_not_reach_openai_s_own_responses() {
    run(async {
        let Fixture { stack, provider } = fixture().await;
        let asked = json!({"model": "thinks", "input": "Think about the rain."});
        let told = stack.post("/v1/responses", &asked).await.ok()["output"].clone();
        assert_eq!(told[0]["type"], "reasoning", "{told}");
        let mut input = vec![json!({"role": "user", "content": "Think about the rain."})];
        input.extend(told.as_array().into_iter().flatten().cloned());
        input.push(json!({"role": "user", "content": "And then, after the rain?"}));
        let reply = stack
            .post("/v1/responses", &json!({"model": "o3", "input": input}))
            .await;
        reply.ok();
        assert_eq!(reply.header("x-dragoman-dropped-params"), "input.reasoning");
        let sent = provider.request_with("after the rain?");
        let sent = String::from_utf8_lossy(&sent.body).into_owned();
        assert!(!sent.contains("\"reasoning\""), "{sent}");
    });
}

#[test]
fn messages_clients_bring_calls_of_others_to_anthropic() {
    run(async {
        let stack = &fixture().await.stack;
        let id = "functions.weather:0";
        let body = json!({
            "model": "anthropic", "max_tokens": 50,
            "tools": [{"name": "weather", "input_schema": {"type": "object"}}],
            "messages": [
                {"role": "user", "content": "How is it there?"},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": id, "name": "weather", "input": {}},
                ]},
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": id, "content": "Rain."},
                ]},
            ],
        });
        stack.post("/v1/messages", &body).await.ok();
    });
}

#[test]
fn a_tool_that_must_be_called_goes_before_an_effort() {
    run(async {
        let stack = &fixture().await.stack;
        for alias in ["anthropic", "bedrock"] {
            let body = json!({
                "model": alias, "messages": [{"role": "user", "content": "hello"}],
                "tools": tools(), "tool_choice": "required", "reasoning_effort": "low",
            });
            let reply = stack.chat(body).await;
            assert_eq!(reply.status, 200, "{alias}: {}", reply.text());
            assert_eq!(
                reply.header("x-dragoman-dropped-params"),
                "reasoning_effort"
            );
        }
    });
}

#[test]
fn a_temperature_beside_thinking_is_refused_or_dropped_as_asked() {
    run(async {
        let stack = &fixture().await.stack;
        for alias in ["o3", "anthropic", "bedrock"] {
            let mut body = json!({
                "model": alias, "messages": [{"role": "user", "content": "hello"}],
                "reasoning_effort": "low", "temperature": 0.2,
            });
            let error = stack
                .chat(body.clone())
                .await
                .error(400, "invalid_request_error");
            assert_eq!(error["code"], "unsupported_parameter", "{alias}: {error}");
            assert_eq!(error["param"], "temperature", "{alias}: {error}");
            body["drop_params"] = json!(true);
            let reply = stack.chat(body).await;
            assert_eq!(reply.status, 200, "{alias}: {}", reply.text());
            assert_eq!(reply.header("x-dragoman-dropped-params"), "temperature");
        }
    });
}
