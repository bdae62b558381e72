//! The configuration that Envoy hands to the filter, as JSON: written by the service, read in wasm.

use serde::{Deserialize, Serialize};

/// What one filter instance is for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum FilterConfig {
    /// In the connection manager.
    Edge(EdgeConfig),
    /// In a provider's cluster.
    Upstream(Box<UpstreamConfig>),
}

/// Configuration of the edge role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EdgeConfig {
    /// A path under which everything is also served, such as `/ai-api`; empty for none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub root_path: String,
    /// The largest body, in bytes; beyond it the answer is a 413.
    pub max_body_bytes: u64,
}

/// Configuration of the upstream role: one deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UpstreamConfig {
    /// The deployment's id.
    pub deployment: String,
    /// LiteLLM's provider prefix, such as `groq`; for messages and the ledger.
    pub provider: String,
    /// What the provider speaks.
    pub dialect: Dialect,
    /// The provider's name of the model.
    pub model: String,
    /// The `host[:port]` that the provider is addressed by.
    pub authority: String,
    /// Path of the base URL, without a trailing `/`: `/v1`, or empty.
    pub base_path: String,
    /// The version of the API, where the provider wants one in the path (Azure).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Request parameters that apply when the client sets none (`temperature: 0.2`).
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub defaults: serde_json::Map<String, serde_json::Value>,
    /// Whether a parameter that the target cannot express is dropped (or a 400).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub drop_params: bool,
    /// Ways in which this provider differs from its dialect.
    #[serde(default, skip_serializing_if = "Quirks::is_default")]
    pub quirks: Quirks,
}

/// What a provider speaks; each is a folder in `dialect/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Dialect {
    /// OpenAI's API and all that is compatible with it.
    #[serde(rename = "openai")]
    OpenAi,
    /// Anthropic's Messages API.
    Anthropic,
    /// Ollama's own API.
    Ollama,
    /// OpenAI's API as Azure serves it: deployments and API versions.
    Azure,
    /// Cohere's API, version 2.
    Cohere,
    /// Google's Gemini API.
    Gemini,
    /// Google's Vertex AI: models of Gemini, of Anthropic and open ones.
    VertexAi,
    /// AWS Bedrock: Converse, and InvokeModel for embeddings.
    Bedrock,
}

/// Ways in which an OpenAI-compatible provider differs from OpenAI, as data.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Quirks {
    /// The field for the output limit, where only one is understood: `max_tokens` or
    /// `max_completion_tokens`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens_field: Option<String>,
    /// The provider rejects `stream_options`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_stream_options: bool,
    /// The provider has no text completions: they go through chat.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_completions: bool,
    /// Request parameters that the provider calls otherwise: OpenAI's name, then its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub renamed: Vec<(String, String)>,
    /// Request parameters that the provider rejects.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<String>,
}

impl Quirks {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filter_configuration_survives_json() {
        let upstream = FilterConfig::Upstream(Box::new(UpstreamConfig {
            deployment: "d1".into(),
            provider: "groq".into(),
            dialect: Dialect::OpenAi,
            model: "llama".into(),
            authority: "api.groq.com".into(),
            base_path: "/openai/v1".into(),
            api_version: Some("2024-10-21".into()),
            defaults: serde_json::from_str(r#"{"temperature": 0.2}"#).unwrap(),
            drop_params: true,
            quirks: Quirks {
                max_tokens_field: Some("max_tokens".into()),
                ..Quirks::default()
            },
        }));
        let edge = FilterConfig::Edge(EdgeConfig {
            root_path: "/ai-api".into(),
            max_body_bytes: 1 << 25,
        });
        for config in [upstream, edge] {
            let json = serde_json::to_string(&config).unwrap();
            assert_eq!(serde_json::from_str::<FilterConfig>(&json).unwrap(), config);
        }
    }
}
