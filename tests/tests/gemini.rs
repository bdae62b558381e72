//! Gemini's API behind OpenAI's: answers, streams, tools with their signatures, failures, and the way
//! to and from another provider.

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
            let config = Config::new()
                .gemini("gemini", &provider, "gemini-2.5-flash")
                .gemini("gemini-3", &provider, "gemini-3-pro-preview")
                .gemini("thinking", &provider, "gemini-2.5-flash!reasoning!cached-5")
                .gemini("quota", &provider, "gemini-2.5-flash!error-429")
                .gemini("bad-key", &provider, "gemini-2.5-flash!error-401")
                .gemini("refused", &provider, "gemini-2.5-flash!content-policy")
                .gemini("too-long", &provider, "gemini-2.5-flash!context-length")
                .gemini("midway", &provider, "gemini-2.5-flash!error-after-2")
                .gemini("from", &provider, "gemini-2.5-flash!error-after-0")
                .fallback("from", &["other"])
                .openai("other", &provider, "gpt-x")
                .anthropic("to", &provider, "claude-x!error-529")
                .fallback("to", &["gemini"]);
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

fn user(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

/// A tool as typed languages declare theirs: references, nullable types, nothing additional.
fn tool(name: &str) -> Value {
    json!({"type": "function", "function": {"name": name, "parameters": {
        "$defs": {"City": {"type": "string", "format": "city"}},
        "type": "object",
        "properties": {"city": {"$ref": "#/$defs/City"}, "days": {"type": ["integer", "null"]}},
        "required": ["city", "days"],
        "additionalProperties": false,
    }}})
}

#[test]
fn an_answer_is_openai_s() {
    run(async {
        let fixture = fixture().await;
        let text = "an answer from Zürich 🎉";
        let reply = fixture
            .stack
            .chat(json!({
                "model": "gemini", "max_tokens": 50, "temperature": 0.5, "stop": "never",
                "messages": [
                    {"role": "system", "content": "Be brief."},
                    {"role": "user", "content": text},
                ],
            }))
            .await;
        assert_eq!(reply.said(), format!("You said: {text}"));
        let body = reply.ok();
        assert_eq!(body["model"], "gemini");
        assert_eq!(body["choices"][0]["finish_reason"], "stop");
        let counted = fixture.provider.usage_with(text);
        assert_eq!(body["usage"]["prompt_tokens"], counted.input_tokens);
        assert_eq!(body["usage"]["completion_tokens"], counted.output_tokens);
    });
}

#[test]
fn a_stream_is_openai_s() {
    run(async {
        let fixture = fixture().await;
        let text = "a stream from Zürich 🎉";
        let body = json!({
            "model": "gemini", "messages": user(text), "stream_options": {"include_usage": true},
        });
        let chunks = fixture.stack.stream_chat(body).await.chunks();
        let said: String = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
            .collect();
        assert_eq!(said, format!("You said: {text}"));
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        let [.., finish, usage] = chunks.as_slice() else {
            panic!("{chunks:?}")
        };
        assert_eq!(finish["choices"][0]["finish_reason"], "stop");
        let counted = fixture.provider.usage_with(text);
        assert_eq!(usage["usage"]["completion_tokens"], counted.output_tokens);
    });
}

#[test]
fn thoughts_and_cached_tokens_are_told() {
    run(async {
        let stack = &fixture().await.stack;
        let body = stack
            .chat(json!({"model": "thinking", "messages": user("think")}))
            .await
            .ok();
        let message = &body["choices"][0]["message"];
        assert!(message["reasoning_content"].is_string(), "{body}");
        assert_eq!(body["usage"]["prompt_tokens_details"]["cached_tokens"], 5);
        let reasoning = &body["usage"]["completion_tokens_details"]["reasoning_tokens"];
        assert!(reasoning.as_u64() > Some(0), "{body}");
    });
}

#[test]
fn tools_are_called_and_their_signatures_come_back() {
    run(async {
        let stack = &fixture().await.stack;
        for stream in [false, true] {
            let mut messages = user("use weather and time");
            let body = json!({
                "model": "gemini-3", "messages": messages, "tools": [tool("weather"), tool("time")],
            });
            let calls: Vec<Value> = if stream {
                let chunks = stack.stream_chat(body).await.chunks();
                let calls = chunks
                    .iter()
                    .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].get(0));
                calls.cloned().collect()
            } else {
                let body = stack.chat(body).await.ok();
                assert_eq!(body["choices"][0]["finish_reason"], "tool_calls");
                let calls = body["choices"][0]["message"]["tool_calls"].as_array();
                calls.cloned().unwrap_or_default()
            };
            assert_eq!(calls.len(), 2, "{calls:?}");
            let arguments: Value =
                serde_json::from_str(calls[0]["function"]["arguments"].as_str().unwrap()).unwrap();
            assert_eq!(
                arguments,
                json!({"city": "a \"city\" in Zürich\n", "days": 42})
            );
            let list = messages.as_array_mut().unwrap();
            list.push(json!({"role": "assistant", "tool_calls": calls}));
            for (call, result) in calls.iter().zip(["sunny", "noon"]).rev() {
                let id = &call["id"];
                list.push(json!({"role": "tool", "tool_call_id": id, "content": result}));
            }
            let reply = stack
                .chat(json!({
                    "model": "gemini-3", "messages": messages,
                    "tools": [tool("weather"), tool("time")],
                }))
                .await;
            assert_eq!(reply.said(), "The tool said: sunny; noon");
        }
    });
}

