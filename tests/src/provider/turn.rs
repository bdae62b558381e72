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
    /// Those that the user's text names.
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
mod tests {
    use super::*;

    fn asked(said: &str) -> Asked {
        Asked {
            said: said.into(),
            ..Asked::default()
        }
    }

    #[test]
    fn the_pieces_of_an_answer_are_its_words_and_concatenate_to_it() {
        let turn = answer(&asked("hello  big\nworld"), &Form::default());
        assert_eq!(turn.text(), "You said: hello  big\nworld");
        assert_eq!(turn.usage.output, count(&turn.text()));
    }

    #[test]
    fn an_answer_stops_at_the_limit() {
        let limited = Asked {
            max_tokens: Some(3),
            ..asked("a b c")
        };
        let turn = answer(&limited, &Form::default());
        assert_eq!(
            (turn.text().as_str(), turn.finish),
            ("You said: a", Finish::Length)
        );
    }

    #[test]
    fn an_answer_stops_at_a_stop_sequence() {
        let stopped = Asked {
            stop: vec!["b".into()],
            ..asked("a b c")
        };
        let turn = answer(&stopped, &Form::default());
        assert_eq!(turn.text(), "You said: a ");
        assert_eq!(turn.finish, Finish::Sequence("b".into()));
    }

    #[test]
    fn all_words_but_the_first_are_cited() {
        let form = Form {
            cites: true,
            ..Form::default()
        };
        let turn = answer(&asked("a b"), &form);
        let cited: Vec<_> = turn.citations.iter().map(|c| turn.cited(c)).collect();
        let pair = |before: &str, text: &str| (before.to_owned(), text.to_owned());
        assert_eq!(cited, [pair("You", " said: a"), pair("You said: a", " b")]);
    }

    #[test]
    fn tools_are_called_when_the_text_names_them() {
        let tool = |name: &str| Tool {
            name: name.into(),
            schema: json!({"type": "object", "properties": {"n": {"type": "integer"}}}),
        };
        let turn = answer(
            &Asked {
                tools: vec![tool("weather"), tool("time")],
                ..asked("use weather and time")
            },
            &Form::default(),
        );
        assert_eq!(turn.calls.len(), 2);
        assert_eq!(turn.calls[0].arguments, json!({"n": 42}));
    }
}
