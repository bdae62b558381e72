//! What a request for spend asks for.

use axum::extract::{FromRequestParts, Query};
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use dragoman_proto::ApiError;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Failure;
use crate::ledger::RequestFilter;

pub(super) const MS_PER_DAY: u64 = 86_400_000;

/// The query of a request; one that does not read is an error in our shape.
pub(super) struct Asked<T>(pub(super) T);

/// How the answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
}

/// Days, both included, as `2026-11-20`. LiteLLM's clients may write a time behind it, which is not
/// read.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Dates {
    pub(super) start_date: Option<String>,
    pub(super) end_date: Option<String>,
}

#[derive(Deserialize)]
struct Wish {
    format: Option<String>,
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        match Query::<T>::try_from_uri(&parts.uri) {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(error) => Err(ApiError::invalid(error.body_text()).into()),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Format {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Asked(wish) = Asked::<Wish>::from_request_parts(parts, state).await?;
        let accepted = parts
            .headers
            .get(ACCEPT)
            .and_then(|accept| accept.to_str().ok());
        match wish.format.as_deref() {
            Some("json") => Ok(Self::Json),
            Some("csv") => Ok(Self::Csv),
            None if accepted.is_some_and(|accept| accept.starts_with("text/csv")) => Ok(Self::Csv),
            None => Ok(Self::Json),
            Some(_) => Err(ApiError::invalid("format is `json` or `csv`")
                .param("format")
                .into()),
        }
    }
}

impl Dates {
    /// Narrows `filter` to these days.
    pub(super) fn narrow(&self, filter: RequestFilter) -> Result<RequestFilter, ApiError> {
        let midnight = |day: &Option<String>, param| {
            let day = day.as_deref().map(|day| midnight(day, param));
            day.transpose()
        };
        let end = midnight(&self.end_date, "end_date")?;
        Ok(RequestFilter {
            from_ms: midnight(&self.start_date, "start_date")?,
            until_ms: end.map(|day| day.saturating_add(MS_PER_DAY)),
            ..filter
        })
    }

    /// Whether both are given.
    pub(super) const fn both(&self) -> bool {
        self.start_date.is_some() && self.end_date.is_some()
    }
}

/// The beginning of a day in UTC.
fn midnight(text: &str, param: &'static str) -> Result<u64, ApiError> {
    let day = text.split([' ', 'T']).next().unwrap_or(text);
    let date: Option<jiff::civil::Date> = day.parse().ok();
    let start = date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
    start
        .and_then(|start| u64::try_from(start.timestamp().as_millisecond()).ok())
        .ok_or_else(|| {
            ApiError::invalid(format!("{param} is no date such as 2026-11-20")).param(param)
        })
}
