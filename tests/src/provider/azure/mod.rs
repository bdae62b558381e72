//! OpenAI's API as Azure serves it: the same behind other paths, another header and a version
//! (<https://learn.microsoft.com/en-us/azure/ai-foundry/openai/reference>).

use super::{connection::Request, openai, reply::Answer, serve::Call};

/// The answer to a request that is treated well.
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    match translated(call.request) {
        Ok(request) => openai::answer(&Call {
            request: &request,
            json: call.json.clone(),
            ..*call
        }),
        Err(refusal) => refusal,
    }
}

/// Whether Azure serves `path`.
pub(crate) fn serves(path: &str) -> bool {
    path.starts_with("/openai/")
}

/// The same request to OpenAI.
fn translated(request: &Request) -> Result<Request, Answer> {
    let missing = || openai::error(404, "Resource not found");
    let key = request.header("api-key").unwrap_or_default().to_owned();
    if key.is_empty() || request.header("authorization").is_some() {
        let message = "Access denied due to missing subscription key.";
        return Err(openai::error(401, message));
    }
    let below = match request.path.strip_prefix("/openai/v1/") {
        Some(below) => below,
        None => {
            let version = request.query.strip_prefix("api-version=");
            let version = version.filter(|version| version.starts_with("20"));
            below(&request.path, version.ok_or_else(missing)?).ok_or_else(missing)?
        }
    };
    let mut headers = request.headers.clone();
    headers.push(("authorization".to_owned(), format!("Bearer {key}")));
    Ok(Request {
        path: format!("/v1/{below}"),
        headers,
        ..request.clone()
    })
}

/// What `path` is below the deployment, in a dated `version`. Responses name theirs in the body, and are
/// there since the spring of 2025.
fn below<'a>(path: &'a str, version: &str) -> Option<&'a str> {
    if path == "/openai/responses" {
        return (version >= "2025-03-01-preview").then_some("responses");
    }
    let below = path.strip_prefix("/openai/deployments/")?;
    below.split_once('/').map(|(_, below)| below)
}
