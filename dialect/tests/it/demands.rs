//! What the edge says that a request demands, against what each deployment's dialect makes of it.

use dragoman_dialect::{RequestHead, demands::lacking, edge::inspect, translate_request};
use dragoman_proto::{ApiError, Operation, UpstreamConfig};
use serde_json::{Value, json};

use crate::support::{JSON, admission, deployment, fixtures};

/// Deployments of all dialects, and of models within them that differ.
const DEPLOYMENTS: [&str; 21] = [
    "openai",
    "openai-reasoning",
    "groq",
    "anthropic",
    "anthropic-new",
    "ollama",
    "ollama-levels",
    "cohere",
    "azure",
    "azure-reasoning",
    "gemini",
    "gemini-2",
    "gemini-3",
    "vertex-gemini",
    "vertex-tuned",
    "vertex-open",
    "vertex-claude",
    "bedrock",
    "bedrock-new",
    "bedrock-nova",
    "bedrock-llama",
];

/// Members of requests, with values that ask for something and values that do not.
fn members() -> Value {
    let tools = json!([{"name": "f"}]);
    json!({
        "n": [1, 2],
        "logprobs": [false, true],
        "top_logprobs": [0, 2],
        "presence_penalty": [0, 0.0, 0.5, -1],
        "frequency_penalty": [0, 0.0, 1.5],
        "seed": [0, 7],
        "logit_bias": [{}, {"1": 2}],
        "store": [false, true],
        "functions": [[], tools],
        "function_call": ["auto"],
        "modalities": [["text"], ["image"], ["text", "image"], ["text", "audio"]],
        "audio": [{"voice": "alloy", "format": "wav"}],
        "prediction": [{"type": "content", "content": "x"}],
        "verbosity": ["low", "medium", "high"],
        "web_search_options": [{}, {"search_context_size": "low"}],
        "temperature": [0, 0.5, 1, 1.0, 1.5, 2],
        "top_p": [0.5, 1, 1.0],
        "top_k": [0, 40],
        "user": ["somebody"],
        "parallel_tool_calls": [false, true],
        "tool_choice": ["auto", "none", "required", {"type": "function", "function": {"name": "f"}}],
        "reasoning_effort": ["none", "minimal", "low", "high"],
        "service_tier": ["auto", "default", "flex", "priority", "scale", "standard_only"],
        "safety_identifier": ["somebody"],
        "prompt_cache_key": ["k"],
        "metadata": [{"tags": ["x"]}],
        "stop": ["x"],
        "stream_options": [{"include_usage": true}],
        "thinking": [{"type": "disabled"}],
        "safety_settings": [[]],
        "min_p": [0.1],
        "chat_template_kwargs": [{"x": 1}],
        "num_retries": [2],
        "fallbacks": [["x"]],
    })
}

fn embedding_members() -> Value {
    json!({
        "input": ["x", ["x"], ["x", "y"], [1, 2], [[1, 2], [3]]],
        "dimensions": [256],
        "encoding_format": ["float", "base64"],
        "user": ["somebody"],
        "input_type": ["search_query"],
        "truncate": ["END"],
        "task_type": ["RETRIEVAL_QUERY"],
        "taskType": ["RETRIEVAL_QUERY"],
        "keep_alive": ["5m"],
        "options": [{"num_ctx": 9}],
        "surprise": [true],
    })
}

fn image_members() -> Value {
    json!({
        "n": [1, 2],
        "size": ["auto", "1024x1024", "512x512", "1792x1024", "1536x1024", "1000x700"],
        "stream": [false, true],
        "quality": ["auto", "high"],
        "background": ["auto", "transparent"],
        "moderation": ["auto", "low"],
        "output_format": ["png", "webp"],
        "style": ["vivid"],
        "response_format": ["url", "b64_json"],
        "user": ["somebody"],
        "surprise": [true],
    })
}

/// A deployment, and what it lacks for an endpoint.
struct Asked {
    config: UpstreamConfig,
    operation: Operation,
    lacking: Vec<&'static str>,
}

