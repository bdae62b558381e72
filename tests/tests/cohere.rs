//! Cohere's API behind OpenAI's: answers, streams, tools, embeddings, rerank, and what failures mean.

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
                .cohere("cohere", &provider, "command-a")
                .cohere(
                    "thinking",
                    &provider,
                    "command-a-reasoning!reasoning!cached-5",
                )
                .cohere("silent", &provider, "command-a!no-usage")
                .cohere("quota", &provider, "x!error-429")
                .cohere("refused", &provider, "x!content-policy")
                .cohere("too-long", &provider, "x!context-length");
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

fn user(text: &str) -> Value {
    json!([{"role": "user", "content": text}])
}

fn tool(name: &str) -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    json!({"type": "function", "function": {"name": name, "parameters": parameters}})
}

#[test]
fn an_answer_is_openai_s_and_the_billed_tokens_are_counted() {
    run(async {
        let fixture = fixture().await;
        let text = "an answer from Zürich 🎉";
        let body = json!({"model": "cohere", "messages": user(text), "max_tokens": 50,
            "temperature": 0.5, "stop": "never", "user": "somebody"});
        let reply = fixture.stack.chat(body).await;
        assert_eq!(reply.said(), format!("You said: {text}"));
        let request = fixture.provider.request_with(text);
        assert_eq!(request.path, "/v2/chat");
        assert_eq!(request.header("authorization"), Some("Bearer co-cohere"));
        let counted = fixture.provider.usage_with(text);
        let usage = &reply.ok()["usage"];
        assert_eq!(usage["prompt_tokens"], counted.input_tokens);
        assert_eq!(usage["completion_tokens"], counted.output_tokens);
        let row = fixture.stack.ledger().request(&reply.request_id()).await;
        assert_eq!(u64::try_from(row.output_tokens), Ok(counted.output_tokens));
    });
}

#[test]
fn a_stream_is_openai_s() {
    run(async {
        let fixture = fixture().await;
        let text = "a stream from Zürich 🎉";
        let body = json!({"model": "cohere", "messages": user(text),
            "stream_options": {"include_usage": true}});
        let streamed = fixture.stack.stream_chat(body).await;
        let chunks = streamed.chunks();
        assert_eq!(streamed.said(), format!("You said: {text}"));
        assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
        let last = chunks.last().expect("chunks");
        let counted = fixture.provider.usage_with(text);
        assert_eq!(last["usage"]["completion_tokens"], counted.output_tokens);
    });
}

#[test]
fn thoughts_and_cached_tokens_are_told() {
    run(async {
        let stack = &fixture().await.stack;
        let body = json!({"model": "thinking", "messages": user("think"),
            "reasoning_effort": "low"});
        let answer = stack.chat(body.clone()).await.ok();
        let message = &answer["choices"][0]["message"];
        assert!(message["reasoning_content"].is_string(), "{answer}");
        assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 5);
        let chunks = stack.stream_chat(body).await.chunks();
        let thought: String = chunks
            .iter()
            .filter_map(|chunk| chunk["choices"][0]["delta"]["reasoning_content"].as_str())
            .collect();
        assert_eq!(message["reasoning_content"], thought);
    });
}

/// The calls of a stream, put together as clients do.
fn assembled(chunks: &[Value]) -> Vec<Value> {
    let mut calls: Vec<Value> = Vec::new();
    let pieces = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["tool_calls"].as_array())
        .flatten();
    for piece in pieces {
        let index = usize::try_from(piece["index"].as_u64().expect("an index")).unwrap();
        if index == calls.len() {
            calls.push(piece.clone());
            continue;
        }
        let more = piece["function"]["arguments"].as_str().unwrap_or_default();
        let arguments = calls[index]["function"]["arguments"].as_str().unwrap();
        calls[index]["function"]["arguments"] = json!(format!("{arguments}{more}"));
    }
    calls
}

