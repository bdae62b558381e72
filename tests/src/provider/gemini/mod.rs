//! Google's Gemini API (<https://ai.google.dev/api/generate-content>).

mod answer;
mod media;
mod request;
mod schema;

use serde_json::json;

use super::{
    check::{Invalid, Problem},
    connection::Request,
    reply::{Answer, Event},
    serve::Call,
    turn,
};

/// The answer to a request that is treated well.
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    let answer = match refuse(call.request) {
        Some(refusal) => refusal,
        None => respond(call).unwrap_or_else(|invalid| invalid_argument(&invalid)),
    };
    answer
        .header("x-gemini-service-tier", "standard")
        .header("server", "scaffolding on HTTPServer2")
        .header("alt-svc", "h3=\":443\"; ma=2592000")
}

/// What is asked of which model, where the path is one of Gemini's.
fn target(path: &str) -> Option<(String, bool)> {
    let (model, method) = path.strip_prefix("/v1beta/models/")?.split_once(':')?;
    let stream = match method {
        "generateContent" | "batchEmbedContents" => false,
        "streamGenerateContent" => true,
        _ => return None,
    };
    Some((decoded(model), stream))
}

/// Whether a path is one of Gemini's.
pub(crate) fn speaks(path: &str) -> bool {
    path.starts_with("/v1beta/")
}

/// The model that a request names, in its path.
pub(crate) fn model(request: &Request) -> Option<String> {
    target(&request.path).map(|(model, _)| model)
}

/// A segment of a path, or a field of a form, as it was meant.
pub(crate) fn decoded(segment: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = segment;
    while let Some((plain, after)) = rest.split_once('%') {
        bytes.extend_from_slice(plain.as_bytes());
        let code = after.get(..2);
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(b'%');
                rest = after;
            }
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}

fn respond(call: &Call<'_>) -> Result<Answer, Invalid> {
    let (model, stream) = target(&call.request.path).unwrap_or_default();
    if call.request.path.ends_with(":batchEmbedContents") {
        return media::embeddings(call, &model);
    }
    if model.contains("image") {
        return media::picture(call, &model);
    }
    let asked = request::read(&call.json, &model)?;
    let form = &call.behaviour.form;
    let turn = turn::answer(&asked, form);
    let path = &call.request.path;
    call.state
        .charge(call.number, path, &model, stream, turn.usage);
    let writer = answer::Writer {
        number: call.number,
        model: &model,
        turn: &turn,
        show_usage: !form.no_usage,
    };
    Ok(if stream {
        Answer::events(writer.events(), error_event())
    } else {
        // The real API writes its JSON for people.
        let text = format!("{:#}\n", writer.whole());
        Answer::whole(200, "application/json; charset=UTF-8", text)
    })
}

/// What is wrong with the path or the headers.
fn refuse(request: &Request) -> Option<Answer> {
    let Some((_, stream)) = target(&request.path) else {
        return Some(error(404, "Requested entity was not found."));
    };
    if request.method != "POST" {
        return Some(error(404, "Requested entity was not found."));
    }
    let query = if stream { "alt=sse" } else { "" };
    if request.query != query {
        let message = format!("Invalid query: {:?} where {query:?} belongs", request.query);
        return Some(error(400, &message));
    }
    match request.header("x-goog-api-key") {
        None | Some("") => {
            let message = "Method doesn't allow unregistered callers (callers without established \
                           identity). Please use API Key or other form of API consumer identity to \
                           call this API.";
            return Some(error(403, message));
        }
        Some(key) if key.starts_with("wrong") => return Some(failure(401)),
        Some(_) => {}
    }
    if request.header("authorization").is_some() {
        let message = "Request had invalid authentication credentials.";
        return Some(error(401, message));
    }
    let content_type = request.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/json") {
        return Some(error(400, "Invalid JSON payload received."));
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&request.body).is_err() {
        return Some(error(
            400,
            "Invalid JSON payload received. Unexpected token.",
        ));
    }
    None
}

fn canonical(status: u16) -> &'static str {
    match status {
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        500.. => "INTERNAL",
        _ => "INVALID_ARGUMENT",
    }
}

/// An error in Google's shape.
pub(crate) fn error(status: u16, message: &str) -> Answer {
    let body = json!({
        "error": {"code": status, "message": message, "status": canonical(status)},
    });
    Answer::json(status, &body)
}

/// The error that goes with a status; as in reality, a bad key is a 400, and a quota says in its body
/// how long to wait.
pub(crate) fn failure(status: u16) -> Answer {
    let (status, message, details) = match status {
        401 => (
            400,
            "API key not valid. Please pass a valid API key.",
            json!([{
                "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
                "domain": "googleapis.com",
                "metadata": {"service": "generativelanguage.googleapis.com"},
            }]),
        ),
        429 => (
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            json!([{
                "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "6.5s",
            }]),
        ),
        404 => (
            404,
            "models/scripted is not found for API version v1beta, or is not supported for \
             generateContent.",
            json!([]),
        ),
        503 => (
            503,
            "The model is overloaded. Please try again later.",
            json!([]),
        ),
        400 => (400, "Bad request, as scripted.", json!([])),
        other => (other, "An internal error has occurred.", json!([])),
    };
    let body = json!({
        "error": {
            "code": status, "message": message, "status": canonical(status), "details": details,
        },
    });
    Answer::json(status, &body)
}

pub(crate) fn context_length() -> Answer {
    error(
        400,
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
    )
}

/// A prompt that is refused is a 200.
pub(crate) fn content_policy(call: &Call<'_>) -> Answer {
    let blocked = json!({
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
    });
    match target(&call.request.path) {
        Some((_, true)) => Answer::events(vec![Event::data(blocked)], error_event()),
        _ => Answer::json(200, &blocked),
    }
}

fn invalid_argument(invalid: &Invalid) -> Answer {
    let path = &invalid.path;
    let (parent, name) = path.rsplit_once('.').unwrap_or(("", path));
    let message = match &invalid.problem {
        Problem::Unknown => format!(
            "Invalid JSON payload received. Unknown name \"{name}\" at '{parent}': Cannot find field."
        ),
        Problem::Missing => format!("* {path}: required field is not set"),
        Problem::Type { expected, found } => {
            format!("Invalid value at '{path}': {expected} expected, not {found}")
        }
        Problem::Value(text) => format!("* {path}: {text}"),
    };
    error(400, &message)
}

/// The event of a stream that fails.
fn error_event() -> Event {
    Event::data(json!({
        "error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"},
    }))
}
