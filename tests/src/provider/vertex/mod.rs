//! Google's Vertex AI: models of Google and of Anthropic below a project's path, for whoever shows a
//! token that the token endpoint beside it has issued
//! (<https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference>,
//! <https://docs.anthropic.com/en/api/claude-on-vertex-ai>).

mod predict;
mod token;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{anthropic, connection::Request, gemini, openai, reply::Answer, serve::Call};

pub use token::{PROJECT, TOKENS};
pub(crate) use token::{Tokens, authorized_user, service_account};

/// The version of Anthropic's API that is spoken here.
const ANTHROPIC_VERSION: &str = "vertex-2023-10-16";

/// Whether a path is one of Vertex AI's, or of the endpoints that issue its tokens.
pub(crate) fn speaks(path: &str) -> bool {
    path.starts_with("/v1/projects/") || token::speaks(path)
}

/// The model that a request names, in its path; a request for a token names [`TOKENS`].
pub(crate) fn model(request: &Request) -> Option<String> {
    if token::speaks(&request.path) {
        return Some(TOKENS.to_owned());
    }
    target(&request.path).map(|target| target.model)
}

/// The answer to a request that is treated well.
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    if token::speaks(&call.request.path) {
        return token::answer(call);
    }
    refuse(call).unwrap_or_else(|| match target(&call.request.path) {
        None if is_open(&call.request.path) => open(call),
        Some(target) if target.publisher == "anthropic" => claude(call, &target),
        Some(target) => google(call, &target),
        None => gemini::error(404, "Requested entity was not found."),
    })
}

/// What is asked of which model.
struct Target<'a> {
    publisher: &'a str,
    model: String,
    method: &'a str,
}

fn target(path: &str) -> Option<Target<'_>> {
    let below = path.strip_prefix("/v1/projects/")?;
    let (project, below) = below.split_once("/locations/")?;
    let (location, below) = below.split_once("/publishers/")?;
    let (publisher, below) = below.split_once("/models/")?;
    let (model, method) = below.split_once(':')?;
    let is_here = project == PROJECT && !location.is_empty() && !location.contains('/');
    is_here.then(|| Target {
        publisher,
        model: gemini::decoded(model),
        method,
    })
}

/// What is wrong with the headers.
fn refuse(call: &Call<'_>) -> Option<Answer> {
    let request = call.request;
    if request.method != "POST" {
        return Some(gemini::error(404, "Requested entity was not found."));
    }
    let token = request.header("authorization").unwrap_or_default();
    let token = token.strip_prefix("Bearer ").unwrap_or_default();
    if !call.state.tokens.knows(token) {
        return Some(failure(401));
    }
    let foreign = ["x-goog-api-key", "x-api-key", "anthropic-version"];
    if foreign.iter().any(|name| request.header(name).is_some()) {
        return Some(gemini::error(400, "A header that does not belong here."));
    }
    None
}

/// Anthropic's models: its own API, with the model in the path and the version in the body.
fn claude(call: &Call<'_>, target: &Target<'_>) -> Answer {
    let counts = target.model == "count-tokens";
    let mut body = call.json.clone();
    let Some(members) = body.as_object_mut() else {
        return anthropic::error(400, "The request body is not valid JSON");
    };
    if members.remove("anthropic_version") != Some(Value::from(ANTHROPIC_VERSION)) {
        return anthropic::error(400, "anthropic_version: Field required");
    }
    let streams = members.get("stream") == Some(&Value::Bool(true));
    let method = if streams {
        "streamRawPredict"
    } else {
        "rawPredict"
    };
    if target.method != method || !call.request.query.is_empty() {
        return anthropic::error(404, "Not Found");
    }
    if !counts {
        if members.contains_key("model") {
            return anthropic::error(400, "model: Extra inputs are not permitted");
        }
        members.insert("model".to_owned(), json!(target.model));
    }
    let path = match counts {
        true => "/v1/messages/count_tokens",
        false => "/v1/messages",
    };
    let headers = [("x-api-key", "k"), ("anthropic-version", "2023-06-01")];
    let request = rewritten(call.request, path.to_owned(), &headers, &body);
    anthropic::answer(&Call {
        request: &request,
        json: body,
        ..*call
    })
}

/// Whether a path is that of all open models.
fn is_open(path: &str) -> bool {
    let place = path.strip_suffix("/endpoints/openapi/chat/completions");
    place.is_some_and(|place| place.starts_with(&format!("/v1/projects/{PROJECT}/locations/")))
}

/// Open models: OpenAI's API, with their maker in the model's name.
fn open(call: &Call<'_>) -> Answer {
    let model = call.json["model"].as_str().unwrap_or_default();
    if !model.contains('/') {
        return gemini::error(400, "Malformed publisher model.");
    }
    let path = "/v1/chat/completions".to_owned();
    let own = [("authorization", "Bearer k")];
    let request = rewritten(call.request, path, &own, &call.json);
    openai::answer(&Call {
        request: &request,
        json: call.json.clone(),
        ..*call
    })
}

/// Google's own models: those that predict, and Gemini.
fn google(call: &Call<'_>, target: &Target<'_>) -> Answer {
    if target.publisher != "google" {
        return gemini::error(404, "Publisher was not found.");
    }
    if target.method == "predict" {
        return predict::answer(call, &target.model);
    }
    if ["embedContent", "batchEmbedContents"].contains(&target.method) {
        return predict::embed(call, &target.model, target.method);
    }
    let (_, below) = call.request.path.split_once("/models/").unwrap_or_default();
    let path = format!("/v1beta/models/{below}");
    let request = rewritten(call.request, path, &[("x-goog-api-key", "k")], &call.json);
    gemini::answer(&Call {
        request: &request,
        json: call.json.clone(),
        ..*call
    })
}

/// The same request as the publisher's own API wants it.
fn rewritten(request: &Request, path: String, own: &[(&str, &str)], body: &Value) -> Request {
    let mut headers = request.headers.clone();
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case("authorization"));
    let own = own.iter();
    headers.extend(own.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Request {
        path,
        headers,
        body: Bytes::from(body.to_string()),
        ..request.clone()
    }
}

/// The error that goes with a status, in the shape of whom `path` belongs to.
pub(crate) fn failure_at(path: &str, status: u16) -> Answer {
    if token::speaks(path) {
        return token::failure(status);
    }
    match target(path) {
        Some(target) if target.publisher == "anthropic" && status != 401 => {
            anthropic::failure(status)
        }
        _ => failure(status),
    }
}

/// The error that goes with a status, in Google's shape.
fn failure(status: u16) -> Answer {
    if status != 401 {
        return gemini::failure(status);
    }
    let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, \
                   login cookie or other valid authentication credential.";
    Answer::json(
        401,
        &json!({"error": {
            "code": 401, "message": message, "status": "UNAUTHENTICATED",
            "details": [{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "ACCESS_TOKEN_TYPE_UNSUPPORTED", "domain": "googleapis.com",
                "metadata": {"service": "aiplatform.googleapis.com"},
            }],
        }}),
    )
}
