//! Azure's errors: OpenAI's shape, with codes of its own.

use serde::Deserialize;

use crate::{failure::ProviderError, json, openai::OpenAi, registry::ProviderDialect};

#[derive(Deserialize)]
struct Body {
    error: Detail,
}

#[derive(Deserialize)]
struct Detail {
    /// The images' endpoint writes `inner_error`.
    #[serde(default, alias = "inner_error")]
    innererror: Option<Inner>,
}

#[derive(Deserialize)]
struct Inner {
    #[serde(default)]
    code: Option<String>,
}

/// The error in a body; `None` when there is none in it.
pub(super) fn read(body: &[u8]) -> Option<ProviderError> {
    let mut error = OpenAi.error(body)?;
    let detail: Option<Body> = json::parse(body).ok();
    let inner = detail.and_then(|body| body.error.innererror?.code);
    let filtered = inner.as_deref() == Some("ResponsibleAIPolicyViolation");
    error.code = match error.code.as_deref() {
        Some("DeploymentNotFound") => Some("model_not_found".to_owned()),
        Some("contentFilter") => Some("content_filter".to_owned()),
        _ if filtered => Some("content_filter".to_owned()),
        _ => error.code,
    };
    Some(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn azure_s_codes_have_openai_s_meaning() {
        for (body, code) in [
            (
                r#"{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}"#,
                "model_not_found",
            ),
            (
                r#"{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true,"severity":"high"}}}}}"#,
                "content_filter",
            ),
            (
                r#"{"error":{"code":"contentFilter","message":"Your task failed as a result of our safety system."}}"#,
                "content_filter",
            ),
            (
                r#"{"error":{"code":null,"message":"no","inner_error":{"code":"ResponsibleAIPolicyViolation"}}}"#,
                "content_filter",
            ),
            (
                r#"{"error":{"code":"429","message":"Requests have exceeded the rate limit."}}"#,
                "429",
            ),
        ] {
            assert_eq!(read(body.as_bytes()).unwrap().code.as_deref(), Some(code));
        }
        assert_eq!(read(b"{\"choices\":[]}"), None);
    }
}
