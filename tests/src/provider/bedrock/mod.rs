//! AWS Bedrock (<https://docs.aws.amazon.com/bedrock/latest/APIReference/welcome.html>): Converse,
//! ConverseStream, and InvokeModel for embeddings, behind signatures or tokens that are verified.

mod answer;
mod request;
mod signature;

use serde_json::{Value, json};

use super::{
    check::{Checked, Invalid, Object, Problem},
    connection::Request,
    gemini,
    reply::{Answer, Event},
    serve::Call,
    turn::{self, Usage, count},
};

pub use signature::{AWS_KEY, AWS_SESSION_KEY, AwsKey};

/// Tokens of Bedrock's own begin so.
const TOKEN: &str = "Bearer bedrock-api-key-";

/// The answer to a request that is treated well.
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    if let Some(refusal) = refuse(call.request) {
        return refusal;
    }
    let Some((model, action)) = target(&call.request.path) else {
        return error(404, "UnknownOperationException", "");
    };
    let answer = match action {
        "converse" => converse(call, &model, false),
        "converse-stream" => converse(call, &model, true),
        "invoke" if model.contains("embed") => embed(call, &model),
        _ => return error(404, "UnknownOperationException", ""),
    };
    let number = call.number;
    answer
        .unwrap_or_else(|invalid| validation(&invalid))
        .header(
            "x-amzn-requestid",
            format!("00000000-0000-0000-0000-{number:012}"),
        )
}

/// Whether Bedrock serves `path`.
pub(crate) fn serves(path: &str) -> bool {
    path.starts_with("/model/")
}

/// The model that a request names, in its path.
pub(crate) fn model(request: &Request) -> Option<String> {
    target(&request.path).map(|(model, _)| model)
}

/// The model, and what is asked of it. Its name is one segment, encoded.
fn target(path: &str) -> Option<(String, &str)> {
    let (model, action) = path.strip_prefix("/model/")?.split_once('/')?;
    if model.contains(':') || action.contains('/') {
        return None;
    }
    Some((gemini::decoded(model), action))
}

/// What is wrong with method, headers, signature or body.
fn refuse(request: &Request) -> Option<Answer> {
    if request.method != "POST" || !request.query.is_empty() {
        return Some(error(
            405,
            "UnknownOperationException",
            "method not allowed",
        ));
    }
    let authorization = request.header("authorization").unwrap_or_default();
    if authorization.starts_with("Bearer ") {
        let is_signed = request
            .headers
            .iter()
            .any(|(name, _)| name.to_ascii_lowercase().starts_with("x-amz-"));
        if is_signed || !authorization.starts_with(TOKEN) {
            let message = "Authentication failed: Please make sure your API Key is valid.";
            return Some(error(403, "AccessDeniedException", message));
        }
    } else if let Err((kind, message)) = signature::verify(request, "bedrock") {
        return Some(error(403, kind, &message));
    }
    let content_type = request.header("content-type").unwrap_or_default();
    if content_type != "application/json" {
        return Some(error(
            415,
            "ValidationException",
            "unsupported content type",
        ));
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&request.body).is_err() {
        return Some(error(400, "SerializationException", ""));
    }
    None
}

fn converse(call: &Call<'_>, model: &str, stream: bool) -> Checked<Answer> {
    let asked = request::read(&call.json, model)?;
    let form = &call.behaviour.form;
    let turn = turn::answer(&asked, form);
    let path = &call.request.path;
    call.state
        .charge(call.number, path, model, stream, turn.usage);
    let writer = answer::Writer {
        number: call.number,
        turn: &turn,
        show_usage: !form.no_usage,
    };
    Ok(if stream {
        Answer::messages(writer.events(), error_event())
    } else {
        Answer::json(200, &writer.whole())
    })
}

