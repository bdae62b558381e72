//! PostgreSQL, which may come later than this service.

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use reqwest::Url;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, Connection};

use super::{DatabaseError, MIGRATIONS, PATIENCE, postgres_failed};

const CONNECTIONS: u32 = 8;

/// A server, and whether its schema is up to date. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct PostgreSql {
    pool: PgPool,
    is_ready: Arc<AtomicBool>,
}

impl PostgreSql {
    /// The server at `url`; `sslmode` and `sslrootcert` in it say how to use TLS. Nothing is connected
    /// yet.
    pub(super) fn at(url: &str) -> Result<Self, sqlx::Error> {
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            let wrong = "a URL of PostgreSQL begins with postgres://";
            return Err(sqlx::Error::Configuration(wrong.into()));
        }
        let mut options: PgConnectOptions = url.parse()?;
        options = options.application_name("dragoman");
        if names_authority(url)? && matches!(options.get_ssl_mode(), PgSslMode::Require) {
            // As in libpq: whoever names an authority wants it asked.
            options = options.ssl_mode(PgSslMode::VerifyCa);
        }
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options);
        Ok(Self {
            pool,
            is_ready: Arc::default(),
        })
    }

    /// Brings the schema up to date. Takes an advisory lock: of several replicas that start at once,
    /// one migrates.
    pub(super) async fn prepare(&self) -> Result<(), DatabaseError> {
        if self.is_ready.load(Ordering::Acquire) {
            return Ok(());
        }
        let options = self.pool.connect_options();
        let connecting = tokio::time::timeout(PATIENCE, options.connect()).await;
        let connection = connecting
            .unwrap_or(Err(sqlx::Error::PoolTimedOut))
            .map_err(postgres_failed)?;
        // The pool would try again for as long as it has patience, and not say why it failed.
        connection.close().await.map_err(postgres_failed)?;
        MIGRATIONS.run(&self.pool).await?;
        self.is_ready.store(true, Ordering::Release);
        Ok(())
    }

    /// The connections, once the schema is up to date.
    pub(super) fn pool(&self) -> Result<&PgPool, sqlx::Error> {
        if self.is_ready.load(Ordering::Acquire) {
            return Ok(&self.pool);
        }
        let waiting = "it was not there since this service started";
        let error = std::io::Error::new(ErrorKind::NotConnected, waiting);
        Err(sqlx::Error::Io(error))
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Whether `url` names an authority for certificates. The files that it names can be read.
fn names_authority(url: &str) -> Result<bool, sqlx::Error> {
    let wrong = |text: String| sqlx::Error::Configuration(text.into());
    let url = Url::parse(url).map_err(|error| wrong(error.to_string()))?;
    let mut found = false;
    for (name, value) in url.query_pairs() {
        if !["sslrootcert", "sslcert", "sslkey"].contains(&&*name) {
            continue;
        }
        found |= name == "sslrootcert";
        let is_text = value.trim_start().starts_with("-----BEGIN");
        if !is_text && let Err(error) = std::fs::read(&*value) {
            let text = format!("`{name}` names {value}, which cannot be read: {error}");
            return Err(wrong(text));
        }
    }
    Ok(found)
}

/// Whether the same attempt may succeed in a moment.
pub(super) fn may_pass(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Io(error) => !matches!(
            error.kind(),
            // Certificates that do not fit, files that may not be read.
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::PermissionDenied
        ),
        // Classes of SQLSTATE: connections, resources, the operator's doing, such as a start.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            let passing = ["08", "53", "57", "58"];
            passing.iter().any(|class| code.starts_with(class))
        }),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Database;
    use super::*;

    async fn failure(url: &str) -> DatabaseError {
        Database::postgres(url).await.unwrap_err()
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_may_come() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = port.local_addr().unwrap().port();
        let error = failure(&format!("postgres://nobody@127.0.0.1:{port}/none")).await;
        assert!(error.may_pass(), "{error}");
        let error = failure("postgres://nobody@name.invalid/none").await;
        assert!(error.may_pass(), "{error}");
    }

    #[tokio::test]
    async fn what_is_wrong_stays_wrong() {
        let Some(url) = crate::database::postgres::database().await else {
            return;
        };
        let unknown = format!("{url}_unknown");
        let wrong = url.replace("postgres@", "nobody@");
        let without_tls = format!("{url}?sslmode=require");
        let no_file = format!("{url}?sslmode=verify-full&sslrootcert=/none");
        for url in [
            &no_file,
            &unknown,
            &wrong,
            &without_tls,
            "mysql://x/y",
            "postgres://x:y:z",
        ] {
            let error = failure(url).await;
            assert!(!error.may_pass(), "{url}: {error}");
        }
    }

    #[tokio::test]
    async fn nothing_is_asked_of_a_schema_of_another_time() {
        let Some(url) = crate::database::postgres::database().await else {
            return;
        };
        let file = std::path::Path::new("");
        let database = Database::open(Some(&url), file).await.unwrap();
        assert!(database.begin().await.is_err());
        database.prepare().await.unwrap();
        assert!(database.begin().await.is_ok());
        assert!(database.prepare().await.is_ok(), "once more does no harm");
    }
}
