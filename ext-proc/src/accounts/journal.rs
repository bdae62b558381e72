//! The journal of accounts that are kept in the process: an SQLite file that is written off the
//! request path, a few milliseconds behind, one transaction for all that happened since the last.
//!
//! What a crash (`kill -9`) can lose is the tail of the journal: what happened after the last
//! transaction, some milliseconds. Entries are written in the order in which they happened, so what
//! is found at the start is a state that there was. For each thing that the tail may hold:
//!
//! - A reservation is lost: the request goes on in Envoy, and its report finds no reservation.
//!   Settling says [`Settled::Unknown`], and [`Accounts::charge`] charges it then.
//! - A settlement is lost: the reservation is there again, and holds its money until it is settled
//!   from the ledger ([`Reconciler`]) or expires and is charged in full.
//! - Both are lost: the ledger's row is newer than the journal, and [`Reconciler`]
//!   charges it.
//! - A release is lost: the reservation expires and is charged though nothing was sent.
//!
//! So a crash never makes room that was spent. Only a request whose reservation *and* report are
//! lost, because Envoy died in the same moments and before it reported, is charged to nobody.
//!
//! The write-ahead log is synchronised at checkpoints only: a loss of power can lose more of the
//! tail, which the ledger (synchronised at each commit) gives back in the same way. Limits (requests
//! and tokens per minute, requests in flight) begin anew; they forget within a minute anyway.
//!
//! [`Settled::Unknown`]: super::Settled::Unknown
//! [`Accounts::charge`]: super::Accounts::charge
//! [`Reconciler`]: super::Reconciler

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dragoman_policy::budget::{AccountSheet, AccountWindow};
use dragoman_policy::{AccountId, NanoDollars, Scope, UnixMillis, Window};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteRow,
    SqliteSynchronous,
};
use sqlx::{Row, SqliteConnection};

use super::memory::settled::REMEMBERED_MS;

mod batch;
mod writer;

pub(super) use batch::{Batch, Entry, Held};
pub use writer::JournalGuard;
pub(super) use writer::JournalWriter;

