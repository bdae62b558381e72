//! The one task that writes the ledger: many records a transaction, retried until they are in.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use metrics::{counter, gauge, histogram};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::{Batch, KeepRule, Ledger, Record};

/// How the writer gathers and retries.
#[derive(Debug, Clone)]
pub struct WriterOptions {
    /// Records that may wait; beyond it, those who record wait too.
    pub queue: usize,
    /// Records in a transaction, at most.
    pub batch: usize,
    /// How long the first record of a batch waits for others.
    pub delay: Duration,
    /// The first pause after a failure; doubled after each further one.
    pub backoff: Duration,
    /// The longest pause.
    pub longest_backoff: Duration,
    /// Of which requests rows are kept.
    pub keep: KeepRule,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self {
            queue: 16_384,
            batch: 512,
            delay: Duration::from_millis(20),
            backoff: Duration::from_millis(100),
            longest_backoff: Duration::from_secs(5),
            keep: KeepRule::default(),
        }
    }
}

/// Where records are handed in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LedgerWriter {
    queue: mpsc::Sender<Record>,
    status: Arc<Status>,
}

/// How the writer fares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriterHealth {
    /// Records that are handed in and not yet committed.
    pub waiting: usize,
    /// Why the last attempt to write failed; `None` when it did not.
    pub failure: Option<String>,
}

/// The owner of the writer task. Dropping it stops the writer without waiting; [`drain`] does
/// better.
///
/// [`drain`]: WriterGuard::drain
#[derive(Debug)]
pub struct WriterGuard {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
    status: Arc<Status>,
}

/// Records that could not be written before the deadline, or came after it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{records} records of the ledger were not written")]
pub struct Undrained {
    /// How many.
    pub records: usize,
}

#[derive(Debug)]
struct Status {
    handed_in: AtomicUsize,
    written: AtomicUsize,
    failure: watch::Sender<Option<String>>,
}

struct Writer {
    ledger: Arc<dyn Ledger>,
    options: WriterOptions,
    queue: mpsc::Receiver<Record>,
    stop: watch::Receiver<bool>,
    status: Arc<Status>,
}

impl LedgerWriter {
    /// Starts the task that writes to `ledger`.
    pub fn start(ledger: Arc<dyn Ledger>, options: WriterOptions) -> (Self, WriterGuard) {
        let (sender, receiver) = mpsc::channel(options.queue);
        let (stop, stopped) = watch::channel(false);
        let status = Arc::new(Status {
            handed_in: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            failure: watch::channel(None).0,
        });
        let writer = Writer {
            ledger,
            options,
            queue: receiver,
            stop: stopped,
            status: Arc::clone(&status),
        };
        let guard = WriterGuard {
            stop,
            task: tokio::spawn(writer.run()),
            status: Arc::clone(&status),
        };
        let handle = Self {
            queue: sender,
            status,
        };
        (handle, guard)
    }

    /// Hands a record in, and waits while the queue is full: whoever brings records must slow down
    /// rather than lose one.
    pub async fn record(&self, record: Record) -> Result<(), Undrained> {
        let Ok(room) = self.queue.reserve().await else {
            counter!("dragoman_ledger_lost_total").increment(1);
            return Err(Undrained { records: 1 });
        };
        self.status.add(1);
        room.send(record);
        Ok(())
    }

    /// Names all records that are handed in by now, for [`LedgerWriter::wrote`].
    pub fn mark(&self) -> usize {
        self.status.handed_in.load(Ordering::Acquire)
    }

    /// Whether all records that `mark` names are committed.
    pub fn wrote(&self, mark: usize) -> bool {
        self.status.written.load(Ordering::Acquire) >= mark
    }

    /// How the writer fares.
    pub fn health(&self) -> WriterHealth {
        WriterHealth {
            waiting: self.status.waiting(),
            failure: self.status.failure.borrow().clone(),
        }
    }
}

impl WriterGuard {
    /// Takes no more records, writes those that wait, and ends; gives up after `limit`.
    pub async fn drain(mut self, limit: Duration) -> Result<(), Undrained> {
        self.stop.send_replace(true);
        if timeout(limit, &mut self.task).await.is_err() {
            self.task.abort();
        }
        match self.status.waiting() {
            0 => Ok(()),
            records => {
                counter!("dragoman_ledger_lost_total").increment(records as u64);
                tracing::error!(records, "the ledger's writer ends with records unwritten");
                Err(Undrained { records })
            }
        }
    }
}

impl Writer {
    async fn run(mut self) {
        while let Some(batch) = self.next().await {
            self.write(batch).await;
        }
    }

    /// The next records; `None` when the writer was stopped and none is left.
    async fn next(&mut self) -> Option<Vec<Record>> {
        let mut records = Vec::new();
        let first = tokio::select! {
            first = self.queue.recv() => first,
            () = stopped(&mut self.stop) => {
                self.queue.close();
                self.queue.recv().await
            }
        };
        records.push(first?);
        let deadline = Instant::now() + self.options.delay;
        while records.len() < self.options.batch {
            let room = self.options.batch - records.len();
            let more = self.queue.recv_many(&mut records, room);
            match timeout_at(deadline, more).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        Some(records)
    }

    /// Writes until it is written. Meanwhile the queue fills, and then those wait who record.
    async fn write(&mut self, records: Vec<Record>) {
        let handed_in = records.len();
        let batch = Batch::new(records).keeping(self.options.keep.now());
        let mut pause = self.options.backoff;
        while let Err(error) = self.ledger.record(&batch).await {
            counter!("dragoman_ledger_write_failures_total").increment(1);
            tracing::error!(%error, records = handed_in, "the ledger cannot be written, trying again");
            self.status.failure.send_replace(Some(error.to_string()));
            sleep_until(Instant::now() + pause).await;
            pause = (pause * 2).min(self.options.longest_backoff);
        }
        self.status.failure.send_replace(None);
        self.status.subtract(handed_in);
        counter!("dragoman_ledger_written_total").increment(handed_in as u64);
        #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
        histogram!("dragoman_ledger_batch_records").record(handed_in as f64);
    }
}

impl Status {
    fn waiting(&self) -> usize {
        let written = self.written.load(Ordering::Acquire);
        self.handed_in
            .load(Ordering::Acquire)
            .saturating_sub(written)
    }

    fn add(&self, records: usize) {
        self.handed_in.fetch_add(records, Ordering::Release);
        self.publish();
    }

    fn subtract(&self, records: usize) {
        self.written.fetch_add(records, Ordering::Release);
        self.publish();
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge, and a queue is small")]
    fn publish(&self) {
        gauge!("dragoman_ledger_queue").set(self.waiting() as f64);
    }
}

/// Ready once the writer is to stop, or its owner is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that the owner is gone, which is the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests;
