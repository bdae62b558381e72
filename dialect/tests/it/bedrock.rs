//! What is Bedrock's own: names of models in paths, errors by their type, embeddings, limits.

use dragoman_dialect::{ResponseHead, Translated};
use dragoman_proto::{ApiError, Operation, UpstreamConfig};
use serde_json::{Value, json};

use crate::support::{AWS, JSON, admission, answer, context, deployment, head, respond, translate};

fn ask(
    config: &UpstreamConfig,
    operation: Operation,
    body: &Value,
) -> Result<Translated, ApiError> {
    let admission = admission(operation, body["stream"] == true);
    translate(config, &admission, None, &serde_json::to_vec(body).unwrap())
}

fn sent(translated: &Translated) -> Value {
    serde_json::from_slice(translated.body.as_ref().unwrap()).unwrap()
}

fn chat(config: &UpstreamConfig, more: Value) -> Value {
    sent(&ask(config, Operation::ChatCompletions, &asking(more)).unwrap())
}

fn asking(more: Value) -> Value {
    let mut body = json!({"messages": [{"role": "user", "content": "x"}]});
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    body
}

fn of_model(model: &str) -> UpstreamConfig {
    let mut config = deployment("bedrock");
    config.model = model.into();
    config
}

#[test]
fn a_model_s_name_is_one_segment_of_the_path() {
    const ARN: &str = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2";
    let encoded =
        "arn%3Aaws%3Abedrock%3Aeu-west-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2";
    for (model, stream, path) in [
        (
            "us.amazon.nova-lite-v1:0",
            false,
            "us.amazon.nova-lite-v1%3A0/converse",
        ),
        ("converse/eu-west-1/meta.x", true, "meta.x/converse-stream"),
        (ARN, false, &format!("{encoded}/converse")),
        (
            &format!("anthropic/{ARN}"),
            true,
            &format!("{encoded}/converse-stream"),
        ),
        ("../evil?x#", false, "..%2Fevil%3Fx%23/converse"),
    ] {
        let body = asking(json!({"stream": stream}));
        let translated = ask(&of_model(model), Operation::ChatCompletions, &body).unwrap();
        assert_eq!(translated.path, format!("/model/{path}"), "{model}");
    }
}

#[test]
fn the_configuration_alone_names_another_id_for_the_model() {
    let mut config = deployment("bedrock");
    let body = asking(json!({"model_id": "dearer"}));
    let translated = ask(&config, Operation::ChatCompletions, &body).unwrap();
    assert!(!translated.path.contains("dearer"), "{}", translated.path);
    assert!(!sent(&translated).to_string().contains("dearer"));
    config
        .defaults
        .insert("model_id".into(), json!("arn:aws:x"));
    let translated = ask(&config, Operation::ChatCompletions, &body).unwrap();
    assert_eq!(translated.path, "/model/arn%3Aaws%3Ax/converse");
}

