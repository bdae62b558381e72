//! Sums over requests: out of the tables of sums where they can tell, else out of the requests.
//!
//! The tables tell days apart and no less. Of a day that is asked for in part, what lies outside is
//! taken away again, request by request. So the answer is exact as long as the requests are there,
//! and rounded outwards to whole days once they are forgotten.

use std::collections::HashMap;

use super::rollup::{MEASURES, Table};
use super::row::{MS_PER_DAY, text};
use super::{GroupBy, LedgerError, RequestFilter, Sum, Totals};
use crate::database::{Row, Session, Sql};

/// Names of what is grouped by, in answers of the database.
const GROUPS: [&str; 6] = ["g1", "g2", "g3", "g4", "g5", "g6"];
/// The same, as places.
const PLACES: [&str; 6] = ["1", "2", "3", "4", "5", "6"];

/// Less than hidden rows stay.
const SHORT_MS: u64 = 4 * 3_600_000;

type Group = Vec<Option<String>>;
type Measured = [u64; MEASURES.len()];
type Sums = HashMap<Group, Measured>;

/// The sums of what `filter` selects, per group.
pub(super) async fn sums(
    session: &mut Session,
    by: &[GroupBy],
    filter: &RequestFilter,
) -> Result<Vec<Sum>, LedgerError> {
    let mut sums = match covering(by, filter) {
        None => of_requests(session, by, filter).await?,
        Some(table) => {
            let mut sums = of_days(session, table, by, filter).await?;
            for outside in outside(filter) {
                subtract(&mut sums, &of_requests(session, by, &outside).await?);
            }
            sums
        }
    };
    sums.retain(|group, [requests, ..]| *requests > 0 || group.is_empty());
    let mut sums: Vec<Sum> = sums.into_iter().map(sum).collect();
    let day = by.iter().position(|by| *by == GroupBy::Day);
    let day = |sum: &Sum| day.and_then(|at| sum.groups.get(at).cloned());
    sums.sort_by(|a, b| {
        let days = day(a).cmp(&day(b));
        let dearest = b.totals.cost.cmp(&a.totals.cost);
        days.then(dearest).then_with(|| a.groups.cmp(&b.groups))
    });
    Ok(sums)
}

fn sum((groups, measured): (Group, Measured)) -> Sum {
    let totals = Totals::of(measured);
    Sum { groups, totals }
}

/// The table that tells all of it apart.
fn covering(by: &[GroupBy], filter: &RequestFilter) -> Option<Table> {
    if filter.request_id.is_some() || filter.ended_from_ms.is_some() || short(filter) {
        return None;
    }
    let filtered = filter.columns();
    let needed = filtered
        .into_iter()
        .filter_map(|(column, value)| value.is_some().then_some(column));
    let needed: Vec<_> = needed
        .chain(by.iter().flat_map(|by| by.columns().iter().copied()))
        .collect();
    Table::ALL
        .into_iter()
        .find(|table| needed.iter().all(|column| table.columns().contains(column)))
}

/// Whether the requests themselves are few. A window of budgets that is this short ends now or later,
/// so that all its requests are still there.
fn short(filter: &RequestFilter) -> bool {
    let window = filter.from_ms.zip(filter.until_ms);
    window.is_some_and(|(from, until)| until.saturating_sub(from) <= SHORT_MS)
}

async fn of_days(
    session: &mut Session,
    table: Table,
    by: &[GroupBy],
    filter: &RequestFilter,
) -> Result<Sums, LedgerError> {
    let mut sql = selected(by);
    for (at, name) in MEASURES.into_iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        let sql_so_far = sql.push(comma).push("COALESCE(CAST(SUM(");
        sql = sql_so_far
            .push(name)
            .push(") AS BIGINT), 0) AS ")
            .push(name);
    }
    sql = sql.push(" FROM ").push(table.name()).push(" WHERE 1 = 1");
    sql = narrowed(sql, filter);
    if let Some(from) = filter.from_ms {
        sql = sql.push(" AND day >= ").bind(from / MS_PER_DAY);
    }
    if let Some(until) = filter.until_ms {
        sql = sql.push(" AND day < ").bind(until.div_ceil(MS_PER_DAY));
    }
    read(by, &session.fetch(grouped(sql, by)).await?)
}

async fn of_requests(
    session: &mut Session,
    by: &[GroupBy],
    filter: &RequestFilter,
) -> Result<Sums, LedgerError> {
    let mut sql = selected(by)
        .push("COUNT(*) AS requests, ")
        .push("COALESCE(CAST(SUM(CASE WHEN state <> 'complete' THEN 1 ELSE 0 END) AS BIGINT), 0) AS incomplete, ")
        .push("COALESCE(CAST(SUM(CASE WHEN cost_nanos IS NULL THEN 1 ELSE 0 END) AS BIGINT), 0) AS unpriced");
    for name in MEASURES.into_iter().skip(3) {
        sql = sql.push(", COALESCE(CAST(SUM(").push(name);
        sql = sql.push(") AS BIGINT), 0) AS ").push(name);
    }
    sql = sql.push(" FROM requests");
    if by.contains(&GroupBy::Tag) {
        sql = sql.push(" JOIN request_tags ON request_tags.request_id = requests.request_id");
    }
    sql = filtered(sql.push(" WHERE 1 = 1"), filter);
    read(by, &session.fetch(grouped(sql, by)).await?)
}