#[test]
fn tools_are_called_and_their_results_heard() {
    run(async {
        let stack = &fixture().await.stack;
        for stream in [false, true] {
            let mut messages = user("use weather and time");
            let tools = json!([tool("weather"), tool("time")]);
            let body = json!({"model": "cohere", "messages": messages, "tools": tools});
            let calls = if stream {
                assembled(&stack.stream_chat(body).await.chunks())
            } else {
                let answer = stack.chat(body).await.ok();
                assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
                let calls = answer["choices"][0]["message"]["tool_calls"].as_array();
                calls.cloned().unwrap_or_default()
            };
            assert_eq!(calls.len(), 2, "{calls:?}");
            let arguments = calls[1]["function"]["arguments"].as_str().unwrap();
            let arguments: Value = serde_json::from_str(arguments).unwrap();
            assert_eq!(arguments, json!({"city": "a \"city\" in Zürich\n"}));
            let list = messages.as_array_mut().unwrap();
            list.push(json!({"role": "assistant", "content": null, "tool_calls": calls}));
            for (call, result) in calls.iter().zip(["sunny", "noon"]) {
                let id = &call["id"];
                list.push(json!({"role": "tool", "tool_call_id": id, "content": result}));
            }
            let body = json!({"model": "cohere", "messages": messages, "tools": tools});
            assert_eq!(stack.chat(body).await.said(), "The tool said: sunny; noon");
        }
    });
}

#[test]
fn a_tool_can_be_demanded_and_a_schema_shapes_the_answer() {
    run(async {
        let stack = &fixture().await.stack;
        let body = json!({"model": "cohere", "messages": user("hello"), "tools": [tool("weather")],
            "tool_choice": "required"});
        let answer = stack.chat(body).await.ok();
        assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");
        let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
        let format = json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema}});
        let body = json!({"model": "cohere", "messages": user("json"), "response_format": format});
        assert_eq!(stack.chat(body).await.said(), r#"{"n":42}"#);
    });
}

#[test]
fn usage_that_is_not_told_is_estimated() {
    run(async {
        let stack = &fixture().await.stack;
        let reply = stack.hello("silent").await;
        assert!(reply.ok()["usage"]["completion_tokens"].as_u64() > Some(0));
        let row = stack.ledger().request(&reply.request_id()).await;
        assert!(row.output_tokens > 0, "{row:?}");
    });
}

#[test]
fn failures_keep_their_meaning() {
    run(async {
        let stack = &fixture().await.stack;
        for (model, status, code) in [
            ("quota", 429, "rate_limit_exceeded"),
            ("refused", 400, "content_policy_violation"),
            ("too-long", 400, "context_length_exceeded"),
        ] {
            let reply = stack.hello(model).await;
            assert_eq!(reply.status, status, "{model}: {}", reply.text());
            assert_eq!(reply.json()["error"]["code"], code, "{model}");
        }
    });
}

#[test]
fn texts_are_embedded_in_either_encoding() {
    run(async {
        let stack = &fixture().await.stack;
        let mut body = json!({"model": "cohere", "input": ["embed this", "and that one"]});
        let list = stack.post("/v1/embeddings", &body).await.ok();
        assert_eq!(list["data"][0]["embedding"], json!([2, 0.5]));
        assert_eq!(list["usage"]["prompt_tokens"], 5);
        body["encoding_format"] = json!("base64");
        let list = stack.post("/v1/embeddings", &body).await.ok();
        assert_eq!(list["data"][0]["embedding"], "AAAAQAAAAD8=");
    });
}

#[test]
fn documents_are_reranked() {
    run(async {
        let fixture = fixture().await;
        let body = json!({"model": "cohere", "query": "where is the capital", "top_n": 1,
            "documents": ["a cat", "the capital"]});
        let answer = fixture.stack.post("/v1/rerank", &body).await.ok();
        let expected = json!([{"index": 1, "relevance_score": 0.9}]);
        assert_eq!(answer["results"], expected);
        let request = fixture.provider.request_with("where is the capital");
        assert_eq!(request.path, "/v2/rerank");
    });
}
