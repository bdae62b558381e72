//! The contract, against both databases; and what only a file has to prove.

use std::collections::BTreeSet;

use sqlx::migrate::Migrator;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};

use super::*;
use crate::database::postgres;
use crate::ledger::contract::sums::*;
use crate::ledger::contract::*;

macro_rules! behaviours {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                let scratch = super::Scratch::new();
                super::$name(&scratch.open().await).await;
            })*
        }

        mod postgresql {
            $(#[tokio::test]
            async fn $name() {
                if let Some(url) = super::postgres::database().await {
                    let database = super::Database::postgres(&url).await.unwrap();
                    super::$name(&super::SqlLedger::new(database)).await;
                }
            })*
        }
    };
}

behaviours! {
    a_recorded_request_reads_back,
    attempts_read_back_in_order,
    an_unknown_request_is_none,
    recording_twice_changes_nothing,
    a_later_report_replaces_an_earlier_one,
    unsettled_never_replaces_what_is_settled,
    one_batch_may_name_a_request_twice,
    a_large_batch_is_recorded_whole,
    pages_walk_all_requests_once_newest_first,
    filters_narrow_the_page,
    a_page_can_be_of_what_ended_lately,
    positions_tell_what_a_sum_holds,
    totals_tell_unpriced_from_free,
    totals_by_day_are_in_order,
    a_request_counts_for_each_of_its_tags,
    groups_of_nobody_are_kept,
    a_fresh_ledger_is_healthy_and_empty,
    sums_hold_every_unit,
    a_part_of_a_day_is_exact,
    sums_are_told_apart_by_several_things_at_once,
    customers_are_told_apart_however_long_their_names,
    tags_can_be_summed_for_one_key,
    a_replaced_request_counts_as_what_it_is_now,
    without_spend_logs_there_are_sums_and_no_rows,
    without_spend_logs_a_request_still_counts_once,
    without_error_logs_failures_are_only_summed,
    sums_outlive_their_requests,
    absurd_numbers_of_a_provider_hold_nothing_up,
    no_text_of_a_client_is_an_error,
}

struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.path().join("dragoman.db")
    }

    async fn open(&self) -> SqlLedger {
        SqlLedger::open(&self.file()).await.unwrap()
    }
}

async fn keep_one(ledger: &SqlLedger) -> Result<(), LedgerError> {
    ledger.record(&Batch::new(vec![record("a", 1)])).await
}

#[tokio::test]
async fn rows_survive_closing_and_opening() {
    let scratch = Scratch::new();
    let ledger = scratch.open().await;
    keep_one(&ledger).await.unwrap();
    ledger.close().await;
    let reopened = scratch.open().await;
    assert!(reopened.request("a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_commit_is_in_the_file_before_record_returns() {
    let scratch = Scratch::new();
    let ledger = scratch.open().await;
    keep_one(&ledger).await.unwrap();
    // A second process would see the same: the first is neither closed nor asked.
    let other = scratch.open().await;
    assert!(other.request("a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_closed_database_is_an_error_and_no_empty_answer() {
    let scratch = Scratch::new();
    let ledger = scratch.open().await;
    ledger.close().await;
    assert!(ledger.health().await.is_err());
    assert!(ledger.request("a").await.is_err());
    assert!(keep_one(&ledger).await.is_err());
}

#[tokio::test]
async fn replicas_that_record_at_once_count_each_request_once() {
    let Some(url) = postgres::database().await else {
        return;
    };
    let mut replicas = Vec::new();
    for _ in 0..4 {
        let database = Database::postgres(&url).await.unwrap();
        replicas.push(SqlLedger::new(database));
    }
    let recording = replicas.iter().map(|ledger| async move {
        let records = (0..50).map(|n| record(&format!("r{n}"), n)).collect();
        let batch = Batch::new(records);
        // as the writer does: until it is written
        while ledger.record(&batch).await.is_err() {}
    });
    futures::future::join_all(recording).await;
    let totals = replicas[0].totals(&RequestFilter::default()).await.unwrap();
    assert_eq!((totals.requests, totals.cost.nanos()), (50, 50 * 1_500));
}

/// The schema before there were sums, with `records` in it.
async fn earlier(file: &Path, ids: &[&str]) {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    for name in ["0001_ledger.sql", "0002_keys.sql"] {
        std::fs::copy(migrations.join(name), folder.path().join(name)).unwrap();
    }
    let migrator = Migrator::new(folder.path()).await.unwrap();
    migrator.run(&pool).await.unwrap();
    for id in ids {
        let columns = row::request_columns(&record(id, 5).request, false);
        let columns = columns.into_iter().filter(|(name, _)| *name != "transient");
        let request = Sql::insert("requests", columns.collect());
        request.for_sqlite().execute(&pool).await.unwrap();
        for tag in ["a,b", "c"] {
            let columns = vec![("tag", tag.into()), ("request_id", (*id).into())];
            let tag = Sql::insert("request_tags", columns);
            tag.for_sqlite().execute(&pool).await.unwrap();
        }
    }
    pool.close().await;
}

#[tokio::test]
async fn requests_from_before_there_were_sums_are_in_them() {
    let scratch = Scratch::new();
    earlier(&scratch.file(), &["a", "b"]).await;
    let ledger = scratch.open().await;
    ledger
        .record(&Batch::new(vec![record("c", 6)]))
        .await
        .unwrap();
    let everything = RequestFilter::default();
    for by in [GroupBy::Key, GroupBy::Customer, GroupBy::Tag, GroupBy::Day] {
        let sums = ledger.sums(&[by], &everything).await.unwrap();
        let requests: BTreeSet<_> = sums.iter().map(|sum| sum.totals.requests).collect();
        assert_eq!(requests, BTreeSet::from([3]), "{by:?}");
    }
    let totals = ledger.totals(&everything).await.unwrap();
    assert_eq!(totals.cost.nanos(), 3 * 1_500);
    assert_eq!(totals.usage.characters, 3 * 8);
}

#[tokio::test]
async fn a_late_report_of_a_request_from_before_counts_once() {
    let scratch = Scratch::new();
    earlier(&scratch.file(), &["a"]).await;
    let ledger = scratch.open().await;
    ledger
        .record(&Batch::new(vec![record("a", 5)]))
        .await
        .unwrap();
    let totals = ledger.totals(&RequestFilter::default()).await.unwrap();
    assert_eq!((totals.requests, totals.cost.nanos()), (1, 1_500));
}
