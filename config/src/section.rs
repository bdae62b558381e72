//! A map of the configuration on its way to be understood: what is read is taken out, so that what
//! is left over at the end is what nobody reads.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Number, Value};

use crate::yaml::{join, kind};
use crate::{ConfigError, Environment, Notice, Period, Severity};

const REFERENCE: &str = "os.environ/";

/// The environment, and the notices so far.
pub(crate) struct Reader<'env> {
    environment: &'env dyn Environment,
    /// The file's own `environment_variables`, which win as they do in LiteLLM.
    pub(crate) assigned: HashMap<String, String>,
    /// What a person should know.
    pub(crate) notices: Vec<Notice>,
}

/// A map of the file.
pub(crate) struct Section {
    path: String,
    entries: Map<String, Value>,
}

/// Text that stands in the file or in a variable.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Given {
    /// In the file.
    Literal(String),
    /// In the environment.
    Variable { name: String, value: Option<String> },
}

impl<'env> Reader<'env> {
    pub(crate) fn new(environment: &'env dyn Environment) -> Self {
        Self {
            environment,
            assigned: HashMap::new(),
            notices: Vec::new(),
        }
    }

    /// A variable's value. Set to nothing counts as not set, because that is what Compose makes of
    /// a variable that its own environment lacks.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let value = match self.assigned.get(name) {
            Some(value) => Some(value.clone()),
            None => self.environment.variable(name),
        };
        let value = value.map(|value| value.trim().to_owned());
        value.filter(|value| !value.is_empty())
    }

    /// The text of a file that the configuration names.
    pub(crate) fn file(&self, path: &Path) -> Option<String> {
        self.environment.file(path)
    }

    /// The first of `names` that is set.
    pub(crate) fn first_variable(&self, names: &[&str]) -> Option<(String, String)> {
        names
            .iter()
            .find_map(|name| Some(((*name).to_owned(), self.variable(name)?)))
    }

    pub(crate) fn warn(&mut self, path: &str, consequence: impl Into<String>) {
        self.note(Severity::Warning, path, consequence);
    }

    pub(crate) fn missing(&mut self, path: &str, consequence: impl Into<String>) {
        self.note(Severity::Missing, path, consequence);
    }

    pub(crate) fn ignored(&mut self, path: &str, consequence: impl Into<String>) {
        self.note(Severity::Ignored, path, consequence);
    }

    fn note(&mut self, severity: Severity, path: &str, consequence: impl Into<String>) {
        self.notices.push(Notice {
            severity,
            path: path.to_owned(),
            consequence: consequence.into(),
        });
    }

    /// `value` with each reference in it replaced by the variable's value; without those that are
    /// not set.
    pub(crate) fn resolved(&mut self, path: &str, value: Value) -> Option<Value> {
        match value {
            Value::String(text) => match text.strip_prefix(REFERENCE) {
                None => Some(Value::String(text)),
                Some(name) => {
                    let found = self.variable(name);
                    if found.is_none() {
                        self.missing(
                            path,
                            format!("variable {name} is not set: as if the key were not there"),
                        );
                    }
                    found.map(Value::String)
                }
            },
            Value::Array(list) => Some(Value::Array(
                list.into_iter()
                    .enumerate()
                    .filter_map(|(index, item)| self.resolved(&format!("{path}[{index}]"), item))
                    .collect(),
            )),
            Value::Object(map) => Some(Value::Object(
                map.into_iter()
                    .filter_map(|(key, item)| {
                        let item = self.resolved(&join(path, &key), item)?;
                        Some((key, item))
                    })
                    .collect(),
            )),
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => Some(plain),
        }
    }
}

impl Section {
    /// `entries`, which stand at `path`; the file itself has the empty path.
    pub(crate) fn new(path: impl Into<String>, entries: Map<String, Value>) -> Self {
        Self {
            path: path.into(),
            entries,
        }
    }

