//! The smaller endpoints.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    super::{
        check::{Checked, Object},
        reply::{Answer, Event},
        serve::Call,
        turn::{self, Asked, Finish, Usage, count},
    },
    CREATED, body, chat, error, error_event, usage,
};

const MODELS: [&str; 3] = ["gpt-4o", "gpt-4o-mini", "text-embedding-3-small"];

pub(super) fn models() -> Answer {
    let data: Vec<Value> = MODELS.iter().map(|id| model_object(id)).collect();
    Answer::json(200, &json!({"object": "list", "data": data}))
}

pub(super) fn model(path: &str) -> Answer {
    let id = path.trim_start_matches("/models/");
    if MODELS.contains(&id) {
        Answer::json(200, &model_object(id))
    } else {
        error(404, &format!("The model '{id}' does not exist"))
    }
}

fn model_object(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": CREATED, "owned_by": "system"})
}

fn charge(call: &Call<'_>, model: &str, stream: bool, usage: Usage) {
    call.state
        .charge(call.number, &call.request.path, model, stream, usage);
}

pub(super) fn embeddings(call: &Call<'_>) -> Checked<Answer> {
    let mut body = body(call)?;
    let model = body.need_text("model")?;
    let inputs = inputs(&mut body, "input")?;
    let size = body.integer("dimensions", 1..=4096)?.unwrap_or(8);
    let encoding = body.one_of("encoding_format", &["float", "base64"])?;
    body.text("user")?;
    body.finish()?;
    let tokens = inputs.iter().map(|text| count(text)).sum();
    let data: Vec<Value> = inputs
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let vector = vector(text, size);
            let embedding = if encoding == Some("base64") {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                json!(BASE64_STANDARD.encode(bytes))
            } else {
                json!(vector)
            };
            json!({"object": "embedding", "index": index, "embedding": embedding})
        })
        .collect();
    let used = Usage {
        input: tokens,
        ..Usage::default()
    };
    charge(call, model, false, used);
    let usage = json!({"prompt_tokens": tokens, "total_tokens": tokens});
    let reply = json!({"object": "list", "model": model, "data": data, "usage": usage});
    Ok(Answer::json(200, &reply))
}

/// Texts, also of token lists, whose numbers then count as words.
fn inputs(body: &mut Object<'_>, name: &'static str) -> Checked<Vec<String>> {
    let value = body.need(name)?;
    let words = |list: &[Value]| {
        let numbers: Vec<String> = list.iter().map(Value::to_string).collect();
        numbers.join(" ")
    };
    match value {
        Value::String(text) if !text.is_empty() => Ok(vec![text.clone()]),
        Value::Array(list) if list.iter().all(Value::is_u64) && !list.is_empty() => {
            Ok(vec![words(list)])
        }
        Value::Array(list) if list.iter().all(Value::is_array) && !list.is_empty() => {
            let lists = list.iter().filter_map(Value::as_array);
            Ok(lists.map(|list| words(list)).collect())
        }
        Value::Array(list) if !list.is_empty() => body.texts(name, list.len().min(2048)),
        _ => Err(body.wrong(name, "expected a non-empty string or array")),
    }
}

/// A vector that depends on the text alone; its numbers are exact in binary.
fn vector(text: &str, size: i64) -> Vec<f32> {
    let mut state = text.bytes().fold(7u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    (0..size)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f32::from(i16::from(state.to_be_bytes()[0]) - 128) / 128.0
        })
        .collect()
}

pub(super) fn completions(call: &Call<'_>) -> Checked<Answer> {
    let mut body = body(call)?;
    let model = body.need_text("model")?;
    let prompts = inputs(&mut body, "prompt")?;
    let limit = body.integer("max_tokens", 0..=i64::MAX)?.unwrap_or(16);
    body.number("temperature", 0.0..=2.0)?;
    body.number("top_p", 0.0..=1.0)?;
    let stop = body.texts("stop", 4)?;
    let stream = body.flag("stream")?.unwrap_or(false);
    let include_usage = chat::stream_options(&mut body, stream)?;
    body.skip(&[
        "best_of",
        "echo",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "n",
        "presence_penalty",
        "seed",
        "suffix",
        "user",
    ]);
    body.finish()?;
    let asked = Asked {
        said: prompts.join(" "),
        input_tokens: prompts.iter().map(|text| count(text)).sum(),
        max_tokens: u64::try_from(limit).ok(),
        stop,
        ..Asked::default()
    };
    let turn = turn::answer(&asked, &call.behaviour.form);
    charge(call, model, stream, turn.usage);
    let finish = if turn.finish == Finish::Length {
        "length"
    } else {
        "stop"
    };
    let envelope = |text: Option<&str>, finish: Option<&str>| {
        let choices = text.map(
            |text| json!({"text": text, "index": 0, "logprobs": null, "finish_reason": finish}),
        );
        json!({
            "id": format!("cmpl-{}", call.number), "object": "text_completion",
            "created": CREATED, "model": model,
            "choices": choices.into_iter().collect::<Vec<_>>(),
        })
    };
    let show_usage = !call.behaviour.form.no_usage;
    if !stream {
        let mut reply = envelope(Some(&turn.text()), Some(finish));
        if show_usage {
            reply["usage"] = usage(turn.usage);
        }
        return Ok(Answer::json(200, &reply));
    }
    let words = turn.words.iter();
    let mut events: Vec<Event> = words
        .map(|word| Event::data(envelope(Some(word), None)))
        .collect();
    events.push(Event::data(envelope(Some(""), Some(finish))));
    if include_usage && show_usage {
        let mut last = envelope(None, None);
        last["usage"] = usage(turn.usage);
        events.push(Event::data(last));
    }
    events.push(Event::data("[DONE]").last());
    Ok(Answer::events(events, error_event()))
}

pub(super) fn moderations(call: &Call<'_>) -> Checked<Answer> {
    let mut body = body(call)?;
    let model = body.text("model")?.unwrap_or("omni-moderation-latest");
    let inputs = inputs(&mut body, "input")?;
    body.finish()?;
    charge(call, model, false, Usage::default());
    let results: Vec<Value> = inputs
        .iter()
        .map(|text| {
            let flagged = text.contains("violence");
            let score = if flagged { 0.9 } else { 0.1 };
            json!({
                "flagged": flagged, "categories": {"violence": flagged},
                "category_scores": {"violence": score},
                "category_applied_input_types": {"violence": ["text"]},
            })
        })
        .collect();
    let id = format!("modr-{}", call.number);
    Ok(Answer::json(
        200,
        &json!({"id": id, "model": model, "results": results}),
    ))
}
