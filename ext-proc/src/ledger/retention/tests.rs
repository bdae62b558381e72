//! Forgetting, against a ledger in a file.

use super::*;
use crate::ledger::contract::{keep_nothing, record};
use crate::ledger::{Batch, RequestFilter, SqlLedger};

const NOW: u64 = 100 * MS_PER_DAY;
const HOUR: u64 = 3_600_000;

async fn scene() -> (tempfile::TempDir, SqlLedger) {
    let folder = tempfile::tempdir().unwrap();
    let ledger = SqlLedger::open(&folder.path().join("ledger.sqlite")).await;
    (folder, ledger.unwrap())
}

async fn has(ledger: &SqlLedger, id: &str) -> bool {
    ledger.request(id).await.unwrap().is_some()
}

#[tokio::test]
async fn what_is_older_than_its_days_is_deleted_in_full_and_stays_in_the_sums() {
    let (_folder, ledger) = scene().await;
    let old = (0..1_200).map(|n| record(&format!("old{n}"), NOW - 31 * MS_PER_DAY));
    let records = old.chain([record("new", NOW - 29 * MS_PER_DAY)]).collect();
    ledger.record(&Batch::new(records)).await.unwrap();
    assert_eq!(forget(&ledger, Some(30), NOW).await.unwrap(), 1_200);
    assert!(!has(&ledger, "old7").await && has(&ledger, "new").await);
    assert_eq!(ledger.attempts("old7").await.unwrap(), []);
    let totals = ledger.totals(&RequestFilter::default()).await.unwrap();
    assert_eq!(
        (totals.requests, totals.cost.nanos()),
        (1_201, 1_201 * 1_500)
    );
}

#[tokio::test]
async fn without_days_everything_is_kept() {
    let (_folder, ledger) = scene().await;
    let batch = Batch::new(vec![record("old", 1)]);
    ledger.record(&batch).await.unwrap();
    assert_eq!(forget(&ledger, None, NOW).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_not_for_people_goes_after_hours() {
    let (_folder, ledger) = scene().await;
    let records = vec![record("old", NOW - 7 * HOUR), record("new", NOW - 5 * HOUR)];
    ledger.record(&keep_nothing(records)).await.unwrap();
    assert_eq!(forget(&ledger, None, NOW).await.unwrap(), 1);
    assert!(!has(&ledger, "old").await && has(&ledger, "new").await);
}

#[tokio::test]
async fn the_task_ends_when_it_is_told_to() {
    let (_folder, ledger) = scene().await;
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(retain(Arc::new(ledger), || Some(1), stopped));
    stop.send_replace(true);
    task.await.unwrap();
}
