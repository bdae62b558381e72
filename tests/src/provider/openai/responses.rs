//! `POST /v1/responses`.

use serde_json::{Value, json};

use super::{
    super::{
        check::{Checked, Object},
        reply::{Answer, Event},
        serve::Call,
        turn::{self, Asked, PER_MESSAGE, Turn, Usage, count},
    },
    CREATED, body,
};

pub(super) fn answer(call: &Call<'_>) -> Checked<Answer> {
    let mut body = body(call)?;
    let model = body.need_text("model")?;
    let mut asked = input(&mut body)?;
    asked.input_tokens += body.text("instructions")?.map_or(0, count);
    let limit = body.integer("max_output_tokens", 16..=i64::MAX)?;
    asked.max_tokens = limit.and_then(|max| u64::try_from(max).ok());
    body.number("temperature", 0.0..=2.0)?;
    body.number("top_p", 0.0..=1.0)?;
    let stream = body.flag("stream")?.unwrap_or(false);
    body.skip(&[
        "background",
        "conversation",
        "include",
        "max_tool_calls",
        "metadata",
        "parallel_tool_calls",
        "previous_response_id",
        "prompt",
        "prompt_cache_key",
        "prompt_cache_retention",
        "reasoning",
        "safety_identifier",
        "service_tier",
        "store",
        "stream_options",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "truncation",
        "user",
    ]);
    body.finish()?;
    let turn = turn::answer(&asked, &call.behaviour.form);
    call.state
        .charge(call.number, &call.request.path, model, stream, turn.usage);
    let writer = Writer {
        id: call.number,
        model,
        turn: &turn,
        show_usage: !call.behaviour.form.no_usage,
    };
    Ok(if stream {
        let error = Event::named(
            "error",
            json!({
                "type": "error", "sequence_number": 99, "code": "server_error",
                "message": "The model had an error.", "param": null,
            }),
        );
        Answer::events(writer.events(), error)
    } else {
        Answer::json(200, &writer.response("completed", true))
    })
}

/// What is asked: a text, or the last user message of a list of items.
fn input(body: &mut Object<'_>) -> Checked<Asked> {
    let value = body.need("input")?;
    if let Value::String(text) = value {
        return Ok(Asked {
            said: text.clone(),
            input_tokens: count(text) + PER_MESSAGE,
            ..Asked::default()
        });
    }
    let mut asked = Asked::default();
    for item in body.list("input")?.into_iter().flatten() {
        let text = match item.get("content") {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => {
                let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
                texts.collect::<Vec<_>>().join("\n")
            }
            _ => String::new(),
        };
        asked.input_tokens += count(&text) + PER_MESSAGE;
        if item.get("role").and_then(Value::as_str) == Some("user") {
            asked.said = text;
        }
    }
    Ok(asked)
}

struct Writer<'a> {
    id: u64,
    model: &'a str,
    turn: &'a Turn,
    show_usage: bool,
}

impl Writer<'_> {
    fn item_id(&self) -> String {
        format!("msg_{}", self.id)
    }

    fn item(&self, status: &str, text: Option<&str>) -> Value {
        let content: Vec<Value> = text.map(part).into_iter().collect();
        json!({
            "id": self.item_id(), "type": "message", "role": "assistant", "status": status,
            "content": content,
        })
    }

    fn response(&self, status: &str, done: bool) -> Value {
        let text = self.turn.text();
        let output: Vec<Value> = done
            .then(|| self.item("completed", Some(&text)))
            .into_iter()
            .collect();
        json!({
            "id": format!("resp_{}", self.id), "object": "response", "created_at": CREATED,
            "status": status, "error": null, "incomplete_details": null, "instructions": null,
            "model": self.model, "output": output, "parallel_tool_calls": true,
            "temperature": 1.0, "top_p": 1.0, "tool_choice": "auto", "tools": [],
            "usage": (done && self.show_usage).then(|| usage(self.turn.usage)),
            "metadata": {},
        })
    }

    fn events(&self) -> Vec<Event> {
        let text = self.turn.text();
        let item = self.item_id();
        let place = |mut value: Value| {
            value["item_id"] = json!(item);
            value["output_index"] = json!(0);
            value["content_index"] = json!(0);
            value
        };
        let mut events = vec![
            (
                "response.created",
                json!({"response": self.response("in_progress", false)}),
            ),
            (
                "response.in_progress",
                json!({"response": self.response("in_progress", false)}),
            ),
            (
                "response.output_item.added",
                json!({"output_index": 0, "item": self.item("in_progress", None)}),
            ),
            (
                "response.content_part.added",
                place(json!({"part": part("")})),
            ),
        ];
        for word in &self.turn.words {
            let delta = place(json!({"delta": word, "logprobs": []}));
            events.push(("response.output_text.delta", delta));
        }
        events.extend([
            (
                "response.output_text.done",
                place(json!({"text": text, "logprobs": []})),
            ),
            (
                "response.content_part.done",
                place(json!({"part": part(&text)})),
            ),
            (
                "response.output_item.done",
                json!({"output_index": 0, "item": self.item("completed", Some(&text))}),
            ),
            (
                "response.completed",
                json!({"response": self.response("completed", true)}),
            ),
        ]);
        let count = events.len();
        events
            .into_iter()
            .enumerate()
            .map(|(number, (name, fields))| {
                let mut data = json!({"type": name, "sequence_number": number});
                for (field, value) in fields.as_object().into_iter().flatten() {
                    data[field] = value.clone();
                }
                let event = Event::named(name, data);
                if number + 1 == count {
                    event.last()
                } else {
                    event
                }
            })
            .collect()
    }
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

fn usage(usage: Usage) -> Value {
    json!({
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    })
}
