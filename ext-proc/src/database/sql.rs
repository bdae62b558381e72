//! Statements that SQLite and PostgreSQL both understand.
//!
//! Text of a statement is always the program's own; what comes from outside is bound.

use std::fmt::Write;

use dragoman_policy::UnixMillis;
use sqlx::postgres::{PgArguments, PgRow, Postgres};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _};

use super::DatabaseError;

/// A value of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    /// The values of a list, as [`Sql::among`] binds them.
    Texts(Vec<String>),
}

/// A column and its value.
pub(crate) type Named = (&'static str, Value);

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Self::Text(text.map(str::to_owned))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::from(Some(number))
    }
}

impl From<Option<u64>> for Value {
    fn from(number: Option<u64>) -> Self {
        Self::Int(number.map(|number| i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

impl From<UnixMillis> for Value {
    fn from(time: UnixMillis) -> Self {
        Self::from(time.0)
    }
}

impl From<Option<UnixMillis>> for Value {
    fn from(time: Option<UnixMillis>) -> Self {
        Self::from(time.map(|time| time.0))
    }
}

/// Around a parameter that is a list, until it is known which database reads the statement.
const LIST: (char, char) = ('\u{1}', '\u{2}');

/// A statement with its values.
#[derive(Debug, Clone)]
pub(crate) struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(crate) fn new(text: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            values: Vec::new(),
        }
    }

    pub(crate) fn push(mut self, text: &'static str) -> Self {
        self.text.push_str(text);
        self
    }

    pub(crate) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        // writing to a string does not fail
        let _ = write!(self.text, "${}", self.values.len());
        self
    }

    /// Whether what was pushed before is one of `values`.
    pub(crate) fn among(mut self, values: Vec<String>) -> Self {
        self.values.push(Value::Texts(values));
        let _ = write!(self.text, "{}{}{}", LIST.0, self.values.len(), LIST.1);
        self
    }

    pub(crate) fn insert(table: &'static str, columns: Vec<Named>) -> Self {
        let mut sql = Self::new("INSERT INTO ").push(table).push(" (");
        for (at, (name, _)) in columns.iter().enumerate() {
            sql = sql.push(if at == 0 { "" } else { ", " }).push(name);
        }
        sql = sql.push(") VALUES (");
        for (at, (_, value)) in columns.into_iter().enumerate() {
            sql = sql.push(if at == 0 { "" } else { ", " }).bind(value);
        }
        sql.push(")")
    }

    pub(crate) fn update(table: &'static str, columns: Vec<Named>) -> Self {
        let mut sql = Self::new("UPDATE ").push(table).push(" SET ");
        for (at, (name, value)) in columns.into_iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            sql = sql.push(comma).push(name).push(" = ").bind(value);
        }
        sql
    }

    pub(crate) fn for_sqlite(self) -> Query<'static, Sqlite, SqliteArguments> {
        let text = list_as(self.text, " IN (SELECT value FROM json_each($", "))");
        let query = sqlx::query(AssertSqlSafe(text));
        self.values
            .into_iter()
            .fold(query, |query, value| match value {
                Value::Text(text) => query.bind(text),
                Value::Int(number) => query.bind(number),
                Value::Texts(texts) => query.bind(serde_json::json!(texts).to_string()),
            })
    }

    pub(crate) fn for_postgres(self) -> Query<'static, Postgres, PgArguments> {
        let text = list_as(self.text, " = ANY($", ")");
        let query = sqlx::query(AssertSqlSafe(text));
        self.values
            .into_iter()
            .fold(query, |query, value| match value {
                Value::Text(text) => query.bind(text),
                Value::Int(number) => query.bind(number),
                Value::Texts(texts) => query.bind(texts),
            })
    }
}

fn list_as(text: String, before: &str, after: &str) -> String {
    if text.contains(LIST.0) {
        text.replace(LIST.0, before).replace(LIST.1, after)
    } else {
        text
    }
}

/// A row of a result.
#[derive(Debug)]
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl Row {
    pub(crate) fn optional_text(
        &self,
        column: &'static str,
    ) -> Result<Option<String>, DatabaseError> {
        match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|_| DatabaseError::Corrupt(column))
    }

    pub(crate) fn text(&self, column: &'static str) -> Result<String, DatabaseError> {
        self.optional_text(column)?
            .ok_or(DatabaseError::Corrupt(column))
    }

    pub(crate) fn optional_int(&self, column: &'static str) -> Result<Option<u64>, DatabaseError> {
        let number: Option<i64> = match self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
        .map_err(|_| DatabaseError::Corrupt(column))?;
        number
            .map(|number| u64::try_from(number).map_err(|_| DatabaseError::Corrupt(column)))
            .transpose()
    }

    pub(crate) fn int(&self, column: &'static str) -> Result<u64, DatabaseError> {
        self.optional_int(column)?
            .ok_or(DatabaseError::Corrupt(column))
    }
}
