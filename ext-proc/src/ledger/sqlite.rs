//! The ledger in an SQLite file.
//!
//! One connection writes, a few read. The journal is a write-ahead log with `synchronous = FULL`:
//! what is committed survives not only `kill -9` of the process (for which `NORMAL` would do) but
//! also a loss of power. The price is one fsync per commit, and a commit is a whole batch.

use std::path::Path;
use std::time::Duration;

use sqlx::query_builder::QueryBuilder;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteRow, SqliteSynchronous,
};
use sqlx::{Row, Sqlite};
use tonic::async_trait;

use super::row::{self, Column, Columns};
use super::{
    AttemptRow, Batch, GroupBy, GroupTotals, Ledger, LedgerError, Page, Record, RequestFilter,
    RequestRow, State, Totals,
};

/// Rows per statement: with 36 columns far below SQLite's 32766 parameters.
const ROWS_PER_INSERT: usize = 64;
const READERS: u32 = 4;
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const SUMS: &str = "COUNT(*) AS requests, \
    COALESCE(CAST(SUM(CASE WHEN state <> 'complete' THEN 1 ELSE 0 END) AS BIGINT), 0) AS incomplete, \
    COALESCE(CAST(SUM(CASE WHEN cost_nanos IS NULL THEN 1 ELSE 0 END) AS BIGINT), 0) AS unpriced, \
    COALESCE(CAST(SUM(input_tokens) AS BIGINT), 0) AS input_tokens, \
    COALESCE(CAST(SUM(output_tokens) AS BIGINT), 0) AS output_tokens, \
    COALESCE(CAST(SUM(cost_nanos) AS BIGINT), 0) AS cost_nanos";

/// A ledger in an SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteLedger {
    writer: SqlitePool,
    readers: SqlitePool,
}

impl SqliteLedger {
    /// Opens the ledger in `file`, which is made when missing, and brings its schema up to date.
    pub async fn open(file: &Path) -> Result<Self, LedgerError> {
        let writing = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_with(writing)
            .await?;
        sqlx::migrate!("./migrations").run(&writer).await?;
        let reading = SqliteConnectOptions::new()
            .filename(file)
            .read_only(true)
            .busy_timeout(BUSY_TIMEOUT);
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_lazy_with(reading);
        Ok(Self { writer, readers })
    }

    /// Closes all connections; the last one folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

#[async_trait]
impl Ledger for SqliteLedger {
    async fn record(&self, batch: &Batch) -> Result<(), LedgerError> {
        // Immediate: a transaction that reads first and then finds another writer would fail.
        let mut transaction = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        for records in batch.records().chunks(ROWS_PER_INSERT) {
            let records = make_room(&mut transaction, records).await?;
            insert(&mut transaction, &records).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn request(&self, request_id: &str) -> Result<Option<RequestRow>, LedgerError> {
        sqlx::query("SELECT * FROM requests WHERE request_id = $1")
            .bind(request_id)
            .fetch_optional(&self.readers)
            .await?
            .map(|found| row::request(&found))
            .transpose()
    }

    async fn attempts(&self, request_id: &str) -> Result<Vec<AttemptRow>, LedgerError> {
        sqlx::query("SELECT * FROM attempts WHERE request_id = $1 ORDER BY attempt")
            .bind(request_id)
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(row::attempt)
            .collect()
    }

    async fn page(
        &self,
        filter: &RequestFilter,
        page: &Page,
    ) -> Result<Vec<RequestRow>, LedgerError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT * FROM requests");
        push_filter(&mut query, filter);
        if let Some(after) = &page.after {
            query.push(" AND (started_at, requests.request_id) < (");
            query.push_bind(signed(after.started_ms));
            query.push(", ");
            query.push_bind(after.request_id.clone());
            query.push(")");
        }
        query.push(" ORDER BY started_at DESC, requests.request_id DESC LIMIT ");
        query.push_bind(i64::from(page.size));
        query
            .build()
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(row::request)
            .collect()
    }

    async fn totals(&self, filter: &RequestFilter) -> Result<Totals, LedgerError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(SUMS).push(" FROM requests");
        push_filter(&mut query, filter);
        totals(&query.build().fetch_one(&self.readers).await?)
    }

    async fn totals_by(
        &self,
        group: GroupBy,
        filter: &RequestFilter,
    ) -> Result<Vec<GroupTotals>, LedgerError> {
        let mut query = QueryBuilder::<Sqlite>::new("SELECT ");
        query.push(group_expression(group)).push(" AS grouped, ");
        query.push(SUMS).push(" FROM requests");
        if group == GroupBy::Tag {
            query.push(" JOIN request_tags ON request_tags.request_id = requests.request_id");
        }
        push_filter(&mut query, filter);
        query.push(match group {
            GroupBy::Day => " GROUP BY day ORDER BY day",
            GroupBy::Key
            | GroupBy::User
            | GroupBy::Team
            | GroupBy::Alias
            | GroupBy::ProviderModel
            | GroupBy::Tag => " GROUP BY 1 ORDER BY cost_nanos DESC, 1",
        });
        let rows = query.build().fetch_all(&self.readers).await?;
        rows.iter()
            .map(|found| group_totals(group, found))
            .collect()
    }

    async fn health(&self) -> Result<(), LedgerError> {
        sqlx::query("SELECT 1 FROM requests LIMIT 1")
            .fetch_optional(&self.readers)
            .await?;
        Ok(())
    }
}

impl Columns for SqliteRow {
    fn text(&self, column: &'static str) -> Result<Option<String>, LedgerError> {
        Ok(self.try_get(column)?)
    }

