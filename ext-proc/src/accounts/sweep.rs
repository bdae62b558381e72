//! The task that ends what nobody ended.

use std::time::Duration;

use dragoman_policy::UnixMillis;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::reconcile::{ReconcileError, Reconciler};
use super::{AccountsError, Unsettled};
use crate::clock;

const EVERY: Duration = Duration::from_secs(1);

/// Expires reservations until `stopped`, after the ledger was asked what became of their requests;
/// what expired goes to `unsettled`, for the ledger and for alerts.
pub async fn sweep(
    reconciler: Reconciler,
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
        match turn(&reconciler).await {
            Ok(expired) => {
                metrics::counter!("dragoman_reservations_expired_total")
                    .increment(expired.len() as u64);
                expired.into_iter().for_each(&unsettled);
            }
            // It is logged where it occurs; the next tick tries again.
            Err(ReconcileError::Accounts(_)) => {}
            Err(error) => drop(AccountsError::unavailable("ledger", &error)),
        }
    }
}

async fn turn(reconciler: &Reconciler) -> Result<Vec<Unsettled>, ReconcileError> {
    reconciler.remind().await?;
    reconciler.expire(UnixMillis(clock::now_ms())).await
}
