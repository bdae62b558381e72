//! A point in time, always passed in.

use std::fmt;

/// Milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixMillis(pub u64);

impl UnixMillis {
    /// This time plus `ms` milliseconds, saturating.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from this time until `later`; zero when `later` has passed.
    pub const fn until(self, later: Self) -> u64 {
        later.0.saturating_sub(self.0)
    }

    /// The same until `later`, in seconds and rounded up: the value of `retry-after`.
    pub const fn seconds_until(self, later: Self) -> u64 {
        self.until(later).div_ceil(1_000)
    }
}

impl fmt::Display for UnixMillis {
    /// UTC in RFC 3339, such as `2026-12-01T00:00:00Z`; what is beyond year 9999 as a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = i64::try_from(self.0).ok();
        match time.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok()) {
            Some(time) => write!(f, "{time}"),
            None => write!(f, "{} ms", self.0),
        }
    }
}
