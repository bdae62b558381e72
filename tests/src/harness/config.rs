//! A LiteLLM configuration, written by a test.

use serde_json::{Map, Value, json};

use super::stack::MASTER_KEY;
use crate::provider::{AWS_KEY, ScriptedProvider};

/// A LiteLLM configuration. It becomes JSON, which is YAML.
#[derive(Debug, Clone)]
pub struct Config(Map<String, Value>);

impl Config {
    /// One with a master key, no retries and no cooldowns: what a test does not ask for does not
    /// happen, and a deployment that failed in one test is there for the next.
    pub fn new() -> Self {
        let mut sections = Map::new();
        sections.insert("model_list".to_owned(), json!([]));
        Self(sections)
            .set("general_settings", "master_key", json!(MASTER_KEY))
            .set("router_settings", "num_retries", json!(0))
            .set("router_settings", "disable_cooldowns", json!(true))
    }

    /// A deployment behind `alias`: `model` (without prefix) at the provider's OpenAI API. Its key
    /// is `sk-openai-ALIAS`.
    #[must_use]
    pub fn openai(self, alias: &str, provider: &ScriptedProvider, model: &str) -> Self {
        self.deployment(
            alias,
            json!({
                "model": format!("openai/{model}"),
                "api_base": provider.openai_base(),
                "api_key": format!("sk-openai-{alias}"),
            }),
        )
    }

    /// The same at the provider's Anthropic API. Its key is `sk-ant-ALIAS`.
    #[must_use]
    pub fn anthropic(self, alias: &str, provider: &ScriptedProvider, model: &str) -> Self {
        self.deployment(
            alias,
            json!({
                "model": format!("anthropic/{model}"),
                "api_base": provider.anthropic_base(),
                "api_key": format!("sk-ant-{alias}"),
            }),
        )
    }

    /// The same at the provider's Gemini API. Its key is `AIza-ALIAS`.
    #[must_use]
    pub fn gemini(self, alias: &str, provider: &ScriptedProvider, model: &str) -> Self {
        self.deployment(
            alias,
            json!({
                "model": format!("gemini/{model}"),
                "api_base": provider.gemini_base(),
                "api_key": format!("AIza-{alias}"),
            }),
        )
    }

    /// The same at the provider's Ollama API, without a key.
    #[must_use]
    pub fn ollama(self, alias: &str, provider: &ScriptedProvider, model: &str) -> Self {
        let model = format!("ollama_chat/{model}");
        self.deployment(alias, json!({"model": model, "api_base": provider.root()}))
    }

    /// The same at whichever of the provider's APIs has this name in [`DIALECTS`].
    ///
    /// [`DIALECTS`]: super::DIALECTS
    #[must_use]
    pub fn speaking(
        self,
        dialect: &str,
        alias: &str,
        provider: &ScriptedProvider,
        model: &str,
    ) -> Self {
        match dialect {
            "openai" => self.openai(alias, provider, model),
            "anthropic" => self.anthropic(alias, provider, model),
            "gemini" => self.gemini(alias, provider, model),
            "ollama" => self.ollama(alias, provider, model),
            "cohere" => self.cohere(alias, provider, model),
            "bedrock" => self.bedrock(alias, provider, model),
            other => panic!("nobody speaks {other}"),
        }
    }

    /// The same at the provider's Cohere API. Its key is `co-ALIAS`.
    #[must_use]
    pub fn cohere(self, alias: &str, provider: &ScriptedProvider, model: &str) -> Self {
        self.deployment(
            alias,
            json!({
                "model": format!("cohere_chat/{model}"),
                "api_base": provider.root(),
                "api_key": format!("co-{alias}"),
            }),
        )
    }

    /// The same at the provider's Vertex AI, paid by its service account.
    #[must_use]
    pub fn vertex(self, alias: &str, provider: &ScriptedProvider, model: &str) -> Self {
        self.deployment(
            alias,
            json!({
                "model": format!("vertex_ai/{model}"),
                "api_base": provider.root(),
                "vertex_location": "europe-west1",
                "vertex_credentials": provider.service_account().to_string(),
            }),
        )
    }

    /// The same on the provider's Bedrock, in the region `eu-central-1`. Its key is [`AWS_KEY`].
    #[must_use]
    pub fn bedrock(self, alias: &str, provider: &ScriptedProvider, model: &str) -> Self {
        self.deployment(
            alias,
            json!({
                "model": format!("bedrock/{model}"),
                "aws_bedrock_runtime_endpoint": provider.root(),
                "aws_region_name": "eu-central-1",
                "aws_access_key_id": AWS_KEY.id,
                "aws_secret_access_key": AWS_KEY.secret,
            }),
        )
    }

    /// A deployment behind `alias`, with any `litellm_params`.
    #[must_use]
    #[allow(
        clippy::needless_pass_by_value,
        reason = "the value is written where it is passed"
    )]
    pub fn deployment(self, alias: &str, params: Value) -> Self {
        self.entry(json!({"model_name": alias, "litellm_params": params}))
    }

    /// An entry of `model_list`.
    #[must_use]
    pub fn entry(mut self, entry: Value) -> Self {
        if let Some(Value::Array(entries)) = self.0.get_mut("model_list") {
            entries.push(entry);
        }
        self
    }

    /// More parameters for the deployment that was added last.
    #[must_use]
    pub fn with(mut self, more: Value) -> Self {
        let last = self.0.get_mut("model_list").and_then(Value::as_array_mut);
        if let (Some(entry), Value::Object(more)) = (last.and_then(|list| list.last_mut()), more)
            && let Some(Value::Object(params)) = entry.get_mut("litellm_params")
        {
            params.extend(more);
        }
        self
    }

    /// When `alias` fails, `others` follow.
    #[must_use]
    pub fn fallback(mut self, alias: &str, others: &[&str]) -> Self {
        let router = self.section("router_settings");
        let fallbacks = router.entry("fallbacks").or_insert_with(|| json!([]));
        if let Value::Array(fallbacks) = fallbacks {
            fallbacks.push(json!({alias: others}));
        }
        self
    }

    /// Nobody at the address of the deployment that was added last.
    #[must_use]
    pub fn nowhere(self, address: &str) -> Self {
        let last = self.0["model_list"].as_array().and_then(|list| list.last());
        let base = last.map(|entry| &entry["litellm_params"]["api_base"]);
        let base = base.and_then(Value::as_str).unwrap_or_default();
        let path = base.splitn(4, '/').nth(3).unwrap_or_default();
        let base = format!("http://{address}/{path}");
        self.with(json!({"api_base": base.trim_end_matches('/')}))
    }

    /// A setting of a section.
    #[must_use]
    pub fn set(mut self, section: &str, key: &str, value: Value) -> Self {
        self.section(section).insert(key.to_owned(), value);
        self
    }

    fn section(&mut self, name: &str) -> &mut Map<String, Value> {
        let section = self.0.entry(name).or_insert_with(|| json!({}));
        section.as_object_mut().expect("sections are maps")
    }

    /// The file.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(&self.0).unwrap_or_default()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self::new()
    }
}