    /// `value` as a map; nothing at all is an empty one.
    pub(crate) fn from_value(path: String, value: Option<Value>) -> Result<Self, ConfigError> {
        match value {
            None | Some(Value::Null) => Ok(Self::new(path, Map::new())),
            Some(Value::Object(entries)) => Ok(Self::new(path, entries)),
            Some(other) => Err(wrong(&path, "a map", &other)),
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The path of a key in it.
    pub(crate) fn at(&self, key: &str) -> String {
        join(&self.path, key)
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|value| !value.is_null())
    }

    pub(crate) fn entries(&self) -> &Map<String, Value> {
        &self.entries
    }

    /// What nobody has read.
    pub(crate) fn into_rest(self) -> Map<String, Value> {
        self.entries
    }

    /// Takes a value out as it stands; nothing (`key:`) is as if the key were not there.
    pub(crate) fn take(&mut self, key: &str) -> Option<Value> {
        // The order of what is left decides the order of notices.
        self.entries
            .shift_remove(key)
            .filter(|value| !value.is_null())
    }

    /// Takes a map out.
    pub(crate) fn section(&mut self, key: &str) -> Result<Self, ConfigError> {
        Self::from_value(self.at(key), self.take(key))
    }

    /// Takes a value out, references replaced.
    pub(crate) fn value(&mut self, key: &str, reader: &mut Reader<'_>) -> Option<Value> {
        let path = self.at(key);
        let value = self.take(key)?;
        reader.resolved(&path, value)
    }

    /// Takes text out and remembers where it stands. A number is text too: YAML makes one of `1234`.
    pub(crate) fn given(
        &mut self,
        key: &str,
        reader: &Reader<'_>,
    ) -> Result<Option<Given>, ConfigError> {
        let text = match self.take(key) {
            None => return Ok(None),
            Some(Value::String(text)) => text,
            Some(Value::Number(number)) => number.to_string(),
            Some(other) => return Err(wrong(&self.at(key), "text", &other)),
        };
        Ok(Some(match text.strip_prefix(REFERENCE) {
            Some(name) => Given::Variable {
                name: name.to_owned(),
                value: reader.variable(name),
            },
            None => Given::Literal(text),
        }))
    }

    /// Takes text out.
    pub(crate) fn text(
        &mut self,
        key: &str,
        reader: &mut Reader<'_>,
    ) -> Result<Option<String>, ConfigError> {
        let path = self.at(key);
        match self.value(key, reader) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(wrong(&path, "text", &other)),
        }
    }

    /// Takes a truth value out, in any of YAML 1.1's spellings.
    pub(crate) fn boolean(
        &mut self,
        key: &str,
        reader: &mut Reader<'_>,
    ) -> Result<Option<bool>, ConfigError> {
        let path = self.at(key);
        let Some(value) = self.value(key, reader) else {
            return Ok(None);
        };
        as_boolean(&value)
            .map(Some)
            .ok_or_else(|| wrong(&path, "true or false", &value))
    }

    /// Takes a number out, also one that is written as text.
    pub(crate) fn number(
        &mut self,
        key: &str,
        expected: &'static str,
        reader: &mut Reader<'_>,
    ) -> Result<Option<Number>, ConfigError> {
        let path = self.at(key);
        let Some(value) = self.value(key, reader) else {
            return Ok(None);
        };
        let number = as_number(&value).filter(|number| number.as_f64().is_some_and(|n| n >= 0.0));
        number
            .map(Some)
            .ok_or_else(|| wrong(&path, expected, &value))
    }

    /// Takes a whole number out.
    pub(crate) fn count<N: TryFrom<u64>>(
        &mut self,
        key: &str,
        reader: &mut Reader<'_>,
    ) -> Result<Option<N>, ConfigError> {
        let expected = "a whole number, 0 or more";
        let Some(number) = self.number(key, expected, reader)? else {
            return Ok(None);
        };
        let whole = as_whole(&number).and_then(|whole| N::try_from(whole).ok());
        whole.map(Some).ok_or_else(|| ConfigError::Type {
            path: self.at(key),
            expected,
            found: number.to_string(),
        })
    }

    /// Takes a time out: seconds, or LiteLLM's `30s`, `5m`.
    pub(crate) fn seconds(
        &mut self,
        key: &str,
        reader: &mut Reader<'_>,
    ) -> Result<Option<Duration>, ConfigError> {
        let path = self.at(key);
        let Some(value) = self.value(key, reader) else {
            return Ok(None);
        };
        let seconds = match &value {
            Value::String(text) if Period::parse(text).is_some() => {
                Period::parse(text).map(|period| Duration::from_secs(period.seconds()))
            }
            other => as_number(other)
                .and_then(|number| number.as_f64())
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        };
        let seconds = seconds.filter(|seconds| *seconds <= Duration::from_secs(LONGEST));
        seconds
            .map(Some)
            .ok_or_else(|| wrong(&path, "seconds, from 0 to 86400", &value))
    }
}

/// A day; Envoy's timers and people's patience end before.
const LONGEST: u64 = 86_400;

/// The error for a value of the wrong kind. Shows numbers; text could be a secret.
pub(crate) fn wrong(path: &str, expected: &'static str, value: &Value) -> ConfigError {
    ConfigError::Type {
        path: path.to_owned(),
        expected,
        found: match value {
            Value::Number(number) => number.to_string(),
            other => kind(other).to_owned(),
        },
    }
}

pub(crate) fn as_boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::String(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Some(true),
            "false" | "no" | "off" | "0" => Some(false),
            _ => None,
        },
        Value::Number(number) => match number.as_u64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

pub(crate) fn as_number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => {
            let text = text.trim();
            let whole = text.parse::<u64>().ok().map(Number::from);
            whole.or_else(|| text.parse::<f64>().ok().and_then(Number::from_f64))
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// `10` and also `10.0`.
pub(crate) fn as_whole(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| {
        let float = number.as_f64()?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (float.fract() == 0.0 && (0.0..=9e15).contains(&float)).then_some(float as u64)
    })
}
