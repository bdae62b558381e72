//! `POST /v1/chat/completions`.

use serde_json::{Map, Value, json};

use super::{
    super::{
        check::{Checked, Object},
        reply::{Answer, Event},
        serve::Call,
        turn::{self, Asked, Choice, Finish, PER_TOOL, Tool, Turn},
    },
    CREATED, body, error_event, messages, usage,
};

/// How the answer is wanted.
struct Wanted {
    model: String,
    stream: bool,
    include_usage: bool,
    choices: usize,
}

pub(super) fn answer(call: &Call<'_>) -> Checked<Answer> {
    let (asked, wanted) = read(body(call)?)?;
    let form = &call.behaviour.form;
    let turn = turn::answer(&asked, form);
    let path = &call.request.path;
    call.state
        .charge(call.number, path, &wanted.model, wanted.stream, turn.usage);
    let writer = Writer {
        id: format!("chatcmpl-{}", call.number),
        wanted: &wanted,
        turn: &turn,
        show_usage: !form.no_usage,
    };
    Ok(if wanted.stream {
        Answer::events(writer.events(), error_event())
    } else {
        Answer::json(200, &writer.whole())
    })
}

fn read(mut body: Object<'_>) -> Checked<(Asked, Wanted)> {
    let model = body.need_text("model")?.to_owned();
    let conversation = messages::read(&mut body)?;
    let mut asked = Asked {
        said: conversation.said,
        results: conversation.results,
        input_tokens: conversation.tokens,
        ..Asked::default()
    };
    sampling(&mut body)?;
    if model.starts_with("o3") && body.any("temperature").is_some_and(|value| *value != 1) {
        let message = "Only the default (1) value is supported with this model.";
        return Err(body.wrong("temperature", message));
    }
    asked.stop = body.texts("stop", 4)?;
    let legacy = body.integer("max_tokens", 1..=i64::MAX)?;
    let limit = body.integer("max_completion_tokens", 1..=i64::MAX)?;
    if legacy.is_some() && limit.is_some() {
        let message = "max_tokens and max_completion_tokens cannot both be set";
        return Err(body.wrong("max_tokens", message));
    }
    asked.max_tokens = limit.or(legacy).and_then(|max| u64::try_from(max).ok());
    tools(&mut body, &mut asked)?;
    asked.json = response_format(&mut body)?;
    let efforts = ["none", "minimal", "low", "medium", "high", "xhigh"];
    let effort = body.one_of("reasoning_effort", &efforts)?;
    asked.reasoning = effort.is_some_and(|effort| effort != "none");
    let stream = body.flag("stream")?.unwrap_or(false);
    let include_usage = stream_options(&mut body, stream)?;
    let choices = body.integer("n", 1..=128)?.unwrap_or(1);
    body.finish()?;
    let wanted = Wanted {
        model,
        stream,
        include_usage,
        choices: usize::try_from(choices).unwrap_or(1),
    };
    Ok((asked, wanted))
}

/// Parameters that are checked and have no effect.
fn sampling(body: &mut Object<'_>) -> Checked<()> {
    body.number("temperature", 0.0..=2.0)?;
    body.number("top_p", 0.0..=1.0)?;
    body.number("frequency_penalty", -2.0..=2.0)?;
    body.number("presence_penalty", -2.0..=2.0)?;
    body.integer("seed", i64::MIN..=i64::MAX)?;
    body.object("logit_bias")?;
    let logprobs = body.flag("logprobs")?.unwrap_or(false);
    if body.integer("top_logprobs", 0..=20)?.is_some() && !logprobs {
        return Err(body.wrong("top_logprobs", "logprobs must be true"));
    }
    body.text("user")?;
    body.text("safety_identifier")?;
    body.text("prompt_cache_key")?;
    body.one_of("prompt_cache_retention", &["in_memory", "24h"])?;
    let tiers = ["auto", "default", "flex", "scale", "priority"];
    body.one_of("service_tier", &tiers)?;
    body.one_of("verbosity", &["low", "medium", "high"])?;
    body.flag("store")?;
    body.skip(&[
        "metadata",
        "modalities",
        "audio",
        "prediction",
        "web_search_options",
    ]);
    Ok(())
}