    fn int(&self, column: &'static str) -> Result<Option<i64>, LedgerError> {
        Ok(self.try_get(column)?)
    }
}

/// Takes away the rows of requests that are recorded once more, and leaves out the records that
/// know less than what is there. Nearly always there is nothing to do.
async fn make_room<'r>(
    connection: &mut SqliteConnection,
    records: &'r [Record],
) -> Result<Vec<&'r Record>, LedgerError> {
    let mut query =
        QueryBuilder::<Sqlite>::new("SELECT request_id, state FROM requests WHERE request_id IN (");
    let mut ids = query.separated(", ");
    for record in records {
        ids.push_bind(record.request.request_id.clone());
    }
    query.push(")");
    let mut kept: Vec<&Record> = records.iter().collect();
    for existing in query.build().fetch_all(&mut *connection).await? {
        let id: String = existing.try_get("request_id")?;
        let settled = existing.try_get::<String, _>("state")? != State::Unsettled.as_str();
        let at = kept.iter().position(|r| r.request.request_id == id);
        match at {
            Some(at) if settled && kept[at].request.state == State::Unsettled => {
                kept.remove(at);
            }
            _ => {
                for delete in [
                    "DELETE FROM request_tags WHERE request_id = $1",
                    "DELETE FROM attempts WHERE request_id = $1",
                    "DELETE FROM requests WHERE request_id = $1",
                ] {
                    sqlx::query(delete)
                        .bind(&id)
                        .execute(&mut *connection)
                        .await?;
                }
            }
        }
    }
    Ok(kept)
}

async fn insert(connection: &mut SqliteConnection, records: &[&Record]) -> Result<(), LedgerError> {
    let requests = records.iter().map(|r| row::request_columns(&r.request));
    insert_rows(connection, "requests", requests.collect()).await?;
    let attempts: Vec<_> = records.iter().flat_map(|r| &r.attempts).collect();
    for attempts in attempts.chunks(ROWS_PER_INSERT) {
        let rows = attempts.iter().map(|a| row::attempt_columns(a)).collect();
        insert_rows(connection, "attempts", rows).await?;
    }
    for record in records {
        for tag in &record.request.tags {
            sqlx::query(
                "INSERT INTO request_tags (tag, request_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            )
            .bind(tag)
            .bind(&record.request.request_id)
            .execute(&mut *connection)
            .await?;
        }
    }
    Ok(())
}

async fn insert_rows(
    connection: &mut SqliteConnection,
    table: &'static str,
    rows: Vec<Vec<(&'static str, Column)>>,
) -> Result<(), LedgerError> {
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let mut query = QueryBuilder::<Sqlite>::new("INSERT INTO ");
    query.push(table).push(" (");
    let mut names = query.separated(", ");
    for (name, _) in first {
        names.push(name);
    }
    query.push(") ");
    query.push_values(rows, |mut tuple, columns| {
        for (_, column) in columns {
            match column {
                Column::Text(value) => tuple.push_bind(value),
                Column::Int(value) => tuple.push_bind(value),
            };
        }
    });
    query.build().execute(connection).await?;
    Ok(())
}

fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &RequestFilter) {
    query.push(" WHERE 1 = 1");
    for (column, value) in [
        ("requests.request_id", &filter.request_id),
        ("key_id", &filter.key_id),
        ("user_id", &filter.user_id),
        ("team_id", &filter.team_id),
        ("alias", &filter.alias),
    ] {
        if let Some(value) = value {
            query.push(" AND ").push(column).push(" = ");
            query.push_bind(value.clone());
        }
    }
    if let Some(from) = filter.from_ms {
        query.push(" AND started_at >= ").push_bind(signed(from));
    }
    if let Some(until) = filter.until_ms {
        query.push(" AND started_at < ").push_bind(signed(until));
    }
}

const fn group_expression(group: GroupBy) -> &'static str {
    match group {
        GroupBy::Key => "key_id",
        GroupBy::User => "user_id",
        GroupBy::Team => "team_id",
        GroupBy::Alias => "alias",
        GroupBy::ProviderModel => "provider || '/' || provider_model",
        GroupBy::Tag => "tag",
        GroupBy::Day => "CAST(day AS TEXT)",
    }
}

fn group_totals(group: GroupBy, found: &SqliteRow) -> Result<GroupTotals, LedgerError> {
    let name = found.text("grouped")?;
    let name = match group {
        GroupBy::Day => Some(
            name.and_then(|days| days.parse().ok())
                .and_then(day_name)
                .ok_or(LedgerError::Corrupt("day"))?,
        ),
        GroupBy::Key
        | GroupBy::User
        | GroupBy::Team
        | GroupBy::Alias
        | GroupBy::ProviderModel
        | GroupBy::Tag => name,
    };
    Ok(GroupTotals {
        group: name,
        totals: totals(found)?,
    })
}

fn totals(found: &SqliteRow) -> Result<Totals, LedgerError> {
    Ok(Totals {
        requests: row::count(found, "requests")?,
        incomplete: row::count(found, "incomplete")?,
        unpriced: row::count(found, "unpriced")?,
        input_tokens: row::count(found, "input_tokens")?,
        output_tokens: row::count(found, "output_tokens")?,
        cost: dragoman_policy::NanoDollars::new(row::count(found, "cost_nanos")?),
    })
}

/// `2026-11-20`, out of days since the epoch.
fn day_name(days: i64) -> Option<String> {
    let midnight = jiff::Timestamp::from_second(days.checked_mul(86_400)?).ok()?;
    Some(midnight.strftime("%Y-%m-%d").to_string())
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
