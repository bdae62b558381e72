//! Ollama's API (<https://github.com/ollama/ollama/blob/main/docs/api.md>).

mod answer;
mod request;

use serde_json::{Value, json};

use super::{
    check::{Checked, Invalid, Object, Problem},
    connection::Request,
    reply::{Answer, Event},
    serve::Call,
    turn::{self, Usage, count},
};

/// The answer to a request that is treated well.
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    if let Some(refusal) = refuse(call.request) {
        return refusal;
    }
    let answer = match call.request.path.as_str() {
        "/api/chat" => chat(call),
        _ => embed(call),
    };
    answer.unwrap_or_else(|invalid| invalid_request(&invalid))
}

fn chat(call: &Call<'_>) -> Checked<Answer> {
    let (asked, wanted) = request::read(&call.json)?;
    let form = &call.behaviour.form;
    let mut turn = turn::answer(&asked, form);
    if !wanted.think {
        turn.reasoning = None;
    }
    let path = &call.request.path;
    call.state
        .charge(call.number, path, &wanted.model, wanted.stream, turn.usage);
    let writer = answer::Writer {
        model: &wanted.model,
        turn: &turn,
        show_usage: !form.no_usage,
    };
    Ok(if wanted.stream {
        let error =
            Event::data(json!({"error": "an error was encountered while running the model"}));
        Answer::lines(writer.lines(), error)
    } else {
        Answer::json(200, &writer.whole())
    })
}

fn embed(call: &Call<'_>) -> Checked<Answer> {
    let mut body = Object::new("", &call.json, false)?;
    let model = body.need_text("model")?.to_owned();
    let texts = body.texts("input", 1024)?;
    body.integer("dimensions", 1..=4096)?;
    body.flag("truncate")?;
    body.skip(&["options", "keep_alive"]);
    body.finish()?;
    let input: u64 = texts.iter().map(|text| count(text)).sum();
    let usage = Usage {
        input,
        ..Usage::default()
    };
    call.state
        .charge(call.number, &call.request.path, &model, false, usage);
    let vectors: Vec<Value> = texts.iter().map(|text| json!([count(text), 0.5])).collect();
    Ok(Answer::json(
        200,
        &json!({
            "model": model, "embeddings": vectors, "total_duration": 14_143_917,
            "load_duration": 1_019_500, "prompt_eval_count": input,
        }),
    ))
}

/// What is wrong with the method, the headers or the body.
fn refuse(request: &Request) -> Option<Answer> {
    if request.method != "POST" {
        return Some(error(405, "method not allowed"));
    }
    // The real server does not mind; a gateway that sends bytes of no type would be careless.
    let content_type = request.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/json") {
        return Some(error(415, "the content type is not application/json"));
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&request.body).is_err() {
        return Some(error(
            400,
            "invalid character looking for beginning of value",
        ));
    }
    None
}

/// An error in Ollama's shape.
pub(crate) fn error(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({"error": message}))
}

/// The error that goes with a status.
pub(crate) fn failure(status: u16) -> Answer {
    let message = match status {
        400 => "bad request, as scripted",
        401 => "unauthorized",
        404 => "model \"scripted\" not found, try pulling it first",
        503 => "server busy, please try again.  maximum pending requests exceeded",
        _ => "llama runner process has terminated: signal: killed",
    };
    error(status, message)
}

pub(crate) fn context_length() -> Answer {
    error(400, "the input length exceeds the context length")
}

pub(crate) fn content_policy() -> Answer {
    error(400, "blocked by the usage policies of the cloud model")
}

fn invalid_request(invalid: &Invalid) -> Answer {
    let path = &invalid.path;
    let problem = match &invalid.problem {
        // The real server ignores what it does not know; a gateway should not send it.
        Problem::Unknown => "unknown field".to_owned(),
        Problem::Missing => "is required".to_owned(),
        Problem::Type { expected, found } => format!("cannot unmarshal {found} into {expected}"),
        Problem::Value(text) => text.clone(),
    };
    error(400, &format!("json: {path}: {problem}"))
}
