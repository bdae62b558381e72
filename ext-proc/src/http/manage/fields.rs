//! Request bodies, field by field: a wrong type is an error that names the field, and a field that
//! is null is told from one that is not there.

use std::collections::{BTreeMap, HashMap};

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use dragoman_policy::{ModelBudget, NanoDollars, Period, Span};
use dragoman_proto::{ApiError, ErrorKind};
use serde_json::{Map, Value};

use super::super::Failure;
use super::heeded;
use crate::store::Slice;

/// Rows of a page at most.
const MOST_ROWS: u32 = 100;

/// The body of a request: a JSON object. Fields that nothing here heeds are ignored, as in LiteLLM, but
/// not in silence: the log names them, and so do answers about keys.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    given: Map<String, Value>,
    ignored: Vec<String>,
}

/// A field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given<T> {
    /// Not there: leave it as it is.
    Absent,
    /// Take away what is there.
    Null,
    /// Set.
    Value(T),
}

impl<T> Given<T> {
    /// Sets, clears or leaves `slot`.
    pub(super) fn set(self, slot: &mut Option<T>) {
        match self {
            Self::Absent => {}
            Self::Null => *slot = None,
            Self::Value(value) => *slot = Some(value),
        }
    }

    /// The same where nothing is written as an empty list or map.
    pub(super) fn set_or_empty(self, slot: &mut T)
    where
        T: Default,
    {
        match self {
            Self::Absent => {}
            Self::Null => *slot = T::default(),
            Self::Value(value) => *slot = value,
        }
    }

    /// The value, if one is given.
    pub(super) fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent | Self::Null => None,
        }
    }
}

impl Fields {
    fn of(given: Map<String, Value>) -> Self {
        let ignored = Vec::new();
        Self { given, ignored }
    }

    /// Names what means nothing at `path`.
    fn at(mut self, path: &str) -> Self {
        self.ignored = heeded::others(path, &self.given);
        if !self.ignored.is_empty() {
            tracing::warn!(path, fields = ?self.ignored, "fields of a request are not heeded");
        }
        self
    }

    /// Fields that were given and mean nothing here.
    pub(super) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Reads a body.
    pub(super) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(given)) => Ok(Self::of(given)),
            Ok(_) => Err(ApiError::invalid("the body must be a JSON object")),
            Err(error) => Err(ApiError::invalid(format!("the body is no JSON: {error}"))),
        }
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Given<T>, ApiError> {
        match self.given.get(name) {
            None => Ok(Given::Absent),
            Some(Value::Null) => Ok(Given::Null),
            Some(value) => match read(value) {
                Some(value) => Ok(Given::Value(value)),
                None => Err(wrong(name, format!("`{name}` must be {expected}"))),
            },
        }
    }

    pub(super) fn text(&self, name: &str) -> Result<Given<String>, ApiError> {
        self.read(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &str) -> Result<String, ApiError> {
        let missing = || wrong(name, format!("`{name}` is missing"));
        let text = self.text(name)?.value();
        text.filter(|text| !text.is_empty()).ok_or_else(missing)
    }

    pub(super) fn flag(&self, name: &str) -> Result<Given<bool>, ApiError> {
        self.read(name, "true or false", Value::as_bool)
    }

    pub(super) fn count(&self, name: &str) -> Result<Given<u64>, ApiError> {
        self.read(name, "a whole number that is not negative", count)
    }

    pub(super) fn dollars(&self, name: &str) -> Result<Given<NanoDollars>, ApiError> {
        self.read(name, "a number of dollars that is not negative", dollars)
    }

    pub(super) fn texts(&self, name: &str) -> Result<Given<Vec<String>>, ApiError> {
        self.read(name, "a list of strings", texts)
    }

    /// A list of texts that must be there and hold something.
    pub(super) fn required_texts(&self, name: &str) -> Result<Vec<String>, ApiError> {
        let texts = self.texts(name)?.value().unwrap_or_default();
        if texts.is_empty() {
            return Err(wrong(name, format!("`{name}` must name at least one")));
        }
        Ok(texts)
    }

    pub(super) fn object(&self, name: &str) -> Result<Given<Map<String, Value>>, ApiError> {
        self.read(name, "an object", |value| value.as_object().cloned())
    }

    /// One object, or a list of them.
    pub(super) fn objects(&self, name: &str) -> Result<Vec<Self>, ApiError> {
        let one = |value: &Value| value.as_object().cloned().map(Self::of);
        let given = self.read(name, "an object, or a list of objects", |value| match value
            .as_array()
        {
            Some(list) => list.iter().map(one).collect(),
            None => one(value).map(|one| vec![one]),
        });
        Ok(given?.value().unwrap_or_default())
    }

    pub(super) fn names(&self, name: &str) -> Result<Given<BTreeMap<String, String>>, ApiError> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        self.read(name, "an object of strings", |value| map(value, text))
    }

    pub(super) fn counts(&self, name: &str) -> Result<Given<BTreeMap<String, u64>>, ApiError> {
        let expected = "an object of whole numbers that are not negative";
        self.read(name, expected, |value| map(value, count))
    }

    /// How often a budget starts anew.
    pub(super) fn period(&self, name: &str) -> Result<Given<Period>, ApiError> {
        self.parsed(name)
    }

    /// A length of time.
    pub(super) fn span(&self, name: &str) -> Result<Given<Span>, ApiError> {
        self.parsed(name)
    }

    fn parsed<T>(&self, name: &str) -> Result<Given<T>, ApiError>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        Ok(match self.text(name)? {
            Given::Absent => Given::Absent,
            Given::Null => Given::Null,
            Given::Value(text) => {
                let parsed = text.parse();
                Given::Value(parsed.map_err(|error: T::Err| wrong(name, error.to_string()))?)
            }
        })
    }

    /// Budgets by model: LiteLLM's `{"gpt-4o": {"budget_limit": 1, "time_period": "1d"}}`, or with
    /// `max_budget` and `budget_duration` in it.
    pub(super) fn model_budgets(
        &self,
        name: &str,
    ) -> Result<Given<BTreeMap<String, ModelBudget>>, ApiError> {
        let expected =
            "an object such as {\"gpt-4o\": {\"budget_limit\": 1, \"time_period\": \"1d\"}}";
        self.read(name, expected, |value| map(value, model_budget))
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let path = request.uri().path().to_owned();
        let body = body(request, state).await?;
        Ok(Self::parse(&body)?.at(&path))
    }
}

