//! Admission: decided here by how the budgets stand, done in Redis only if they still stand so.

use std::sync::Arc;

use dragoman_policy::budget::{Balance, BudgetState, Offer, Refused, offer};
use dragoman_policy::limits::{Allowance, RateLimits};
use dragoman_policy::{LimitRef, NanoDollars};

use super::connection::{CallError, Connection, Scripts};
use super::wire::{MOST_AMOUNT, Reply, Reserve, Settle, clamped};
use super::{REMEMBERED_MS, RedisAccounts, call, unavailable};
use crate::accounts::line::{Attempt, Desk, Turn};
use crate::accounts::offers::{output_cap, refused, terms, warnings};
use crate::accounts::{AccountsError, AdmitRequest, Granted};

/// Settlements of other replicas can come between looking and reserving.
const TRIES: u32 = 5;

/// What became of an attempt to reserve.
enum Reserved {
    /// The budgets before it, and the limits after it.
    Done(Vec<Balance>, RateLimits),
    /// The request holds this already.
    Held(NanoDollars, Vec<Balance>, RateLimits),
    /// There is not so much room.
    Full(Vec<Balance>),
}

impl Desk for RedisAccounts {
    /// Asks for what would be right if nothing were held; that mostly fits, and is one round trip.
    /// Else decides by how the budgets stand, and reserves exactly that.
    async fn attempt(&self, request: &AdmitRequest, turn: Turn) -> Result<Attempt, AccountsError> {
        let usual = self.seen().usual.of(&request.model);
        let mut terms = terms(request, turn, usual);
        let mut states: Vec<BudgetState> = request
            .budgets
            .iter()
            .map(|budget| BudgetState {
                budget: clamped(budget),
                balance: Balance::default(),
            })
            .collect();
        let mut waiting = turn.waiting;
        let mut last_refused = None;
        terms.waiting = 1;
        for tried in 0..TRIES {
            let amount = match offer(&states, &request.quote, &terms) {
                Ok(Offer::Take { amount, .. }) => amount.min(MOST_AMOUNT),
                Ok(Offer::Refuse(_)) if tried == 0 => {
                    // Larger than the budget: asks for what never fits, to say how it stands.
                    waiting = 2;
                    MOST_AMOUNT
                }
                not_taken => return refused(request, not_taken),
            };
            let balances = match self.reserve(request, amount, waiting).await? {
                Reserved::Done(before, rates) => {
                    let before = with_balances(states, before);
                    return Ok(Attempt::Granted(self.grant(request, amount, before, rates)));
                }
                Reserved::Held(amount, now, rates) => {
                    let granted = Granted {
                        reserved: amount,
                        output_cap: output_cap(request, amount),
                        rates,
                        budgets: with_balances(states, now),
                        warnings: Vec::new(),
                    };
                    return Ok(Attempt::Granted(granted));
                }
                Reserved::Full(balances) => balances,
            };
            states = with_balances(states, balances);
            let tightest = states.iter().filter(|state| state.budget.is_strict());
            let tightest = tightest.min_by_key(|state| state.room());
            last_refused = tightest.map(|state| state.refuse(amount, request.now));
            (waiting, terms.waiting) = (1, turn.waiting);
        }
        match last_refused {
            Some(refused) => Ok(Attempt::Contended(refused.into())),
            None => Err(unavailable(CallError::Reply)),
        }
    }
}

fn with_balances(mut states: Vec<BudgetState>, balances: Vec<Balance>) -> Vec<BudgetState> {
    for (state, balance) in states.iter_mut().zip(balances) {
        state.balance = balance;
    }
    states
}

/// The tightest limits, out of the counters at the end of an answer.
fn rates(reply: &mut Reply, request: &AdmitRequest) -> Result<RateLimits, AccountsError> {
    let mut tightest = RateLimits::default();
    for limit in &request.limits {
        let counter = reply.counter().map_err(unavailable)?;
        let [requests, tokens] = counter.allowances(limit);
        let tighter = |a, b| [a, b].into_iter().flatten().min_by_key(remaining);
        tightest.requests = tighter(tightest.requests, requests);
        tightest.tokens = tighter(tightest.tokens, tokens);
    }
    Ok(tightest)
}

const fn remaining(allowance: &Allowance) -> u64 {
    allowance.remaining
}

