//! Tools: calls, choices and results, whatever the provider speaks.

use dragoman_tests::{
    each_dialect,
    harness::{Config, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
use serde_json::{Value, json};

struct Fixture {
    stack: Stack,
    _provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let config = Config::new()
                .openai("openai", &provider, "gpt-x")
                .anthropic("anthropic", &provider, "claude-x");
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture {
                stack,
                _provider: provider,
            })
        })
        .await
}

fn user(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {
        "name": name, "description": "A tool.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
    }})
}

/// What the scripted model puts into the arguments of [`tool`].
fn arguments() -> Value {
    json!({"city": "a \"city\" in Zürich\n", "days": 42})
}

/// The tool calls of a stream, put together.
fn streamed_calls(chunks: &[Value]) -> Vec<(String, String)> {
    let mut calls: Vec<(String, String)> = Vec::new();
    let deltas = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array())
        .flatten();
    for delta in deltas {
        let index = usize::try_from(delta["index"].as_u64().expect("an index")).expect("small");
        let function = &delta["function"];
        if let Some(name) = function["name"].as_str() {
            assert_eq!(index, calls.len(), "calls begin in order: {delta}");
            assert!(
                delta["id"].as_str().is_some_and(|id| !id.is_empty()),
                "{delta}"
            );
            calls.push((name.to_owned(), String::new()));
        }
        calls[index].1 += function["arguments"].as_str().unwrap_or_default();
    }
    calls
}

each_dialect! {
    async fn a_forced_tool_is_called(fixture, alias) {
        let reply = fixture
            .stack
            .chat(json!({
                "model": alias, "messages": user("hello"), "tools": [tool("weather")],
                "tool_choice": "required",
            }))
            .await;
        let choice = reply.ok()["choices"][0].clone();
        assert_eq!(choice["finish_reason"], "tool_calls");
        assert_eq!(choice["message"]["content"], Value::Null);
        let call = &choice["message"]["tool_calls"][0];
        assert_eq!(call["type"], "function");
        assert_eq!(call["function"]["name"], "weather");
        let given = call["function"]["arguments"].as_str().expect("arguments are a string");
        assert_eq!(serde_json::from_str::<Value>(given).expect("of JSON"), arguments());
    }

    async fn a_named_tool_is_called(fixture, alias) {
        let reply = fixture
            .stack
            .chat(json!({
                "model": alias, "messages": user("hello"),
                "tools": [tool("weather"), tool("time")],
                "tool_choice": {"type": "function", "function": {"name": "time"}},
            }))
            .await;
        let calls = reply.ok()["choices"][0]["message"]["tool_calls"].clone();
        assert_eq!(calls.as_array().map(Vec::len), Some(1), "{calls}");
        assert_eq!(calls[0]["function"]["name"], "time");
    }

    async fn no_tool_is_called_when_none_is_wanted(fixture, alias) {
        let reply = fixture
            .stack
            .chat(json!({
                "model": alias, "messages": user("use weather"), "tools": [tool("weather")],
                "tool_choice": "none",
            }))
            .await;
        assert_eq!(reply.said(), "You said: use weather");
    }

    async fn several_tools_are_called_at_once(fixture, alias) {
        let reply = fixture
            .stack
            .chat(json!({
                "model": alias, "messages": user("use weather and time"),
                "tools": [tool("weather"), tool("time")], "tool_choice": "auto",
            }))
            .await;
        let calls = reply.ok()["choices"][0]["message"]["tool_calls"].clone();
        let names: Vec<&Value> = calls
            .as_array()
            .expect("calls")
            .iter()
            .map(|call| &call["function"]["name"])
            .collect();
        assert_eq!(names, ["weather", "time"]);
        assert_ne!(calls[0]["id"], calls[1]["id"]);
    }

    async fn only_one_tool_is_called_when_parallel_calls_are_unwanted(fixture, alias) {
        let reply = fixture
            .stack
            .chat(json!({
                "model": alias, "messages": user("use weather and time"),
                "tools": [tool("weather"), tool("time")], "parallel_tool_calls": false,
            }))
            .await;
        let calls = reply.ok()["choices"][0]["message"]["tool_calls"].clone();
        assert_eq!(calls.as_array().map(Vec::len), Some(1), "{calls}");
    }

    async fn tool_calls_stream_in_fragments(fixture, alias) {
        let chunks = fixture
            .stack
            .stream_chat(json!({
                "model": alias, "messages": user("use weather and time"),
                "tools": [tool("weather"), tool("time")],
            }))
            .await
            .chunks();
        let calls = streamed_calls(&chunks);
        let names: Vec<&str> = calls.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["weather", "time"]);
        for (_, given) in &calls {
            assert_eq!(serde_json::from_str::<Value>(given).expect("JSON"), arguments());
        }
        let finish = &chunks.last().expect("chunks")["choices"][0]["finish_reason"];
        assert_eq!(finish, "tool_calls");
    }

    async fn tool_results_go_back_to_the_model(fixture, alias) {
        let call = |id: &str, name: &str| json!({
            "id": id, "type": "function",
            "function": {"name": name, "arguments": "{\"city\": \"Paris\"}"},
        });
        let reply = fixture
            .stack
            .chat(json!({
                "model": alias,
                "tools": [tool("weather"), tool("time")],
                "messages": [
                    {"role": "user", "content": "use weather and time"},
                    {"role": "assistant", "content": null,
                     "tool_calls": [call("call_a", "weather"), call("call_b", "time")]},
                    {"role": "tool", "tool_call_id": "call_a", "content": "sunny"},
                    {"role": "tool", "tool_call_id": "call_b", "content": "noon"},
                ],
            }))
            .await;
        assert_eq!(reply.said(), "The tool said: sunny; noon");
    }
}
