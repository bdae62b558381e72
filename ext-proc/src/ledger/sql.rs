//! The ledger in SQLite or PostgreSQL.
//!
//! A batch is one transaction of a handful of statements. In SQLite the journal is a write-ahead log
//! with `synchronous = FULL`: what is committed survives not only `kill -9` of the process (for which
//! `NORMAL` would do) but also a loss of power. The price is one fsync per commit, and a commit is a
//! whole batch.

use std::path::Path;

use tonic::async_trait;

use super::sums::{filtered, sums};
use super::{
    AttemptRow, Batch, Expired, GroupBy, Ledger, LedgerError, Page, RequestFilter, RequestRow,
    Standing, Sum, record, row,
};
use crate::database::{Database, Sql};

/// A ledger in a database.
#[derive(Debug, Clone)]
pub struct SqlLedger {
    database: Database,
}

impl SqlLedger {
    /// The ledger in `database`.
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The ledger in an SQLite file, which is made when missing.
    pub async fn open(file: &Path) -> Result<Self, LedgerError> {
        Ok(Self::new(Database::sqlite(file).await?))
    }

    /// Closes all connections; the last one to SQLite folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.database.close().await;
    }
}

#[async_trait]
impl Ledger for SqlLedger {
    async fn record(&self, batch: &Batch) -> Result<(), LedgerError> {
        if batch.records().is_empty() {
            return Ok(());
        }
        let mut session = self.database.begin().await?;
        record::record(&mut session, batch).await?;
        Ok(session.commit().await?)
    }

    async fn request(&self, request_id: &str) -> Result<Option<RequestRow>, LedgerError> {
        let sql = Sql::new("SELECT * FROM requests WHERE request_id = ").bind(request_id);
        let rows = self.database.fetch(sql).await?;
        rows.first().map(row::request).transpose()
    }

    async fn requests(&self, request_ids: &[String]) -> Result<Vec<RequestRow>, LedgerError> {
        let sql = Sql::new("SELECT * FROM requests WHERE request_id");
        let rows = self.database.fetch(sql.among(request_ids.to_vec())).await?;
        rows.iter().map(row::request).collect()
    }

    async fn position(&self, request_id: &str) -> Result<Option<u64>, LedgerError> {
        let sql = Sql::new("SELECT position FROM requests WHERE request_id = ");
        let sql = sql.bind(request_id);
        let rows = self.database.fetch(sql).await?;
        let position = rows.first().map(|row| row.int("position"));
        Ok(position.transpose()?)
    }

    async fn attempts(&self, request_id: &str) -> Result<Vec<AttemptRow>, LedgerError> {
        let sql = Sql::new("SELECT * FROM attempts WHERE request_id = ").bind(request_id);
        let rows = self.database.fetch(sql.push(" ORDER BY attempt")).await?;
        rows.iter().map(row::attempt).collect()
    }

    async fn page(
        &self,
        filter: &RequestFilter,
        page: &Page,
    ) -> Result<Vec<RequestRow>, LedgerError> {
        let sql = Sql::new("SELECT * FROM requests WHERE 1 = 1");
        let mut sql = filtered(sql, filter);
        if let Some(alias) = &filter.alias {
            sql = on_days_of(sql, alias, page.after.is_none());
        }
        if let Some(after) = &page.after {
            sql = sql
                .push(" AND (started_at, request_id) < (")
                .bind(after.started_ms)
                .push(", ")
                .bind(row::text(&after.request_id))
                .push(")");
        }
        let sql = sql
            .push(" ORDER BY started_at DESC, request_id DESC LIMIT ")
            .bind(u64::from(page.size));
        let rows = self.database.fetch(sql).await?;
        rows.iter().map(row::request).collect()
    }

    async fn sums(&self, by: &[GroupBy], filter: &RequestFilter) -> Result<Vec<Sum>, LedgerError> {
        let mut session = self.database.begin_read().await?;
        sums(&mut session, by, filter).await
    }

    async fn standing(&self, filter: &RequestFilter) -> Result<Standing, LedgerError> {
        let mut session = self.database.begin_read().await?;
        let sums = sums(&mut session, &[], filter).await?;
        let sql = Sql::new("SELECT position FROM ledger_position");
        let positions = session.fetch(sql).await?;
        let sum = sums.into_iter().next();
        Ok(Standing {
            totals: sum.map(|sum| sum.totals).unwrap_or_default(),
            position: record::position(&positions)?,
        })
    }

    async fn forget(
        &self,
        expired: Expired,
        before_ms: u64,
        most: u32,
    ) -> Result<u64, LedgerError> {
        let mut sql = Sql::new("SELECT request_id FROM requests WHERE started_at < ");
        sql = sql.bind(before_ms);
        if expired == Expired::Transient {
            sql = sql.push(" AND transient = 1");
        }
        sql = sql
            .push(" ORDER BY started_at LIMIT ")
            .bind(u64::from(most));
        let rows = self.database.fetch(sql).await?;
        let ids: Vec<_> = rows
            .iter()
            .map(|row| row.text("request_id"))
            .collect::<Result<_, _>>()?;
        let forgotten = ids.len() as u64;
        if forgotten > 0 {
            let mut session = self.database.begin().await?;
            record::delete(&mut session, &ids).await?;
            session.commit().await?;
        }
        Ok(forgotten)
    }

    async fn health(&self) -> Result<(), LedgerError> {
        let sql = Sql::new("SELECT request_id FROM requests LIMIT 1");
        self.database.fetch(sql).await?;
        Ok(())
    }
}

/// Requests have no index by alias, because each index costs those who write. The sums know on which
/// days an alias was asked for, and so what need not be read. Behind a cursor only the first of them
/// matters; of two upper bounds SQLite would begin to read at the wrong one.
fn on_days_of(sql: Sql, alias: &str, is_first_page: bool) -> Sql {
    let from = sql
        .push(" AND started_at >= (SELECT MIN(day) * 86400000 FROM spend WHERE alias = ")
        .bind(row::text(alias))
        .push(")");
    if !is_first_page {
        return from;
    }
    from.push(" AND started_at < (SELECT (MAX(day) + 1) * 86400000 FROM spend WHERE alias = ")
        .bind(row::text(alias))
        .push(")")
}

#[cfg(test)]
mod tests;