/// Titan embeds one text and counts it; Cohere embeds several, and Bedrock counts them in a header.
fn embed(call: &Call<'_>, model: &str) -> Checked<Answer> {
    let mut body = Object::new("", &call.json, false)?;
    let is_titan = model.contains("titan");
    let texts = if is_titan {
        vec![body.need_text("inputText")?.to_owned()]
    } else {
        body.one_of(
            "input_type",
            &[
                "search_document",
                "search_query",
                "classification",
                "clustering",
            ],
        )?
        .ok_or_else(|| body.missing("input_type"))?;
        body.texts("embedding_types", 5)?;
        body.texts("texts", 96)?
    };
    body.integer("dimensions", 256..=1024)?;
    body.integer("output_dimension", 256..=1536)?;
    body.skip(&["normalize", "truncate"]);
    body.finish()?;
    let input: u64 = texts.iter().map(|text| count(text)).sum();
    let usage = Usage {
        input,
        ..Usage::default()
    };
    let path = &call.request.path;
    call.state.charge(call.number, path, model, false, usage);
    let vectors: Vec<Value> = texts.iter().map(|text| json!([count(text), 0.5])).collect();
    let answer = if is_titan {
        Answer::json(
            200,
            &json!({"embedding": vectors[0], "inputTextTokenCount": input}),
        )
    } else {
        Answer::json(
            200,
            &json!({
                "id": "scripted", "response_type": "embeddings_by_type", "texts": texts,
                "embeddings": {"float": vectors},
            }),
        )
    };
    Ok(answer.header("x-amzn-bedrock-input-token-count", input))
}

/// An error in AWS's shape: its type is in a header.
pub(crate) fn error(status: u16, kind: &str, message: &str) -> Answer {
    Answer::json(status, &json!({"message": message})).header(
        "x-amzn-errortype",
        format!("{kind}:http://internal.amazon.com/coral/com.amazon.bedrock/"),
    )
}

/// The error that goes with a status.
pub(crate) fn failure(status: u16) -> Answer {
    let (status, kind, message) = match status {
        400 => (400, "ValidationException", "Bad request, as scripted."),
        401 | 403 => (
            403,
            "AccessDeniedException",
            "You don't have access to the model with the specified model ID.",
        ),
        404 => (
            404,
            "ResourceNotFoundException",
            "Could not resolve the foundation model from the provided model identifier.",
        ),
        408 | 504 => (
            408,
            "ModelTimeoutException",
            "Model has timed out in processing the request.",
        ),
        424 => (
            424,
            "ModelErrorException",
            "The system encountered an unexpected error.",
        ),
        429 => (
            429,
            "ThrottlingException",
            "Too many requests, please wait before trying again.",
        ),
        503 | 529 => (
            503,
            "ServiceUnavailableException",
            "Bedrock is unable to process your request.",
        ),
        _ => (
            500,
            "InternalServerException",
            "The server encountered an internal error.",
        ),
    };
    error(status, kind, message)
}

pub(crate) fn context_length() -> Answer {
    error(
        400,
        "ValidationException",
        "Input is too long for requested model.",
    )
}

/// Models that refuse say so; a guardrail would answer.
pub(crate) fn content_policy() -> Answer {
    let message = "The generated text has been blocked by our content filters.";
    error(400, "ValidationException", message)
}

fn validation(invalid: &Invalid) -> Answer {
    let path = &invalid.path;
    let problem = match &invalid.problem {
        Problem::Unknown => "extraneous key is not permitted".to_owned(),
        Problem::Missing => "Member must not be null".to_owned(),
        Problem::Type { expected, found } => format!("expected type: {expected}, found: {found}"),
        Problem::Value(text) => text.clone(),
    };
    let message = format!("1 validation error detected: Value at '{path}': {problem}");
    error(400, "ValidationException", &message)
}

/// The exception of a stream that fails.
fn error_event() -> Event {
    Event::named(
        "modelStreamErrorException",
        json!({"message": "The model broke off.", "originalStatusCode": 500, "originalMessage": ""}),
    )
}
