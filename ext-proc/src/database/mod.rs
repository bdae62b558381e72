//! The database that the store is in: an SQLite file, or PostgreSQL.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Postgres, Sqlite, Transaction};

use super::StoreError;
use super::sql::{Row, Sql};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

const READERS: u32 = 4;
const POSTGRES_CONNECTIONS: u32 = 8;
/// How long to wait for a lock of SQLite, or for a connection.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a statement may take; a database that is slower than that counts as down.
const STATEMENT: Duration = Duration::from_secs(5);

/// A database with an up-to-date schema. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Database(Backend);

#[derive(Debug, Clone)]
enum Backend {
    /// One connection writes, a few read.
    Sqlite {
        writer: SqlitePool,
        readers: SqlitePool,
    },
    Postgres(PgPool),
}

/// Statements that all happen or none.
pub(super) enum Session {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Database {
    /// Opens an SQLite file, which is made when missing, and brings its schema up to date.
    pub async fn sqlite(file: &Path) -> Result<Self, StoreError> {
        // SQLite has no lock for migrations; without one two starts at once would both make tables
        let lock = lock(with_suffix(file, ".lock")).await?;
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(PATIENCE);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .connect_with(options.clone())
            .await
            .map_err(sqlite_failed)?;
        MIGRATIONS.run(&writer).await?;
        drop(lock);
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options.create_if_missing(false).read_only(true));
        Ok(Self(Backend::Sqlite { writer, readers }))
    }

    /// Connects to PostgreSQL and brings the schema up to date. `url` is as in `DATABASE_URL`;
    /// `sslmode` and `sslrootcert` in it say how to use TLS.
    pub async fn postgres(url: &str) -> Result<Self, StoreError> {
        let options: PgConnectOptions = url.parse().map_err(postgres_failed)?;
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .connect_with(options.application_name("dragoman"))
            .await
            .map_err(postgres_failed)?;
        // takes an advisory lock: of several replicas that start at once, one migrates
        MIGRATIONS.run(&pool).await?;
        Ok(Self(Backend::Postgres(pool)))
    }

    /// For people: what kind of database it is.
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Backend::Sqlite { .. } => SQLITE,
            Backend::Postgres(_) => POSTGRES,
        }
    }

    /// Closes all connections.
    pub async fn close(&self) {
        match &self.0 {
            Backend::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Backend::Postgres(pool) => pool.close().await,
        }
    }

    pub(super) async fn fetch(&self, sql: Sql) -> Result<Vec<Row>, StoreError> {
        match &self.0 {
            Backend::Sqlite { readers, .. } => within(sql.for_sqlite().fetch_all(readers))
                .await
                .map(|rows| rows.into_iter().map(Row::Sqlite).collect()),
            Backend::Postgres(pool) => within(sql.for_postgres().fetch_all(pool))
                .await
                .map(|rows| rows.into_iter().map(Row::Postgres).collect()),
        }
        .map_err(|error| self.failed(error))
    }

    /// Rows that a statement changed.
    pub(super) async fn execute(&self, sql: Sql) -> Result<u64, StoreError> {
        match &self.0 {
            Backend::Sqlite { writer, .. } => within(sql.for_sqlite().execute(writer))
                .await
                .map(|done| done.rows_affected()),
            Backend::Postgres(pool) => within(sql.for_postgres().execute(pool))
                .await
                .map(|done| done.rows_affected()),
        }
        .map_err(|error| self.failed(error))
    }

    pub(super) async fn begin(&self) -> Result<Session, StoreError> {
        match &self.0 {
            // immediate: a transaction that reads first and then finds another writer would fail
            Backend::Sqlite { writer, .. } => within(writer.begin_with("BEGIN IMMEDIATE"))
                .await
                .map(Session::Sqlite),
            Backend::Postgres(pool) => within(pool.begin()).await.map(Session::Postgres),
        }
        .map_err(|error| self.failed(error))
    }

    /// Takes all connections that read from SQLite, so that nobody else gets one.
    #[cfg(test)]
    pub(super) async fn hold_readers(&self) -> Vec<sqlx::pool::PoolConnection<Sqlite>> {
        let mut held = Vec::new();
        if let Backend::Sqlite { readers, .. } = &self.0 {
            for _ in 0..READERS {
                held.push(readers.acquire().await.unwrap());
            }
        }
        held
    }

    fn failed(&self, error: sqlx::Error) -> StoreError {
        failed(self.name(), error)
    }
}

impl Session {
    pub(super) async fn execute(&mut self, sql: Sql) -> Result<u64, StoreError> {
        match self {
            Self::Sqlite(transaction) => {
                let done = within(sql.for_sqlite().execute(&mut **transaction)).await;
                done.map(|done| done.rows_affected())
                    .map_err(|error| failed(SQLITE, error))
            }
            Self::Postgres(transaction) => {
                let done = within(sql.for_postgres().execute(&mut **transaction)).await;
                done.map(|done| done.rows_affected())
                    .map_err(|error| failed(POSTGRES, error))
            }
        }
    }

    pub(super) async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(transaction) => within(transaction.commit())
                .await
                .map_err(|error| failed(SQLITE, error)),
            Self::Postgres(transaction) => within(transaction.commit())
                .await
                .map_err(|error| failed(POSTGRES, error)),
        }
    }
}

const SQLITE: &str = "the SQLite database";
const POSTGRES: &str = "the PostgreSQL database";

fn sqlite_failed(error: sqlx::Error) -> StoreError {
    failed(SQLITE, error)
}

fn postgres_failed(error: sqlx::Error) -> StoreError {
    failed(POSTGRES, error)
}

fn failed(dependency: &'static str, source: sqlx::Error) -> StoreError {
    use super::Unique;
    if let sqlx::Error::Database(error) = &source
        && error.is_unique_violation()
    {
        // SQLite names the column, PostgreSQL the index; the alias' index has both words
        let alias = error.message().contains("virtual_keys") && error.message().contains("alias");
        return StoreError::Taken(if alias { Unique::KeyAlias } else { Unique::Id });
    }
    StoreError::Unavailable { dependency, source }
}

async fn within<T>(work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    tokio::time::timeout(STATEMENT, work)
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Waits until no other process holds the lock; it is held as long as the file is open.
async fn lock(path: PathBuf) -> std::io::Result<File> {
    let locking = tokio::task::spawn_blocking(move || {
        let file = File::options().create(true).append(true).open(path)?;
        file.lock()?;
        Ok(file)
    });
    locking.await.map_err(std::io::Error::other)?
}