#[test]
fn calls_of_another_model_are_taken() {
    run(async {
        let stack = &fixture().await.stack;
        let call = json!({
            "id": "call_1", "type": "function",
            "function": {"name": "weather", "arguments": "{\"city\":\"Paris\"}"},
        });
        let reply = stack
            .chat(
                json!({"model": "gemini-3", "tools": [tool("weather")], "messages": [
                    {"role": "user", "content": "How is the weather?"},
                    {"role": "assistant", "content": null, "tool_calls": [call]},
                    {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
                ]}),
            )
            .await;
        assert_eq!(reply.said(), "The tool said: sunny");
    });
}

#[test]
fn a_schema_shapes_the_answer() {
    run(async {
        let stack = &fixture().await.stack;
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
        let reply = stack
            .chat(json!({
                "model": "gemini", "messages": user("json"),
                "response_format": {
                    "type": "json_schema", "json_schema": {"name": "n", "schema": schema},
                },
            }))
            .await;
        assert_eq!(reply.said(), r#"{"n":42}"#);
    });
}

#[test]
fn failures_keep_their_meaning() {
    run(async {
        let stack = &fixture().await.stack;
        for (model, status, code) in [
            ("quota", 429, "rate_limit_exceeded"),
            ("bad-key", 502, "bad_gateway"),
            ("refused", 400, "content_policy_violation"),
            ("too-long", 400, "context_length_exceeded"),
        ] {
            let reply = stack.hello(model).await;
            assert_eq!(reply.status, status, "{model}: {}", reply.text());
            let error = &reply.json()["error"];
            if status != 502 {
                assert_eq!(error["code"], code, "{model}: {error}");
            }
            if model == "quota" {
                assert_eq!(reply.header("retry-after"), "7");
            }
        }
    });
}

#[test]
fn a_stream_that_fails_midway_ends_in_an_error() {
    run(async {
        let stack = &fixture().await.stack;
        let (chunks, _) = stack.stream_hello("midway").await.broken_off();
        assert!(!chunks.is_empty());
    });
}

#[test]
fn another_provider_takes_over_from_gemini_and_gemini_from_another() {
    run(async {
        let fixture = fixture().await;
        for (alias, stream) in [("from", true), ("to", true), ("to", false)] {
            let text = format!("take over {alias} {stream}.");
            let body = json!({"model": alias, "messages": user(&text)});
            let said = if stream {
                fixture.stack.stream_chat(body).await.said()
            } else {
                fixture.stack.chat(body).await.said()
            };
            assert_eq!(said, format!("You said: {text}"));
            let requests = fixture.provider.requests_with(&text);
            assert_eq!(requests.len(), 2, "{requests:#?}");
            for request in requests {
                let is_gemini = request.path.starts_with("/v1beta/");
                assert_eq!(request.header("x-goog-api-key").is_some(), is_gemini);
            }
        }
    });
}
