//! When to ask for a token: pure.

use std::time::Duration;

/// No token is asked for more often than this, however short it lives.
const LEAST: Duration = Duration::from_secs(1);
/// The longest pause after failures.
const MOST: Duration = Duration::from_secs(60);

/// How long after it was issued a token is renewed: after three quarters of its life. Of Google's
/// hour a quarter of an hour is left in which its token endpoint may be down and nobody notices.
pub(super) fn renewal(lifetime: Duration) -> Duration {
    (lifetime / 4 * 3).max(LEAST)
}

/// The pause after so many failures in a row: a second, doubling, a minute at most.
pub(super) fn pause(failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1));
    doubled.map_or(MOST, |factor| LEAST.saturating_mul(factor).min(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn a_token_is_renewed_while_a_quarter_of_its_life_is_left() {
        assert_eq!(renewal(HOUR), Duration::from_secs(2700));
        assert_eq!(renewal(Duration::ZERO), LEAST);
    }

    #[test]
    fn pauses_double_up_to_a_minute() {
        let seconds: Vec<u64> = (1..=8).map(|failures| pause(failures).as_secs()).collect();
        assert_eq!(seconds, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pause(u32::MAX), MOST);
    }
}
