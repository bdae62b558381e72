//! A coding agent's turns in Anthropic's Messages, in the shapes that Claude Code sends: tools that wait
//! until a search finds them, system messages in the middle, marks for the cache, thinking, betas.

use dragoman_tests::{
    each_dialect,
    harness::{Config, DIALECTS, Setup, Shared, Stack, Streamed, run},
    provider::ScriptedProvider,
};
use reqwest::Method;
use serde_json::{Value, json};

const BETAS: &str = "claude-code-20250219,context-management-2025-06-27,advanced-tool-use-2025-11-20,\
                     mid-conversation-tool-changes-2026-07-01,effort-2025-11-24";

struct Fixture {
    stack: Stack,
    provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let mut config = Config::new();
            for dialect in DIALECTS {
                let model = match dialect {
                    "bedrock" => "eu.anthropic.claude-sonnet-4-20250514-v1:0",
                    "gemini" => "gemini-2.5-pro",
                    _ => "claude-x",
                };
                config = config.speaking(dialect, dialect, &provider, model);
            }
            let price = json!({"input_cost_per_token": 1e-6, "output_cost_per_token": 1e-4});
            let config = config
                .anthropic("older", &provider, "claude-sonnet-4-20250514")
                .with(price)
                .anthropic("newer", &provider, "claude-opus-4-8");
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

/// A request as the agent sends it.
fn request(alias: &str, messages: &Value) -> Value {
    let tool = |name: &str, deferred: bool| {
        let mut tool = json!({"name": name, "description": "A tool.", "input_schema": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object", "properties": {"at": {"type": "string"}}, "additionalProperties": false,
        }});
        if deferred {
            tool["defer_loading"] = json!(true);
        }
        tool
    };
    json!({
        "model": alias, "max_tokens": 8000, "stream": true,
        "system": [
            {"type": "text", "text": "x-client-header: version=1;"},
            {"type": "text", "text": "You work on files.", "cache_control": {"type": "ephemeral"}},
        ],
        "metadata": {"user_id": "{\"device_id\":\"d\",\"session_id\":\"s\"}"},
        "thinking": {"type": "enabled", "budget_tokens": 4000},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        "tools": [tool("Find", false), tool("Fetch", true), tool("Waiting", true)],
        "messages": messages,
    })
}

async fn send(stack: &Stack, request: &Value) -> Streamed {
    let sent = stack.request(Method::POST, "/v1/messages?beta=true");
    Streamed::of(sent.header("anthropic-beta", BETAS).json(request)).await
}

/// The blocks of a streamed message, put together as the agent puts them into the conversation.
fn content(streamed: &Streamed) -> Vec<Value> {
    assert_eq!(streamed.reply.status, 200, "{}", streamed.reply.text());
    let mut blocks: Vec<Value> = Vec::new();
    let mut input = String::new();
    for event in streamed.events.iter().map(|event| event.json()) {
        let delta = &event["delta"];
        let add = |block: &mut Value, name: &str| {
            let more = delta[name].as_str().unwrap_or_default();
            block[name] = json!(block[name].as_str().unwrap_or_default().to_owned() + more);
        };
        match event["type"].as_str() {
            Some("content_block_start") => {
                blocks.push(event["content_block"].clone());
                input.clear();
            }
            Some("content_block_delta") => {
                let block = blocks.last_mut().expect("a block is open");
                match delta["type"].as_str() {
                    Some("text_delta") => add(block, "text"),
                    Some("thinking_delta") => add(block, "thinking"),
                    Some("signature_delta") => add(block, "signature"),
                    _ => input += delta["partial_json"].as_str().expect("a delta"),
                }
            }
            Some("content_block_stop") if !input.is_empty() => {
                let block = blocks.last_mut().expect("a block is open");
                block["input"] = serde_json::from_str(&input).expect("JSON");
            }
            _ => {}
        }
    }
    blocks
}

/// The one call among the blocks: its id, its tool and its input.
fn call(blocks: &[Value]) -> (Value, Value, Value) {
    let calls: Vec<&Value> = blocks.iter().filter(|b| b["type"] == "tool_use").collect();
    assert_eq!(calls.len(), 1, "{blocks:?}");
    let call = calls[0];
    (
        call["id"].clone(),
        call["name"].clone(),
        call["input"].clone(),
    )
}

fn result(id: &Value, content: &Value) -> Value {
    json!({"role": "user", "content": [{
        "type": "tool_result", "tool_use_id": id, "content": content, "is_error": false,
        "cache_control": {"type": "ephemeral"},
    }]})
}

/// What the agent asks first: to find a tool, and to use it once it is there.
fn order(marker: &str) -> Value {
    let text = format!(
        "{marker}: call Find with {{\"at\": \"home\"}} and after Fetch call Fetch with {{\"at\": \"sea\"}}"
    );
    json!([
        {"role": "user", "content": [{"type": "text", "text": text}]},
        {"role": "system", "content": [{"type": "text", "text": "The folder is /tmp."}]},
    ])
}

