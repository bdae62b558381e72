//! The task that forgets requests in time. The sums stay.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{Expired, Ledger, LedgerError};
use crate::clock;

const EVERY: Duration = Duration::from_secs(300);
/// Small, so that those who record do not wait for long.
const ROWS_AT_ONCE: u32 = 500;
const PAUSE: Duration = Duration::from_millis(50);
const MS_PER_DAY: u64 = 86_400_000;
/// How long a row stays that is not for people: longer than any request, and than what is looked at
/// after a crash.
const TRANSIENT_MS: u64 = 6 * 3_600_000;

/// Deletes until `stopped` what is older than `days` allow; `None` keeps everything. `days` is asked
/// each time, so that a changed configuration is followed.
pub async fn retain(
    ledger: Arc<dyn Ledger>,
    days: impl Fn() -> Option<u64> + Send,
    mut stopped: watch::Receiver<bool>,
) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        let work = forget(&*ledger, days(), clock::now_ms());
        tokio::select! {
            done = work => match done {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "old requests are deleted from the ledger"),
                Err(error) => tracing::error!(%error, "old requests are not deleted, trying again later"),
            },
            _ = stopped.wait_for(|stop| *stop) => return,
        }
    }
}

/// Deletes all that is too old at `now_ms`; how many requests that were.
async fn forget(ledger: &dyn Ledger, days: Option<u64>, now_ms: u64) -> Result<u64, LedgerError> {
    let transient = now_ms.saturating_sub(TRANSIENT_MS);
    let mut forgotten = forget_before(ledger, Expired::Transient, transient).await?;
    if let Some(days) = days {
        let before = now_ms.saturating_sub(days.saturating_mul(MS_PER_DAY));
        forgotten += forget_before(ledger, Expired::All, before).await?;
    }
    Ok(forgotten)
}

async fn forget_before(
    ledger: &dyn Ledger,
    expired: Expired,
    before_ms: u64,
) -> Result<u64, LedgerError> {
    let mut all = 0;
    loop {
        let forgotten = ledger.forget(expired, before_ms, ROWS_AT_ONCE).await?;
        all += forgotten;
        if forgotten < u64::from(ROWS_AT_ONCE) {
            return Ok(all);
        }
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests;
