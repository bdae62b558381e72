//! Sums by key, user, tag, model and day, the dearest first.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::super::manage::{ShownKey, ShownUser, Spent};
use super::asked::{Asked, Dates, Format};
use super::figures::{Dollars, head, line, tokens};
use super::{Failure, Master, Spending, csv};
use crate::ledger::{GroupBy, RequestFilter, Sum};

const DEFAULT_ROWS: usize = 100;
const MOST_ROWS: usize = 1_000;

/// Which sums.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Wanted {
    start_date: Option<String>,
    end_date: Option<String>,
    /// How many rows; 100 unless set, at most 1000.
    limit: Option<usize>,
    user_id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct GlobalSpend {
    spend: Dollars,
    max_budget: Option<serde_json::Number>,
    unpriced_requests: u64,
}

/// A key as `/key/info` shows it, or what is left of one that is deleted, and its sums.
#[derive(Serialize)]
struct Key {
    #[serde(flatten)]
    whose: Whose<ShownKey, GoneKey>,
    total_tokens: u64,
    api_requests: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Whose<Known, Gone> {
    Known(Box<Known>),
    Gone(Gone),
}

#[derive(Serialize)]
struct GoneKey {
    token: String,
    key_name: Option<String>,
    key_alias: Option<String>,
    user_id: Option<String>,
    team_id: Option<String>,
    spend: Dollars,
    total_spend: Dollars,
}

#[derive(Serialize)]
struct GlobalKey {
    api_key: String,
    key_alias: Option<String>,
    key_name: Option<String>,
    total_spend: Dollars,
}

/// A user as `/user/info` shows it, or no more than the name, and the sums.
#[derive(Serialize)]
struct User {
    #[serde(flatten)]
    whose: Whose<ShownUser, GoneUser>,
    total_tokens: u64,
    api_requests: u64,
}

#[derive(Serialize)]
struct GoneUser {
    user_id: String,
    user_alias: Option<String>,
    user_email: Option<String>,
    spend: Dollars,
}

#[derive(Serialize)]
struct Tag {
    individual_request_tag: String,
    log_count: u64,
    total_spend: Dollars,
}

#[derive(Serialize)]
struct Model {
    model: String,
    total_spend: Dollars,
}

#[derive(Serialize)]
struct Day {
    date: String,
    spend: Dollars,
}

/// `GET /global/spend`: the sum of everything.
pub(super) async fn global(
    State(spending): State<Spending>,
    _: Master,
) -> Result<Json<GlobalSpend>, Failure> {
    let totals = spending.ledger.totals(&RequestFilter::default()).await?;
    let live = spending.live.load();
    let budget = live.config.general.max_budget.as_ref();
    Ok(Json(GlobalSpend {
        spend: Dollars(totals.cost),
        max_budget: budget.map(|budget| budget.dollars.clone()),
        unpriced_requests: totals.unpriced,
    }))
}

/// `GET /spend/keys`.
pub(super) async fn keys(
    State(spending): State<Spending>,
    Asked(wanted): Asked<Wanted>,
    format: Format,
    _: Master,
) -> Result<Response, Failure> {
    let sums = spending.sums(GroupBy::Key, &wanted).await?;
    if format == Format::Csv {
        return Ok(named("api_key", &sums));
    }
    let mut rows = Vec::with_capacity(sums.len());
    for sum in sums {
        let token = name(&sum);
        let cost = sum.totals.cost;
        let whose = match spending.key(&token).await? {
            Some(key) => {
                let spent = Spent::new(cost, cost);
                Whose::Known(Box::new(ShownKey::new(&key, None, spent, spending.now())))
            }
            None => Whose::Gone(GoneKey {
                token,
                key_name: None,
                key_alias: None,
                user_id: None,
                team_id: None,
                spend: Dollars(cost),
                total_spend: Dollars(cost),
            }),
        };
        rows.push(Key {
            whose,
            total_tokens: tokens(&sum.totals),
            api_requests: sum.totals.requests,
        });
    }
    Ok(Json(rows).into_response())
}

/// `GET /global/spend/keys`.
pub(super) async fn global_keys(
    State(spending): State<Spending>,
    Asked(wanted): Asked<Wanted>,
    format: Format,
    _: Master,
) -> Result<Response, Failure> {
    let sums = spending.sums(GroupBy::Key, &wanted).await?;
    if format == Format::Csv {
        return Ok(named("api_key", &sums));
    }
    let mut rows = Vec::with_capacity(sums.len());
    for sum in sums {
        let api_key = name(&sum);
        let key = spending.key(&api_key).await?;
        rows.push(GlobalKey {
            key_name: key.as_ref().map(|key| key.name.clone()),
            key_alias: key.and_then(|key| key.alias),
            total_spend: Dollars(sum.totals.cost),
            api_key,
        });
    }
    Ok(Json(rows).into_response())
}

/// `GET /spend/users`.
pub(super) async fn users(
    State(spending): State<Spending>,
    Asked(wanted): Asked<Wanted>,
    format: Format,
    _: Master,
) -> Result<Response, Failure> {
    let sums = spending.sums(GroupBy::User, &wanted).await?;
    if format == Format::Csv {
        return Ok(named("user_id", &sums));
    }
    let mut rows = Vec::with_capacity(sums.len());
    for sum in sums {
        let user_id = name(&sum);
        let cost = sum.totals.cost;
        let whose = match spending.user(&user_id).await? {
            Some((user, teams)) => {
                let spent = Spent::new(cost, cost);
                let shown = ShownUser::new(&user, teams, spent, spending.now());
                Whose::Known(Box::new(shown))
            }
            None => Whose::Gone(GoneUser {
                user_id,
                user_alias: None,
                user_email: None,
                spend: Dollars(cost),
            }),
        };
        rows.push(User {
            whose,
            total_tokens: tokens(&sum.totals),
            api_requests: sum.totals.requests,
        });
    }
    Ok(Json(rows).into_response())
}

/// `GET /spend/tags`.
pub(super) async fn tags(
    State(spending): State<Spending>,
    Asked(wanted): Asked<Wanted>,
    format: Format,
    _: Master,
) -> Result<Response, Failure> {
    let sums = spending.sums(GroupBy::Tag, &wanted).await?;
    if format == Format::Csv {
        return Ok(named("tag", &sums));
    }
    let tag = |sum: Sum| Tag {
        individual_request_tag: name(&sum),
        log_count: sum.totals.requests,
        total_spend: Dollars(sum.totals.cost),
    };
    let rows: Vec<_> = sums.into_iter().map(tag).collect();
    Ok(Json(rows).into_response())
}

/// `GET /global/spend/models`.
pub(super) async fn models(
    State(spending): State<Spending>,
    Asked(wanted): Asked<Wanted>,
    format: Format,
    _: Master,
) -> Result<Response, Failure> {
    let sums = spending.sums(GroupBy::ProviderModel, &wanted).await?;
    if format == Format::Csv {
        return Ok(named("model", &sums));
    }
    let model = |sum: Sum| Model {
        model: name(&sum),
        total_spend: Dollars(sum.totals.cost),
    };
    let rows: Vec<_> = sums.into_iter().map(model).collect();
    Ok(Json(rows).into_response())
}

/// `GET /global/spend/logs`: days in order.
pub(super) async fn days(
    State(spending): State<Spending>,
    Asked(wanted): Asked<Wanted>,
    format: Format,
    _: Master,
) -> Result<Response, Failure> {
    let sums = spending.sums(GroupBy::Day, &wanted).await?;
    if format == Format::Csv {
        return Ok(named("date", &sums));
    }
    let day = |sum: Sum| Day {
        date: name(&sum),
        spend: Dollars(sum.totals.cost),
    };
    let rows: Vec<_> = sums.into_iter().map(day).collect();
    Ok(Json(rows).into_response())
}

impl Spending {
    async fn sums(&self, by: GroupBy, wanted: &Wanted) -> Result<Vec<Sum>, Failure> {
        let dates = Dates {
            start_date: wanted.start_date.clone(),
            end_date: wanted.end_date.clone(),
        };
        let filter = dates.narrow(RequestFilter {
            user_id: wanted.user_id.clone(),
            ..RequestFilter::default()
        })?;
        let mut sums = self.ledger.sums(&[by], &filter).await?;
        if by != GroupBy::Day {
            sums.truncate(wanted.limit.unwrap_or(DEFAULT_ROWS).min(MOST_ROWS));
        }
        Ok(sums)
    }
}

/// What a sum is of; nothing for requests that belong to none.
fn name(sum: &Sum) -> String {
    sum.groups.first().cloned().flatten().unwrap_or_default()
}

fn named(column: &'static str, sums: &[Sum]) -> Response {
    let rows = sums.iter().map(|sum| line([name(sum)], &sum.totals));
    csv::table(&head(&[column]), rows)
}
