//! The engine: counters, and the slots that requests hold.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::{Allowance, LimitExceeded, LimitKind, LimitRef, MINUTE_MS, RateLimits, TokenEstimate};
use crate::account::AccountId;
use crate::time::UnixMillis;

/// All limits of one process, and the requests that count in them.
#[derive(Debug, Default)]
pub struct Limits {
    counters: HashMap<AccountId, Counter>,
    slots: HashMap<Arc<str>, Slot>,
    due: BTreeSet<(UnixMillis, Arc<str>)>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counter {
    /// When this account's minute began.
    since: UnixMillis,
    requests: u64,
    tokens: u64,
    in_flight: u64,
}

#[derive(Debug)]
struct Slot {
    due: UnixMillis,
    taken: Vec<Taken>,
}

/// What a request took from one account.
#[derive(Debug)]
struct Taken {
    account: AccountId,
    /// The minute it was taken in.
    since: UnixMillis,
    tokens: u64,
}

impl Limits {
    /// Counts a request in all of `limits`, or in none. A request that counts already passes.
    ///
    /// `expires_at` is when its slot is given back if nobody says that it ended.
    pub fn admit(
        &mut self,
        limits: &[LimitRef],
        tokens: TokenEstimate,
        request_id: &Arc<str>,
        now: UnixMillis,
        expires_at: UnixMillis,
    ) -> Result<(), LimitExceeded> {
        if self.slots.contains_key(request_id) {
            return Ok(());
        }
        for limit in limits {
            self.counter(&limit.account, now)
                .check(limit, tokens, now)?;
        }
        let mut taken: Vec<Taken> = Vec::with_capacity(limits.len());
        for limit in limits {
            if taken.iter().any(|t| t.account == limit.account) {
                continue;
            }
            let mut counter = self.counter(&limit.account, now);
            let tokens = limit.tpm.map_or(tokens.input, |tpm| tokens.under(tpm));
            counter.requests = counter.requests.saturating_add(1);
            counter.in_flight = counter.in_flight.saturating_add(1);
            counter.tokens = counter.tokens.saturating_add(tokens);
            self.counters.insert(limit.account.clone(), counter);
            taken.push(Taken {
                account: limit.account.clone(),
                since: counter.since,
                tokens,
            });
        }
        self.due.insert((expires_at, Arc::clone(request_id)));
        let slot = Slot {
            due: expires_at,
            taken,
        };
        self.slots.insert(Arc::clone(request_id), slot);
        Ok(())
    }

    /// The request is still under way: its slot is given back at `expires_at`, and not before.
    pub fn keep(&mut self, request_id: &str, expires_at: UnixMillis) {
        let Some((request_id, slot)) = self.slots.get_key_value(request_id) else {
            return;
        };
        let (request_id, due) = (Arc::clone(request_id), slot.due);
        if due < expires_at {
            self.due.remove(&(due, Arc::clone(&request_id)));
            self.due.insert((expires_at, Arc::clone(&request_id)));
            if let Some(slot) = self.slots.get_mut(&request_id) {
                slot.due = expires_at;
            }
        }
    }

    /// No slot is given back later than `at`: the clock was set back.
    pub fn none_later(&mut self, at: UnixMillis) {
        let later = self.due.iter().rev().take_while(|(due, _)| *due > at);
        let later: Vec<Arc<str>> = later.map(|(_, id)| Arc::clone(id)).collect();
        for request_id in later {
            if let Some(slot) = self.slots.get_mut(&request_id) {
                self.due.remove(&(slot.due, Arc::clone(&request_id)));
                slot.due = at;
                self.due.insert((at, request_id));
            }
        }
    }

    /// The request ended, however it did, and used `tokens`. Returns whether it still counted.
    pub fn finish(&mut self, request_id: &str, tokens: u64) -> bool {
        self.give_back(request_id, |counter, estimated| {
            let others = counter.tokens.saturating_sub(estimated);
            counter.tokens = others.saturating_add(tokens);
        })
    }

    /// The request was never sent (something else refused it): as if it had not been.
    pub fn retract(&mut self, request_id: &str) -> bool {
        self.give_back(request_id, |counter, estimated| {
            counter.tokens = counter.tokens.saturating_sub(estimated);
            counter.requests = counter.requests.saturating_sub(1);
        })
    }

    /// Gives back the slots whose requests nobody reported by `now`; their tokens count as
    /// estimated. Returns how many there were.
    pub fn expire(&mut self, now: UnixMillis) -> usize {
        let mut count = 0;
        while let Some((due, request_id)) = self.due.first().cloned() {
            if due > now {
                break;
            }
            count += usize::from(self.give_back(&request_id, |_, _| {}));
            self.due.remove(&(due, request_id));
        }
        count
    }