/// `sql` with the conditions of `filter` behind it.
pub(super) fn filtered(sql: Sql, filter: &RequestFilter) -> Sql {
    let mut sql = narrowed(sql, filter);
    if let Some(id) = &filter.request_id {
        sql = sql.push(" AND requests.request_id = ").bind(text(id));
    }
    if let Some(from) = filter.from_ms {
        sql = sql.push(" AND started_at >= ").bind(from);
    }
    if let Some(until) = filter.until_ms {
        sql = sql.push(" AND started_at < ").bind(until);
    }
    if let Some(from) = filter.ended_from_ms {
        sql = sql.push(" AND started_at + duration_ms >= ").bind(from);
    }
    if filter.listed_only {
        sql = sql.push(" AND transient = 0");
    }
    sql
}

fn narrowed(mut sql: Sql, filter: &RequestFilter) -> Sql {
    for (column, value) in filter.columns() {
        if let Some(value) = value {
            sql = sql.push(" AND ").push(column).push(" = ").bind(text(value));
        }
    }
    sql
}

fn selected(by: &[GroupBy]) -> Sql {
    let mut sql = Sql::new("SELECT ");
    for (by, name) in by.iter().zip(GROUPS) {
        sql = sql.push(by.expression()).push(" AS ").push(name).push(", ");
    }
    sql
}

fn grouped(mut sql: Sql, by: &[GroupBy]) -> Sql {
    for (at, (_, place)) in by.iter().zip(PLACES).enumerate() {
        sql = sql
            .push(if at == 0 { " GROUP BY " } else { ", " })
            .push(place);
    }
    sql
}

fn read(by: &[GroupBy], rows: &[Row]) -> Result<Sums, LedgerError> {
    let mut sums = Sums::with_capacity(rows.len());
    for row in rows {
        let mut group = Group::with_capacity(by.len());
        for (by, name) in by.iter().zip(GROUPS) {
            let value = row.optional_text(name)?;
            group.push(match by {
                GroupBy::Day => Some(
                    value
                        .and_then(day_name)
                        .ok_or(LedgerError::Corrupt("day"))?,
                ),
                _ => value,
            });
        }
        let mut measured = Measured::default();
        for (value, name) in measured.iter_mut().zip(MEASURES) {
            *value = row.int(name)?;
        }
        sums.insert(group, measured);
    }
    Ok(sums)
}

/// What lies on the days that `filter` touches, and outside of it.
fn outside(filter: &RequestFilter) -> Vec<RequestFilter> {
    let part = |from, until| RequestFilter {
        from_ms: Some(from),
        until_ms: Some(until),
        ..filter.clone()
    };
    let before = filter.from_ms.map(|from| (from - from % MS_PER_DAY, from));
    let after = filter.until_ms.map(|until| {
        let end = until.div_ceil(MS_PER_DAY).saturating_mul(MS_PER_DAY);
        (until, end)
    });
    let parts = before.into_iter().chain(after);
    let parts = parts.filter(|(from, until)| from < until);
    parts.map(|(from, until)| part(from, until)).collect()
}

fn subtract(sums: &mut Sums, less: &Sums) {
    for (group, less) in less {
        if let Some(sum) = sums.get_mut(group) {
            for (sum, less) in sum.iter_mut().zip(less) {
                *sum = sum.saturating_sub(*less);
            }
        }
    }
}

impl GroupBy {
    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Key => &["key_id"],
            Self::User => &["user_id"],
            Self::Team => &["team_id"],
            Self::Customer => &["end_user"],
            Self::Alias => &["alias"],
            Self::ProviderModel => &["provider", "provider_model"],
            Self::Tag => &["tag"],
            Self::Day => &[],
        }
    }

    const fn expression(self) -> &'static str {
        match self {
            Self::Key => "key_id",
            Self::User => "NULLIF(user_id, '')",
            Self::Team => "NULLIF(team_id, '')",
            Self::Customer => "NULLIF(end_user, '')",
            Self::Alias => "alias",
            Self::ProviderModel => "NULLIF(provider, '') || '/' || NULLIF(provider_model, '')",
            Self::Tag => "tag",
            Self::Day => "CAST(day AS TEXT)",
        }
    }
}

/// `2026-11-20`, out of days since the epoch.
fn day_name(days: impl AsRef<str>) -> Option<String> {
    let days: i64 = days.as_ref().parse().ok()?;
    let midnight = jiff::Timestamp::from_second(days.checked_mul(86_400)?).ok()?;
    Some(midnight.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_named_in_utc() {
        assert_eq!(day_name("0").as_deref(), Some("1970-01-01"));
        assert_eq!(day_name("20777").as_deref(), Some("2026-11-20"));
    }

    #[test]
    fn only_a_day_s_part_is_taken_away_again() {
        let filter = RequestFilter {
            from_ms: Some(MS_PER_DAY),
            until_ms: Some(2 * MS_PER_DAY + 5),
            ..RequestFilter::default()
        };
        let parts: Vec<_> = outside(&filter)
            .iter()
            .map(|f| (f.from_ms, f.until_ms))
            .collect();
        let rest_of_day = (Some(2 * MS_PER_DAY + 5), Some(3 * MS_PER_DAY));
        assert_eq!(parts, [rest_of_day]);
    }
}
