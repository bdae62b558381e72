//! How much a deployment's model reads and writes, and what the deployment adds to requests.

use dragoman_config::Deployment;
use dragoman_policy::prices::{IMAGE_OUTPUT_TOKENS, IMAGE_TOKENS, Model};
use serde_json::{Map, Value};

/// Members that let a provider charge more than can be told beforehand, as the edge knows them.
const UNBOUNDED: [&str; 5] = [
    "web_search_options",
    "search_parameters",
    "mcp_servers",
    "models",
    "plugins",
];
/// Service tiers with prices of their own.
const DEAR_TIERS: [&str; 3] = ["priority", "fast", "performance"];

/// Sizes that bound what a request can use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// The longest input, in tokens.
    pub max_input_tokens: Option<u64>,
    /// The longest answer, in tokens.
    pub max_output_tokens: Option<u64>,
    /// The most tokens that an image in the prompt is counted as.
    pub image_tokens: u64,
    /// The most tokens that an image is counted as which it makes.
    pub image_output_tokens: u64,
    /// The output cap that the deployment sets where the client sets none.
    pub max_tokens: Option<u64>,
    /// The choices that it asks for where the client does not say.
    pub choices: u32,
    /// Bytes of all that it adds to a request: no token is less than a byte.
    pub added_bytes: u64,
    /// What it adds that lets the provider charge more than can be told beforehand.
    pub unbounded: Option<String>,
}

impl Sizes {
    /// The sizes of `deployment`, of whose model the price table says `listed`.
    pub(super) fn of(deployment: &Deployment, listed: Option<&Model>) -> Self {
        let info = |name: &str| deployment.model_info.get(name).and_then(Value::as_u64);
        let listed = |size: fn(&Model) -> Option<u64>| listed.and_then(size);
        let added = &deployment.defaults;
        Self {
            max_input_tokens: info("max_input_tokens").or_else(|| listed(|m| m.max_input_tokens)),
            max_output_tokens: info("max_output_tokens")
                .or_else(|| info("max_tokens"))
                .or_else(|| listed(|m| m.max_output_tokens)),
            image_tokens: info("max_image_tokens")
                .or_else(|| listed(|m| m.max_image_tokens))
                .unwrap_or(IMAGE_TOKENS),
            image_output_tokens: info("max_image_output_tokens")
                .or_else(|| listed(|m| m.max_image_output_tokens))
                .unwrap_or(IMAGE_OUTPUT_TOKENS),
            max_tokens: ["max_tokens", "max_completion_tokens", "max_output_tokens"]
                .iter()
                .filter_map(|name| added.get(*name)?.as_u64())
                .max(),
            choices: choices(added),
            added_bytes: added_bytes(added),
            unbounded: unbounded(added),
        }
    }

    /// Of a deployment that is not there.
    pub(super) const fn unknown() -> Self {
        Self {
            max_input_tokens: None,
            max_output_tokens: None,
            image_tokens: IMAGE_TOKENS,
            image_output_tokens: IMAGE_OUTPUT_TOKENS,
            max_tokens: None,
            choices: 1,
            added_bytes: 0,
            unbounded: None,
        }
    }
}

fn choices(added: &Map<String, Value>) -> u32 {
    let of = |name: &str| added.get(name).and_then(Value::as_u64).unwrap_or(1);
    u32::try_from(of("n").max(of("best_of"))).unwrap_or(u32::MAX)
}

fn added_bytes(added: &Map<String, Value>) -> u64 {
    let member = |(name, value): (&String, &Value)| name.len() + value.to_string().len() + 6;
    added.iter().map(member).sum::<usize>() as u64
}

fn unbounded(added: &Map<String, Value>) -> Option<String> {
    if let Some(name) = UNBOUNDED.iter().find(|name| added.contains_key(**name)) {
        return Some((*name).to_owned());
    }
    let tier = added.get("service_tier").and_then(Value::as_str);
    if tier.is_some_and(|tier| DEAR_TIERS.contains(&tier)) {
        return Some("service_tier".to_owned());
    }
    let tools = added.get("tools").and_then(Value::as_array);
    let is_declared = |tool: &Value| {
        let kind = tool.get("type").and_then(Value::as_str);
        matches!(kind, Some("function" | "custom"))
    };
    tools
        .is_some_and(|tools| !tools.iter().all(is_declared))
        .then(|| "tools".to_owned())
}
