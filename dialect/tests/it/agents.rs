//! What coding agents send in Messages beyond a conversation: betas, system messages in the middle,
//! thinking under a limit, long names of tools. Their whole requests are among the golden ones
//! (`fixtures/clients/messages`).

use dragoman_dialect::{Outgoing, RequestHead, ResponseContext, Translated, translate_request};
use dragoman_proto::{Admission, Operation, UpstreamConfig};
use serde_json::{Value, json};

use crate::support::{JSON, SSE, admission, answer, deployment, head, respond};

fn claude(model: &str) -> UpstreamConfig {
    UpstreamConfig {
        model: model.to_owned(),
        ..deployment("anthropic")
    }
}

/// The request to a deployment, with at most `cap` tokens of output and with these betas.
fn translate(
    to: &UpstreamConfig,
    cap: Option<u64>,
    betas: Option<&str>,
    body: &Value,
) -> Translated {
    let admission = Admission {
        output_cap: cap,
        ..admission(Operation::Messages, body["stream"] == true)
    };
    let head = RequestHead {
        anthropic_beta: betas,
        ..RequestHead::default()
    };
    let body = body.to_string();
    match translate_request(to, &admission, &head, body.as_bytes()).unwrap() {
        Outgoing::Request(translated) => *translated,
        Outgoing::Answer { .. } => unreachable!("the provider is asked"),
    }
}

fn sent(translated: &Translated) -> Value {
    serde_json::from_slice(translated.body.as_ref().unwrap()).unwrap()
}

