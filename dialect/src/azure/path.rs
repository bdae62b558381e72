//! Where Azure serves an operation.

use std::fmt::Write;

use dragoman_proto::{Operation, UpstreamConfig};

/// The version for a deployment that names none; LiteLLM's default.
const DEFAULT_VERSION: &str = "2025-02-01-preview";
/// The first version with the Responses API.
const FIRST_WITH_RESPONSES: &str = "2025-03-01-preview";

/// The path of `operation`, with its query.
pub(super) fn path(config: &UpstreamConfig, operation: Operation) -> String {
    let base = config.base_path.trim_end_matches('/');
    let version = version(config);
    let endpoint = operation.path();
    if is_v1(config) {
        let root = base.strip_suffix("/v1").unwrap_or(base);
        let root = root.strip_suffix("/openai").unwrap_or(root);
        // The surface's own versions; a date belongs to the older one.
        return match version {
            "preview" | "latest" => format!("{root}/openai/v1{endpoint}?api-version={version}"),
            _ => format!("{root}/openai/v1{endpoint}"),
        };
    }
    let version = encode(version);
    if base.contains("/openai/deployments/") {
        return format!("{base}{endpoint}?api-version={version}");
    }
    let root = base.strip_suffix("/openai").unwrap_or(base);
    if operation == Operation::Responses {
        return format!("{root}/openai{endpoint}?api-version={version}");
    }
    let deployment = encode(&config.model);
    format!("{root}/openai/deployments/{deployment}{endpoint}?api-version={version}")
}

/// Whether the deployment has the Responses API.
pub(super) fn has_responses(config: &UpstreamConfig) -> bool {
    is_v1(config)
        || version(config) >= FIRST_WITH_RESPONSES
            && !config.base_path.contains("/openai/deployments/")
}

fn version(config: &UpstreamConfig) -> &str {
    config.api_version.as_deref().unwrap_or(DEFAULT_VERSION)
}

fn is_v1(config: &UpstreamConfig) -> bool {
    let base = config.base_path.trim_end_matches('/');
    base.ends_with("/openai/v1") || matches!(version(config), "v1" | "preview" | "latest")
}

/// The text as one segment of a path, or as a value of a query.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(base: &str, version: Option<&str>) -> UpstreamConfig {
        let mut config: UpstreamConfig = serde_json::from_str(
            r#"{"deployment":"d","provider":"azure","dialect":"azure","model":"my gpt/4o",
                "authority":"a.openai.azure.com","base_path":""}"#,
        )
        .unwrap();
        config.base_path = base.into();
        config.api_version = version.map(str::to_owned);
        config
    }

    #[test]
    fn an_endpoint_is_below_its_deployment_or_the_v1_surface() {
        let deployment =
            "/openai/deployments/my%20gpt%2F4o/chat/completions?api-version=2024-10-21";
        for (base, version, expected) in [
            ("", Some("2024-10-21"), deployment),
            ("/openai", Some("2024-10-21"), deployment),
            (
                "/openai/deployments/other",
                Some("2024-10-21"),
                "/openai/deployments/other/chat/completions?api-version=2024-10-21",
            ),
            ("/openai/v1", None, "/openai/v1/chat/completions"),
            (
                "/openai/v1",
                Some("2024-10-21"),
                "/openai/v1/chat/completions",
            ),
            (
                "/proxy",
                Some("preview"),
                "/proxy/openai/v1/chat/completions?api-version=preview",
            ),
            ("", Some("v1"), "/openai/v1/chat/completions"),
        ] {
            let config = config(base, version);
            assert_eq!(
                path(&config, Operation::ChatCompletions),
                expected,
                "{base}"
            );
        }
    }

    #[test]
    fn responses_are_there_from_a_version_on() {
        for (version, there) in [
            (None, false),
            (Some("2024-10-21"), false),
            (Some("2025-04-01-preview"), true),
            (Some("v1"), true),
        ] {
            assert_eq!(has_responses(&config("", version)), there, "{version:?}");
        }
        assert_eq!(
            path(
                &config("", Some("2025-04-01-preview")),
                Operation::Responses
            ),
            "/openai/responses?api-version=2025-04-01-preview"
        );
    }
}
