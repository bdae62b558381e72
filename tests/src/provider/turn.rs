//! What the model says: a deterministic answer to what was asked, in no provider's format.

use std::ops::Range;

use serde_json::{Map, Value, json};

use super::behaviour::Form;

/// Tokens of a text: its words, as whitespace parts them.
pub fn count(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

/// Tokens of each message, besides its words.
pub(crate) const PER_MESSAGE: u64 = 4;
/// Tokens of each tool's definition.
pub(crate) const PER_TOOL: u64 = 10;
/// Tokens of each image or file.
pub(crate) const PER_IMAGE: u64 = 85;

/// What a request asks the model, in no provider's format.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// The last thing the user said.
    pub(crate) said: String,
    /// The tools' results, when they are the last in the conversation.
    pub(crate) results: Vec<String>,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: Choice,
    /// No more than one call.
    pub(crate) single_call: bool,
    pub(crate) max_tokens: Option<u64>,
    pub(crate) input_tokens: u64,
    pub(crate) stop: Vec<String>,
    /// The answer must be JSON, of this schema (`null`: any).
    pub(crate) json: Option<Value>,
    pub(crate) reasoning: bool,
}

/// A tool that the model may call.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

/// Which tools the model may or must call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Those that the user's text tells to call, or else names.
    #[default]
    Auto,
    None,
    /// Those that the user's text names, or else the first.
    Any,
    Named(String),
}

/// What the model says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Turn {
    /// Words with the space that precedes them: the pieces of a stream.
    pub(crate) words: Vec<String>,
    pub(crate) calls: Vec<Call>,
    pub(crate) reasoning: Option<&'static str>,
    /// Whether it thought more, which is not shown.
    pub(crate) redacted: bool,
    /// In the order of their words.
    pub(crate) citations: Vec<Citation>,
    pub(crate) finish: Finish,
    pub(crate) usage: Usage,
}

impl Turn {
    pub(crate) fn text(&self) -> String {
        self.words.concat()
    }

    /// The text that a citation is for, and what stands before it.
    pub(crate) fn cited(&self, citation: &Citation) -> (String, String) {
        let Range { start, end } = citation.words;
        (
            self.words[..start].concat(),
            self.words[start..end].concat(),
        )
    }
}

/// A page that some of the words are from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Citation {
    /// Which words.
    pub(crate) words: Range<usize>,
    pub(crate) url: &'static str,
    pub(crate) title: &'static str,
}

/// A tool call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Value,
}

/// Why the model stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    Calls,
    /// At this stop sequence.
    Sequence(String),
}

/// Tokens; the input includes those from and to the cache, the output those of reasoning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) input: u64,
    pub(crate) cached: u64,
    pub(crate) cache_write: u64,
    pub(crate) output: u64,
    pub(crate) reasoning: u64,
}

/// What the model thinks.
pub(crate) const THOUGHT: &str = "The user said something, so I say it back.";

/// The model's answer.
pub(crate) fn answer(asked: &Asked, form: &Form) -> Turn {
    let calls = calls(asked);
    let (words, finish) = if calls.is_empty() {
        said(asked, form)
    } else {
        (Vec::new(), Finish::Calls)
    };
    let reasoning = (asked.reasoning || form.reasoning).then_some(THOUGHT);
    let thought = reasoning.map_or(0, count);
    let argued: u64 = calls
        .iter()
        .map(|call| 1 + count(&call.arguments.to_string()))
        .sum();
    let citations = citations(words.len(), form);
    let usage = Usage {
        input: asked.input_tokens + form.cached + form.cache_write,
        cached: form.cached,
        cache_write: form.cache_write,
        output: words.len() as u64 + argued + thought,
        reasoning: thought,
    };
    Turn {
        words,
        calls,
        reasoning,
        redacted: reasoning.is_some() && form.redacts,
        citations,
        finish,
        usage,
    }
}

/// The words of the answer, up to the limit and the first stop sequence.
fn said(asked: &Asked, form: &Form) -> (Vec<String>, Finish) {
    let mut words = pieces(&text(asked, form));
    let finish = cut_at_stop(&mut words, &asked.stop);
    let limit = asked.max_tokens.and_then(|max| usize::try_from(max).ok());
    match limit.filter(|limit| words.len() > *limit) {
        None => (words, finish),
        Some(limit) => {
            words.truncate(limit);
            (words, Finish::Length)
        }
    }
}

/// Of the first word nothing is said, the last is from a page of its own.
fn citations(words: usize, form: &Form) -> Vec<Citation> {
    if !form.cites || words < 3 {
        return Vec::new();
    }
    let last = words - 1;
    let page = |words, url, title| Citation { words, url, title };
    vec![
        page(1..last, "https://pages.example/said", "Züricher Sagen"),
        page(last..words, "https://pages.example/last", "The last word"),
    ]
}