const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Balances of windows that ended longer ago are nobody's concern.
const KEPT_AFTER_WINDOW_MS: u64 = 86_400_000;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file is not there, is full, is locked …
    #[error("the journal of accounts cannot be used: {0}")]
    Database(#[from] sqlx::Error),
    /// The schema is newer than this binary, or a migration failed.
    #[error("the journal's schema cannot be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A row holds what no version of this service wrote.
    #[error("a row of the journal does not read back: {0}")]
    Corrupt(&'static str),
}

#[derive(Debug, Clone)]
pub(super) struct Journal(SqlitePool);

/// What an earlier process left.
#[derive(Debug, Default)]
pub(super) struct Restored {
    pub(super) open: Vec<Held>,
    pub(super) charged: Vec<Held>,
    pub(super) settled: Vec<(String, UnixMillis)>,
    pub(super) sheets: Vec<AccountSheet>,
    pub(super) written_at: UnixMillis,
}

impl Journal {
    /// Opens the journal in `file`, which is made when missing.
    pub(super) async fn open(file: &Path) -> Result<Self, JournalError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(BUSY_TIMEOUT)
            .connect_with(options)
            .await?;
        sqlx::migrate!("./migrations/accounts").run(&pool).await?;
        Ok(Self(pool))
    }

    pub(super) async fn close(&self) {
        self.0.close().await;
    }

    /// Reads all that matters.
    pub(super) async fn restore(&self) -> Result<Restored, JournalError> {
        let mut restored = Restored::default();
        let rows = sqlx::query("SELECT * FROM reservations");
        for row in rows.fetch_all(&self.0).await? {
            match row.try_get::<&str, _>("state")? {
                "open" => restored.open.push(held(&row)?),
                "charged" => restored.charged.push(held(&row)?),
                "settled" => restored
                    .settled
                    .push((row.try_get("request_id")?, time(&row, "due_at")?)),
                _ => return Err(JournalError::Corrupt("state")),
            }
        }
        restored.settled.sort_by_key(|(_, at)| *at);
        let rows = sqlx::query("SELECT * FROM balances");
        for row in rows.fetch_all(&self.0).await? {
            restored.sheets.push(sheet(&row)?);
        }
        let row = sqlx::query("SELECT written_at FROM journal");
        restored.written_at = time(&row.fetch_one(&self.0).await?, "written_at")?;
        Ok(restored)
    }

    /// Writes all of `batch` or none of it.
    pub(super) async fn write(&self, batch: &Batch, now: UnixMillis) -> Result<(), JournalError> {
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        for (request_id, change) in batch.reservations() {
            write_reservation(&mut transaction, request_id, change).await?;
        }
        for sheet in batch.sheets() {
            write_sheet(&mut transaction, sheet).await?;
        }
        sqlx::query("UPDATE journal SET written_at = $1")
            .bind(signed(now))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Forgets what nothing asks for any more.
    pub(super) async fn prune(&self, now: UnixMillis) -> Result<(), JournalError> {
        let before = |ms: u64| signed(UnixMillis(now.0.saturating_sub(ms)));
        sqlx::query("DELETE FROM reservations WHERE state = 'settled' AND due_at < $1")
            .bind(before(2 * REMEMBERED_MS))
            .execute(&self.0)
            .await?;
        sqlx::query("DELETE FROM reservations WHERE state = 'charged' AND due_at < $1")
            .bind(signed(now))
            .execute(&self.0)
            .await?;
        sqlx::query("DELETE FROM balances WHERE window_end > 0 AND window_end < $1")
            .bind(before(KEPT_AFTER_WINDOW_MS))
            .execute(&self.0)
            .await?;
        Ok(())
    }
}

async fn write_reservation(
    connection: &mut SqliteConnection,
    request_id: &Arc<str>,
    change: &batch::Change,
) -> Result<(), JournalError> {
    const PUT: &str = "INSERT OR REPLACE INTO reservations \
        (request_id, state, amount_nanos, due_at, accounts, memo) VALUES ($1, $2, $3, $4, $5, $6)";
    let id = request_id.to_string();
    let query = match change {
        batch::Change::Held { held, charged } => sqlx::query(PUT)
            .bind(id)
            .bind(if *charged { "charged" } else { "open" })
            .bind(held.amount.to_i64())
            .bind(signed(held.due))
            .bind(accounts_to_json(&held.accounts))
            .bind(held.memo.to_string()),
        batch::Change::Kept { due } => sqlx::query(
            "UPDATE reservations SET due_at = $2 WHERE request_id = $1 AND state = 'open'",
        )
        .bind(id)
        .bind(signed(*due)),
        batch::Change::Charged { due } => sqlx::query(
            "UPDATE reservations SET state = 'charged', due_at = $2 WHERE request_id = $1",
        )
        .bind(id)
        .bind(signed(*due)),
        batch::Change::Settled { at } => sqlx::query(PUT)
            .bind(id)
            .bind("settled")
            .bind(0_i64)
            .bind(signed(*at))
            .bind("[]")
            .bind(""),
        batch::Change::Released => {
            sqlx::query("DELETE FROM reservations WHERE request_id = $1").bind(id)
        }
    };
    query.execute(connection).await?;
    Ok(())
}

async fn write_sheet(
    connection: &mut SqliteConnection,
    sheet: &AccountSheet,
) -> Result<(), JournalError> {
    let AccountWindow { account, window } = &sheet.at;
    sqlx::query(
        "INSERT OR REPLACE INTO balances \
         (scope, id, window_start, window_end, spent_nanos, limit_nanos, alerted) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(account.scope.as_str())
    .bind(account.id.to_string())
    .bind(signed(window.start))
    .bind(window.end.map_or(0, signed))
    .bind(sheet.spent.to_i64())
    .bind(sheet.limit.to_i64())
    .bind(i64::from(sheet.alerted))
    .execute(connection)
    .await?;
    Ok(())
}

fn held(row: &SqliteRow) -> Result<Held, JournalError> {
    Ok(Held {
        request_id: Arc::from(row.try_get::<&str, _>("request_id")?),
        amount: amount(row, "amount_nanos")?,
        due: time(row, "due_at")?,
        accounts: accounts_from_json(row.try_get("accounts")?)?,
        memo: Arc::from(row.try_get::<&str, _>("memo")?),
    })
}

fn sheet(row: &SqliteRow) -> Result<AccountSheet, JournalError> {
    let scope = Scope::parse(row.try_get("scope")?).ok_or(JournalError::Corrupt("scope"))?;
    Ok(AccountSheet {
        at: AccountWindow {
            account: AccountId::new(scope, row.try_get("id")?),
            window: Window {
                start: time(row, "window_start")?,
                end: Some(time(row, "window_end")?).filter(|end| end.0 > 0),
            },
        },
        spent: amount(row, "spent_nanos")?,
        limit: amount(row, "limit_nanos")?,
        alerted: row.try_get::<i64, _>("alerted")? != 0,
    })
}

fn amount(row: &SqliteRow, column: &'static str) -> Result<NanoDollars, JournalError> {
    Ok(NanoDollars::from_i64(row.try_get(column)?))
}

fn time(row: &SqliteRow, column: &'static str) -> Result<UnixMillis, JournalError> {
    let ms = row.try_get::<i64, _>(column)?;
    u64::try_from(ms)
        .map(UnixMillis)
        .map_err(|_| JournalError::Corrupt(column))
}

fn signed(time: UnixMillis) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

type JsonAccount = (String, String, u64, Option<u64>);

fn accounts_to_json(accounts: &[AccountWindow]) -> String {
    let json = |at: &AccountWindow| -> JsonAccount {
        let AccountId { scope, id } = &at.account;
        let end = at.window.end.map(|end| end.0);
        (
            scope.as_str().to_owned(),
            id.to_string(),
            at.window.start.0,
            end,
        )
    };
    let all: Vec<JsonAccount> = accounts.iter().map(json).collect();
    serde_json::to_string(&all).unwrap_or_default()
}

fn accounts_from_json(json: &str) -> Result<Vec<AccountWindow>, JournalError> {
    let corrupt = JournalError::Corrupt("accounts");
    let Ok(all) = serde_json::from_str::<Vec<JsonAccount>>(json) else {
        return Err(corrupt);
    };
    all.into_iter()
        .map(|(scope, id, start, end)| {
            let scope = Scope::parse(&scope).ok_or(JournalError::Corrupt("accounts"))?;
            Ok(AccountWindow {
                account: AccountId::new(scope, &id),
                window: Window {
                    start: UnixMillis(start),
                    end: end.map(UnixMillis),
                },
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