each_dialect! {
    [openai anthropic gemini ollama cohere bedrock]

    async fn a_tool_is_found_and_called_and_its_result_is_told(fixture, alias) {
        let stack = &fixture.stack;
        let mut messages = order(&format!("found by {alias}"));
        let mut say = |message: Value| {
            messages.as_array_mut().expect("a list").push(message);
            request(alias, &messages)
        };
        let found = send(stack, &request(alias, &order(&format!("found by {alias}")))).await;
        let blocks = content(&found);
        let (id, name, input) = call(&blocks);
        assert_eq!((name, input), (json!("Find"), json!({"at": "home"})));
        say(json!({"role": "assistant", "content": blocks}));
        let reference = json!([{"type": "tool_reference", "tool_name": "Fetch"}]);
        let fetched = send(stack, &say(result(&id, &reference))).await;
        let blocks = content(&fetched);
        let (id, name, input) = call(&blocks);
        assert_eq!((name, input), (json!("Fetch"), json!({"at": "sea"})));
        say(json!({"role": "assistant", "content": blocks}));
        let told = send(stack, &say(result(&id, &json!("seventeen")))).await;
        let last = content(&told).pop().expect("an answer");
        assert_eq!(last["text"], "The tool said: seventeen");
        let end = told.events.iter().map(|event| event.json());
        let mut end = end.filter(|event| event["type"] == "message_delta");
        assert_eq!(end.next().expect("an end")["delta"]["stop_reason"], "end_turn");
    }

    async fn a_tool_that_waits_is_told_to_nobody_but_anthropic(fixture, alias) {
        let marker = format!("waits for {alias}");
        content(&send(&fixture.stack, &request(alias, &order(&marker))).await);
        let sent = fixture.provider.request_with(&marker);
        let body = String::from_utf8_lossy(&sent.body);
        assert!(body.contains("Find"), "{body}");
        assert_eq!(body.contains("Waiting"), alias == "anthropic", "{body}");
    }

    async fn members_of_betas_to_come_are_reported(fixture, alias) {
        let mut request = request(alias, &order(&format!("betas of {alias}")));
        request["member_of_next_year"] = json!({"x": 1});
        let streamed = send(&fixture.stack, &request).await;
        if alias == "anthropic" {
            assert_eq!(streamed.reply.status, 400, "Anthropic itself knows all betas");
            return;
        }
        content(&streamed);
        let dropped = streamed.reply.header("x-dragoman-dropped-params");
        assert!(dropped.contains("member_of_next_year"), "{dropped}");
    }
}

#[test]
fn betas_reach_anthropic() {
    run(async {
        let fixture = fixture().await;
        content(&send(&fixture.stack, &request("newer", &order("with betas"))).await);
        let sent = fixture.provider.request_with("with betas");
        assert_eq!(sent.header("anthropic-beta"), Some(BETAS));
    });
}

#[test]
fn a_model_that_heeds_system_messages_anywhere_gets_them() {
    run(async {
        let fixture = fixture().await;
        content(&send(&fixture.stack, &request("newer", &order("kept in place"))).await);
        let sent = fixture.provider.request_with("kept in place");
        let body: Value = serde_json::from_slice(&sent.body).expect("JSON");
        assert_eq!(body["messages"], order("kept in place"));
    });
}

#[test]
fn a_model_that_does_not_gets_their_text() {
    run(async {
        let fixture = fixture().await;
        content(&send(&fixture.stack, &request("older", &order("told as text"))).await);
        let sent = fixture.provider.request_with("told as text");
        let body: Value = serde_json::from_slice(&sent.body).expect("JSON");
        let messages = body["messages"].as_array().expect("a list");
        assert_eq!(messages.len(), 1);
        let texts: Vec<&Value> = messages[0]["content"]
            .as_array()
            .expect("blocks")
            .iter()
            .collect();
        assert_eq!(texts[2]["text"], "The folder is /tmp.");
    });
}

#[test]
fn thinking_shrinks_with_the_answer_that_a_budget_has_room_for() {
    run(async {
        let fixture = fixture().await;
        let key = fixture.stack.new_key(json!({"max_budget": 0.3})).await;
        let holder = fixture.stack.client().holding(&key);
        let request = request("older", &order("little money"));
        let sent = holder.request(Method::POST, "/v1/messages?beta=true");
        content(&Streamed::of(sent.header("anthropic-beta", BETAS).json(&request)).await);
        let sent = fixture.provider.request_with("little money");
        let body: Value = serde_json::from_slice(&sent.body).expect("JSON");
        let (limit, budget) = (&body["max_tokens"], &body["thinking"]["budget_tokens"]);
        assert!(limit.as_u64() < Some(4000), "{limit}");
        assert!(budget.as_u64() < limit.as_u64(), "{budget} of {limit}");
    });
}