impl RedisAccounts {
    async fn reserve(
        &self,
        request: &AdmitRequest,
        amount: NanoDollars,
        waiting: u64,
    ) -> Result<Reserved, AccountsError> {
        let reserve = Reserve::new(request, amount, waiting);
        let mut unclaimed = Unclaimed::new(self, request);
        loop {
            let mut reply = self.call(&self.scripts.reserve, &reserve).await?;
            let what = reply.text().map_err(unavailable)?;
            if what == "strangers" {
                self.meet_all(&request.budgets, reply, request.now).await?;
                continue;
            }
            let reserved = self.read_reserved(&what, reply, request);
            unclaimed.request_id = None;
            return reserved;
        }
    }

    fn read_reserved(
        &self,
        what: &str,
        mut reply: Reply,
        request: &AdmitRequest,
    ) -> Result<Reserved, AccountsError> {
        let balances = |reply: &mut Reply| -> Result<Vec<Balance>, AccountsError> {
            let all = request.budgets.iter().map(|_| reply.balance());
            all.collect::<Result<_, _>>().map_err(unavailable)
        };
        match what {
            "reserved" => {
                let before = balances(&mut reply)?;
                Ok(Reserved::Done(before, rates(&mut reply, request)?))
            }
            "held" => {
                let amount = reply.amount().map_err(unavailable)?;
                let now = balances(&mut reply)?;
                Ok(Reserved::Held(amount, now, rates(&mut reply, request)?))
            }
            "full" => Ok(Reserved::Full(balances(&mut reply)?)),
            "limited" => {
                let position = reply.number().map_err(unavailable)?;
                let counter = reply.counter().map_err(unavailable)?;
                let position = usize::try_from(position).unwrap_or(usize::MAX);
                let limit = request.limits.get(position);
                let limit = limit.ok_or_else(|| unavailable(CallError::Reply))?;
                Err(AccountsError::refused(counter.exceeded(limit, request)))
            }
            _ => Err(unavailable(CallError::Reply)),
        }
    }

    fn grant(
        &self,
        request: &AdmitRequest,
        amount: NanoDollars,
        before: Vec<BudgetState>,
        rates: RateLimits,
    ) -> Granted {
        let tried = before.iter().filter(|state| state.budget.dry_run);
        let would_refuse: Vec<Refused> = tried
            .filter(|state| amount > state.balance.room(state.budget.limit))
            .map(|state| state.refuse(amount, request.now))
            .collect();
        let warnings = warnings(request, &before, &would_refuse);
        let mut budgets = before;
        for state in &mut budgets {
            state.balance.reserved = state.balance.reserved.saturating_add(amount);
        }
        self.sees(request);
        Granted {
            reserved: amount,
            output_cap: output_cap(request, amount),
            rates,
            budgets,
            warnings,
        }
    }

    fn sees(&self, request: &AdmitRequest) {
        let limits = request.limits.iter();
        let limits: Vec<LimitRef> = limits.map(|l| LimitRef::none(l.account.clone())).collect();
        let tokens = request.tokens;
        let (id, now, due) = (&request.request_id, request.now, request.expires_at);
        // Without limits nothing is exceeded.
        let _ = self.seen().load.admit(&limits, tokens, id, now, due);
    }
}

/// A reservation whose answer nobody may ever read: the client left, or Redis answered too late. It
/// is given back behind the request that made it.
struct Unclaimed {
    connection: Connection,
    scripts: Arc<Scripts>,
    namespace: String,
    request_id: Option<Arc<str>>,
}

impl Unclaimed {
    fn new(accounts: &RedisAccounts, request: &AdmitRequest) -> Self {
        Self {
            connection: accounts.connection.clone(),
            scripts: Arc::clone(&accounts.scripts),
            namespace: accounts.namespace.clone(),
            request_id: Some(Arc::clone(&request.request_id)),
        }
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let Some(request_id) = self.request_id.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (connection, scripts) = (self.connection.clone(), Arc::clone(&self.scripts));
        let namespace = std::mem::take(&mut self.namespace);
        runtime.spawn(async move {
            let release = Settle::release(&request_id, REMEMBERED_MS);
            if let Err(error) = call(&connection, &namespace, &scripts.settle, &release).await {
                tracing::debug!(%error, "a reservation that nobody claims stays until it expires");
            }
        });
    }
}
