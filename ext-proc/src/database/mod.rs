//! The database: an SQLite file, or PostgreSQL.
//!
//! Keys and ledger are in the same one. What they say to it is SQL that both understand.

mod postgresql;
mod rows;
mod sql;

#[cfg(test)]
pub(crate) mod postgres;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Sqlite, Transaction};

use postgresql::PostgreSql;
pub(crate) use rows::{OnConflict, Rows};
pub(crate) use sql::{Named, Row, Sql, Value};

static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

const READERS: u32 = 4;
/// How long to wait for a lock of SQLite, or for a connection.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long a statement may take; a database that is slower than that counts as down.
const STATEMENT: Duration = Duration::from_secs(5);

/// Why the database does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The database is not there, is full, is locked, refuses a row …
    #[error("{dependency} cannot be used: {source}")]
    Unavailable {
        /// For people: what is missing.
        dependency: &'static str,
        /// For the log: it may name hosts and files.
        source: sqlx::Error,
    },
    /// The schema is newer than this binary, or a migration failed.
    #[error("the schema of the database cannot be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// The file of the database cannot be used.
    #[error("the file of the database cannot be used: {0}")]
    File(#[from] std::io::Error),
    /// A row holds what no version of this service wrote.
    #[error("column {0} does not read back")]
    Corrupt(&'static str),
}

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
    Postgres(PostgreSql),
}

/// Statements that all happen or none.
pub(crate) enum Session {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, sqlx::Postgres>),
}

impl DatabaseError {
    /// Whether it may be otherwise in a moment: the server is not there yet, or busy with its start.
    /// A wrong password, an unknown database or a schema of the future do not pass.
    pub fn may_pass(&self) -> bool {
        use sqlx::migrate::MigrateError;
        match self {
            Self::Unavailable { source, .. }
            | Self::Migration(
                MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _),
            ) => postgresql::may_pass(source),
            Self::Migration(_) | Self::File(_) | Self::Corrupt(_) => false,
        }
    }
}

impl Database {
    /// The database at `url`, as in `DATABASE_URL`: PostgreSQL, which [`Database::prepare`] makes
    /// ready. Without a URL, the SQLite file `file`, which is ready.
    pub async fn open(url: Option<&str>, file: &Path) -> Result<Self, DatabaseError> {
        match url {
            Some(url) => PostgreSql::at(url)
                .map(|server| Self(Backend::Postgres(server)))
                .map_err(postgres_failed),
            None => Self::sqlite(file).await,
        }
    }

    /// Connects to PostgreSQL and brings its schema up to date. Until that is done, all that is asked
    /// of it fails as it does when PostgreSQL goes away later.
    pub async fn prepare(&self) -> Result<(), DatabaseError> {
        match &self.0 {
            Backend::Sqlite { .. } => Ok(()),
            Backend::Postgres(server) => server.prepare().await,
        }
    }

    /// Opens an SQLite file, which is made when missing, and brings its schema up to date.
    pub async fn sqlite(file: &Path) -> Result<Self, DatabaseError> {
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

    /// PostgreSQL at `url`, made ready.
    #[cfg(test)]
    pub(crate) async fn postgres(url: &str) -> Result<Self, DatabaseError> {
        let database = Self::open(Some(url), Path::new("")).await?;
        database.prepare().await?;
        Ok(database)
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
            Backend::Postgres(server) => server.close().await,
        }
    }

    pub(crate) async fn fetch(&self, sql: Sql) -> Result<Vec<Row>, DatabaseError> {
        match &self.0 {
            Backend::Sqlite { readers, .. } => within(sql.for_sqlite().fetch_all(readers))
                .await
                .map(|rows| rows.into_iter().map(Row::Sqlite).collect()),
            Backend::Postgres(server) => {
                within(async { sql.for_postgres().fetch_all(server.pool()?).await })
                    .await
                    .map(|rows| rows.into_iter().map(Row::Postgres).collect())
            }
        }
        .map_err(|error| self.failed(error))
    }

