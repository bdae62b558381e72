//! Many rows of a table on their way in: few statements, whose text repeats, so that each database
//! reads a text once and then knows it.

use std::fmt::Write;

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments};

use super::sql::{Named, Value};

/// Rows per statement of SQLite, which has no arrays: with 40 columns far below its 32766
/// parameters. Only these sizes occur, so that only four texts per table do.
const CHUNKS: [usize; 4] = [64, 16, 4, 1];

/// What happens to a row that is there already.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OnConflict {
    /// Nothing is inserted at all.
    Fail,
    /// The row stays as it is.
    Skip,
    /// These columns grow by what the new row says; `id` is the table's key.
    Add(&'static [&'static str]),
}

/// Rows of one table, column by column.
#[derive(Debug)]
pub(crate) struct Rows {
    table: &'static str,
    on_conflict: OnConflict,
    columns: Vec<(&'static str, Cells)>,
    len: usize,
}

#[derive(Debug)]
enum Cells {
    Text(Vec<Option<String>>),
    Int(Vec<Option<i64>>),
}

/// The cells of a column, on their way into a statement.
enum Taken {
    Text(std::vec::IntoIter<Option<String>>),
    Int(std::vec::IntoIter<Option<i64>>),
}

impl Rows {
    /// `rows`, each with the same columns in the same order.
    pub(crate) fn new(
        table: &'static str,
        on_conflict: OnConflict,
        rows: impl IntoIterator<Item = Vec<Named>>,
    ) -> Self {
        let mut all = Self {
            table,
            on_conflict,
            columns: Vec::new(),
            len: 0,
        };
        for row in rows {
            all.push(row);
        }
        all
    }

    fn push(&mut self, row: Vec<Named>) {
        if self.len == 0 {
            let columns = row.iter().map(|(name, value)| (*name, Cells::like(value)));
            self.columns = columns.collect();
        }
        for ((_, cells), (_, value)) in self.columns.iter_mut().zip(row) {
            cells.push(value);
        }
        self.len += 1;
    }

    /// One statement: PostgreSQL takes a column as an array.
    pub(crate) fn for_postgres(self) -> Option<Query<'static, Postgres, PgArguments>> {
        if self.len == 0 {
            return None;
        }
        let mut text = self.head();
        text.push_str("SELECT * FROM UNNEST(");
        for (at, (_, cells)) in self.columns.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let _ = write!(text, "{comma}${}::{}[]", at + 1, cells.postgres_type());
        }
        text.push(')');
        self.tail(&mut text);
        let query = sqlx::query(AssertSqlSafe(text));
        let query = self
            .columns
            .into_iter()
            .fold(query, |query, (_, cells)| match cells {
                Cells::Text(texts) => query.bind(texts),
                Cells::Int(numbers) => query.bind(numbers),
            });
        Some(query)
    }

    /// A statement per 64 rows, and a few more for the rest.
    pub(crate) fn for_sqlite(self) -> Vec<Query<'static, Sqlite, SqliteArguments>> {
        let mut texts = Vec::new();
        let mut left = self.len;
        while let Some(&size) = CHUNKS.iter().find(|size| **size <= left) {
            texts.push((self.values(size), size));
            left -= size;
        }
        let mut columns: Vec<Taken> = self.columns.into_iter().map(|(_, c)| c.taken()).collect();
        let mut queries = Vec::with_capacity(texts.len());
        for (text, size) in texts {
            let mut query = sqlx::query(AssertSqlSafe(text));
            for _ in 0..size {
                for column in &mut columns {
                    query = match column {
                        Taken::Text(texts) => query.bind(texts.next().flatten()),
                        Taken::Int(numbers) => query.bind(numbers.next().flatten()),
                    };
                }
            }
            queries.push(query);
        }
        queries
    }

    fn values(&self, rows: usize) -> String {
        let tuple = format!("({})", vec!["?"; self.columns.len()].join(","));
        let mut text = self.head();
        text.push_str("VALUES ");
        text.push_str(&vec![tuple; rows].join(","));
        self.tail(&mut text);
        text
    }

    fn head(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|(name, _)| *name).collect();
        format!("INSERT INTO {} ({}) ", self.table, names.join(", "))
    }

    fn tail(&self, text: &mut String) {
        match self.on_conflict {
            OnConflict::Fail => {}
            OnConflict::Skip => text.push_str(" ON CONFLICT DO NOTHING"),
            OnConflict::Add(columns) => {
                let table = self.table;
                let grow = |name: &&str| format!("{name} = {table}.{name} + excluded.{name}");
                let columns: Vec<_> = columns.iter().map(grow).collect();
                text.push_str(" ON CONFLICT (id) DO UPDATE SET ");
                text.push_str(&columns.join(", "));
            }
        }
    }
}

impl Cells {
    const fn like(value: &Value) -> Self {
        match value {
            Value::Int(_) => Self::Int(Vec::new()),
            Value::Text(_) | Value::Texts(_) => Self::Text(Vec::new()),
        }
    }

    fn push(&mut self, value: Value) {
        match (self, value) {
            (Self::Text(cells), Value::Text(text)) => cells.push(text),
            (Self::Int(cells), Value::Int(number)) => cells.push(number),
            // a column has one type; one that had not would be refused where it must not be null
            (Self::Text(cells), Value::Int(_) | Value::Texts(_)) => cells.push(None),
            (Self::Int(cells), Value::Text(_) | Value::Texts(_)) => cells.push(None),
        }
    }

    const fn postgres_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "TEXT",
            Self::Int(_) => "BIGINT",
        }
    }

    fn taken(self) -> Taken {
        match self {
            Self::Text(texts) => Taken::Text(texts.into_iter()),
            Self::Int(numbers) => Taken::Int(numbers.into_iter()),
        }
    }
}
