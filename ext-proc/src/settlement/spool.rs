//! Settles what Envoy's stream of log entries did not bring, out of its log in a file.
//!
//! Every admitted request is in both. The stream is quick, and loses what is on its way when this
//! service dies or while it is away. The file is read some seconds later: what is settled already is
//! passed over, the rest is settled from it. Lines are given up only when the ledger has written
//! what they say; their bytes are cut out of the file as a hole, because Envoy has it open.

use std::collections::{HashSet, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::{Settlement, line, measure};
use crate::ledger::{Ledger, State};

const EVERY: Duration = Duration::from_secs(1);
/// How far behind the stream: what it brings comes within this time.
const BEHIND: Duration = Duration::from_secs(3);
/// Bytes that are read at a time.
const CHUNK: u64 = 4 << 20;
/// Lines that wait; more stay in the file.
const MOST_WAITING: usize = 50_000;
/// Bytes that are worth a cut.
const WORTH_CUTTING: u64 = 256 << 10;
/// Requests of the stream that are remembered; of others the ledger is asked.
const MOST_SEEN: usize = 500_000;

/// Ids of requests that the stream brought, until the file does.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<HashSet<String>>);

impl Seen {
    pub(super) fn note(&self, id: &str) {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ids.len() >= MOST_SEEN {
            ids.clear();
        }
        ids.insert(id.to_owned());
    }

    fn take(&self, id: &str) -> bool {
        let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ids.remove(id)
    }
}

/// Reads the log in a file.
pub struct Spool {
    settlement: Settlement,
    ledger: Arc<dyn Ledger>,
    seen: Arc<Seen>,
    file: PathBuf,
    /// Up to where the file was read …
    read: u64,
    /// … settled …
    settled: u64,
    /// … and given up.
    given_up: u64,
    waiting: VecDeque<Waiting>,
}

/// A line that the stream may still bring.
struct Waiting {
    since: Instant,
    end: u64,
    line: Vec<u8>,
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl Spool {
    /// Reads `file` on from where an earlier process gave up its lines, and settles as `settlement`
    /// does.
    pub fn new(file: &Path, settlement: &mut Settlement, ledger: Arc<dyn Ledger>) -> Self {
        let seen = Arc::new(Seen::default());
        settlement.seen = Some(Arc::clone(&seen));
        let given_up = std::fs::read_to_string(position_of(file));
        let given_up = given_up.ok().and_then(|text| text.trim().parse().ok());
        let given_up = given_up.unwrap_or(0);
        Self {
            settlement: settlement.clone(),
            ledger,
            seen,
            file: file.to_owned(),
            read: given_up,
            settled: given_up,
            given_up,
            waiting: VecDeque::new(),
        }
    }

    /// Settles until `stopped`.
    pub async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = stopped.wait_for(|stop| *stop) => return,
            }
            if let Err(error) = self.turn().await {
                tracing::error!(%error, file = %self.file.display(), "the log of requests cannot be read");
            }
        }
    }

    async fn turn(&mut self) -> io::Result<()> {
        self.fetch()?;
        while let Some(first) = self.waiting.front() {
            if first.since.elapsed() < BEHIND || !self.settle(&first.line).await {
                break;
            }
            self.settled = first.end;
            self.waiting.pop_front();
        }
        // What was settled is on disk once nothing waits to be written.
        let worth = self.settled.saturating_sub(self.given_up) >= WORTH_CUTTING;
        if worth && self.settlement.ledger.health().waiting == 0 {
            self.give_up()?;
        }
        Ok(())
    }

    /// Reads whole lines that are new.
    fn fetch(&mut self) -> io::Result<()> {
        let mut file = match File::open(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        if file.metadata()?.len() < self.read {
            // Somebody put another file there.
            (self.read, self.settled, self.given_up) = (0, 0, 0);
            self.waiting.clear();
        }
        if self.waiting.len() >= MOST_WAITING {
            return Ok(());
        }
        file.seek(SeekFrom::Start(self.read))?;
        let mut bytes = Vec::new();
        file.take(CHUNK).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == CHUNK && !bytes.contains(&b'\n') {
            // No line is so long: a hole whose end is not known any more.
            self.read = self.read.saturating_add(CHUNK);
        }
        let since = Instant::now();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if line.last() != Some(&b'\n') {
                break;
            }
            self.read = self.read.saturating_add(line.len() as u64);
            self.waiting.push_back(Waiting {
                since,
                end: self.read,
                line: line.to_owned(),
            });
        }
        Ok(())
    }

    /// Settles a line, unless that is done; `false` when it must be tried again.
    async fn settle(&self, line: &[u8]) -> bool {
        let Some((id, entry)) = line::read(line) else {
            measure::malformed("spool");
            return true;
        };
        if self.seen.take(&id) {
            return true;
        }
        match self.ledger.request(&id).await {
            Ok(Some(row)) if row.state != State::Unsettled => true,
            Ok(_) => {
                metrics::counter!("dragoman_settled_from_spool_total").increment(1);
                let settled = self.settlement.request(&entry).await.is_ok();
                self.seen.take(&id);
                settled
            }
            Err(error) => {
                tracing::error!(%error, "the ledger cannot be asked what it has");
                false
            }
        }
    }

    /// Frees the space of what is settled.
    fn give_up(&mut self) -> io::Result<()> {
        let position = position_of(&self.file);
        let partial = position.with_extension("partial");
        std::fs::write(&partial, self.settled.to_string())?;
        std::fs::rename(&partial, &position)?;
        let file = OpenOptions::new().write(true).open(&self.file)?;
        let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(&file, hole, 0, self.settled)?;
        self.given_up = self.settled;
        Ok(())
    }
}

/// Where it is kept how far the file is done with.
fn position_of(file: &Path) -> PathBuf {
    file.with_extension("position")
}

#[cfg(test)]
mod tests;
