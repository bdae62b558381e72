//! YAML text to a tree of JSON values: merge keys applied, keys as text, nothing exotic left.

use serde_json::{Map, Number, Value};
use serde_yaml_ng::Value as Yaml;

use crate::ConfigError;

/// No configuration is larger; the cap also bounds what anchors can blow up.
pub(crate) const MAX_BYTES: usize = 2 << 20;

/// Parses the file.
pub(crate) fn parse(text: &str) -> Result<Map<String, Value>, ConfigError> {
    if text.len() > MAX_BYTES {
        return Err(ConfigError::TooLarge {
            bytes: text.len(),
            limit: MAX_BYTES,
        });
    }
    if is_deep(text) {
        return Err(ConfigError::Syntax {
            line: None,
            column: None,
            reason: "the file is nested too deeply".to_owned(),
        });
    }
    // Editors on Windows put a byte order mark in front.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut yaml: Yaml = serde_yaml_ng::from_str(text).map_err(|error| syntax(&error, text))?;
    yaml.apply_merge().map_err(|error| syntax(&error, text))?;
    match json(yaml, "")? {
        Value::Object(map) => Ok(map),
        Value::Null => Err(ConfigError::Empty),
        other => Err(ConfigError::NotAMap {
            found: kind(&other),
        }),
    }
}

/// Whether the text nests so deeply that parsing it would take minutes: the parser's time grows
/// with the square of the depth, and its own limit comes after. A rough count, far from real files.
fn is_deep(text: &str) -> bool {
    const DEPTH: usize = 1_000;
    let mut open = 0_usize;
    let flow = text.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        open > DEPTH
    });
    let dashes = |line: &str| {
        let start = line.bytes().take_while(|byte| b"-?: \t".contains(byte));
        start.filter(|byte| *byte != b' ').count()
    };
    flow || text.lines().any(|line| dashes(line) > DEPTH)
}

/// What a value is, for messages.
pub(crate) const fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// `path` and a key below it.
pub(crate) fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '*' | '/' | ':'));
    let key = if plain {
        key.to_owned()
    } else {
        let short: String = key.chars().take(40).collect();
        format!("[{short:?}]")
    };
    if path.is_empty() || !plain {
        format!("{path}{key}")
    } else {
        format!("{path}.{key}")
    }
}

fn json(yaml: Yaml, path: &str) -> Result<Value, ConfigError> {
    Ok(match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(value) => Value::Bool(value),
        Yaml::String(text) => Value::String(text),
        Yaml::Number(number) => Value::Number(finite(&number, path)?),
        Yaml::Sequence(list) => Value::Array(
            list.into_iter()
                .enumerate()
                .map(|(index, item)| json(item, &format!("{path}[{index}]")))
                .collect::<Result<_, _>>()?,
        ),
        Yaml::Mapping(map) => {
            let mut object = Map::new();
            for (key, value) in map {
                let key = key_text(&key, path)?;
                let value = json(value, &join(path, &key))?;
                // `1` and `"1"` are two keys for YAML and one for us.
                if object.insert(key, value).is_some() {
                    return Err(ConfigError::Syntax {
                        line: None,
                        column: None,
                        reason: format!("{path}: a key is there twice"),
                    });
                }
            }
            Value::Object(object)
        }
        Yaml::Tagged(tagged) => {
            return Err(ConfigError::Type {
                path: path.to_owned(),
                expected: "a plain value",
                found: format!("the YAML tag {}", tagged.tag),
            });
        }
    })
}

fn key_text(key: &Yaml, path: &str) -> Result<String, ConfigError> {
    match key {
        Yaml::String(text) => Ok(text.clone()),
        Yaml::Number(number) => Ok(number.to_string()),
        Yaml::Bool(value) => Ok(value.to_string()),
        Yaml::Null | Yaml::Sequence(_) | Yaml::Mapping(_) | Yaml::Tagged(_) => {
            Err(ConfigError::Type {
                path: path.to_owned(),
                expected: "text as a key",
                found: "something else".to_owned(),
            })
        }
    }
}

fn finite(number: &serde_yaml_ng::Number, path: &str) -> Result<Number, ConfigError> {
    let whole = number.as_u64().map(Number::from);
    let whole = whole.or_else(|| number.as_i64().map(Number::from));
    whole
        .or_else(|| number.as_f64().and_then(Number::from_f64))
        .ok_or_else(|| ConfigError::Type {
            path: path.to_owned(),
            expected: "a finite number",
            found: number.to_string(),
        })
}

fn syntax(error: &serde_yaml_ng::Error, text: &str) -> ConfigError {
    let location = error.location();
    let line = location.as_ref().map(serde_yaml_ng::Location::line);
    ConfigError::Syntax {
        line,
        column: location.as_ref().map(serde_yaml_ng::Location::column),
        reason: reason(
            &error.to_string(),
            line.and_then(|line| text.lines().nth(line.saturating_sub(1))),
        ),
    }
}

/// The parser's words, without its own account of the place and with the commonest mistakes named.
fn reason(parser: &str, line: Option<&str>) -> String {
    if line.is_some_and(|line| {
        line.chars()
            .take_while(|c| c.is_whitespace())
            .any(|c| c == '\t')
    }) {
        return "the line is indented with a tab; YAML wants spaces".to_owned();
    }
    if let Some((_, key)) = parser.split_once("duplicate entry with key ") {
        let key = key.split(" at line ").next().unwrap_or(key);
        // Clients' keys are keys of `usage_limits`.
        return if key.contains("sk-") {
            "a key is there twice".to_owned()
        } else {
            format!("the key {key} is there twice")
        };
    }
    if parser.contains("recursion limit") {
        return "the file is nested too deeply".to_owned();
    }
    if parser.contains("repetition limit") {
        return "the anchors of the file repeat too much".to_owned();
    }
    if parser.contains("more than one document") {
        return "the file has more than one document (`---`)".to_owned();
    }
    let words = parser.split(" at line ").next().unwrap_or(parser);
    words.to_owned()
}
