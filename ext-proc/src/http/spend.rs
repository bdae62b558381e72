//! `GET /spend/logs` and `/global/spend`, in LiteLLM's form.

use axum::Json;
use axum::extract::{Query, State};
use dragoman_policy::{KeyHash, NanoDollars};
use dragoman_proto::ApiError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Api, Failure, Master};
use crate::ledger::{Cursor, Page, RequestFilter, RequestRow, State as Ended};

const DEFAULT_ROWS: u32 = 100;
const MOST_ROWS: u32 = 1_000;

/// Which rows.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    request_id: Option<String>,
    /// A key, or its hash.
    api_key: Option<String>,
    user_id: Option<String>,
    team_id: Option<String>,
    /// An alias.
    model: Option<String>,
    /// From this day on, `2026-11-20`, UTC.
    start_date: Option<String>,
    /// To the end of this day.
    end_date: Option<String>,
    /// How many rows; 100 unless set, at most 1000.
    limit: Option<u32>,
    /// `startTime` of the last row of the page before, in milliseconds since the epoch …
    after_ms: Option<u64>,
    /// … and its request id.
    after_id: Option<String>,
}

/// A request, with LiteLLM's names.
#[derive(Serialize)]
#[expect(non_snake_case, reason = "LiteLLM's names")]
pub(super) struct SpendLog {
    request_id: String,
    call_type: &'static str,
    api_key: String,
    spend: Option<Box<RawValue>>,
    total_tokens: u64,
    prompt_tokens: u64,
    completion_tokens: u64,
    startTime: Option<String>,
    endTime: Option<String>,
    completionStartTime: Option<String>,
    request_duration_ms: u64,
    model: String,
    model_id: String,
    model_group: String,
    custom_llm_provider: String,
    user: String,
    team_id: Option<String>,
    end_user: Option<String>,
    request_tags: Vec<String>,
    status: &'static str,
    metadata: Metadata,
}

/// What LiteLLM has no field for.
#[derive(Serialize)]
struct Metadata {
    state: &'static str,
    http_status: Option<u16>,
    error_code: Option<String>,
    stream: bool,
    attempts: u32,
    cached_tokens: u64,
    reasoning_tokens: u64,
    usage_source: &'static str,
    price_version: Option<String>,
    dropped_params: Vec<String>,
}

#[derive(Serialize)]
pub(super) struct GlobalSpend {
    spend: Option<Box<RawValue>>,
    max_budget: Option<serde_json::Number>,
    unpriced_requests: u64,
}

/// `GET /spend/logs`: requests, the newest first.
pub(super) async fn logs(
    State(api): State<Api>,
    Query(wanted): Query<Wanted>,
    _: Master,
) -> Result<Json<Vec<SpendLog>>, Failure> {
    let filter = wanted.filter()?;
    let rows = api.ledger.page(&filter, &wanted.page()).await?;
    Ok(Json(rows.into_iter().map(spend_log).collect()))
}

/// `GET /global/spend`: the sum of everything.
pub(super) async fn global(
    State(api): State<Api>,
    _: Master,
) -> Result<Json<GlobalSpend>, Failure> {
    let totals = api.ledger.totals(&RequestFilter::default()).await?;
    let live = api.live.load();
    let budget = live.config.general.max_budget.as_ref();
    Ok(Json(GlobalSpend {
        spend: dollars(totals.cost),
        max_budget: budget.map(|budget| budget.dollars.clone()),
        unpriced_requests: totals.unpriced,
    }))
}

impl Wanted {
    fn filter(&self) -> Result<RequestFilter, ApiError> {
        let hash = |key: &String| match key.strip_prefix("sk-") {
            Some(_) => KeyHash::of(key).to_hex(),
            None => key.clone(),
        };
        let start = self
            .start_date
            .as_deref()
            .map(|day| midnight(day, "start_date"));
        let end = self
            .end_date
            .as_deref()
            .map(|day| midnight(day, "end_date"));
        Ok(RequestFilter {
            request_id: self.request_id.clone(),
            key_id: self.api_key.as_ref().map(hash),
            user_id: self.user_id.clone(),
            team_id: self.team_id.clone(),
            alias: self.model.clone(),
            from_ms: start.transpose()?,
            until_ms: end.transpose()?.map(|day| day.saturating_add(MS_PER_DAY)),
            listed_only: true,
        })
    }

    fn page(&self) -> Page {
        let after = self.after_ms.zip(self.after_id.clone());
        Page {
            size: self.limit.unwrap_or(DEFAULT_ROWS).min(MOST_ROWS),
            after: after.map(|(started_ms, request_id)| Cursor {
                started_ms,
                request_id,
            }),
        }
    }
}

const MS_PER_DAY: u64 = 86_400_000;

/// The beginning of a day in UTC; LiteLLM's clients may write a time behind it, which is not read.
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

fn spend_log(row: RequestRow) -> SpendLog {
    let usage = &row.charge.usage;
    let provider = row.target.provider.unwrap_or_default();
    let model = row.target.model.unwrap_or_default();
    let started = row.timing.started_ms;
    let after = |ms: u64| time(started.saturating_add(ms));
    SpendLog {
        call_type: row.operation.as_str(),
        api_key: row.identity.key_id,
        spend: row.charge.cost.and_then(dollars),
        total_tokens: usage.input_tokens.saturating_add(usage.output_tokens),
        prompt_tokens: usage.input_tokens,
        completion_tokens: usage.output_tokens,
        startTime: time(started),
        endTime: after(row.timing.duration_ms),
        completionStartTime: after(row.timing.first_token_ms.unwrap_or(row.timing.duration_ms)),
        request_duration_ms: row.timing.duration_ms,
        model: format!("{provider}/{model}"),
        model_id: row.target.deployment.unwrap_or_default(),
        model_group: row.alias,
        custom_llm_provider: provider,
        user: row.identity.user_id.unwrap_or_default(),
        team_id: row.identity.team_id,
        end_user: row.identity.end_user,
        request_tags: row.tags,
        status: if row.state == Ended::Complete {
            "success"
        } else {
            "failure"
        },
        metadata: Metadata {
            state: row.state.as_str(),
            http_status: row.status,
            error_code: row.error_code,
            stream: row.stream,
            attempts: row.attempts,
            cached_tokens: usage.cached_tokens,
            reasoning_tokens: usage.reasoning_tokens,
            usage_source: crate::ledger::source_name(row.charge.source),
            price_version: row.charge.price_version,
            dropped_params: row.dropped,
        },
        request_id: row.request_id,
    }
}

/// An amount as a JSON number that is exact.
fn dollars(amount: NanoDollars) -> Option<Box<RawValue>> {
    RawValue::from_string(amount.to_string()).ok()
}

fn time(ms: u64) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(at.to_string())
}