    /// Requests in flight of an account.
    pub fn in_flight(&self, account: &AccountId) -> u64 {
        self.counters.get(account).map_or(0, |c| c.in_flight)
    }

    /// Tokens of an account in its minute.
    pub fn tokens_this_minute(&self, account: &AccountId, now: UnixMillis) -> u64 {
        self.counter(account, now).tokens
    }

    /// Whether a request would be admitted by `limit`.
    pub fn has_room(&self, limit: &LimitRef, tokens: TokenEstimate, now: UnixMillis) -> bool {
        self.counter(&limit.account, now)
            .check(limit, tokens, now)
            .is_ok()
    }

    /// The tightest of `limits`, for response headers.
    pub fn allowances(&self, limits: &[LimitRef], now: UnixMillis) -> RateLimits {
        let mut tightest = RateLimits::default();
        for limit in limits {
            let counter = self.counter(&limit.account, now);
            let allowance = |limit: u64, used: u64| Allowance {
                limit,
                remaining: limit.saturating_sub(used),
                resets_at: counter.since.plus(MINUTE_MS),
            };
            let requests = limit.rpm.map(|rpm| allowance(rpm, counter.requests));
            let tokens = limit.tpm.map(|tpm| allowance(tpm, counter.tokens));
            tightest.requests = tighter(tightest.requests, requests);
            tightest.tokens = tighter(tightest.tokens, tokens);
        }
        tightest
    }

    /// Forgets accounts that have nothing in flight and no minute running.
    pub fn forget_idle(&mut self, now: UnixMillis) {
        self.counters
            .retain(|_, c| c.in_flight > 0 || now < c.since.plus(MINUTE_MS));
    }

    /// An account's counter as it stands at `now`.
    fn counter(&self, account: &AccountId, now: UnixMillis) -> Counter {
        let counter = self.counters.get(account).copied().unwrap_or_default();
        let running = counter.since <= now && now < counter.since.plus(MINUTE_MS);
        if running && counter.since.0 > 0 {
            return counter;
        }
        Counter {
            since: now,
            in_flight: counter.in_flight,
            ..Counter::default()
        }
    }

    fn give_back(&mut self, request_id: &str, correct: impl Fn(&mut Counter, u64)) -> bool {
        let Some((request_id, slot)) = self.slots.remove_entry(request_id) else {
            return false;
        };
        self.due.remove(&(slot.due, request_id));
        for taken in slot.taken {
            if let Some(counter) = self.counters.get_mut(&taken.account) {
                counter.in_flight = counter.in_flight.saturating_sub(1);
                if counter.since == taken.since {
                    correct(counter, taken.tokens);
                }
            }
        }
        true
    }
}

impl Counter {
    fn check(
        &self,
        limit: &LimitRef,
        estimate: TokenEstimate,
        now: UnixMillis,
    ) -> Result<(), LimitExceeded> {
        let until_reset = now.seconds_until(self.since.plus(MINUTE_MS)).max(1);
        let exceeded = |kind, limit_value: u64, used: u64, needed, retry_after| LimitExceeded {
            account: limit.account.clone(),
            kind,
            limit: limit_value,
            remaining: limit_value.saturating_sub(used),
            needed,
            retry_after,
        };
        if let Some(parallel) = limit.parallel
            && self.in_flight >= parallel
        {
            let retry = Some(1).filter(|_| parallel > 0);
            return Err(exceeded(
                LimitKind::InFlight,
                parallel,
                self.in_flight,
                1,
                retry,
            ));
        }
        if let Some(rpm) = limit.rpm
            && self.requests >= rpm
        {
            let retry = Some(until_reset).filter(|_| rpm > 0);
            return Err(exceeded(LimitKind::Requests, rpm, self.requests, 1, retry));
        }
        if let Some(tpm) = limit.tpm {
            let needed = estimate.under(tpm);
            if needed > tpm.saturating_sub(self.tokens) || tpm == 0 {
                let retry = Some(until_reset).filter(|_| needed <= tpm && tpm > 0);
                return Err(exceeded(LimitKind::Tokens, tpm, self.tokens, needed, retry));
            }
        }
        Ok(())
    }
}

fn tighter(a: Option<Allowance>, b: Option<Allowance>) -> Option<Allowance> {
    [a, b]
        .into_iter()
        .flatten()
        .min_by_key(|allowance| allowance.remaining)
}
