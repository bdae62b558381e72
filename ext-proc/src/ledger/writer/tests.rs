//! The writer against a ledger that can be made to fail.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use tonic::async_trait;

use super::*;
use crate::database::DatabaseError;
use crate::ledger::contract::record;
use crate::ledger::{
    AttemptRow, Expired, GroupBy, Keep, LedgerError, Page, RequestFilter, RequestRow, Standing, Sum,
};

/// Keeps the sizes of the batches it was given; fails while it is told to.
#[derive(Default)]
struct Fake {
    broken: AtomicBool,
    batches: Mutex<Vec<usize>>,
    kept: AtomicUsize,
}

impl Fake {
    fn written(&self) -> usize {
        self.batches.lock().unwrap().iter().sum()
    }
}

#[async_trait]
impl Ledger for Fake {
    async fn record(&self, batch: &Batch) -> Result<(), LedgerError> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(LedgerError::Database(DatabaseError::Unavailable {
                dependency: "the database",
                source: sqlx::Error::PoolTimedOut,
            }));
        }
        self.batches.lock().unwrap().push(batch.records().len());
        let kept = batch.records().iter().filter(|r| batch.keeps(&r.request));
        self.kept.fetch_add(kept.count(), Ordering::Relaxed);
        Ok(())
    }

    async fn request(&self, _: &str) -> Result<Option<RequestRow>, LedgerError> {
        Ok(None)
    }

    async fn requests(&self, _: &[String]) -> Result<Vec<RequestRow>, LedgerError> {
        Ok(Vec::new())
    }

    async fn position(&self, _: &str) -> Result<Option<u64>, LedgerError> {
        Ok(None)
    }

    async fn attempts(&self, _: &str) -> Result<Vec<AttemptRow>, LedgerError> {
        Ok(Vec::new())
    }

    async fn page(&self, _: &RequestFilter, _: &Page) -> Result<Vec<RequestRow>, LedgerError> {
        Ok(Vec::new())
    }

    async fn sums(&self, _: &[GroupBy], _: &RequestFilter) -> Result<Vec<Sum>, LedgerError> {
        Ok(Vec::new())
    }

    async fn standing(&self, _: &RequestFilter) -> Result<Standing, LedgerError> {
        Ok(Standing::default())
    }

    async fn forget(&self, _: Expired, _: u64, _: u32) -> Result<u64, LedgerError> {
        Ok(0)
    }

    async fn health(&self) -> Result<(), LedgerError> {
        Ok(())
    }
}

async fn hand_in(writer: &LedgerWriter, records: usize) {
    for n in 0..records {
        writer.record(record(&format!("r{n}"), 1)).await.unwrap();
    }
}

fn start(options: WriterOptions) -> (Arc<Fake>, LedgerWriter, WriterGuard) {
    let fake = Arc::new(Fake::default());
    let (writer, guard) = LedgerWriter::start(fake.clone(), options);
    (fake, writer, guard)
}

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn records_that_come_together_are_one_transaction() {
    let (fake, writer, guard) = start(WriterOptions::default());
    hand_in(&writer, 100).await;
    guard.drain(PATIENCE).await.unwrap();
    assert_eq!(*fake.batches.lock().unwrap(), [100]);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_has_its_limit() {
    let (fake, writer, guard) = start(WriterOptions {
        batch: 8,
        ..WriterOptions::default()
    });
    hand_in(&writer, 20).await;
    guard.drain(PATIENCE).await.unwrap();
    assert_eq!(*fake.batches.lock().unwrap(), [8, 8, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_lone_record_waits_no_longer_than_the_delay() {
    let (fake, writer, _guard) = start(WriterOptions::default());
    hand_in(&writer, 1).await;
    tokio::time::sleep(Duration::from_millis(21)).await;
    assert_eq!(fake.written(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_is_reported_and_the_records_are_kept_until_it_passes() {
    let (fake, writer, guard) = start(WriterOptions::default());
    fake.broken.store(true, Ordering::Relaxed);
    hand_in(&writer, 3).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let health = writer.health();
    assert_eq!(health.waiting, 3);
    assert!(health.failure.is_some());

    fake.broken.store(false, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(fake.written(), 3);
    let well = WriterHealth {
        waiting: 0,
        failure: None,
    };
    assert_eq!(writer.health(), well);
    guard.drain(PATIENCE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_those_wait_who_record() {
    let (fake, writer, guard) = start(WriterOptions {
        queue: 2,
        batch: 1,
        ..WriterOptions::default()
    });
    fake.broken.store(true, Ordering::Relaxed);
    // One is being written, two are in the queue.
    let fourth = timeout(Duration::from_secs(10), hand_in(&writer, 4)).await;
    assert!(fourth.is_err());
    fake.broken.store(false, Ordering::Relaxed);
    guard.drain(PATIENCE).await.unwrap();
    assert_eq!(fake.written(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_drained_is_counted() {
    let (fake, writer, guard) = start(WriterOptions::default());
    fake.broken.store(true, Ordering::Relaxed);
    hand_in(&writer, 5).await;
    let undrained = guard.drain(Duration::from_secs(10)).await;
    assert_eq!(undrained, Err(Undrained { records: 5 }));
}

#[tokio::test(start_paused = true)]
async fn a_record_after_the_end_is_refused_and_not_lost_silently() {
    let (_fake, writer, guard) = start(WriterOptions::default());
    guard.drain(PATIENCE).await.unwrap();
    assert_eq!(
        writer.record(record("late", 1)).await,
        Err(Undrained { records: 1 })
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_follows_the_rule_of_the_moment() {
    let rows = Arc::new(AtomicBool::new(true));
    let rule = Arc::clone(&rows);
    let (fake, writer, guard) = start(WriterOptions {
        keep: KeepRule::new(move || Keep {
            rows: rule.load(Ordering::Relaxed),
            failures: true,
        }),
        ..WriterOptions::default()
    });
    hand_in(&writer, 3).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    rows.store(false, Ordering::Relaxed);
    hand_in(&writer, 4).await;
    guard.drain(PATIENCE).await.unwrap();
    assert_eq!((fake.written(), fake.kept.load(Ordering::Relaxed)), (7, 3));
}
