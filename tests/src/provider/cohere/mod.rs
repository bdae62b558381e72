//! Cohere's API (<https://docs.cohere.com/reference/chat>), version 2.

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

/// Texts that one request may embed.
const MOST_TEXTS: usize = 96;

/// Whether a path is one of Cohere's.
pub(crate) fn speaks(path: &str) -> bool {
    path.starts_with("/v2/")
}

/// The answer to a request that is treated well.
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    if let Some(refusal) = refuse(call.request) {
        return refusal;
    }
    let answer = match call.request.path.as_str() {
        "/v2/chat" => chat(call),
        "/v2/embed" => embed(call),
        "/v2/rerank" => rerank(call),
        _ => return error(404, "page not found"),
    };
    answer.unwrap_or_else(|invalid| invalid_request(&invalid))
}

fn chat(call: &Call<'_>) -> Checked<Answer> {
    let (asked, wanted) = request::read(&call.json)?;
    let form = &call.behaviour.form;
    let turn = turn::answer(&asked, form);
    let path = &call.request.path;
    call.state
        .charge(call.number, path, &wanted.model, wanted.stream, turn.usage);
    let writer = answer::Writer {
        number: call.number,
        turn: &turn,
        show_usage: !form.no_usage,
    };
    Ok(if wanted.stream {
        Answer::events(writer.events(), error_event())
    } else {
        Answer::json(200, &writer.whole())
    })
}

fn embed(call: &Call<'_>) -> Checked<Answer> {
    let mut body = Object::new("", &call.json, false)?;
    let model = body.need_text("model")?.to_owned();
    let kinds = [
        "search_document",
        "search_query",
        "classification",
        "clustering",
    ];
    body.one_of("input_type", &kinds)?
        .ok_or_else(|| body.missing("input_type"))?;
    body.list("texts")?;
    let texts = body.texts("texts", MOST_TEXTS)?;
    if texts.is_empty() {
        return Err(body.missing("texts"));
    }
    body.list("embedding_types")?;
    if body.texts("embedding_types", 5)? != ["float"] {
        return Err(body.wrong("embedding_types", "only float is scripted"));
    }
    body.integer("output_dimension", 256..=1536)?;
    body.one_of("truncate", &["NONE", "START", "END"])?;
    body.finish()?;
    let input = texts.iter().map(|text| count(text)).sum();
    charge(call, &model, input);
    let vectors: Vec<Value> = texts.iter().map(|text| json!([count(text), 0.5])).collect();
    Ok(Answer::json(
        200,
        &json!({
            "id": "da6e531f-54c5-4a73-bf92-f60566d8d753",
            "embeddings": {"float": vectors}, "texts": texts, "response_type": "embeddings_by_type",
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": input}},
        }),
    ))
}

fn rerank(call: &Call<'_>) -> Checked<Answer> {
    let mut body = Object::new("", &call.json, false)?;
    let model = body.need_text("model")?.to_owned();
    let query = body.need_text("query")?;
    body.list("documents")?
        .ok_or_else(|| body.missing("documents"))?;
    let documents = body.texts("documents", 1000)?;
    let most = body.integer("top_n", 1..=1000)?;
    body.integer("max_tokens_per_doc", 1..=100_000)?;
    body.skip(&["priority"]);
    body.finish()?;
    charge(call, &model, 0);
    // The most words in common with the question come first.
    let score = |text: &String| {
        let words = text.split_whitespace();
        words.filter(|word| query.contains(word)).count()
    };
    let mut order: Vec<usize> = (0..documents.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(score(&documents[*index])));
    let most = most.and_then(|most| usize::try_from(most).ok());
    order.truncate(most.unwrap_or(usize::MAX));
    let results: Vec<Value> = order
        .into_iter()
        .enumerate()
        .map(|(rank, index)| {
            let score = if rank == 0 { 0.9 } else { 0.1 };
            json!({"index": index, "relevance_score": score})
        })
        .collect();
    Ok(Answer::json(
        200,
        &json!({
            "id": "07734bd2-2473-4f07-94e1-0d9f0e6843cf", "results": results,
            "meta": {"api_version": {"version": "2"}, "billed_units": {"search_units": 1}},
        }),
    ))
}

fn charge(call: &Call<'_>, model: &str, input: u64) {
    let usage = Usage {
        input,
        ..Usage::default()
    };
    let path = &call.request.path;
    call.state.charge(call.number, path, model, false, usage);
}

/// What is wrong with the method, the headers or the body.
fn refuse(request: &Request) -> Option<Answer> {
    if request.method != "POST" {
        return Some(error(405, "method not allowed"));
    }
    let key = request
        .header("authorization")
        .and_then(|value| value.strip_prefix("Bearer "));
    match key {
        None | Some("") => return Some(error(401, "no api key supplied")),
        Some(key) if key.starts_with("wrong") => return Some(failure(401)),
        Some(_) => {}
    }
    let content_type = request.header("content-type").unwrap_or_default();
    if !content_type.starts_with("application/json") {
        return Some(error(
            400,
            "invalid content type: expected application/json",
        ));
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&request.body).is_err() {
        return Some(error(400, "failed to parse request body as JSON"));
    }
    None
}

/// An error in Cohere's shape.
pub(crate) fn error(status: u16, message: &str) -> Answer {
    let id = "a1b2c3d4-0000-4000-8000-000000000000";
    Answer::json(status, &json!({"id": id, "message": message}))
}

/// The error that goes with a status.
pub(crate) fn failure(status: u16) -> Answer {
    let message = match status {
        400 => "invalid request: bad request, as scripted",
        401 => "invalid api token",
        404 => "model 'scripted' not found, make sure the correct model ID was used",
        429 => "You are using a Trial key, which is limited to 20 API calls / minute.",
        503 => "service unavailable",
        _ => "internal server error",
    };
    error(status, message)
}

pub(crate) fn context_length() -> Answer {
    let message = "too many tokens: size limit exceeded by 1000 tokens. Try using shorter or fewer \
                   inputs. The limit for this model is 256000 tokens.";
    error(400, message)
}

/// Cohere refuses no prompt; it withholds an answer that it finds toxic.
pub(crate) fn content_policy(call: &Call<'_>) -> Answer {
    let usage = json!({"billed_units": {"input_tokens": 9.0, "output_tokens": 0.0}});
    if call.json["stream"] == true {
        let delta = json!({"finish_reason": "ERROR_TOXIC", "usage": usage});
        let end = json!({"type": "message-end", "delta": delta});
        return Answer::events(vec![Event::named("message-end", end)], error_event());
    }
    Answer::json(
        200,
        &json!({
            "id": "c14c80c3", "finish_reason": "ERROR_TOXIC", "usage": usage,
            "message": {"role": "assistant", "content": [{"type": "text", "text": ""}]},
        }),
    )
}

fn invalid_request(invalid: &Invalid) -> Answer {
    let path = &invalid.path;
    let problem = match &invalid.problem {
        Problem::Unknown => "unknown field".to_owned(),
        Problem::Missing => "is required".to_owned(),
        Problem::Type { expected, found } => format!("expected {expected}, got {found}"),
        Problem::Value(text) => text.clone(),
    };
    error(400, &format!("invalid request: {path}: {problem}"))
}

/// The event of a stream that fails.
fn error_event() -> Event {
    let delta = json!({"finish_reason": "ERROR", "error": "internal server error"});
    Event::named(
        "message-end",
        json!({"type": "message-end", "delta": delta}),
    )
}