pub(super) fn stream_options(body: &mut Object<'_>, stream: bool) -> Checked<bool> {
    let Some(mut options) = body.object("stream_options")? else {
        return Ok(false);
    };
    if !stream {
        let message = "the 'stream_options' parameter is only allowed when 'stream' is enabled";
        return Err(body.wrong("stream_options", message));
    }
    let include_usage = options.flag("include_usage")?.unwrap_or(false);
    options.flag("include_obfuscation")?;
    options.finish()?;
    Ok(include_usage)
}

fn tools(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    let tools = body.list("tools")?;
    if tools.is_some_and(Vec::is_empty) {
        return Err(body.wrong("tools", "empty array: expected at least one tool"));
    }
    for (index, tool) in tools.into_iter().flatten().enumerate() {
        let mut tool = Object::new(&format!("tools.{index}"), tool, true)?;
        tool.one_of("type", &["function"])?
            .ok_or_else(|| tool.missing("type"))?;
        let mut function = tool
            .object("function")?
            .ok_or_else(|| tool.missing("function"))?;
        asked.tools.push(read_function(&mut function)?);
        function.finish()?;
        tool.finish()?;
        asked.input_tokens += PER_TOOL;
    }
    let parallel = body.flag("parallel_tool_calls")?;
    if parallel.is_some() && tools.is_none() {
        let message = "'parallel_tool_calls' is only allowed when 'tools' are specified";
        return Err(body.wrong("parallel_tool_calls", message));
    }
    asked.single_call = parallel == Some(false);
    asked.choice = tool_choice(body, asked)?;
    Ok(())
}

fn read_function(function: &mut Object<'_>) -> Checked<Tool> {
    let name = function.need_text("name")?;
    let legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if name.is_empty() || name.len() > 64 || !name.chars().all(legal) {
        return Err(function.wrong("name", "does not match '^[a-zA-Z0-9_-]{1,64}$'"));
    }
    function.text("description")?;
    function.flag("strict")?;
    function.object("parameters")?;
    Ok(Tool {
        name: name.to_owned(),
        schema: function.any("parameters").cloned().unwrap_or_default(),
    })
}

fn tool_choice(body: &mut Object<'_>, asked: &Asked) -> Checked<Choice> {
    let Some(choice) = body.any("tool_choice") else {
        return Ok(Choice::Auto);
    };
    if asked.tools.is_empty() && choice.as_str() != Some("none") {
        let message = "'tool_choice' is only allowed when 'tools' are specified";
        return Err(body.wrong("tool_choice", message));
    }
    if choice.is_string() {
        let word = body.one_of("tool_choice", &["none", "auto", "required"])?;
        return Ok(match word {
            Some("none") => Choice::None,
            Some("required") => Choice::Any,
            _ => Choice::Auto,
        });
    }
    let mut choice = Object::new("tool_choice", choice, true)?;
    choice
        .one_of("type", &["function"])?
        .ok_or_else(|| choice.missing("type"))?;
    let mut function = choice
        .object("function")?
        .ok_or_else(|| choice.missing("function"))?;
    let name = function.need_text("name")?.to_owned();
    function.finish()?;
    choice.finish()?;
    if !asked.tools.iter().any(|tool| tool.name == name) {
        return Err(body.wrong("tool_choice", "Tool choice not found in 'tools' parameter"));
    }
    Ok(Choice::Named(name))
}

fn response_format(body: &mut Object<'_>) -> Checked<Option<Value>> {
    let Some(mut format) = body.object("response_format")? else {
        return Ok(None);
    };
    let kind = format.one_of("type", &["text", "json_object", "json_schema"])?;
    let json = match kind {
        None => return Err(format.missing("type")),
        Some("json_object") => Some(Value::Null),
        Some("json_schema") => {
            let mut spec = format
                .object("json_schema")?
                .ok_or_else(|| format.missing("json_schema"))?;
            spec.need_text("name")?;
            spec.text("description")?;
            spec.flag("strict")?;
            let schema = spec.any("schema").cloned().unwrap_or_default();
            spec.finish()?;
            Some(schema)
        }
        Some(_) => None,
    };
    format.finish()?;
    Ok(json)
}

struct Writer<'a> {
    id: String,
    wanted: &'a Wanted,
    turn: &'a Turn,
    show_usage: bool,
}

