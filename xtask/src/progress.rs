//! What a person sees of the long steps.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Says that `what` begins, does it, and says how long it took when that was worth noticing.
pub(crate) fn step<T>(what: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {what}");
    let start = Instant::now();
    let done = work()?;
    let time = start.elapsed();
    if time > Duration::from_secs(1) {
        eprintln!("    {what}: {}", seconds(time));
    }
    Ok(done)
}

/// `12.3 s`
pub(crate) fn seconds(time: Duration) -> String {
    format!("{}.{} s", time.as_secs(), time.subsec_millis() / 100)
}
