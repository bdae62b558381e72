//! The task that ends what nobody ended.

use std::sync::Arc;
use std::time::Duration;

use dragoman_policy::UnixMillis;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::{Accounts, Unsettled};
use crate::clock;

const EVERY: Duration = Duration::from_secs(1);

/// Expires reservations until `stopped`; what expired goes to `unsettled`, for the ledger and for
/// alerts.
pub async fn sweep(
    accounts: Arc<dyn Accounts>,
    unsettled: impl Fn(Unsettled) + Send,
    mut stopped: watch::Receiver<bool>,
) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        // An error is logged where it occurs; the next tick tries again.
        if let Ok(expired) = accounts.expire(UnixMillis(clock::now_ms())).await {
            metrics::counter!("dragoman_reservations_expired_total")
                .increment(expired.len() as u64);
            expired.into_iter().for_each(&unsettled);
        }
    }
}