/// A body that may be missing, which is as good as an empty object.
#[derive(Debug, Clone, Default)]
pub(super) struct MaybeFields(pub(super) Fields);

impl<S: Send + Sync> FromRequest<S> for MaybeFields {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let path = request.uri().path().to_owned();
        let body = body(request, state).await?;
        if body.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        Ok(Self(Fields::parse(&body)?.at(&path)))
    }
}

async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|error| {
        let kind = match error.status().as_u16() {
            413 => ErrorKind::TooLarge,
            _ => ErrorKind::InvalidRequest,
        };
        ApiError::new(kind, "the body cannot be read")
    })
}

/// What stands behind the `?` of a request.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked(HashMap<String, String>);

impl Asked {
    /// A parameter that holds something.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|text| !text.is_empty()).cloned()
    }

    /// Says in the log what is asked beside `known` and not heeded.
    pub(super) fn note_ignored(&self, known: &[&str]) {
        let names = self.0.keys().filter(|name| !known.contains(&name.as_str()));
        let names: Vec<&String> = names.collect();
        if !names.is_empty() {
            tracing::warn!(parameters = ?names, "parameters of a list are not heeded");
        }
    }

    /// A text that must be there.
    pub(super) fn required(&self, name: &str) -> Result<String, ApiError> {
        let missing = || wrong(name, format!("`{name}` is missing"));
        self.text(name).ok_or_else(missing)
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name)
            .is_some_and(|text| text.eq_ignore_ascii_case("true") || text == "1")
    }

    /// The page that is asked for: `page`, from 1, of `size`, the name of which differs.
    pub(super) fn page(&self, size: &str, default: u32) -> Result<Page, ApiError> {
        let number = |name: &str, default: u32, most: u32| match self.text(name) {
            None => Ok(default),
            Some(text) => {
                let number = text
                    .parse()
                    .ok()
                    .filter(|number| (1..=most).contains(number));
                let message = || format!("`{name}` must be a whole number from 1 to {most}");
                number.ok_or_else(|| wrong(name, message()))
            }
        };
        Ok(Page {
            number: number("page", 1, u32::MAX)?,
            size: number(size, default, MOST_ROWS)?,
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = Query::<HashMap<String, String>>::from_request_parts(parts, state).await;
        let Query(parameters) =
            query.map_err(|_| ApiError::invalid("the query of the URL cannot be read"))?;
        Ok(Self(parameters))
    }
}

/// A page of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    /// From 1.
    pub(super) number: u32,
    /// How many rows at most.
    pub(super) size: u32,
}

impl Page {
    /// Where in the list it is.
    pub(super) fn slice(self) -> Slice {
        Slice {
            offset: u64::from(self.number - 1) * u64::from(self.size),
            size: self.size,
        }
    }

    /// How many pages such a list of `total` rows has.
    pub(super) fn count(self, total: u64) -> u64 {
        total.div_ceil(u64::from(self.size))
    }
}

/// A field at fault.
pub(super) fn wrong(name: &str, message: String) -> ApiError {
    ApiError::invalid(message).param(name)
}

/// A number, also as text, as LiteLLM reads it.
fn count(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn dollars(value: &Value) -> Option<NanoDollars> {
    match value {
        Value::Number(number) => number.to_string().parse().ok(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    let list = value.as_array()?.iter();
    list.map(|value| value.as_str().map(str::to_owned))
        .collect()
}

fn map<T>(value: &Value, read: impl Fn(&Value) -> Option<T>) -> Option<BTreeMap<String, T>> {
    let fields = value.as_object()?.iter();
    fields
        .map(|(name, value)| Some((name.clone(), read(value)?)))
        .collect()
}

fn model_budget(value: &Value) -> Option<ModelBudget> {
    let either = |names: [&str; 2]| {
        let given = names.into_iter().find_map(|name| value.get(name));
        given.filter(|value| !value.is_null())
    };
    let period = match either(["time_period", "budget_duration"]) {
        Some(period) => Some(period.as_str()?.parse().ok()?),
        None => None,
    };
    let limit = if value.is_object() {
        dollars(either(["budget_limit", "max_budget"])?)?
    } else {
        dollars(value)?
    };
    Some(ModelBudget { limit, period })
}

#[cfg(test)]
mod tests;
