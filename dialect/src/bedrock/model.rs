//! Which model it is: what it is called, and what its makers gave it.

use dragoman_proto::{BedrockName, UpstreamConfig};
use serde_json::Value;

use crate::anthropic;

/// The makers whose models differ from the others in a way that matters here.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Anthropic's, with their version.
    Claude(Option<(u64, u64)>),
    /// Amazon's first.
    Nova,
    /// Amazon's second, which reasons.
    Nova2,
    /// OpenAI's open weights.
    GptOss,
    /// Mistral's.
    Mistral,
    /// Others that hold their answers to a schema.
    Strict,
    /// All others, and those that hide behind an ARN.
    #[default]
    Other,
}

/// Names of models that hold their answers to a schema
/// (<https://docs.aws.amazon.com/bedrock/latest/userguide/structured-output.html>), Claude's apart.
const STRICT: [&str; 9] = [
    "qwen.qwen3",
    "deepseek.v3",
    "google.gemma-3",
    "minimax.minimax",
    "moonshot.kimi",
    "moonshotai.kimi",
    "nvidia.nemotron",
    "mistral.mistral-large-3",
    "mistral.ministral-3",
];

impl Family {
    /// The family of a model by the name that the configuration has for it: before an ARN it may say
    /// what kind of model that is (`anthropic/arn:…`).
    pub(super) fn of(name: &str) -> Self {
        if name.contains("claude") || name.contains("anthropic") {
            Self::Claude(anthropic::version(name))
        } else if name.contains("nova-2") {
            Self::Nova2
        } else if name.contains("nova") {
            Self::Nova
        } else if name.contains("gpt-oss") {
            Self::GptOss
        } else if STRICT.iter().any(|strict| name.contains(strict)) {
            Self::Strict
        } else if name.contains("mistral") {
            Self::Mistral
        } else {
            Self::Other
        }
    }

    /// Whether it can be asked to think.
    pub(super) fn reasons(self) -> bool {
        match self {
            Self::Claude(version) => version.is_none_or(|version| version >= (3, 7)),
            Self::Nova2 | Self::GptOss => true,
            _ => false,
        }
    }

    /// Whether it takes no sampling parameters.
    pub(super) fn is_unsampled(self) -> bool {
        matches!(self, Self::Claude(version) if version >= Some((4, 7)))
    }

    /// Whether it can be held to a JSON schema.
    pub(super) fn is_strict(self) -> bool {
        match self {
            Self::Claude(version) => version >= Some((4, 5)),
            Self::GptOss | Self::Strict => true,
            _ => false,
        }
    }

    /// Whether it keeps beginnings of prompts in a cache
    /// (<https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html>); the others refuse
    /// to be asked.
    pub(super) const fn caches(self) -> bool {
        matches!(self, Self::Claude(_) | Self::Nova | Self::Nova2)
    }

    /// Whether tools may be such a beginning.
    pub(super) const fn caches_tools(self) -> bool {
        matches!(self, Self::Claude(_))
    }

    /// Whether it can be told for how long.
    pub(super) fn caches_for(self) -> bool {
        matches!(self, Self::Claude(version) if version >= Some((4, 5)))
    }

    /// Whether it can be made to call one certain tool.
    pub(super) const fn takes_named_tool(self) -> bool {
        matches!(self, Self::Claude(_) | Self::Nova | Self::Nova2)
    }

    /// Whether it can be made to call any tool.
    pub(super) const fn takes_any_tool(self) -> bool {
        self.takes_named_tool() || matches!(self, Self::Mistral)
    }
}

/// The id or ARN by which the deployment's model is asked: `model_id` of the configuration, which a
/// client cannot choose, or the model itself.
pub(super) fn id(config: &UpstreamConfig) -> &str {
    match config.defaults.get("model_id") {
        Some(Value::String(id)) if !id.is_empty() => id,
        _ => BedrockName::parse(&config.model).id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_the_family() {
        for (name, family, reasons, strict) in [
            (
                "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
                Family::Claude(Some((4, 5))),
                true,
                true,
            ),
            (
                "anthropic.claude-3-5-sonnet-20241022-v2:0",
                Family::Claude(Some((3, 5))),
                false,
                false,
            ),
            (
                "anthropic/arn:aws:bedrock:eu-west-1:1:x/y",
                Family::Claude(None),
                true,
                false,
            ),
            ("us.amazon.nova-2-lite-v1:0", Family::Nova2, true, false),
            ("amazon.nova-pro-v1:0", Family::Nova, false, false),
            ("openai.gpt-oss-120b-1:0", Family::GptOss, true, true),
            ("qwen.qwen3-32b-v1:0", Family::Strict, false, true),
            (
                "mistral.mistral-large-2407-v1:0",
                Family::Mistral,
                false,
                false,
            ),
            ("meta.llama3-70b-instruct-v1:0", Family::Other, false, false),
        ] {
            let found = Family::of(name);
            assert_eq!(
                (found, found.reasons(), found.is_strict()),
                (family, reasons, strict),
                "{name}"
            );
        }
    }
}