fn ask(more: &Value) -> Value {
    let mut body = json!({"max_tokens": 9000, "messages": [{"role": "user", "content": "x"}]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    body
}

#[test]
fn late_system_messages_stay_where_a_model_heeds_them() {
    let late = json!([{"role": "user", "content": "x"}, {"role": "system", "content": "y"}]);
    let body = ask(&json!({"messages": late}));
    let folded = json!([{"role": "user", "content": [
        {"type": "text", "text": "x"},
        {"type": "text", "text": "[System message]"},
        {"type": "text", "text": "y"},
    ]}]);
    for (model, expected) in [
        ("claude-opus-4-8", &late),
        ("claude-opus-5-20260901", &late),
        ("claude-fable-5", &late),
        ("a-model-of-somebody-s", &late),
        ("claude-opus-4-7", &folded),
        ("claude-sonnet-5", &folded),
        ("claude-haiku-4-5-20251001", &folded),
        ("claude-3-7-sonnet-20250219", &folded),
    ] {
        let translated = translate(&claude(model), None, None, &body);
        assert_eq!(&sent(&translated)["messages"], expected, "{model}");
        assert!(translated.dropped.is_empty(), "{model}");
    }
}

#[test]
fn thinking_shrinks_with_a_lower_limit() {
    let thinking =
        |budget: u64| json!({"type": "enabled", "budget_tokens": budget, "display": "omitted"});
    let clears = json!({"edits": [{"type": "clear_thinking_20251015"}]});
    let body = ask(&json!({"thinking": thinking(8000), "context_management": clears}));
    let bedrock = |cap| {
        let translated = translate(&deployment("bedrock"), cap, None, &body);
        sent(&translated)["additionalModelRequestFields"]["thinking"]["budget_tokens"].clone()
    };
    let old = claude("claude-sonnet-4-20250514");
    for (cap, budget) in [
        (None, 8000),
        (Some(8001), 8000),
        (Some(8000), 7999),
        (Some(1025), 1024),
    ] {
        assert_eq!(
            sent(&translate(&old, cap, None, &body))["thinking"],
            thinking(budget)
        );
        assert_eq!(bedrock(cap), budget);
    }
    let without = translate(&old, Some(1024), None, &body);
    assert_eq!(without.dropped, ["thinking", "context_management"]);
    assert_eq!(sent(&without).get("thinking"), None);
    assert_eq!(bedrock(Some(1024)), Value::Null);
}

#[test]
fn a_claude_behind_another_api_is_asked_in_its_own_words() {
    let wishes = json!({"thinking": {"type": "adaptive", "display": "updates"},
        "output_config": {"effort": "xhigh"}});
    let translated = translate(&deployment("bedrock-new"), None, None, &ask(&wishes));
    let sent = sent(&translated);
    assert_eq!(
        sent["additionalModelRequestFields"],
        json!({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}})
    );
    assert_eq!(sent["inferenceConfig"]["maxTokens"], 9000);
}

#[test]
fn a_long_list_of_betas_is_not_cut_in_the_middle_of_a_name() {
    let betas: Vec<String> = (0..60)
        .map(|n| format!("a-beta-of-some-length-2026-01-{n:02}"))
        .collect();
    let betas = betas.join(",");
    let translated = translate(&claude("claude-x"), None, Some(&betas), &ask(&json!({})));
    assert!(translated.headers.contains(&("anthropic-beta", betas)));
}

#[test]
fn what_makes_a_request_dearer_than_its_price_is_left_out_with_its_beta() {
    let body = ask(&json!({"speed": "fast"}));
    let betas = Some("fast-mode-2026-02-01,b");
    let translated = translate(&claude("claude-x"), None, betas, &body);
    assert_eq!(
        translated.dropped,
        ["speed", "anthropic-beta.fast-mode-2026-02-01"]
    );
    assert_eq!(sent(&translated).get("speed"), None);
    assert!(
        translated
            .headers
            .contains(&("anthropic-beta", "b".to_owned()))
    );
}

#[test]
fn members_that_nobody_knows_pass_unless_a_client_names_betas() {
    let body = ask(&json!({"strange": 1}));
    let groq = deployment("groq");
    let plain = translate(&groq, None, None, &body);
    assert_eq!(
        (&sent(&plain)["strange"], plain.dropped.len()),
        (&json!(1), 0)
    );
    let with_betas = translate(&groq, None, Some("b"), &body);
    assert_eq!(sent(&with_betas).get("strange"), None);
    assert_eq!(with_betas.dropped, ["strange"]);
}

/// A request with a tool whose name only Anthropic takes, and what the provider calls it.
fn long_name(stream: bool) -> (String, String, ResponseContext) {
    let long = format!("mcp__server__{}", "x".repeat(70));
    let call = json!({"type": "tool_use", "id": "t", "name": long, "input": {}});
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": "y"});
    let body = ask(&json!({"stream": stream,
        "tools": [{"name": long, "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "tool", "name": long},
        "messages": [{"role": "user", "content": "x"},
            {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]}));
    let translated = translate(&deployment("groq"), None, None, &body);
    let sent = sent(&translated);
    let name = sent["tools"][0]["function"]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(name.len(), 64);
    assert_eq!(sent["tool_choice"]["function"]["name"], name.as_str());
    assert_eq!(
        sent["messages"][1]["tool_calls"][0]["function"]["name"],
        name.as_str()
    );
    (long, name, translated.response)
}

#[test]
fn a_tool_with_a_long_name_is_called_by_it() {
    let (long, name, context) = long_name(false);
    let calls =
        json!([{"id": "c", "type": "function", "function": {"name": name, "arguments": "{}"}}]);
    let told = json!({"choices": [{"index": 0, "finish_reason": "tool_calls",
        "message": {"role": "assistant", "content": null, "tool_calls": calls}}]});
    let told = answer(&context, JSON, told.to_string().as_bytes());
    let told: Value = serde_json::from_str(&told.body).unwrap();
    assert_eq!(told["content"][0]["name"], long.as_str());
}

#[test]
fn a_stream_calls_a_tool_by_its_long_name() {
    let (long, name, context) = long_name(true);
    let call = json!({"index": 0, "id": "c", "function": {"name": name, "arguments": "{}"}});
    let chunk = json!({"choices": [{"index": 0, "delta": {"tool_calls": [call]}}]});
    let stream = format!("data: {chunk}\n\ndata: [DONE]\n\n");
    let outcome = respond(&context, &head(200, SSE), [stream.as_bytes()]);
    assert!(
        outcome.body.contains(&format!("\"name\":\"{long}\"")),
        "{}",
        outcome.body
    );
}
