//! The requests that were settled lately, so that none is settled twice.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use dragoman_policy::UnixMillis;

/// A request is remembered for at least this long after it was settled, and at most twice as long.
/// Reports come twice only in a row, or after a restart.
pub(in crate::accounts) const REMEMBERED_MS: u64 = 300_000;

/// Two generations of request ids, 16 bytes each.
#[derive(Debug, Default)]
pub(super) struct SettledIds {
    recent: HashSet<u128>,
    older: HashSet<u128>,
    since: UnixMillis,
}

impl SettledIds {
    pub(super) fn insert(&mut self, request_id: &str, now: UnixMillis) {
        if self.since.until(now) > REMEMBERED_MS {
            self.older = std::mem::take(&mut self.recent);
            self.since = now;
        }
        self.recent.insert(compact(request_id));
    }

    pub(super) fn contains(&self, request_id: &str) -> bool {
        let id = compact(request_id);
        self.recent.contains(&id) || self.older.contains(&id)
    }
}

/// A UUID's own bits; of another id, a hash.
fn compact(request_id: &str) -> u128 {
    u128::from_str_radix(request_id, 16).unwrap_or_else(|_| {
        let half = |salt: u8| {
            let mut hasher = DefaultHasher::new();
            (salt, request_id).hash(&mut hasher);
            u128::from(hasher.finish())
        };
        half(0) << 64 | half(1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_remembered_for_a_while_and_not_for_ever() {
        let mut ids = SettledIds::default();
        ids.insert("a", UnixMillis(1_000_000));
        ids.insert("b", UnixMillis(1_000_000 + REMEMBERED_MS + 1));
        assert!(ids.contains("a") && ids.contains("b") && !ids.contains("c"));
        ids.insert("c", UnixMillis(1_000_000 + 2 * REMEMBERED_MS + 2));
        assert!(!ids.contains("a") && ids.contains("b") && ids.contains("c"));
    }
}
