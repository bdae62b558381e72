//! Accounts in Redis, which replicas share.
//!
//! Each operation is one Lua script, so it is atomic over all budgets and limits that it touches.
//! All keys have one hash tag and so live on one node of a cluster: a cluster gives availability
//! here, not capacity. An operation that is repeated because its answer was lost changes nothing
//! more, since each names its request.
//!
//! The time is the caller's, not the server's: windows of budgets come with the request anyway, and
//! tests can move time. What replicas' clocks are apart by, a minute of a limit may be longer, and a
//! reservation may expire earlier (its grace is far longer).
//!
//! Nobody passes while Redis is away: the answer is [`AccountsError::Unavailable`]. The connection
//! comes back by itself. What Redis forgot, if it kept nothing on disk, is taken up from the ledger:
//! an account that it does not know begins with what [`Past`] says, and requests whose reservations
//! it lost are charged when they are reported.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dragoman_policy::budget::{
    AccountWindow, Balance, BudgetState, LATE_MS, Offer, Refused, offer,
};
use dragoman_policy::limits::{RateLimits, TokenEstimate};
use dragoman_policy::{AccountId, BudgetRef, LimitRef, Limits, NanoDollars, UnixMillis};
use redis::{RedisError, Script};
use serde::Serialize;
use tonic::async_trait;

use self::connection::{CallError, Connection, Scripts};
use self::wire::{Budget, Expire, MOST_AMOUNT, Meet, Reply, Reserve, Settle, clamped};
use super::line::{Attempt, Desk, Line, Turn};
use super::memory::settled::REMEMBERED_MS;
use super::memory::{output_cap, refused, terms, warnings};
use super::usual::UsualOutput;
use super::{
    Accounts, AccountsError, AdmitRequest, Granted, Load, Past, Settled, Settlement, Unsettled,
    WaitOptions,
};

mod connection;
mod wire;

#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;

/// Where keys are when nothing else is said.
pub const NAMESPACE: &str = "dragoman";
/// Requests on other replicas settle unseen: who is first in line looks this often.
const LOOK_AGAIN: Duration = Duration::from_millis(40);
/// Settlements of other replicas can come between looking and reserving.
const TRIES: u32 = 5;
const EXPIRED_AT_ONCE: u64 = 100;

/// Accounts that replicas share.
pub struct RedisAccounts {
    connection: Connection,
    scripts: Arc<Scripts>,
    /// With its hash tag.
    namespace: String,
    line: Line,
    past: Arc<dyn Past>,
    seen: Mutex<Seen>,
}

/// What this replica sees of the requests: hints, no accounts.
#[derive(Debug, Default)]
struct Seen {
    usual: UsualOutput,
    load: Limits,
}

/// What became of an attempt to reserve.
enum Reserved {
    /// The budgets before it, and the limits after it.
    Done(Vec<Balance>, RateLimits),
    /// The request holds this already.
    Held(NanoDollars, Vec<Balance>, RateLimits),
    /// There is not so much room.
    Full(Vec<Balance>),
}

impl RedisAccounts {
    /// Accounts at `urls`: `redis://` or `rediss://`, a cluster where several are separated by
    /// commas or the scheme ends in `+cluster`. Nothing is connected yet.
    pub fn open(
        urls: &str,
        namespace: &str,
        options: WaitOptions,
        past: Arc<dyn Past>,
    ) -> Result<Self, RedisError> {
        Ok(Self {
            connection: Connection::open(urls)?,
            scripts: Arc::default(),
            namespace: format!("{{{namespace}}}"),
            line: Line::new(options, Some(LOOK_AGAIN)),
            past,
            seen: Mutex::default(),
        })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, script: &Script, input: &impl Serialize) -> Result<Reply, AccountsError> {
        let reply = call(&self.connection, &self.namespace, script, input).await;
        reply.map_err(unavailable)
    }

    /// Brings an account that is new to Redis up to what was spent before.
    async fn meet(&self, budget: &BudgetRef, now: UnixMillis) -> Result<(), AccountsError> {
        let spent = self.past.spent(&budget.at()).await;
        let spent = spent.map_err(|error| AccountsError::unavailable("ledger", &error))?;
        let meet = Meet {
            budget: Budget::new(budget, now),
            spent: spent.nanos(),
            set: false,
        };
        self.call(&self.scripts.meet, &meet).await.map(drop)
    }

    async fn meet_all(
        &self,
        budgets: &[BudgetRef],
        reply: Reply,
        now: UnixMillis,
    ) -> Result<(), AccountsError> {
        for position in reply.positions().map_err(unavailable)? {
            if let Some(budget) = budgets.get(position) {
                self.meet(budget, now).await?;
            }
        }
        Ok(())
    }

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
        let tokens: TokenEstimate = request.tokens;
        let (id, now, due) = (&request.request_id, request.now, request.expires_at);
        // Without limits nothing is exceeded.
        let _ = self.seen().load.admit(&limits, tokens, id, now, due);
    }

    fn saw_end(&self, settlement: &Settlement) {
        let mut seen = self.seen();
        let (id, tokens) = (&settlement.request_id, settlement.tokens);
        seen.load.finish(id, tokens);
        seen.usual.note(&settlement.model, settlement.output_tokens);
        drop(seen);
        self.line.stir();
    }
}

