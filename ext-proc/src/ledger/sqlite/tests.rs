//! The contract, against SQLite; and what only a file has to prove.

use super::*;
use crate::ledger::contract::{self, record};

struct Scratch {
    folder: tempfile::TempDir,
}

impl Scratch {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    async fn open(&self) -> SqliteLedger {
        SqliteLedger::open(&self.folder.path().join("dragoman.db"))
            .await
            .unwrap()
    }
}

macro_rules! holds {
    ($($behaviour:ident)*) => {$(
        #[tokio::test]
        async fn $behaviour() {
            let scratch = Scratch::new();
            contract::$behaviour(&scratch.open().await).await;
        }
    )*};
}

holds! {
    a_recorded_request_reads_back
    attempts_read_back_in_order
    an_unknown_request_is_none
    recording_twice_changes_nothing
    a_later_report_replaces_an_earlier_one
    unsettled_never_replaces_what_is_settled
    one_batch_may_name_a_request_twice
    a_large_batch_is_recorded_whole
    pages_walk_all_requests_once_newest_first
    filters_narrow_the_page
    totals_tell_unpriced_from_free
    totals_by_day_are_in_order
    a_request_counts_for_each_of_its_tags
    groups_of_nobody_are_kept
    a_fresh_ledger_is_healthy_and_empty
}

#[tokio::test]
async fn rows_survive_closing_and_opening() {
    let scratch = Scratch::new();
    let ledger = scratch.open().await;
    ledger
        .record(&Batch::new(vec![record("a", 1)]))
        .await
        .unwrap();
    ledger.close().await;
    let reopened = scratch.open().await;
    assert!(reopened.request("a").await.unwrap().is_some());
}

#[tokio::test]
async fn a_commit_is_in_the_file_before_record_returns() {
    let scratch = Scratch::new();
    let ledger = scratch.open().await;
    ledger
        .record(&Batch::new(vec![record("a", 1)]))
        .await
        .unwrap();
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
    assert!(
        ledger
            .record(&Batch::new(vec![record("a", 1)]))
            .await
            .is_err()
    );
}

#[test]
fn days_are_named_in_utc() {
    assert_eq!(day_name(0).as_deref(), Some("1970-01-01"));
    assert_eq!(day_name(20_777).as_deref(), Some("2026-11-20"));
}
