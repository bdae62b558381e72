//! The one task that writes the journal.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use dragoman_policy::UnixMillis;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::{Batch, Entry, Journal};
use crate::clock;

/// How long the first entry of a batch waits for others.
const DELAY: Duration = Duration::from_millis(5);
/// The pause after a failure.
const BACKOFF: Duration = Duration::from_millis(250);
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// Entries that may wait. Beyond it nothing more is admitted: the journal cannot be written, and
/// what it does not hold is lost in a crash.
const MOST_WAITING: usize = 100_000;
const ENTRIES_AT_ONCE: usize = 8_192;

/// Where entries are handed in, in order.
#[derive(Debug, Clone)]
pub(in crate::accounts) struct JournalWriter {
    queue: mpsc::UnboundedSender<Entry>,
    status: Arc<Status>,
}

#[derive(Debug, Default)]
struct Status {
    waiting: AtomicUsize,
    failing: AtomicBool,
}

/// The owner of the task that writes the journal.
#[derive(Debug)]
pub struct JournalGuard {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

struct Writer {
    journal: Journal,
    queue: mpsc::UnboundedReceiver<Entry>,
    stop: watch::Receiver<bool>,
    status: Arc<Status>,
}

impl JournalWriter {
    pub(in crate::accounts) fn start(journal: Journal) -> (Self, JournalGuard) {
        let (queue, receiver) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let status = Arc::new(Status::default());
        let writer = Writer {
            journal,
            queue: receiver,
            stop: stopped,
            status: Arc::clone(&status),
        };
        let task = tokio::spawn(writer.run());
        (Self { queue, status }, JournalGuard { stop, task })
    }

    /// Hands an entry in; never waits.
    pub(in crate::accounts) fn note(&self, entry: Entry) {
        self.status.waiting.fetch_add(1, Ordering::Relaxed);
        // The task ends after the last request; what comes later is settled again at the next start.
        let _ = self.queue.send(entry);
    }

    /// Whether the journal keeps up.
    pub(in crate::accounts) fn keeps_up(&self) -> bool {
        self.status.waiting.load(Ordering::Relaxed) < MOST_WAITING
    }

    /// Whether the last attempt to write failed.
    pub(in crate::accounts) fn is_failing(&self) -> bool {
        self.status.failing.load(Ordering::Relaxed)
    }
}

impl JournalGuard {
    /// Writes what was handed in, and stops.
    pub async fn drain(self) {
        self.stop.send_replace(true);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "the journal of accounts was not drained");
        }
    }
}

impl Writer {
    async fn run(mut self) {
        let mut pruned = Instant::now();
        let mut entries = Vec::new();
        loop {
            let is_over = tokio::select! {
                biased;
                received = self.queue.recv_many(&mut entries, ENTRIES_AT_ONCE) => received == 0,
                () = stopped(&mut self.stop) => true,
                // Nothing happened, and that is noted too: the next start need not look for it.
                () = sleep(PRUNE_EVERY) => false,
            };
            if is_over {
                break;
            }
            if !*self.stop.borrow() {
                sleep(DELAY).await;
            }
            while entries.len() < ENTRIES_AT_ONCE
                && let Ok(entry) = self.queue.try_recv()
            {
                entries.push(entry);
            }
            if !self.write(&mut entries).await {
                break;
            }
            if pruned.elapsed() > PRUNE_EVERY {
                pruned = Instant::now();
                if let Err(error) = self.journal.prune(UnixMillis(clock::now_ms())).await {
                    tracing::warn!(%error, "the journal of accounts is not pruned");
                }
            }
        }
        self.journal.close().await;
    }

    /// Writes `entries` however often it takes; `false` when it had to stop before.
    async fn write(&mut self, entries: &mut Vec<Entry>) -> bool {
        let handed_in = entries.len();
        let mut batch = Batch::default();
        entries.drain(..).for_each(|entry| batch.add(entry));
        while let Err(error) = self
            .journal
            .write(&batch, UnixMillis(clock::now_ms()))
            .await
        {
            tracing::error!(%error, "the journal of accounts cannot be written; trying again");
            self.status.failing.store(true, Ordering::Relaxed);
            if *self.stop.borrow() {
                return false;
            }
            sleep(BACKOFF).await;
        }
        self.status.failing.store(false, Ordering::Relaxed);
        self.status.waiting.fetch_sub(handed_in, Ordering::Relaxed);
        true
    }
}

/// Ready once the writer is to stop, or its owner is gone.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}
