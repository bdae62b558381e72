//! `GET /spend/logs`: requests, the newest first; or, between two dates, the sums of each day.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::http::header::LINK;
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::asked::{Asked, Dates, Format};
use super::figures::{Dollars, head, line};
use super::{Failure, Master, Spending, csv};
use crate::ledger::{Cursor, GroupBy, Page, RequestFilter, RequestRow, State as Ended, Sum};

const DEFAULT_ROWS: u32 = 100;
const MOST_ROWS: u32 = 1_000;
/// Of CSV, whose rows are small.
const MOST_LINES: u32 = 10_000;

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
    start_date: Option<String>,
    end_date: Option<String>,
    /// `false`: rows, also between two dates.
    summarize: Option<bool>,
    /// How many rows; 100 unless set, at most 1000, or 10000 of CSV.
    limit: Option<u32>,
    /// `startTime` of the last row of the page before, in milliseconds since the epoch …
    after_ms: Option<u64>,
    /// … and its request id. The answer's `link` header has both.
    after_id: Option<String>,
}

/// A request, with LiteLLM's names.
#[derive(Serialize)]
#[expect(non_snake_case, reason = "LiteLLM's names")]
struct SpendLog {
    request_id: String,
    call_type: &'static str,
    api_key: String,
    /// `null`: no price is known.
    spend: Option<Dollars>,
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

/// The sums of a day, as LiteLLM has them: keys stand beside the other fields.
#[derive(Debug, Default, Serialize)]
#[expect(non_snake_case, reason = "LiteLLM's names")]
struct Day {
    #[serde(flatten)]
    keys: BTreeMap<String, Dollars>,
    startTime: String,
    spend: Dollars,
    users: BTreeMap<String, Dollars>,
    models: BTreeMap<String, Dollars>,
}

/// The requests, or the days.
pub(super) async fn logs(
    State(spending): State<Spending>,
    OriginalUri(uri): OriginalUri,
    Asked(wanted): Asked<Wanted>,
    format: Format,
    _: Master,
) -> Result<Response, Failure> {
    let filter = spending.filter(&wanted).await?;
    if wanted.summarized() {
        return spending.days(&filter, format).await;
    }
    let page = wanted.page(format);
    let rows = spending.ledger.page(&filter, &page).await?;
    let full = rows.len() == page.size as usize;
    let next = rows.last().filter(|_| full);
    let next = next.and_then(|last| next_page(&uri, last));
    let mut response = match format {
        Format::Json => {
            let rows: Vec<_> = rows.into_iter().map(spend_log).collect();
            Json(rows).into_response()
        }
        Format::Csv => csv::table(&COLUMNS, rows.into_iter().map(cells)),
    };
    if let Some(next) = next {
        response.headers_mut().insert(LINK, next);
    }
    Ok(response)
}

impl Spending {
    async fn filter(&self, wanted: &Wanted) -> Result<RequestFilter, Failure> {
        let key_id = match &wanted.api_key {
            Some(key) => Some(self.key_id(key).await?),
            None => None,
        };
        let dates = Dates {
            start_date: wanted.start_date.clone(),
            end_date: wanted.end_date.clone(),
        };
        Ok(dates.narrow(RequestFilter {
            request_id: wanted.request_id.clone(),
            key_id,
            user_id: wanted.user_id.clone(),
            team_id: wanted.team_id.clone(),
            alias: wanted.model.clone(),
            listed_only: true,
            ..RequestFilter::default()
        })?)
    }

    async fn days(&self, filter: &RequestFilter, format: Format) -> Result<Response, Failure> {
        let by = [
            GroupBy::Day,
            GroupBy::Key,
            GroupBy::User,
            GroupBy::ProviderModel,
        ];
        let filter = RequestFilter {
            listed_only: false,
            ..filter.clone()
        };
        let sums = self.ledger.sums(&by, &filter).await?;
        if format == Format::Csv {
            let columns = head(&["date", "api_key", "user", "model"]);
            let lines = sums.iter().map(|sum| {
                let names = sum.groups.iter().cloned().map(Option::unwrap_or_default);
                line(names, &sum.totals)
            });
            return Ok(csv::table(&columns, lines));
        }
        Ok(Json(by_day(sums)).into_response())
    }
}

impl Wanted {
    /// As in LiteLLM: both dates and no request mean sums.
    fn summarized(&self) -> bool {
        let dates = self.start_date.is_some() && self.end_date.is_some();
        dates && self.request_id.is_none() && self.summarize != Some(false)
    }

