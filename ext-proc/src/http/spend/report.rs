//! `GET /global/spend/report`: each day's spend by team, key, customer, user or model, and what it
//! is made of.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use dragoman_policy::NanoDollars;
use dragoman_proto::ApiError;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::asked::{Asked, Dates, Format};
use super::figures::{Dollars, head, line, tokens};
use super::{Failure, Master, Spending, csv};
use crate::ledger::{GroupBy, RequestFilter, Sum};

/// Which days, and by what.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    start_date: Option<String>,
    end_date: Option<String>,
    #[serde(default)]
    group_by: Grouping,
    /// A key or its hash.
    api_key: Option<String>,
    #[serde(alias = "internal_user_id")]
    user_id: Option<String>,
    team_id: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Grouping {
    #[default]
    Team,
    ApiKey,
    Customer,
    User,
    Model,
}

#[derive(Debug, Serialize)]
struct Day {
    group_by_day: String,
    #[serde(flatten)]
    groups: Groups,
}

#[derive(Debug)]
struct Groups {
    grouping: Grouping,
    groups: Vec<Group>,
    places: HashMap<Option<String>, usize>,
}

#[derive(Debug)]
struct Group {
    grouping: Grouping,
    /// `None`: requests that belong to none.
    id: Option<String>,
    name: String,
    spend: NanoDollars,
    requests: u64,
    parts: Vec<Part>,
}

/// What a key spent on a model.
#[derive(Debug, Serialize)]
struct Part {
    model: String,
    api_key: String,
    spend: Dollars,
    total_tokens: u64,
    api_requests: u64,
}

/// The report.
pub(super) async fn report(
    State(spending): State<Spending>,
    Asked(wanted): Asked<Wanted>,
    format: Format,
    _: Master,
) -> Result<Response, Failure> {
    let grouping = wanted.group_by;
    let filter = spending.report_filter(wanted).await?;
    let by = [
        GroupBy::Day,
        grouping.by(),
        GroupBy::ProviderModel,
        GroupBy::Key,
    ];
    let sums = spending.ledger.sums(&by, &filter).await?;
    if format == Format::Csv {
        let columns = head(&["date", grouping.column(), "provider_model", "key"]);
        let rows = sums.iter().map(|sum| {
            let names = sum.groups.iter().cloned().map(Option::unwrap_or_default);
            line(names, &sum.totals)
        });
        return Ok(csv::table(&columns, rows));
    }
    let names = match grouping {
        Grouping::Team => spending.team_names().await?,
        Grouping::ApiKey | Grouping::Customer | Grouping::User | Grouping::Model => HashMap::new(),
    };
    Ok(Json(days(grouping, sums, &names)).into_response())
}

impl Spending {
    async fn report_filter(&self, wanted: Wanted) -> Result<RequestFilter, Failure> {
        let dates = Dates {
            start_date: wanted.start_date,
            end_date: wanted.end_date,
        };
        if !dates.both() {
            return Err(ApiError::invalid("start_date and end_date are needed").into());
        }
        let key_id = match &wanted.api_key {
            Some(key) => Some(self.key_id(key).await?),
            None => None,
        };
        Ok(dates.narrow(RequestFilter {
            key_id,
            user_id: wanted.user_id,
            team_id: wanted.team_id,
            ..RequestFilter::default()
        })?)
    }
}

/// Folds sums, which come by day and the dearest first.
fn days(grouping: Grouping, sums: Vec<Sum>, names: &HashMap<String, String>) -> Vec<Day> {
    let mut days: Vec<Day> = Vec::new();
    for sum in sums {
        let mut groups = sum.groups.into_iter();
        let mut next = || groups.next().flatten();
        let (date, id) = (next().unwrap_or_default(), next());
        let part = Part {
            model: next().unwrap_or_default(),
            api_key: next().unwrap_or_default(),
            spend: Dollars(sum.totals.cost),
            total_tokens: tokens(&sum.totals),
            api_requests: sum.totals.requests,
        };
        let date = format!("{date}T00:00:00+00:00");
        if days.last().is_none_or(|day| day.group_by_day != date) {
            days.push(Day {
                group_by_day: date,
                groups: Groups {
                    grouping,
                    groups: Vec::new(),
                    places: HashMap::new(),
                },
            });
        }
        if let Some(day) = days.last_mut() {
            day.groups.add(id, names, part);
        }
    }
    for day in &mut days {
        let dearest = |a: &Group, b: &Group| b.spend.cmp(&a.spend);
        day.groups.groups.sort_by(dearest);
    }
    days
}

impl Groups {
    fn add(&mut self, id: Option<String>, names: &HashMap<String, String>, part: Part) {
        let at = self.places.get(&id).copied().unwrap_or_else(|| {
            self.places.insert(id.clone(), self.groups.len());
            let name = id.as_ref().map_or_else(
                || self.grouping.nobody().to_owned(),
                |id| names.get(id).unwrap_or(id).clone(),
            );
            self.groups.push(Group {
                grouping: self.grouping,
                id,
                name,
                spend: NanoDollars::ZERO,
                requests: 0,
                parts: Vec::new(),
            });
            self.groups.len() - 1
        });
        if let Some(group) = self.groups.get_mut(at) {
            group.spend = group.spend.saturating_add(part.spend.0);
            group.requests = group.requests.saturating_add(part.api_requests);
            group.parts.push(part);
        }
    }
}

impl Serialize for Groups {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(self.grouping.list(), &self.groups)?;
        map.end()
    }
}

impl Serialize for Group {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(self.grouping.name(), &self.name)?;
        if self.grouping == Grouping::Team {
            map.serialize_entry("team_id", &self.id)?;
        }
        map.serialize_entry("total_spend", &Dollars(self.spend))?;
        map.serialize_entry("api_requests", &self.requests)?;
        map.serialize_entry("metadata", &self.parts)?;
        map.end()
    }
}

impl Grouping {
    const fn by(self) -> GroupBy {
        match self {
            Self::Team => GroupBy::Team,
            Self::ApiKey => GroupBy::Key,
            Self::Customer => GroupBy::Customer,
            Self::User => GroupBy::User,
            Self::Model => GroupBy::ProviderModel,
        }
    }

    /// The list of a day's groups.
    const fn list(self) -> &'static str {
        match self {
            Self::Team => "teams",
            Self::ApiKey => "api_keys",
            Self::Customer => "customers",
            Self::User => "users",
            Self::Model => "models",
        }
    }

    /// A group's name.
    const fn name(self) -> &'static str {
        match self {
            Self::Team => "team_name",
            Self::ApiKey => "api_key",
            Self::Customer => "customer",
            Self::User => "user",
            Self::Model => "model",
        }
    }

    /// Its column in CSV.
    const fn column(self) -> &'static str {
        match self {
            Self::Team => "team_id",
            Self::ApiKey | Self::Customer | Self::User | Self::Model => self.name(),
        }
    }

    /// What those are called who belong to none.
    const fn nobody(self) -> &'static str {
        match self {
            Self::Team => "Unassigned",
            Self::ApiKey | Self::Customer | Self::User | Self::Model => "",
        }
    }
}