#[async_trait]
impl Accounts for RedisAccounts {
    async fn admit(&self, request: AdmitRequest) -> Result<Granted, AccountsError> {
        self.line.admit(self, &request).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, AccountsError> {
        let settle = Settle::new(settlement, REMEMBERED_MS);
        let settled = self.settled(&self.scripts.settle, &settle, settlement);
        settled.await?.ok_or_else(|| unavailable(CallError::Reply))
    }

    async fn charge(
        &self,
        settlement: &Settlement,
        budgets: &[BudgetRef],
    ) -> Result<Settled, AccountsError> {
        let own = budgets.iter().map(|b| Budget::new(b, settlement.now));
        let mut charge = Settle::new(settlement, REMEMBERED_MS);
        charge.budgets = own.collect();
        loop {
            let charging = self.settled(&self.scripts.charge, &charge, settlement);
            if let Some(settled) = charging.await? {
                return Ok(settled);
            }
            for budget in budgets {
                self.meet(budget, settlement.now).await?;
            }
        }
    }

    async fn release(&self, request_id: &str) -> Result<(), AccountsError> {
        let release = Settle::release(request_id, REMEMBERED_MS);
        self.call(&self.scripts.settle, &release).await?;
        self.seen().load.retract(request_id);
        self.line.stir();
        Ok(())
    }

    async fn expire(&self, now: UnixMillis) -> Result<Vec<Unsettled>, AccountsError> {
        let expire = Expire {
            now: now.0,
            late: LATE_MS,
            most: EXPIRED_AT_ONCE,
            remember: REMEMBERED_MS,
        };
        let mut expired = Vec::new();
        loop {
            let mut reply = self.call(&self.scripts.expire, &expire).await?;
            let looked_at = reply.number().map_err(unavailable)?;
            while let Some(unsettled) = reply.unsettled().map_err(unavailable)? {
                expired.push(unsettled);
            }
            if looked_at < EXPIRED_AT_ONCE {
                break;
            }
        }
        let mut seen = self.seen();
        seen.load.expire(now);
        seen.load.forget_idle(now);
        drop(seen);
        self.line.stir();
        Ok(expired)
    }

    async fn balance(&self, at: &AccountWindow) -> Result<Balance, AccountsError> {
        let known = BudgetRef::strict(at.account.clone(), at.window, NanoDollars::MAX);
        loop {
            let named = Budget::new(&known, at.window.start);
            let mut reply = self.call(&self.scripts.balance, &named).await?;
            match reply.text().map_err(unavailable)?.as_str() {
                "balance" => return reply.balance().map_err(unavailable),
                _ => self.meet(&known, at.window.start).await?,
            }
        }
    }

    async fn set_spent(&self, at: &AccountWindow, spent: NanoDollars) -> Result<(), AccountsError> {
        self.balance(at).await?;
        let known = BudgetRef::strict(at.account.clone(), at.window, NanoDollars::MAX);
        let meet = Meet {
            budget: Budget::new(&known, at.window.start),
            spent: spent.nanos(),
            set: true,
        };
        self.call(&self.scripts.meet, &meet).await?;
        self.line.stir();
        Ok(())
    }

    fn load(&self, account: &AccountId, now: UnixMillis) -> Load {
        let seen = self.seen();
        Load {
            in_flight: seen.load.in_flight(account),
            tokens: seen.load.tokens_this_minute(account, now),
        }
    }

    async fn health(&self) -> Result<(), AccountsError> {
        let nobody = Settle::release("", REMEMBERED_MS);
        self.call(&self.scripts.settle, &nobody).await.map(drop)
    }
}

impl RedisAccounts {
    /// Settles or charges; `None` when an account has to be met first.
    async fn settled(
        &self,
        script: &Script,
        input: &Settle<'_>,
        settlement: &Settlement,
    ) -> Result<Option<Settled>, AccountsError> {
        let mut reply = self.call(script, input).await?;
        let settled = match reply.text().map_err(unavailable)?.as_str() {
            "charged" => Settled::Charged(reply.charge().map_err(unavailable)?),
            "already" => Settled::Already,
            "unknown" => return Ok(Some(Settled::Unknown)),
            "held" => return Box::pin(self.settle(settlement)).await.map(Some),
            "strangers" => return Ok(None),
            _ => return Err(unavailable(CallError::Reply)),
        };
        self.saw_end(settlement);
        Ok(Some(settled))
    }
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

const fn remaining(allowance: &dragoman_policy::limits::Allowance) -> u64 {
    allowance.remaining
}

async fn call(
    connection: &Connection,
    namespace: &str,
    script: &Script,
    input: &impl Serialize,
) -> Result<Reply, CallError> {
    let input = serde_json::to_string(input).map_err(|_| CallError::Reply)?;
    let mut invocation = script.key(format!("{namespace}:due"));
    invocation.arg(namespace).arg(input);
    connection.call(&invocation).await.map(Reply::new)
}

fn unavailable(error: CallError) -> AccountsError {
    AccountsError::unavailable("redis", &error)
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

impl fmt::Debug for RedisAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAccounts").finish_non_exhaustive()
    }
}
