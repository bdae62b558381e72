//! Anthropic's Messages API (<https://docs.anthropic.com/en/api/messages>).

mod answer;
mod content;
mod features;
mod offer;
mod request;

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
        None => respond(call).unwrap_or_else(|invalid| invalid_request(&invalid)),
    };
    answer
        .header("request-id", format!("req_{}", call.number))
        .header(
            "anthropic-organization-id",
            "5c1b7ed0-7e57-4abc-9def-0123456789ab",
        )
        .header("anthropic-ratelimit-requests-limit", 50)
        .header("anthropic-ratelimit-requests-remaining", 49)
        .header("set-cookie", "_cfuvid=scripted; path=/; HttpOnly; Secure")
}

fn respond(call: &Call<'_>) -> Result<Answer, Invalid> {
    let betas = call.request.header("anthropic-beta").unwrap_or_default();
    let counting = call.request.path.ends_with("/count_tokens");
    let (asked, wanted) = request::read(&call.json, betas, counting)?;
    if counting {
        return Ok(Answer::json(
            200,
            &json!({"input_tokens": asked.input_tokens}),
        ));
    }
    let form = &call.behaviour.form;
    let turn = turn::answer(&asked, form);
    let path = &call.request.path;
    call.state
        .charge(call.number, path, &wanted.model, wanted.stream, turn.usage);
    let writer = answer::Writer {
        number: call.number,
        model: &wanted.model,
        turn: &turn,
        show_usage: !form.no_usage,
    };
    Ok(if wanted.stream {
        Answer::events(writer.events(form.pings), error_event())
    } else {
        Answer::json(200, &writer.whole())
    })
}

/// What is wrong with the path or the headers.
fn refuse(request: &Request) -> Option<Answer> {
    if !["/v1/messages", "/v1/messages/count_tokens"].contains(&request.path.as_str()) {
        return Some(error(404, "Not Found"));
    }
    if request.method != "POST" {
        return Some(error(405, "Method Not Allowed"));
    }
    match request.header("x-api-key") {
        None | Some("") => {
            return Some(error(401, "x-api-key header is required"));
        }
        Some(key) if key.starts_with("sk-wrong") => return Some(failure(401)),
        Some(_) => {}
    }
    match request.header("anthropic-version") {
        None => return Some(error(400, "anthropic-version: header is required")),
        Some("2023-06-01") => {}
        Some(other) => {
            let message = format!("anthropic-version: \"{other}\" is not a valid version");
            return Some(error(400, &message));
        }
    }
    let content_type = request.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/json") {
        return Some(error(415, "content-type: application/json is required"));
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&request.body).is_err() {
        return Some(error(400, "The request body is not valid JSON"));
    }
    None
}

/// An error in Anthropic's shape.
pub(crate) fn error(status: u16, message: &str) -> Answer {
    let kind = match status {
        401 => "authentication_error",
        403 => "permission_error",
        404 => "not_found_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        504 => "timeout_error",
        529 => "overloaded_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    Answer::json(
        status,
        &json!({
            "type": "error", "error": {"type": kind, "message": message},
            "request_id": "req_scripted",
        }),
    )
}

/// The error that goes with a status; as in reality, some of the texts tell too much.
pub(crate) fn failure(status: u16) -> Answer {
    let message = match status {
        400 => "Bad request, as scripted.",
        401 => "invalid x-api-key",
        403 => "Your organization 5c1b7ed0-7e57-4abc-9def-0123456789ab has been disabled.",
        404 => "model: scripted",
        429 => {
            "This request would exceed your organization's rate limit of 50 requests per minute \
             (org: 5c1b7ed0-7e57-4abc-9def-0123456789ab). See https://docs.anthropic.com/en/api/rate-limits."
        }
        529 => "Overloaded",
        _ => "Internal server error",
    };
    error(status, message)
}

pub(crate) fn context_length() -> Answer {
    error(400, "prompt is too long: 210000 tokens > 200000 maximum")
}

pub(crate) fn content_policy() -> Answer {
    error(400, "Output blocked by content filtering policy")
}

fn invalid_request(invalid: &Invalid) -> Answer {
    let path = &invalid.path;
    let problem = match &invalid.problem {
        Problem::Unknown => "Extra inputs are not permitted".to_owned(),
        Problem::Missing => "Field required".to_owned(),
        Problem::Type { expected, .. } => format!("Input should be {expected}"),
        Problem::Value(text) => text.clone(),
    };
    if path.is_empty() {
        return error(400, &problem);
    }
    error(400, &format!("{path}: {problem}"))
}

/// The event of a stream that fails.
fn error_event() -> Event {
    Event::named(
        "error",
        json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    )
}