    fn page(&self, format: Format) -> Page {
        let most = match format {
            Format::Json => MOST_ROWS,
            Format::Csv => MOST_LINES,
        };
        let after = self.after_ms.zip(self.after_id.clone());
        Page {
            size: self.limit.unwrap_or(DEFAULT_ROWS).clamp(1, most),
            after: after.map(|(started_ms, request_id)| Cursor {
                started_ms,
                request_id,
            }),
        }
    }
}

/// Where the page behind `last` is, as a `link` header has it.
fn next_page(uri: &Uri, last: &RequestRow) -> Option<HeaderValue> {
    let stays = |pair: &&str| !pair.starts_with("after_ms=") && !pair.starts_with("after_id=");
    let asked = uri.query().unwrap_or_default().split('&');
    let mut pairs: Vec<_> = asked
        .filter(|pair| !pair.is_empty())
        .filter(stays)
        .map(str::to_owned)
        .collect();
    pairs.push(format!("after_ms={}", last.timing.started_ms));
    pairs.push(format!("after_id={}", escaped(&last.request_id)));
    HeaderValue::try_from(format!("<?{}>; rel=\"next\"", pairs.join("&"))).ok()
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

fn by_day(sums: Vec<Sum>) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for sum in sums {
        let mut groups = sum.groups.into_iter();
        let mut next = || groups.next().flatten().unwrap_or_default();
        let (date, key, user, model) = (next(), next(), next(), next());
        if days.last().is_none_or(|day| day.startTime != date) {
            days.push(Day {
                startTime: date,
                ..Day::default()
            });
        }
        let Some(day) = days.last_mut() else { continue };
        let sums = [
            &mut day.spend,
            day.keys.entry(key).or_default(),
            day.users.entry(user).or_default(),
            day.models.entry(model).or_default(),
        ];
        for spent in sums {
            spent.0 = spent.0.saturating_add(sum.totals.cost);
        }
    }
    days
}

fn spend_log(row: RequestRow) -> SpendLog {
    let status = status(&row);
    let usage = &row.charge.usage;
    let provider = row.target.provider.unwrap_or_default();
    let model = row.target.model.unwrap_or_default();
    let started = row.timing.started_ms;
    let after = |ms: u64| time(started.saturating_add(ms));
    SpendLog {
        call_type: row.operation.as_str(),
        api_key: row.identity.key_id,
        spend: row.charge.cost.map(Dollars),
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
        status,
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

/// The columns of requests in CSV.
const COLUMNS: [&str; 23] = [
    "request_id",
    "start_time",
    "duration_ms",
    "call_type",
    "api_key",
    "user",
    "team_id",
    "end_user",
    "model_group",
    "provider",
    "model",
    "model_id",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "reasoning_tokens",
    "spend",
    "price_version",
    "status",
    "state",
    "http_status",
    "attempts",
    "request_tags",
];

fn cells(row: RequestRow) -> Vec<String> {
    let status = status(&row);
    let usage = &row.charge.usage;
    vec![
        row.request_id,
        time(row.timing.started_ms).unwrap_or_default(),
        row.timing.duration_ms.to_string(),
        row.operation.as_str().to_owned(),
        row.identity.key_id,
        row.identity.user_id.unwrap_or_default(),
        row.identity.team_id.unwrap_or_default(),
        row.identity.end_user.unwrap_or_default(),
        row.alias,
        row.target.provider.unwrap_or_default(),
        row.target.model.unwrap_or_default(),
        row.target.deployment.unwrap_or_default(),
        usage.input_tokens.to_string(),
        usage.cached_tokens.to_string(),
        usage.output_tokens.to_string(),
        usage.reasoning_tokens.to_string(),
        row.charge
            .cost
            .map_or_else(String::new, |cost| cost.to_string()),
        row.charge.price_version.unwrap_or_default(),
        status.to_owned(),
        row.state.as_str().to_owned(),
        row.status
            .map_or_else(String::new, |status| status.to_string()),
        row.attempts.to_string(),
        row.tags.join(" "),
    ]
}

fn status(row: &RequestRow) -> &'static str {
    match row.state {
        Ended::Complete => "success",
        Ended::Cancelled | Ended::Failed | Ended::Broken | Ended::Rejected | Ended::Unsettled => {
            "failure"
        }
    }
}

fn time(ms: u64) -> Option<String> {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(ms).ok()?).ok()?;
    Some(at.to_string())
}
