//! What the edge says that a request demands, against what each deployment's dialect makes of it.

use dragoman_dialect::{RequestHead, demands::lacking, edge::inspect, translate_request};
use dragoman_proto::{ApiError, Operation, UpstreamConfig};
use serde_json::Value;

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

/// A deployment, and what it lacks for an endpoint: while it drops nothing, and while it does.
struct Asked {
    config: UpstreamConfig,
    operation: Operation,
    lacking: [Vec<&'static str>; 2],
}

impl Asked {
    fn new(name: &str, operation: Operation) -> Self {
        let config = deployment(name);
        let lenient = UpstreamConfig {
            drop_params: true,
            ..config.clone()
        };
        Self {
            lacking: [&config, &lenient].map(|config| lacking(config, operation)),
            config,
            operation,
        }
    }

    /// Whether the deployment is passed over, and what its dialect says.
    fn told(&self, body: &Value) -> (bool, Result<(), ApiError>) {
        let bytes = body.to_string().into_bytes();
        let facts = inspect(self.operation, "/", Some(JSON), &bytes).unwrap();
        let lacking = &self.lacking[usize::from(facts.overrides.drop_params == Some(true))];
        let mut demands = facts.demands.iter();
        let is_passed_over = demands.any(|demand| lacking.contains(&demand.as_str()));
        let admission = admission(self.operation, facts.stream);
        let head = RequestHead::default();
        let told = translate_request(&self.config, &admission, &head, &bytes);
        (is_passed_over, told.map(|_| ()))
    }
}

/// A deployment is passed over for exactly the values that its dialect refuses. The fixtures have, for each
/// endpoint, a plain request, and members with values that ask for something and values that do not.
fn is_exact(operation: Operation, deployments: &[&str]) {
    let mut fixtures = fixtures("demands").into_iter();
    let (_, bytes) = fixtures
        .find(|(name, _)| name == operation.as_str())
        .unwrap();
    let fixture: Value = serde_json::from_slice(&bytes).unwrap();
    let plain = &fixture["plain"];
    let mut wrong = Vec::new();
    for name in deployments {
        let asked = Asked::new(name, operation);
        assert_eq!(asked.told(plain), (false, Ok(())), "{name}");
        for (member, values) in fixture["members"].as_object().unwrap() {
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
    is_exact(Operation::ChatCompletions, &DEPLOYMENTS);
}

#[test]
fn text_completions_are_passed_over_where_they_would_be_refused() {
    is_exact(Operation::Completions, &DEPLOYMENTS);
}

#[test]
fn messages_are_passed_over_where_they_would_be_refused() {
    is_exact(Operation::Messages, &DEPLOYMENTS);
}

#[test]
fn responses_are_passed_over_where_they_would_be_refused() {
    is_exact(Operation::Responses, &DEPLOYMENTS);
}

#[test]
fn embeddings_are_passed_over_where_they_would_be_refused() {
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
    is_exact(Operation::Embeddings, &deployments);
}

#[test]
fn images_are_passed_over_where_they_would_be_refused() {
    let deployments = [
        "openai",
        "azure",
        "gemini",
        "vertex-gemini",
        "vertex-imagen",
    ];
    is_exact(Operation::ImagesGenerations, &deployments);
}

#[test]
fn rankings_are_passed_over_where_they_would_be_refused() {
    is_exact(Operation::Rerank, &["openai", "cohere"]);
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
fn who_drops_lacks_only_what_cannot_be_dropped() {
    let asked = Asked::new("anthropic", Operation::ChatCompletions);
    assert_eq!(asked.lacking[1], ["sound", "custom_tool"]);
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