fn text(asked: &Asked, form: &Form) -> String {
    if let Some(bytes) = form.big {
        return "x".repeat(bytes);
    }
    if let Some(words) = form.words {
        return vec!["word"; words].join(" ");
    }
    match &asked.json {
        Some(Value::Null) => json!({"said": asked.said}).to_string(),
        Some(schema) => example(schema, "value").to_string(),
        None if asked.results.is_empty() => format!("You said: {}", asked.said),
        None => format!("The tool said: {}", asked.results.join("; ")),
    }
}

/// A text as words, each with the white space before it, so that they concatenate to the text.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in text.chars() {
        let new_piece = pieces.is_empty() || (c.is_whitespace() && in_word);
        in_word = !c.is_whitespace();
        match pieces.last_mut() {
            Some(last) if !new_piece => last.push(c),
            _ => pieces.push(c.to_string()),
        }
    }
    pieces
}

fn cut_at_stop(words: &mut Vec<String>, stop: &[String]) -> Finish {
    let text = words.concat();
    let found = stop
        .iter()
        .filter_map(|sequence| Some((text.find(sequence.as_str())?, sequence)))
        .min();
    match found {
        None => Finish::Stop,
        Some((at, sequence)) => {
            *words = pieces(&text[..at]);
            Finish::Sequence(sequence.clone())
        }
    }
}

fn calls(asked: &Asked) -> Vec<Call> {
    let told = told(asked);
    if asked.choice == Choice::Auto && !told.is_empty() {
        return told;
    }
    let named = |tool: &&Tool| asked.said.contains(&tool.name);
    let mut called: Vec<&Tool> = match &asked.choice {
        Choice::None => Vec::new(),
        Choice::Named(name) => asked.tools.iter().filter(|t| t.name == *name).collect(),
        // What has its results is not called again, unless it must.
        Choice::Auto if !asked.results.is_empty() => Vec::new(),
        Choice::Auto | Choice::Any => asked.tools.iter().filter(named).collect(),
    };
    if called.is_empty() && asked.choice == Choice::Any {
        called.extend(asked.tools.first());
    }
    if asked.single_call {
        called.truncate(1);
    }
    called
        .into_iter()
        .map(|tool| Call {
            name: tool.name.clone(),
            arguments: example(&tool.schema, "value"),
        })
        .collect()
}

/// What the user's text says to call, and with what: `call NAME with {…}`, any number of times, or
/// `after WORD call NAME with {…}` once the tools' results have that word.
fn told(asked: &Asked) -> Vec<Call> {
    let mut calls = Vec::new();
    let mut rest = asked.said.as_str();
    while let Some((before, order)) = rest.split_once("call ") {
        rest = order;
        let Some((name, arguments)) = order.split_once(" with ") else {
            break;
        };
        let mut read = serde_json::Deserializer::from_str(arguments).into_iter();
        let Some(Ok(value)) = read.next() else {
            continue;
        };
        // An order inside of another's arguments is for somebody else.
        rest = &arguments[read.byte_offset()..];
        let mut words = before.split_whitespace().rev();
        let word = words
            .next()
            .zip(words.next())
            .filter(|(_, after)| *after == "after");
        let now = match word {
            Some((word, _)) => asked.results.iter().any(|result| result.contains(word)),
            None => asked.results.is_empty(),
        };
        if now && asked.tools.iter().any(|tool| tool.name == name) {
            let (name, arguments) = (name.to_owned(), value);
            calls.push(Call { name, arguments });
        }
    }
    calls
}

/// A value of a JSON schema. Strings hold what breaks careless translators.
fn example(schema: &Value, name: &str) -> Value {
    if let Some(first) = schema.get("enum").and_then(|values| values.get(0)) {
        return first.clone();
    }
    // Google's types may be in capitals.
    let kind = schema.get("type").and_then(Value::as_str);
    match kind.map(str::to_ascii_lowercase).as_deref() {
        Some("string") => json!(format!("a \"{name}\" in Zürich\n")),
        Some("integer") => json!(42),
        Some("number") => json!(1.5),
        Some("boolean") => json!(true),
        Some("array") => {
            let items = schema.get("items").unwrap_or(&Value::Null);
            json!([example(items, name)])
        }
        Some("null") => Value::Null,
        _ => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let fields: Map<String, Value> = properties
                .into_iter()
                .flatten()
                .map(|(field, schema)| (field.clone(), example(schema, field)))
                .collect();
            Value::Object(fields)
        }
    }
}

#[cfg(test)]
mod tests;