    /// Rows that a statement changed.
    pub(crate) async fn execute(&self, sql: Sql) -> Result<u64, DatabaseError> {
        match &self.0 {
            Backend::Sqlite { writer, .. } => within(sql.for_sqlite().execute(writer))
                .await
                .map(|done| done.rows_affected()),
            Backend::Postgres(server) => {
                within(async { sql.for_postgres().execute(server.pool()?).await })
                    .await
                    .map(|done| done.rows_affected())
            }
        }
        .map_err(|error| self.failed(error))
    }

    pub(crate) async fn begin(&self) -> Result<Session, DatabaseError> {
        match &self.0 {
            // immediate: a transaction that reads first and then finds another writer would fail
            Backend::Sqlite { writer, .. } => within(writer.begin_with("BEGIN IMMEDIATE"))
                .await
                .map(Session::Sqlite),
            Backend::Postgres(server) => within(async { server.pool()?.begin().await })
                .await
                .map(Session::Postgres),
        }
        .map_err(|error| self.failed(error))
    }

    /// Statements that all read the same state of the database.
    pub(crate) async fn begin_read(&self) -> Result<Session, DatabaseError> {
        const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        match &self.0 {
            Backend::Sqlite { readers, .. } => within(readers.begin()).await.map(Session::Sqlite),
            Backend::Postgres(server) => {
                within(async { server.pool()?.begin_with(SNAPSHOT).await })
                    .await
                    .map(Session::Postgres)
            }
        }
        .map_err(|error| self.failed(error))
    }

    /// Takes all connections that read from SQLite, so that nobody else gets one.
    #[cfg(test)]
    pub(crate) async fn hold_readers(&self) -> Vec<sqlx::pool::PoolConnection<Sqlite>> {
        let mut held = Vec::new();
        if let Backend::Sqlite { readers, .. } = &self.0 {
            for _ in 0..READERS {
                held.push(readers.acquire().await.unwrap());
            }
        }
        held
    }

    fn failed(&self, error: sqlx::Error) -> DatabaseError {
        failed(self.name(), error)
    }
}

impl Session {
    pub(crate) async fn fetch(&mut self, sql: Sql) -> Result<Vec<Row>, DatabaseError> {
        match self {
            Self::Sqlite(transaction) => {
                let rows = within(sql.for_sqlite().fetch_all(&mut **transaction)).await;
                rows.map(|rows| rows.into_iter().map(Row::Sqlite).collect())
                    .map_err(sqlite_failed)
            }
            Self::Postgres(transaction) => {
                let rows = within(sql.for_postgres().fetch_all(&mut **transaction)).await;
                rows.map(|rows| rows.into_iter().map(Row::Postgres).collect())
                    .map_err(postgres_failed)
            }
        }
    }

    /// Inserts many rows in as few statements as the database can.
    pub(crate) async fn insert(&mut self, rows: Rows) -> Result<(), DatabaseError> {
        match self {
            Self::Sqlite(transaction) => {
                for query in rows.for_sqlite() {
                    within(query.execute(&mut **transaction))
                        .await
                        .map_err(sqlite_failed)?;
                }
            }
            Self::Postgres(transaction) => {
                if let Some(query) = rows.for_postgres() {
                    within(query.execute(&mut **transaction))
                        .await
                        .map_err(postgres_failed)?;
                }
            }
        }
        Ok(())
    }

    pub(crate) async fn execute(&mut self, sql: Sql) -> Result<u64, DatabaseError> {
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

    pub(crate) async fn commit(self) -> Result<(), DatabaseError> {
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

fn sqlite_failed(error: sqlx::Error) -> DatabaseError {
    failed(SQLITE, error)
}

fn postgres_failed(error: sqlx::Error) -> DatabaseError {
    failed(POSTGRES, error)
}

const fn failed(dependency: &'static str, source: sqlx::Error) -> DatabaseError {
    DatabaseError::Unavailable { dependency, source }
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