impl Asked {
    fn new(name: &str, operation: Operation) -> Self {
        let config = deployment(name);
        Self {
            lacking: lacking(&config, operation),
            config,
            operation,
        }
    }

    /// Whether the deployment is passed over, and what its dialect says.
    fn told(&self, body: &Value) -> (bool, Result<(), ApiError>) {
        let bytes = body.to_string().into_bytes();
        let facts = inspect(self.operation, "/", Some(JSON), &bytes).unwrap();
        let mut demands = facts.demands.iter();
        let is_passed_over = demands.any(|demand| self.lacking.contains(&demand.as_str()));
        let admission = admission(self.operation, facts.stream);
        let head = RequestHead::default();
        let told = translate_request(&self.config, &admission, &head, &bytes);
        (is_passed_over, told.map(|_| ()))
    }
}

/// A deployment is passed over for exactly the values that its dialect refuses.
fn is_exact(operation: Operation, deployments: &[&str], plain: &Value, members: &Value) {
    let mut wrong = Vec::new();
    for name in deployments {
        let asked = Asked::new(name, operation);
        assert_eq!(asked.told(plain), (false, Ok(())), "{name}");
        for (member, values) in members.as_object().unwrap() {
            for value in values.as_array().unwrap() {
                let mut body = plain.clone();
                body[member] = value.clone();
                let (is_passed_over, told) = asked.told(&body);
                if is_passed_over != told.is_err() {
                    wrong.push(format!("{name} {member}: {value}: {told:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn chat_is_passed_over_where_it_would_be_refused() {
    let plain = json!({
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    });
    let operation = Operation::ChatCompletions;
    is_exact(operation, &DEPLOYMENTS, &plain, &members());
}

#[test]
fn text_completions_are_passed_over_where_they_would_be_refused() {
    let plain = json!({"model": "m", "prompt": "x"});
    let mut members = members();
    members["logprobs"] = json!([2]);
    members["suffix"] = json!(["", "x"]);
    members["echo"] = json!([false, true]);
    members["best_of"] = json!([1, 2]);
    members["prompt"] = json!(["x", ["x"], ["x", "y"], [1, 2], [[1], [2]]]);
    // Without tools some refuse no wish for how to call them.
    for about_tools in ["parallel_tool_calls", "tool_choice", "functions"] {
        members.as_object_mut().unwrap().remove(about_tools);
    }
    is_exact(Operation::Completions, &DEPLOYMENTS, &plain, &members);
}

#[test]
fn messages_are_passed_over_where_they_would_be_refused() {
    let plain = json!({
        "model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "x"}],
    });
    let members = json!({
        "container": ["c"],
        "mcp_servers": [[], [{"type": "url", "name": "x", "url": "https://x.test"}]],
        "temperature": [0, 0.5, 1],
        "top_p": [0.5, 1],
        "top_k": [40],
        "thinking": [{"type": "disabled"}, {"type": "enabled", "budget_tokens": 2048}],
        "metadata": [{"user_id": "somebody"}],
        "service_tier": ["auto", "standard_only"],
        "stop_sequences": [["x"]],
        "system": ["x"],
        "cache_control": [{"type": "ephemeral"}],
        "output_config": [{"effort": "low"}],
    });
    is_exact(Operation::Messages, &DEPLOYMENTS, &plain, &members);
}

#[test]
fn responses_are_passed_over_where_they_would_be_refused() {
    let plain = json!({
        "model": "m", "input": "x",
        "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
    });
    let members = json!({
        "max_tool_calls": [2],
        "top_logprobs": [0, 2],
        "previous_response_id": ["r"],
        "conversation": ["c"],
        "prompt": [{"id": "p"}],
        "temperature": [0.5, 1, 1.5],
        "top_p": [0.5, 1],
        "parallel_tool_calls": [false, true],
        "tool_choice": ["auto", "none", "required"],
        "service_tier": ["auto", "default", "flex", "scale"],
        "store": [false, true],
        "include": [["reasoning.encrypted_content"]],
        "truncation": ["auto"],
        "reasoning": [{"effort": "low"}],
        "text": [{"verbosity": "low"}],
        "user": ["somebody"],
        "metadata": [{"x": "y"}],
    });
    is_exact(Operation::Responses, &DEPLOYMENTS, &plain, &members);
}

#[test]
fn embeddings_are_passed_over_where_they_would_be_refused() {
    let plain = json!({"model": "m", "input": "x"});
    let deployments = [
        "openai",
        "groq",
        "azure",
        "ollama",
        "cohere",
        "gemini",
        "vertex-embedding",
        "bedrock-titan",
        "bedrock-cohere",
    ];
    let members = embedding_members();
    is_exact(Operation::Embeddings, &deployments, &plain, &members);
}

#[test]
fn images_are_passed_over_where_they_would_be_refused() {
    let plain = json!({"model": "m", "prompt": "x"});
    let deployments = [
        "openai",
        "azure",
        "gemini",
        "vertex-gemini",
        "vertex-imagen",
    ];
    let members = image_members();
    is_exact(Operation::ImagesGenerations, &deployments, &plain, &members);
}

#[test]
fn rankings_are_passed_over_where_they_would_be_refused() {
    let plain = json!({"model": "m", "query": "x", "documents": ["x"]});
    let members = json!({
        "return_documents": [false, true],
        "rank_fields": [[], ["x"]],
        "max_chunks_per_doc": [2],
        "top_n": [1],
        "user": ["somebody"],
    });
    is_exact(Operation::Rerank, &["openai", "cohere"], &plain, &members);
}

/// No deployment is passed over that would have taken the request, and none is asked that refuses a
/// parameter; but for what stands within objects, which the edge does not tell apart.
#[test]
fn every_request_of_the_matrix_goes_where_it_is_taken() {
    let mut wrong = Vec::new();
    for deployment in DEPLOYMENTS {
        let asked = Asked::new(deployment, Operation::ChatCompletions);
        for (name, bytes) in fixtures("requests") {
            let body: Value = serde_json::from_slice(&bytes).unwrap();
            let (is_passed_over, told) = asked.told(&body);
            let within =
                |error: &ApiError| matches!(error.param.as_deref(), Some("google" | "thinking"));
            let is_parameter =
                |error: &ApiError| error.code.as_deref() == Some("unsupported_parameter");
            let refused = told.as_ref().err().filter(|error| is_parameter(error));
            let is_wrong = match refused {
                Some(error) => !is_passed_over && !within(error),
                None => is_passed_over && told.is_ok(),
            };
            if is_wrong {
                wrong.push(format!("{deployment} {name}: {told:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn who_drops_lacks_nothing() {
    let config = UpstreamConfig {
        drop_params: true,
        ..deployment("anthropic")
    };
    assert!(lacking(&config, Operation::ChatCompletions).is_empty());
}

/// The demands of a chat request with these members.
fn demanded(members: &str) -> Vec<String> {
    let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"x"}}],{members}}}"#);
    let facts = inspect(Operation::ChatCompletions, "/", Some(JSON), body.as_bytes());
    facts.unwrap().demands
}

#[test]
fn a_client_that_lets_go_of_a_parameter_does_not_demand_it() {
    assert_eq!(demanded(r#""seed":1,"n":2"#), ["seed", "n"]);
    assert!(demanded(r#""seed":1,"drop_params":true"#).is_empty());
    assert!(demanded(r#""additional_drop_params":["seed"],"seed":1"#).is_empty());
    assert!(demanded(r#""seed":1,"allowed_openai_params":["seed"]"#).is_empty());
}

#[test]
fn a_demand_is_stated_once() {
    assert_eq!(
        demanded(r#""seed":1,"seed":2,"x":1,"y":2"#),
        ["seed", "others"]
    );
}
