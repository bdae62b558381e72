//! OpenAI's API (<https://platform.openai.com/docs/api-reference>).

mod chat;
mod endpoints;
mod media;
mod messages;
mod multipart;
mod rerank;
mod responses;

use serde_json::{Value, json};

use super::{
    check::{Checked, Invalid, Object, Problem},
    connection::Request,
    reply::{Answer, Event},
    serve::Call,
    turn::Usage,
};

pub(crate) use chat::thirds;
pub(crate) use multipart::model as multipart_model;

/// When all of this happens, in seconds since the epoch.
const CREATED: u64 = 1_760_000_000;

/// The answer to a request that is treated well.
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    if let Some(refusal) = refuse(call.request) {
        return refusal;
    }
    let path = call.request.path.strip_prefix("/v1").unwrap_or("");
    let get = call.request.method == "GET";
    let answer = match path {
        "/models" if get => Ok(endpoints::models()),
        _ if get && path.starts_with("/models/") => Ok(endpoints::model(path)),
        _ if call.request.method != "POST" => return error(405, "Not allowed to do that."),
        "/chat/completions" => chat::answer(call),
        "/completions" => endpoints::completions(call),
        "/embeddings" => endpoints::embeddings(call),
        "/images/generations" => media::images(call),
        "/moderations" => endpoints::moderations(call),
        "/rerank" => rerank::answer(call),
        "/responses" => responses::answer(call),
        "/audio/speech" => media::speech(call),
        "/audio/transcriptions" | "/audio/translations" => multipart::transcription(call),
        "/images/edits" | "/images/variations" => multipart::image(call),
        _ => {
            let (method, path) = (&call.request.method, &call.request.path);
            return error(404, &format!("Invalid URL ({method} {path})"));
        }
    };
    let answer = answer.unwrap_or_else(|invalid| invalid_request(&invalid));
    answer
        .header("x-request-id", format!("req_{}", call.number))
        .header("openai-organization", "org-scripted")
        .header("openai-processing-ms", 1)
        .header("x-ratelimit-limit-requests", 5000)
        .header("x-ratelimit-remaining-requests", 4999)
        .header("set-cookie", "__cf_bm=scripted; path=/; HttpOnly; Secure")
}

/// What is wrong with the headers.
fn refuse(request: &Request) -> Option<Answer> {
    let key = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::trim)
        .filter(|key| !key.is_empty());
    match key {
        None => {
            return Some(error_of(
                401,
                "You didn't provide an API key. You need to provide your API key in an \
                 Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
                "invalid_request_error",
                None,
                None,
            ));
        }
        Some(key) if key.starts_with("sk-wrong") => return Some(failure(401)),
        Some(_) => {}
    }
    if request.method != "POST" {
        return None;
    }
    let content_type = request.header("content-type").unwrap_or_default();
    let multipart = multipart::is_expected(&request.path);
    let expected = if multipart {
        "multipart/form-data"
    } else {
        "application/json"
    };
    if !content_type.starts_with(expected) {
        let message = format!("Unsupported content type: '{content_type}'.");
        return Some(error(415, &message));
    }
    if multipart || serde_json::from_slice::<serde::de::IgnoredAny>(&request.body).is_ok() {
        return None;
    }
    Some(error(
        400,
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't \
         using your HTTP library correctly.)",
    ))
}

/// The body as an object whose nulls are absent fields.
fn body<'a>(call: &'a Call<'_>) -> Checked<Object<'a>> {
    Object::new("", &call.json, true)
}

/// An error with nothing more than a message.
pub(crate) fn error(status: u16, message: &str) -> Answer {
    error_of(status, message, "invalid_request_error", None, None)
}

fn error_of(
    status: u16,
    message: &str,
    kind: &str,
    param: Option<&str>,
    code: Option<&str>,
) -> Answer {
    Answer::json(
        status,
        &json!({"error": {"message": message, "type": kind, "param": param, "code": code}}),
    )
}

/// The error that goes with a status. As the real ones do, the texts hold what is nobody else's
/// business: parts of the key, the organisation, URLs.
pub(crate) fn failure(status: u16) -> Answer {
    let (message, kind, code) = match status {
        400 => ("Bad request, as scripted.", "invalid_request_error", None),
        401 => (
            "Incorrect API key provided: sk-provi************key1. You can find your API key at \
             https://platform.openai.com/account/api-keys.",
            "invalid_request_error",
            Some("invalid_api_key"),
        ),
        403 => (
            "Project proj_scripted in organization org-scripted does not have access to this \
             model.",
            "invalid_request_error",
            Some("model_not_found"),
        ),
        404 => (
            "The model `scripted` does not exist or you do not have access to it.",
            "invalid_request_error",
            Some("model_not_found"),
        ),
        408 => ("Request timed out.", "timeout", None),
        429 => (
            "Rate limit reached for scripted in organization org-scripted on requests per min \
             (RPM): Limit 3, Used 3, Requested 1. Visit \
             https://platform.openai.com/account/rate-limits to learn more.",
            "requests",
            Some("rate_limit_exceeded"),
        ),
        503 => (
            "The engine is currently overloaded, please try again later.",
            "server_error",
            None,
        ),
        _ => (
            "The server had an error while processing your request. Sorry about that!",
            "server_error",
            None,
        ),
    };
    error_of(status, message, kind, None, code)
}

pub(crate) fn context_length() -> Answer {
    error_of(
        400,
        "This model's maximum context length is 8192 tokens. However, your messages resulted in \
         9000 tokens. Please reduce the length of the messages.",
        "invalid_request_error",
        Some("messages"),
        Some("context_length_exceeded"),
    )
}

pub(crate) fn content_policy() -> Answer {
    error_of(
        400,
        "Your request was rejected as a result of our safety system.",
        "invalid_request_error",
        None,
        Some("content_policy_violation"),
    )
}

fn invalid_request(invalid: &Invalid) -> Answer {
    let path = bracketed(&invalid.path);
    let (message, code) = match &invalid.problem {
        Problem::Unknown => (format!("Unknown parameter: '{path}'."), "unknown_parameter"),
        Problem::Missing => (
            format!("Missing required parameter: '{path}'."),
            "missing_required_parameter",
        ),
        Problem::Type { expected, found } => (
            format!("Invalid type for '{path}': expected {expected}, but got {found} instead."),
            "invalid_type",
        ),
        Problem::Value(text) => (
            format!("Invalid value for '{path}': {text}."),
            "invalid_value",
        ),
    };
    let kind = "invalid_request_error";
    error_of(400, &message, kind, Some(&path), Some(code))
}

/// `messages.0.content` as OpenAI writes it: `messages[0].content`.
fn bracketed(path: &str) -> String {
    let mut text = String::with_capacity(path.len() + 4);
    for part in path.split('.') {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            text.push_str(&format!("[{part}]"));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(part);
        }
    }
    text
}

/// The event of a stream that fails.
fn error_event() -> Event {
    Event::data(json!({"error": {
        "message": "The server had an error while processing your request. Sorry about that!",
        "type": "server_error", "param": null, "code": null,
    }}))
}

/// Usage in the form of chat completions.
fn usage(usage: Usage) -> Value {
    json!({
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning, "audio_tokens": 0,
            "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_written_in_brackets() {
        assert_eq!(
            bracketed("messages.0.content.12.text"),
            "messages[0].content[12].text"
        );
    }
}
