//! Leaving a failing deployment alone for a while, by LiteLLM's rules.
//!
//! Without `allowed_fails`, per deployment and minute: a 429 cools it down when its alias has
//! another, and so does a 401 or a 404, which trying again does not mend; more than half of at least
//! 5 requests failing does when its alias has another; all of at least 1,000 failing does in any
//! case. (LiteLLM leaves an alias's only deployment alone after one 401 or 404 too: then what is
//! wrong is hidden behind "all are cooling down", so we do not.) With `allowed_fails`: only more failures than that in a minute.
//! Failures that are the request's own fault (400, 403, 413, 422 …) never count.

use std::collections::HashMap;
use std::sync::Arc;

use crate::time::UnixMillis;

#[cfg(test)]
mod tests;

/// LiteLLM's default `cooldown_time`.
pub const DEFAULT_COOLDOWN_MS: u64 = 5_000;
/// A provider's `retry-after` beyond this is not believed.
const MAX_COOLDOWN_MS: u64 = 60_000;
const WINDOW_MS: u64 = 60_000;
const MIN_REQUESTS: u64 = 5;
const MIN_REQUESTS_SINGLE: u64 = 1_000;

/// `router_settings` about cooldown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CooldownRules {
    /// `allowed_fails`; setting it replaces the default rules.
    pub allowed_fails: Option<u64>,
    /// `cooldown_time`, in milliseconds.
    pub cooldown_ms: u64,
    /// `disable_cooldowns`.
    pub disabled: bool,
}

impl Default for CooldownRules {
    fn default() -> Self {
        Self {
            allowed_fails: None,
            cooldown_ms: DEFAULT_COOLDOWN_MS,
            disabled: false,
        }
    }
}

/// How an attempt ended, as far as its deployment's health goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It answered.
    Success,
    /// It failed.
    Failure {
        /// The provider's status; `None` when no answer came (refused, reset, timed out).
        status: Option<u16>,
        /// The provider's `retry-after`, in milliseconds.
        retry_after_ms: Option<u64>,
    },
}

/// Which deployments are left alone, and why.
#[derive(Debug, Default)]
pub struct Cooldowns {
    rules: CooldownRules,
    deployments: HashMap<Arc<str>, Health>,
}

#[derive(Debug, Default)]
struct Health {
    minute: u64,
    successes: u64,
    failures: u64,
    until: Option<UnixMillis>,
}

impl Cooldowns {
    /// Every deployment is well.
    pub fn new(rules: CooldownRules) -> Self {
        Self {
            rules,
            deployments: HashMap::new(),
        }
    }

    /// Other rules from now on; what is cooling down goes on.
    pub fn set_rules(&mut self, rules: CooldownRules) {
        self.rules = rules;
    }

    /// Notes how an attempt ended; `group` is how many deployments its alias has. Returns whether
    /// the deployment begins to cool down.
    pub fn record(
        &mut self,
        deployment: &Arc<str>,
        group: usize,
        verdict: Verdict,
        now: UnixMillis,
    ) -> bool {
        let rules = self.rules;
        let health = self.deployments.entry(Arc::clone(deployment)).or_default();
        health.turn(now);
        let (status, retry_after_ms) = match verdict {
            Verdict::Success => {
                health.successes += 1;
                return false;
            }
            Verdict::Failure {
                status,
                retry_after_ms,
            } => (status, retry_after_ms),
        };
        if rules.disabled || is_request_s_fault(status) {
            return false;
        }
        health.failures += 1;
        let was_cooling = health.is_cooling(now);
        if !health.needs_rest(&rules, group, status) {
            return false;
        }
        let wait = retry_after_ms
            .filter(|ms| *ms > 0)
            .map_or(rules.cooldown_ms, |ms| ms.min(MAX_COOLDOWN_MS));
        health.until = health.until.max(Some(now.plus(wait)));
        !was_cooling
    }

    /// Milliseconds until `deployment` may be used again; `None` when it may be used now.
    pub fn cooling_for(&self, deployment: &str, now: UnixMillis) -> Option<u64> {
        let until = self.deployments.get(deployment)?.until?;
        Some(now.until(until)).filter(|left| *left > 0)
    }

    /// Forgets deployments that no longer exist.
    pub fn retain(&mut self, exists: impl Fn(&str) -> bool) {
        self.deployments.retain(|deployment, _| exists(deployment));
    }
}

impl Health {
    fn turn(&mut self, now: UnixMillis) {
        let minute = now.0 / WINDOW_MS;
        if minute != self.minute {
            self.minute = minute;
            self.successes = 0;
            self.failures = 0;
        }
    }

    fn is_cooling(&self, now: UnixMillis) -> bool {
        self.until.is_some_and(|until| now < until)
    }

    fn needs_rest(&self, rules: &CooldownRules, group: usize, status: Option<u16>) -> bool {
        if let Some(allowed) = rules.allowed_fails {
            return self.failures > allowed;
        }
        let requests = self.successes + self.failures;
        let has_others = group > 1;
        match status {
            Some(401 | 404 | 429) if has_others => true,
            _ if has_others => requests >= MIN_REQUESTS && self.failures * 2 > requests,
            _ => self.successes == 0 && requests >= MIN_REQUESTS_SINGLE,
        }
    }
}

/// Client errors other than those that tell of the deployment: 401 (our credential), 404 (no such
/// model), 408 (slow), 429 (busy).
fn is_request_s_fault(status: Option<u16>) -> bool {
    status.is_some_and(|s| (400..500).contains(&s) && !matches!(s, 401 | 404 | 408 | 429))
}
