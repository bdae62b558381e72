//! Strict reading of a JSON request: every field is known, present when required, and of its type.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

/// A request that a provider refuses, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// The field at fault, with dots: `messages.0.content`.
    pub(crate) path: String,
    pub(crate) problem: Problem,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Problem {
    Unknown,
    Missing,
    Type {
        expected: &'static str,
        found: &'static str,
    },
    Value(String),
}

pub(crate) type Checked<T> = Result<T, Invalid>;

impl Invalid {
    pub(crate) fn value(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            problem: Problem::Value(message.into()),
        }
    }

    /// The field at `path` is one that nobody knows.
    pub(crate) fn unknown(path: String) -> Self {
        Self {
            path,
            problem: Problem::Unknown,
        }
    }

    fn wrong_type(path: String, expected: &'static str, found: &Value) -> Self {
        let found = kind(found);
        Self {
            path,
            problem: Problem::Type { expected, found },
        }
    }
}

/// What a JSON value is, for messages.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// An object whose fields are read one by one; [`Object::finish`] refuses what was not read.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    path: String,
    fields: &'a Map<String, Value>,
    read: Vec<&'static str>,
    null_is_absent: bool,
}

impl<'a> Object<'a> {
    /// The object at `path`. OpenAI reads null as absent (`null_is_absent`), Anthropic does not.
    pub(crate) fn new(path: &str, value: &'a Value, null_is_absent: bool) -> Checked<Self> {
        let fields = value
            .as_object()
            .ok_or_else(|| Invalid::wrong_type(path.to_owned(), "an object", value))?;
        Ok(Self {
            path: path.to_owned(),
            fields,
            read: Vec::new(),
            null_is_absent,
        })
    }

    /// The path of a field.
    pub(crate) fn at(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// An error about a field.
    pub(crate) fn wrong(&self, name: &str, message: impl Into<String>) -> Invalid {
        Invalid::value(self.at(name), message)
    }

    /// Any value.
    pub(crate) fn any(&mut self, name: &'static str) -> Option<&'a Value> {
        self.read.push(name);
        let value = self.fields.get(name)?;
        (!(self.null_is_absent && value.is_null())).then_some(value)
    }

    /// Fields that are known and not looked at.
    pub(crate) fn skip(&mut self, names: &[&'static str]) {
        self.read.extend(names);
    }

    pub(crate) fn need(&mut self, name: &'static str) -> Checked<&'a Value> {
        self.any(name).ok_or_else(|| self.missing(name))
    }

    pub(crate) fn missing(&self, name: &str) -> Invalid {
        Invalid {
            path: self.at(name),
            problem: Problem::Missing,
        }
    }

    fn typed<T>(
        &mut self,
        name: &'static str,
        expected: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Checked<Option<T>> {
        match self.any(name) {
            None => Ok(None),
            Some(value) => match read(value) {
                Some(typed) => Ok(Some(typed)),
                None => Err(Invalid::wrong_type(self.at(name), expected, value)),
            },
        }
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Checked<Option<&'a str>> {
        self.typed(name, "a string", Value::as_str)
    }

    pub(crate) fn need_text(&mut self, name: &'static str) -> Checked<&'a str> {
        self.text(name)?.ok_or_else(|| self.missing(name))
    }

    pub(crate) fn flag(&mut self, name: &'static str) -> Checked<Option<bool>> {
        self.typed(name, "a boolean", Value::as_bool)
    }

    pub(crate) fn list(&mut self, name: &'static str) -> Checked<Option<&'a Vec<Value>>> {
        self.typed(name, "an array", Value::as_array)
    }

    pub(crate) fn object(&mut self, name: &'static str) -> Checked<Option<Object<'a>>> {
        match self.any(name) {
            None => Ok(None),
            Some(value) => Object::new(&self.at(name), value, self.null_is_absent).map(Some),
        }
    }

    pub(crate) fn integer(
        &mut self,
        name: &'static str,
        range: RangeInclusive<i64>,
    ) -> Checked<Option<i64>> {
        let number = self.typed(name, "an integer", Value::as_i64)?;
        match number {
            Some(n) if !range.contains(&n) => Err(self.out_of(name, n, &range)),
            _ => Ok(number),
        }
    }

    pub(crate) fn number(
        &mut self,
        name: &'static str,
        range: RangeInclusive<f64>,
    ) -> Checked<Option<f64>> {
        let number = self.typed(name, "a number", Value::as_f64)?;
        match number {
            Some(n) if !range.contains(&n) => Err(self.out_of(name, n, &range)),
            _ => Ok(number),
        }
    }

    fn out_of<T: std::fmt::Display>(
        &self,
        name: &str,
        number: T,
        range: &RangeInclusive<T>,
    ) -> Invalid {
        let (low, high) = (range.start(), range.end());
        self.wrong(name, format!("{number} is not between {low} and {high}"))
    }

    pub(crate) fn one_of(
        &mut self,
        name: &'static str,
        allowed: &[&str],
    ) -> Checked<Option<&'a str>> {
        let text = self.text(name)?;
        match text {
            Some(text) if !allowed.contains(&text) => Err(self.wrong(
                name,
                format!("'{text}' is not one of {}", allowed.join(", ")),
            )),
            _ => Ok(text),
        }
    }

    /// A string or a list of at most `max` strings.
    pub(crate) fn texts(&mut self, name: &'static str, max: usize) -> Checked<Vec<String>> {
        let texts = self.typed(
            name,
            "a string or an array of strings",
            |value| match value {
                Value::String(text) => Some(vec![text.clone()]),
                Value::Array(items) => items
                    .iter()
                    .map(|item| item.as_str().map(str::to_owned))
                    .collect(),
                _ => None,
            },
        )?;
        match texts {
            Some(texts) if texts.len() > max => {
                Err(self.wrong(name, format!("more than {max} entries")))
            }
            texts => Ok(texts.unwrap_or_default()),
        }
    }

    /// Refuses a field that nobody read.
    pub(crate) fn finish(self) -> Checked<()> {
        let unknown = self
            .fields
            .keys()
            .find(|name| !self.read.contains(&name.as_str()));
        match unknown {
            None => Ok(()),
            Some(name) => Err(Invalid {
                path: self.at(name),
                problem: Problem::Unknown,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unread_field_is_unknown() {
        let value = json!({"a": 1, "b": 2});
        let mut object = Object::new("x.0", &value, true).unwrap();
        object.integer("a", 0..=9).unwrap();
        let error = object.finish().unwrap_err();
        assert_eq!(
            (error.path.as_str(), error.problem),
            ("x.0.b", Problem::Unknown)
        );
    }

    #[test]
    fn null_is_absent_only_where_the_provider_says_so() {
        let value = json!({"a": null});
        assert_eq!(Object::new("", &value, true).unwrap().text("a"), Ok(None));
        assert!(Object::new("", &value, false).unwrap().text("a").is_err());
    }
}
