//! The task that ends what nobody ended.

use std::time::Duration;

use dragoman_policy::UnixMillis;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::reconcile::{ReconcileError, Reconciler};
use super::{AccountsError, UNHEARD_MS, Unsettled};
use crate::clock;

const EVERY: Duration = Duration::from_secs(1);
/// The clock was set, or the machine slept, when a turn comes so much later than it should.
const JUMP_MS: u64 = 10_000;

/// Expires reservations until `stopped`, after the ledger was asked what became of their requests;
/// what expired goes to `unsettled`, for the ledger and for alerts.
pub async fn sweep(
    reconciler: Reconciler,
    unsettled: impl Fn(Unsettled) + Send,
    mut stopped: watch::Receiver<bool>,
) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut hearing = Hearing::begin(clock::now_ms());
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        let now = clock::now_ms();
        match turn(&reconciler, now, &mut hearing).await {
            Ok(expired) => {
                metrics::counter!("dragoman_reservations_expired_total")
                    .increment(expired.len() as u64);
                expired.into_iter().for_each(&unsettled);
            }
            Err(error) => {
                hearing = Hearing::begin(now);
                // That of accounts is logged where it occurs. The next tick tries again.
                if !matches!(error, ReconcileError::Accounts(_)) {
                    let _ = AccountsError::unavailable("ledger", &error);
                }
            }
        }
    }
}

async fn turn(
    reconciler: &Reconciler,
    now: u64,
    hearing: &mut Hearing,
) -> Result<Vec<Unsettled>, ReconcileError> {
    reconciler.remind().await?;
    let is_enough = hearing.is_enough(now);
    if !hearing.clock_is_known {
        reconciler.reset_clock(UnixMillis(now)).await?;
        hearing.clock_is_known = true;
    }
    if is_enough {
        reconciler.expire(UnixMillis(now)).await
    } else {
        Ok(Vec::new())
    }
}

/// How long news of requests has come without a break. After one, requests that are under way need the
/// time to say so.
struct Hearing {
    since: Instant,
    last_ms: u64,
    /// Nothing is due by a clock of before.
    clock_is_known: bool,
}

impl Hearing {
    fn begin(now_ms: u64) -> Self {
        Self {
            since: Instant::now(),
            last_ms: now_ms,
            clock_is_known: false,
        }
    }

    /// Whether a request of which nothing was heard is lost.
    fn is_enough(&mut self, now_ms: u64) -> bool {
        if now_ms.abs_diff(self.last_ms) > JUMP_MS {
            *self = Self::begin(now_ms);
        }
        self.last_ms = now_ms;
        self.since.elapsed() >= Duration::from_millis(UNHEARD_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_lost_before_it_had_time_to_be_heard_of() {
        let mut hearing = Hearing::begin(1_000);
        let mut now = 1_000;
        for second in 1..=60 {
            assert!(!hearing.is_enough(now), "after {second} s");
            tokio::time::advance(EVERY).await;
            now += 1_000;
        }
        assert!(hearing.is_enough(now));
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_jumps_loses_no_request() {
        for jump in [3_600_000_i64, -3_600_000] {
            let mut hearing = Hearing::begin(10_000_000);
            tokio::time::advance(Duration::from_secs(61)).await;
            assert!(hearing.is_enough(10_001_000));
            let now = 10_001_000_u64.saturating_add_signed(jump);
            assert!(!hearing.is_enough(now), "by {jump} ms");
            tokio::time::advance(Duration::from_secs(61)).await;
            assert!(hearing.is_enough(now + 1_000));
        }
    }
}
