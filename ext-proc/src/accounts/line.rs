//! The line of requests that wait until others have settled.
//!
//! It is fair per budget: nobody passes one who came earlier and waits for the same budget, and who
//! waits for other budgets is not in the way. Whoever is first for all its budgets tries again when
//! something has settled (or, where other replicas settle too, every so often).

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dragoman_policy::Refusal;
use dragoman_policy::budget::AccountWindow;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use super::{AccountsError, AdmitRequest, Granted};

/// How requests wait.
#[derive(Debug, Clone, Copy)]
pub struct WaitOptions {
    /// For how long at most; zero for not at all.
    pub patience: Duration,
    /// How many may; who comes when so many wait is refused at once.
    pub longest: usize,
}

impl Default for WaitOptions {
    fn default() -> Self {
        Self {
            patience: Duration::from_secs(5),
            longest: 4_096,
        }
    }
}

/// Where a request is tried.
pub(super) trait Desk: Sync {
    /// Tries to admit `request` under the circumstances of `turn`.
    fn attempt(
        &self,
        request: &AdmitRequest,
        turn: Turn,
    ) -> impl Future<Output = Result<Attempt, AccountsError>> + Send;
}

/// The circumstances of an attempt.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// How many wait for the same budgets, the one who tries included.
    pub(super) waiting: u64,
    /// Whether there will be no other.
    pub(super) last: bool,
}

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Attempt {
    Granted(Granted),
    /// Requests under way hold what this one needs.
    Contended(Refusal),
}

#[derive(Debug)]
pub(super) struct Line {
    options: WaitOptions,
    /// How often the first tries even though nothing has settled here.
    retry: Option<Duration>,
    length: AtomicUsize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    in_order: Vec<Waiter>,
    last_ticket: u64,
}

#[derive(Debug)]
struct Waiter {
    ticket: u64,
    accounts: Vec<AccountWindow>,
    turn: Arc<Notify>,
}

impl Line {
    pub(super) fn new(options: WaitOptions, retry: Option<Duration>) -> Self {
        Self {
            options,
            retry,
            length: AtomicUsize::new(0),
            waiting: Mutex::default(),
        }
    }

    /// Tries at `desk` until `request` is admitted, is refused, or has waited long enough.
    pub(super) async fn admit(
        &self,
        desk: &impl Desk,
        request: &AdmitRequest,
    ) -> Result<Granted, AccountsError> {
        let strict = request.budgets.iter().filter(|budget| budget.is_strict());
        let accounts: Vec<AccountWindow> = strict.map(|budget| budget.at()).collect();
        let mut turn = Turn {
            waiting: 1,
            last: self.options.patience.is_zero(),
        };
        if turn.last || !self.is_awaited(&accounts) {
            match desk.attempt(request, turn).await? {
                Attempt::Granted(granted) => return Ok(granted),
                Attempt::Contended(refusal) if turn.last => {
                    return Err(AccountsError::refused(refusal));
                }
                Attempt::Contended(_) => {}
            }
        }
        let deadline = Instant::now() + self.options.patience;
        let place = self.join(accounts);
        metrics::counter!("dragoman_admissions_contended_total").increment(1);
        loop {
            turn.last = match &place {
                Some(place) => !place.turn(deadline, self.retry).await,
                None => true,
            };
            turn.waiting = place.as_ref().map_or(1, Place::waiting);
            match desk.attempt(request, turn).await? {
                Attempt::Granted(granted) => return Ok(granted),
                Attempt::Contended(refusal) if turn.last => {
                    return Err(AccountsError::refused(refusal));
                }
                Attempt::Contended(_) => {}
            }
        }
    }

    /// Something has settled: those who are first try again.
    pub(super) fn stir(&self) {
        if self.length.load(Ordering::Acquire) == 0 {
            return;
        }
        let waiting = self.lock();
        let mut claimed: HashSet<&AccountWindow> = HashSet::new();
        for waiter in &waiting.in_order {
            let first = waiter.accounts.iter().all(|at| !claimed.contains(at));
            claimed.extend(&waiter.accounts);
            if first {
                waiter.turn.notify_one();
            }
        }
    }

    fn is_awaited(&self, accounts: &[AccountWindow]) -> bool {
        self.length.load(Ordering::Acquire) > 0
            && self.lock().in_order.iter().any(|w| w.shares(accounts))
    }

    /// A place at the end, unless the line is full.
    fn join(&self, accounts: Vec<AccountWindow>) -> Option<Place<'_>> {
        let mut waiting = self.lock();
        if waiting.in_order.len() >= self.options.longest {
            return None;
        }
        waiting.last_ticket += 1;
        let ticket = waiting.last_ticket;
        let turn = Arc::new(Notify::new());
        // What has settled between the first attempt and now is not to be missed.
        if !waiting.in_order.iter().any(|w| w.shares(&accounts)) {
            turn.notify_one();
        }
        waiting.in_order.push(Waiter {
            ticket,
            accounts,
            turn: Arc::clone(&turn),
        });
        self.length.store(waiting.in_order.len(), Ordering::Release);
        Some(Place {
            line: self,
            ticket,
            turn,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    fn shares(&self, accounts: &[AccountWindow]) -> bool {
        self.accounts.iter().any(|at| accounts.contains(at))
    }
}

/// A place in the line; dropping it (a client that leaves) lets those behind move up.
struct Place<'l> {
    line: &'l Line,
    ticket: u64,
    turn: Arc<Notify>,
}

impl Place<'_> {
    /// Waits until it is worth trying; `false` at the deadline.
    async fn turn(&self, deadline: Instant, retry: Option<Duration>) -> bool {
        loop {
            let woken = async {
                match retry {
                    Some(retry) => drop(timeout(retry, self.turn.notified()).await),
                    None => self.turn.notified().await,
                }
            };
            if timeout_at(deadline, woken).await.is_err() {
                return false;
            }
            if self.ahead() == 0 {
                return true;
            }
        }
    }

    fn ahead(&self) -> usize {
        let waiting = self.line.lock();
        let Some(mine) = waiting
            .in_order
            .iter()
            .position(|w| w.ticket == self.ticket)
        else {
            return 0;
        };
        let (before, from) = waiting.in_order.split_at(mine);
        let accounts = from.first().map_or(&[][..], |w| &w.accounts);
        before.iter().filter(|w| w.shares(accounts)).count()
    }

    /// How many wait for the same, this one included.
    fn waiting(&self) -> u64 {
        let waiting = self.line.lock();
        let mine = waiting.in_order.iter().find(|w| w.ticket == self.ticket);
        let Some(mine) = mine else { return 1 };
        let same = waiting.in_order.iter();
        same.filter(|w| w.shares(&mine.accounts)).count() as u64
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.line.lock();
        waiting.in_order.retain(|w| w.ticket != self.ticket);
        let length = waiting.in_order.len();
        self.line.length.store(length, Ordering::Release);
        drop(waiting);
        self.line.stir();
    }
}

#[cfg(test)]
mod tests;