impl Writer<'_> {
    fn finish_reason(&self) -> &'static str {
        match self.turn.finish {
            Finish::Stop | Finish::Sequence(_) => "stop",
            Finish::Length => "length",
            Finish::Calls => "tool_calls",
        }
    }

    fn call_id(&self, index: usize) -> String {
        format!("call_{}_{index}", self.id)
    }

    fn whole(&self) -> Value {
        let mut message = Map::new();
        message.insert("role".into(), json!("assistant"));
        let text = (!self.turn.words.is_empty()).then(|| self.turn.text());
        message.insert("content".into(), json!(text));
        message.insert("refusal".into(), Value::Null);
        let annotations: Vec<Value> = self.annotations().collect();
        message.insert("annotations".into(), json!(annotations));
        if let Some(thought) = self.turn.reasoning {
            message.insert("reasoning_content".into(), json!(thought));
        }
        if !self.turn.calls.is_empty() {
            let calls: Vec<Value> = self
                .turn
                .calls
                .iter()
                .enumerate()
                .map(|(index, call)| {
                    json!({
                        "id": self.call_id(index), "type": "function",
                        "function": {
                            "name": call.name, "arguments": call.arguments.to_string(),
                        },
                    })
                })
                .collect();
            message.insert("tool_calls".into(), json!(calls));
        }
        let choices: Vec<Value> = (0..self.wanted.choices)
            .map(|index| {
                json!({
                    "index": index, "message": message, "logprobs": null,
                    "finish_reason": self.finish_reason(),
                })
            })
            .collect();
        let mut body = json!({
            "id": self.id, "object": "chat.completion", "created": CREATED,
            "model": self.wanted.model, "choices": choices,
            "service_tier": "default", "system_fingerprint": "fp_scripted",
        });
        if self.show_usage {
            body["usage"] = usage(self.turn.usage);
        }
        body
    }

    /// The pages that the text is from, and which characters.
    fn annotations(&self) -> impl Iterator<Item = Value> {
        self.turn.citations.iter().map(|citation| {
            let (before, cited) = self.turn.cited(citation);
            let start = before.chars().count();
            let end = start + cited.chars().count();
            json!({"type": "url_citation", "url_citation": {
                "start_index": start, "end_index": end, "title": citation.title, "url": citation.url,
            }})
        })
    }

    /// The first page is told before the text, as OpenRouter's search does; the others at the end.
    fn events(&self) -> Vec<Event> {
        let mut deltas = vec![json!({"role": "assistant", "content": "", "refusal": null})];
        let mut annotations: Vec<Value> = self.annotations().collect();
        if !annotations.is_empty() {
            deltas[0]["annotations"] = json!([annotations.remove(0)]);
        }
        if let Some(thought) = self.turn.reasoning {
            deltas.push(json!({"reasoning_content": thought}));
        }
        deltas.extend(self.turn.words.iter().map(|word| json!({"content": word})));
        for (index, call) in self.turn.calls.iter().enumerate() {
            deltas.push(json!({"tool_calls": [{
                "index": index, "id": self.call_id(index), "type": "function",
                "function": {"name": call.name, "arguments": ""},
            }]}));
            for part in thirds(&call.arguments.to_string()) {
                deltas.push(json!({"tool_calls": [{
                    "index": index, "function": {"arguments": part},
                }]}));
            }
        }
        if !annotations.is_empty() {
            deltas.push(json!({"annotations": annotations}));
        }
        let mut events = Vec::new();
        for choice in 0..self.wanted.choices {
            for delta in &deltas {
                events.push(self.chunk(choice, delta, None));
            }
            events.push(self.chunk(choice, &json!({}), Some(self.finish_reason())));
        }
        if self.wanted.include_usage && self.show_usage {
            let mut chunk = self.envelope(&json!([]));
            chunk["usage"] = usage(self.turn.usage);
            events.push(Event::data(chunk));
        }
        events.push(Event::data("[DONE]").last());
        events
    }

    fn chunk(&self, choice: usize, delta: &Value, finish: Option<&str>) -> Event {
        let mut chunk = self.envelope(&json!([{
            "index": choice, "delta": delta, "logprobs": null, "finish_reason": finish,
        }]));
        if self.wanted.include_usage {
            chunk["usage"] = Value::Null;
        }
        Event::data(chunk)
    }

    fn envelope(&self, choices: &Value) -> Value {
        json!({
            "id": self.id, "object": "chat.completion.chunk", "created": CREATED,
            "model": self.wanted.model, "service_tier": "default",
            "system_fingerprint": "fp_scripted", "choices": choices,
        })
    }
}

/// A text in three parts, so that fragments of tool arguments are seen.
pub(crate) fn thirds(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let size = chars.len().div_ceil(3).max(1);
    chars
        .chunks(size)
        .map(|part| part.iter().collect())
        .collect()
}