/// Status, type, message; the client's status and code, and whether another deployment may do better.
type Refusal = (u16, &'static str, &'static str, u16, &'static str, bool);

#[rustfmt::skip]
const REFUSALS: [Refusal; 18] = [
    (400, "ValidationException", "temperature is out of range", 400, "null", false),
    (400, "ValidationException:http://internal.amazon.com/", "Input is too long for requested model.", 400, "context_length_exceeded", true),
    (400, "ValidationException", "The model returned the following errors: input length and `max_tokens` exceed context limit: 1 + 2 > 3", 400, "context_length_exceeded", true),
    (400, "ValidationException", "The provided model identifier is invalid.", 404, "model_not_found", true),
    (400, "ValidationException", "Output blocked by our content filters", 400, "content_policy_violation", true),
    (400, "ServiceQuotaExceededException", "quota", 429, "rate_limit_exceeded", true),
    (403, "AccessDeniedException", "You don't have access to the model", 502, "bad_gateway", true),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.", 502, "bad_gateway", true),
    (403, "InvalidSignatureException", "Signature expired: 1 is now earlier than 2", 502, "bad_gateway", true),
    (400, "ExpiredTokenException", "expired", 502, "bad_gateway", true),
    (404, "ResourceNotFoundException", "Could not resolve the foundation model", 404, "model_not_found", true),
    (408, "ModelTimeoutException", "slow", 504, "timeout", true),
    (424, "ModelErrorException", "the model failed", 502, "bad_gateway", true),
    (429, "ThrottlingException", "Too many tokens, please wait before trying again.", 429, "rate_limit_exceeded", true),
    (429, "ModelNotReadyException", "warming up", 503, "service_unavailable", true),
    (500, "InternalServerException", "oops", 502, "bad_gateway", true),
    (503, "ServiceUnavailableException", "busy", 503, "service_unavailable", true),
    (424, "", "", 502, "bad_gateway", true),
];

#[test]
fn errors_are_told_by_their_type() {
    for (status, kind, message, expected, code, retryable) in REFUSALS {
        let plain = json!({"message": message}).to_string();
        let named = format!("com.amazon.coral#{kind}");
        let typed = json!({"__type": named, "Message": message}).to_string();
        for (error_type, body) in [(Some(kind), plain), (None, typed)] {
            let response = ResponseHead {
                error_type,
                ..head(status, JSON)
            };
            let outcome = respond(&context("bedrock", ""), &response, [body.as_bytes()]);
            let found = (outcome.head.status, outcome.head.retryable);
            assert_eq!(found, (expected, retryable), "{kind}: {}", outcome.body);
            let told: Value = serde_json::from_str(&outcome.body).unwrap();
            let told = told["error"]["code"].as_str().unwrap_or("null");
            assert_eq!(told, code, "{kind}: {}", outcome.body);
        }
    }
}

#[test]
fn an_account_in_an_error_is_not_passed_on() {
    let body = br#"{"message":"Could not find arn:aws:bedrock:us-east-1:123456789012:custom-model/x here"}"#;
    let response = ResponseHead {
        error_type: Some("ResourceNotFoundException"),
        ..head(404, JSON)
    };
    let outcome = respond(&context("bedrock", ""), &response, [&body[..]]);
    assert!(!outcome.body.contains("123456789012"), "{}", outcome.body);
}

#[test]
fn a_stream_that_is_refused_keeps_its_meaning() {
    let context = context("bedrock", r#","stream":true"#);
    let response = ResponseHead {
        error_type: Some("ThrottlingException"),
        ..head(429, JSON)
    };
    let outcome = respond(&context, &response, [&br#"{"message":"slow down"}"#[..]]);
    assert_eq!((outcome.head.status, outcome.head.retryable), (429, true));
    let outcome = respond(&context, &head(200, AWS), [&b""[..]]);
    assert_eq!((outcome.head.status, outcome.head.retryable), (502, true));
}

#[test]
fn a_client_cannot_get_past_the_cap_in_the_model_s_own_words() {
    let mut admission = admission(Operation::ChatCompletions, false);
    admission.output_cap = Some(50);
    for more in [
        json!({}),
        json!({"max_tokens": 900}),
        json!({"max_tokens_to_sample": 900, "max_gen_len": 900}),
        json!({"inferenceConfig": {"maxTokens": 900}}),
        json!({"additionalModelRequestFields": {"max_tokens": 900, "maxTokenCount": 900}}),
    ] {
        let body = asking(more).to_string();
        for target in ["bedrock", "bedrock-nova", "bedrock-llama"] {
            let translated =
                translate(&deployment(target), &admission, None, body.as_bytes()).unwrap();
            let body = sent(&translated);
            assert_eq!(body["inferenceConfig"]["maxTokens"], 50, "{body}");
            assert!(!body.to_string().contains("900"), "{body}");
        }
    }
}

#[test]
fn a_guardrail_of_the_configuration_holds() {
    let mut config = deployment("bedrock");
    let guardrail = json!({"guardrailIdentifier": "g1", "guardrailVersion": "1"});
    config
        .defaults
        .insert("guardrailConfig".into(), guardrail.clone());
    for more in [
        json!({}),
        json!({"guardrailConfig": {"guardrailIdentifier": "none"}}),
        json!({"additional_drop_params": ["guardrailConfig"]}),
    ] {
        assert_eq!(chat(&config, more)["guardrailConfig"], guardrail);
    }
}

#[test]
fn bedrock_s_own_members_are_passed_on_and_a_model_s_go_to_the_model() {
    let body = chat(
        &deployment("bedrock"),
        json!({"performanceConfig": {"latency": "optimized"}, "service_tier": "flex",
            "requestMetadata": {"team": "a"}, "anthropic_beta": ["x"], "top_k": 5, "user": "u"}),
    );
    assert_eq!(body["performanceConfig"], json!({"latency": "optimized"}));
    assert_eq!(body["serviceTier"], json!({"type": "flex"}));
    assert_eq!(body["requestMetadata"], json!({"team": "a"}));
    let fields = json!({"anthropic_beta": ["x"], "top_k": 5});
    assert_eq!(body["additionalModelRequestFields"], fields);
    let nova = chat(&deployment("bedrock-nova"), json!({"top_k": 5}));
    let fields = json!({"inferenceConfig": {"topK": 5}});
    assert_eq!(nova["additionalModelRequestFields"], fields);
}

#[test]
fn a_strict_schema_goes_to_the_models_that_are_held_to_it() {
    let format = json!({"response_format": {"type": "json_schema", "json_schema": {
        "name": "n", "strict": true, "schema": {"type": "object", "properties": {}}}}});
    let body = chat(&deployment("bedrock-new"), format.clone());
    assert_eq!(
        body["outputConfig"]["textFormat"]["structure"]["jsonSchema"],
        json!({"schema": r#"{"type":"object","properties":{}}"#, "name": "n"})
    );
    assert!(body.get("toolConfig").is_none());
    let body = chat(&deployment("bedrock"), format);
    assert_eq!(
        body["toolConfig"]["toolChoice"]["tool"]["name"],
        "json_tool_call"
    );
}

#[test]
fn a_cache_is_asked_for_where_there_is_one() {
    let control = json!({"type": "ephemeral", "ttl": "1h"});
    let body = json!({
        "messages": [{"role": "user", "content": "x", "cache_control": control}],
        "tools": [{"type": "function", "function": {"name": "now"}, "cache_control": control}],
    });
    let plain = json!({"cachePoint": {"type": "default"}});
    let long = json!({"cachePoint": {"type": "default", "ttl": "1h"}});
    let nothing = Value::Null;
    for (target, in_message, in_tools, dropped) in [
        ("bedrock-new", &long, &long, &[][..]),
        ("bedrock", &plain, &plain, &[]),
        ("bedrock-nova", &plain, &nothing, &["tools.cache_control"]),
        (
            "bedrock-llama",
            &nothing,
            &nothing,
            &["messages.cache_control", "tools.cache_control"],
        ),
    ] {
        let translated = ask(&deployment(target), Operation::ChatCompletions, &body).unwrap();
        let body = sent(&translated);
        assert_eq!(&body["messages"][0]["content"][1], in_message, "{target}");
        assert_eq!(&body["toolConfig"]["tools"][1], in_tools, "{target}");
        assert_eq!(translated.dropped, dropped, "{target}");
    }
}

#[test]
fn claude_calls_one_tool_at_a_time_when_told_to() {
    let tools = json!([{"type": "function", "function": {"name": "now"}}]);
    for (choice, expected) in [
        (
            json!("auto"),
            json!({"type": "auto", "disable_parallel_tool_use": true}),
        ),
        (
            json!("required"),
            json!({"type": "any", "disable_parallel_tool_use": true}),
        ),
        (
            json!({"type": "function", "function": {"name": "now"}}),
            json!({"type": "tool", "name": "now", "disable_parallel_tool_use": true}),
        ),
    ] {
        let more = json!({"tools": tools, "tool_choice": choice, "parallel_tool_calls": false});
        let body = chat(&deployment("bedrock"), more.clone());
        assert_eq!(
            body["additionalModelRequestFields"]["tool_choice"],
            expected
        );
        assert!(body["toolConfig"].get("toolChoice").is_none(), "{body}");
        let nova = deployment("bedrock-nova");
        let error = ask(&nova, Operation::ChatCompletions, &asking(more)).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("parallel_tool_calls"));
    }
}

#[test]
fn an_answer_by_a_strict_schema_is_its_text() {
    let body = asking(
        json!({"response_format": {"type": "json_schema", "json_schema": {
        "name": "n", "strict": true, "schema": {"type": "object"}}}}),
    );
    let translated = ask(
        &deployment("bedrock-new"),
        Operation::ChatCompletions,
        &body,
    )
    .unwrap();
    let reply = json!({"output": {"message": {"role": "assistant", "content": [{"text": "{}"}]}},
        "stopReason": "end_turn", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}});
    let outcome = answer(&translated.response, JSON, reply.to_string().as_bytes());
    assert!(
        outcome.body.contains(r#""content":"{}""#),
        "{}",
        outcome.body
    );
}

#[test]
fn titan_embeds_one_text() {
    let config = of_model("amazon.titan-embed-text-v2:0");
    let body = json!({"model": "alias", "input": ["a"], "dimensions": 256});
    let translated = ask(&config, Operation::Embeddings, &body).unwrap();
    assert_eq!(
        translated.path,
        "/model/amazon.titan-embed-text-v2%3A0/invoke"
    );
    assert_eq!(
        sent(&translated),
        json!({"inputText": "a", "dimensions": 256})
    );
    let reply =
        br#"{"embedding":[0.5,-1],"embeddingsByType":{"float":[0.5,-1]},"inputTextTokenCount":3}"#;
    let outcome = answer(&translated.response, JSON, reply);
    assert!(
        outcome.body.contains(r#""embedding":[0.5,-1]"#),
        "{}",
        outcome.body
    );
    assert!(
        outcome.report.contains("input_tokens: 3,"),
        "{}",
        outcome.report
    );

    let two = json!({"model": "alias", "input": ["a", "b"]});
    let error = ask(&config, Operation::Embeddings, &two).unwrap_err();
    assert_eq!(
        (error.status(), error.param.as_deref()),
        (400, Some("input"))
    );
    let first = of_model("amazon.titan-embed-text-v1");
    let error = ask(&first, Operation::Embeddings, &body).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("dimensions"));
    let image = of_model("amazon.titan-embed-image-v1");
    let translated = ask(&image, Operation::Embeddings, &body).unwrap();
    let expected = json!({"inputText": "a", "embeddingConfig": {"outputEmbeddingLength": 256}});
    assert_eq!(sent(&translated), expected);
}

#[test]
fn cohere_s_models_embed_several_texts_and_are_counted_in_a_header() {
    let config = of_model("us.cohere.embed-v4:0");
    let body = json!({"model": "alias", "input": ["a", "b"], "input_type": "search_query"});
    let translated = ask(&config, Operation::Embeddings, &body).unwrap();
    let expected =
        json!({"texts": ["a", "b"], "input_type": "search_query", "embedding_types": ["float"]});
    assert_eq!(sent(&translated), expected);
    let head = ResponseHead {
        input_tokens: Some("7"),
        ..head(200, JSON)
    };
    for reply in [
        &br#"{"embeddings":{"float":[[0.5],[1]]},"id":"x","response_type":"embeddings_by_type"}"#[..],
        br#"{"embeddings":[[0.5],[1]],"id":"x","response_type":"embeddings_floats"}"#,
    ] {
        let outcome = respond(&translated.response, &head, [reply]);
        let list: Value = serde_json::from_str(&outcome.body).unwrap();
        assert_eq!(list["data"][1]["embedding"], json!([1]), "{}", outcome.body);
        assert_eq!(list["usage"]["prompt_tokens"], 7);
        assert!(outcome.report.contains("Provider"), "{}", outcome.report);
    }
}

#[test]
fn other_models_do_not_embed() {
    let body = json!({"model": "alias", "input": "a"});
    let error = ask(&deployment("bedrock"), Operation::Embeddings, &body).unwrap_err();
    assert_eq!(
        (error.status(), error.param.as_deref()),
        (400, Some("model"))
    );
    for input in [json!([1, 2]), json!(null)] {
        let titan = of_model("amazon.titan-embed-text-v2:0");
        let error = ask(&titan, Operation::Embeddings, &json!({"input": input})).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("input"));
    }
}
