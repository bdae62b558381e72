//! How a batch is written: rows, and what they change in the sums.

use std::collections::HashMap;

use super::rollup::Deltas;
use super::row::{self, clipped_tag};
use super::{Batch, LedgerError, Record, RequestRow};
use crate::database::{OnConflict, Row, Rows, Session, Sql, Value};

/// Writes `batch` in `session`.
///
/// Two replicas that record the same request at once are told apart by the table's key: the second
/// fails, tries again, and then sees the row of the first.
pub(super) async fn record(session: &mut Session, batch: &Batch) -> Result<(), LedgerError> {
    let mut deltas = Deltas::default();
    let records = make_room(session, batch.records(), &mut deltas).await?;
    for record in &records {
        deltas.add(&record.request);
    }
    let position = next_position(session).await?;
    let requests = records.iter().map(|record| {
        let mut columns = row::request_columns(&record.request, !batch.keeps(&record.request));
        columns.push(("position", position.into()));
        columns
    });
    let requests = Rows::new("requests", OnConflict::Fail, requests);
    session.insert(requests).await?;
    let kept = || records.iter().filter(|record| batch.keeps(&record.request));
    let attempts = kept().flat_map(|record| &record.attempts);
    let attempts = attempts.map(row::attempt_columns);
    let attempts = Rows::new("attempts", OnConflict::Fail, attempts);
    session.insert(attempts).await?;
    let tags = Rows::new("request_tags", OnConflict::Skip, tags(&records));
    session.insert(tags).await?;
    deltas.write(session).await
}

/// The number of this batch. Whoever asks next waits until this transaction has ended, so that numbers
/// grow in the order in which batches can be seen.
async fn next_position(session: &mut Session) -> Result<u64, LedgerError> {
    let next = "UPDATE ledger_position SET position = position + 1 RETURNING position";
    position(&session.fetch(Sql::new(next)).await?)
}

/// The position that was selected.
pub(super) fn position(rows: &[Row]) -> Result<u64, LedgerError> {
    let row = rows.first().ok_or(LedgerError::Corrupt("position"))?;
    Ok(row.int("position")?)
}

/// Deletes requests with all that belongs to them. The sums stay.
pub(super) async fn delete(session: &mut Session, ids: &[String]) -> Result<(), LedgerError> {
    for delete in [
        "DELETE FROM request_tags WHERE request_id",
        "DELETE FROM attempts WHERE request_id",
        "DELETE FROM requests WHERE request_id",
    ] {
        session
            .execute(Sql::new(delete).among(ids.to_vec()))
            .await?;
    }
    Ok(())
}

/// Takes away the rows of requests that are recorded once more, and leaves out the records that
/// know less than what is there. Nearly always there is nothing to do.
async fn make_room<'r>(
    session: &mut Session,
    records: &'r [Record],
    deltas: &mut Deltas,
) -> Result<Vec<&'r Record>, LedgerError> {
    let id = |record: &Record| record.request.request_id.clone();
    let sql = Sql::new("SELECT * FROM requests WHERE request_id");
    let found = session
        .fetch(sql.among(records.iter().map(id).collect()))
        .await?;
    let mut present: HashMap<String, RequestRow> = HashMap::with_capacity(found.len());
    for found in &found {
        let row = row::request(found)?;
        present.insert(row.request_id.clone(), row);
    }
    let replaces = |record: &&Record| {
        let earlier = present.get(&record.request.request_id);
        earlier.is_none_or(|earlier| record.request.replaces(earlier))
    };
    let kept: Vec<_> = records.iter().filter(replaces).collect();
    let mut replaced = Vec::new();
    for record in &kept {
        if let Some(earlier) = present.get(&record.request.request_id) {
            deltas.subtract(earlier);
            replaced.push(id(record));
        }
    }
    if !replaced.is_empty() {
        delete(session, &replaced).await?;
    }
    Ok(kept)
}

fn tags(records: &[&Record]) -> Vec<Vec<(&'static str, Value)>> {
    let pairs = records.iter().flat_map(|record| {
        let tags = record.request.tags.iter();
        tags.filter_map(|tag| Some((clipped_tag(tag)?, &record.request.request_id)))
    });
    pairs
        .map(|(tag, id)| vec![("tag", row::text(tag)), ("request_id", row::text(id))])
        .collect()
}
