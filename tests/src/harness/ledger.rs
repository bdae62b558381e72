//! The service's ledger, read from its database.

use std::path::{Path, PathBuf};

use anyhow::Context;
use sqlx::{
    ConnectOptions, Connection, FromRow, PgConnection,
    postgres::PgRow,
    sqlite::{SqliteConnectOptions, SqliteRow},
};

use super::eventually;

/// The ledger of a service: in its state folder, or in PostgreSQL.
#[derive(Debug, Clone)]
pub struct Ledger {
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Folder(PathBuf),
    Postgres(String),
}

/// What the ledger holds of one request.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct RequestRow {
    /// Its id.
    pub request_id: String,
    /// The key's hash, or `master`.
    pub key_id: String,
    /// The model as the client named it.
    pub alias: String,
    /// The endpoint.
    pub operation: String,
    /// How it ended: `complete`, `failed` …
    pub state: String,
    /// The HTTP status that the client saw.
    pub status: Option<i64>,
    /// OpenAI's error code.
    pub error_code: Option<String>,
    /// The client's `user` field.
    pub end_user: Option<String>,
    /// The deployment that answered.
    pub deployment: Option<String>,
    /// Its provider.
    pub provider: Option<String>,
    /// The provider's name of the model.
    pub provider_model: Option<String>,
    /// All input tokens.
    pub input_tokens: i64,
    /// Of these: from the cache.
    pub cached_tokens: i64,
    /// Of these: to the cache.
    pub cache_write_tokens: i64,
    /// All output tokens.
    pub output_tokens: i64,
    /// Of these: reasoning.
    pub reasoning_tokens: i64,
    /// Images made.
    pub images: i64,
    /// Milliseconds of sound heard or made.
    pub audio_ms: i64,
    /// Characters of input.
    pub characters: i64,
    /// Who counted: `provider`, `estimated`, `none`.
    pub usage_source: String,
    /// What it cost, in nano-dollars.
    pub cost_nanos: Option<i64>,
    /// How many attempts were made.
    pub attempts: i64,
    /// Parameters that were dropped, a JSON array.
    pub dropped: String,
    /// Time to the first token.
    pub first_token_ms: Option<i64>,
    /// Time to the end.
    pub duration_ms: i64,
}

/// What the ledger holds of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AttemptRow {
    /// From 1.
    pub attempt: i64,
    /// How it ended.
    pub state: String,
    /// The provider's HTTP status.
    pub provider_status: Option<i64>,
    /// OpenAI's error code.
    pub error_code: Option<String>,
    /// Its provider.
    pub provider: Option<String>,
    /// The provider's name of the model.
    pub provider_model: Option<String>,
    /// All input tokens.
    pub input_tokens: i64,
    /// All output tokens.
    pub output_tokens: i64,
}

impl Ledger {
    /// The ledger of the service whose state folder this is.
    pub fn new(state: &Path) -> Self {
        Self {
            place: Place::Folder(state.to_owned()),
        }
    }

    /// The ledger in PostgreSQL, as `DATABASE_URL` names it.
    pub fn postgres(url: &str) -> Self {
        Self {
            place: Place::Postgres(url.to_owned()),
        }
    }

    /// The row of a request, once it is there: accounting comes after the answer.
    pub async fn request(&self, id: &str) -> RequestRow {
        let what = format!("the ledger has a row of request {id}");
        eventually(&what, async || self.find(id).await.ok().flatten()).await
    }

    /// The rows of a request's attempts, in order.
    ///
    /// # Panics
    /// When the ledger cannot be read.
    pub async fn attempts(&self, id: &str) -> Vec<AttemptRow> {
        self.request(id).await;
        let query = "SELECT * FROM attempts WHERE request_id = $1 ORDER BY attempt";
        let rows = self.fetch(query, id).await;
        rows.expect("the attempts can be read")
    }

    /// The rows of all requests for a model, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn requests_for(&self, alias: &str) -> anyhow::Result<Vec<RequestRow>> {
        let query = "SELECT * FROM requests WHERE alias = $1 ORDER BY started_at, request_id";
        self.fetch(query, alias).await
    }

    /// The rows of all requests with a key, by its hash.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub async fn requests_of(&self, key_id: &str) -> anyhow::Result<Vec<RequestRow>> {
        let query = "SELECT * FROM requests WHERE key_id = $1 ORDER BY started_at, request_id";
        self.fetch(query, key_id).await
    }

    async fn find(&self, id: &str) -> anyhow::Result<Option<RequestRow>> {
        let query = "SELECT * FROM requests WHERE request_id = $1";
        Ok(self.fetch(query, id).await?.pop())
    }

    async fn fetch<T>(&self, query: &'static str, value: &str) -> anyhow::Result<Vec<T>>
    where
        T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        match &self.place {
            Place::Folder(folder) => {
                let options = SqliteConnectOptions::new().filename(file(folder)?);
                let mut connection = options.read_only(true).connect().await?;
                let rows = sqlx::query_as(query).bind(value);
                Ok(rows.fetch_all(&mut connection).await?)
            }
            Place::Postgres(url) => {
                let mut connection = PgConnection::connect(url).await?;
                let rows = sqlx::query_as(query).bind(value);
                Ok(rows.fetch_all(&mut connection).await?)
            }
        }
    }
}

fn file(folder: &Path) -> anyhow::Result<PathBuf> {
    let file = folder.join("dragoman.sqlite");
    let found = file.is_file().then_some(file);
    found.with_context(|| format!("no database in {}", folder.display()))
}
