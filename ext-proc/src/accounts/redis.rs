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
//! comes back by itself. What Redis forgot, because it keeps nothing on disk or is behind with it, is
//! taken up from the ledger: an account that it does not know begins with what [`Past`] says, and
//! requests whose reservations it lost are charged when they are reported, or by [`super::Reconciler`]
//! when a Redis answers that is another than before.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dragoman_policy::budget::{AccountWindow, Balance, LATE_MS};
use dragoman_policy::{AccountId, BudgetRef, Limits, NanoDollars, UnixMillis};
use redis::{ErrorKind, RedisError, Script};
use serde::Serialize;
use tonic::async_trait;

use self::address::{Address, AddressError};
use self::connection::{CallError, Connection, Scripts};
use self::memory::Memory;
use self::wire::{Budget, Due, Expire, Keep, Meet, Reply, Settle};
use super::line::Line;
use super::memory::settled::REMEMBERED_MS;
use super::usual::UsualOutput;
use super::{
    Accounts, AccountsError, AdmitRequest, Granted, Load, Past, Settled, Settlement, Unsettled,
    WaitOptions,
};
use crate::clock;

mod address;
mod admit;
mod connection;
mod memory;
mod wire;

#[cfg(test)]
pub(super) mod server;
#[cfg(test)]
mod tests;

/// Where keys are when nothing else is said.
pub const NAMESPACE: &str = "dragoman";
/// Requests on other replicas settle unseen: who is first in line looks this often.
const LOOK_AGAIN: Duration = Duration::from_millis(40);
const EXPIRED_AT_ONCE: u64 = 100;

/// Why accounts in Redis cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL, or what it names.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// What the client makes of it.
    #[error(transparent)]
    Client(#[from] RedisError),
}

/// Accounts that replicas share.
pub struct RedisAccounts {
    connection: Connection,
    scripts: Arc<Scripts>,
    /// With its hash tag.
    namespace: String,
    line: Line,
    past: Arc<dyn Past>,
    seen: Mutex<Seen>,
    memory: Mutex<Memory>,
}

/// What this replica sees of the requests: hints, no accounts.
#[derive(Debug, Default)]
struct Seen {
    usual: UsualOutput,
    load: Limits,
}

impl RedisAccounts {
    /// Accounts at `urls`: `redis://` or `rediss://`, a cluster where several are separated by
    /// commas or the scheme ends in `+cluster`. Files that it names are read; nothing is connected
    /// yet.
    pub fn open(
        urls: &str,
        namespace: &str,
        options: WaitOptions,
        past: Arc<dyn Past>,
    ) -> Result<Self, OpenError> {
        Ok(Self {
            connection: Connection::open(Address::parse(urls)?)?,
            scripts: Arc::default(),
            namespace: format!("{{{namespace}}}"),
            line: Line::new(options, Some(LOOK_AGAIN)),
            past,
            seen: Mutex::default(),
            memory: Mutex::default(),
        })
    }

    /// Whether anything is wrong that waiting does not mend, such as a password. A Redis that is not
    /// there may come.
    pub async fn check(&self) -> Result<(), RedisError> {
        let name = call(&self.connection, &self.namespace, &self.scripts.memory, &()).await;
        match name {
            Err(CallError::Redis(error)) if is_lasting(&error) => Err(error),
            Err(error) => {
                tracing::error!(%error, "requests with budgets or limits are refused until it is there");
                Ok(())
            }
            Ok(_) => Ok(()),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
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
            spent: spent.amount.nanos(),
            position: spent.position,
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
        position: u64,
        budgets: &[BudgetRef],
    ) -> Result<Settled, AccountsError> {
        if budgets.is_empty() {
            // no budget applied, so there is nothing to charge and nothing to remember
            return Ok(Settled::Already);
        }
        let own = budgets.iter().map(|b| Budget::new(b, settlement.now));
        let mut charge = Settle::new(settlement, REMEMBERED_MS);
        charge.budgets = own.collect();
        charge.position = position;
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

    async fn keep(&self, request_id: &str, until: UnixMillis) -> Result<(), AccountsError> {
        let keep = Keep {
            id: request_id,
            due: until.0,
            late: LATE_MS,
        };
        self.call(&self.scripts.keep, &keep).await?;
        self.seen().load.keep(request_id, until);
        Ok(())
    }

    async fn none_later(&self, at: UnixMillis) -> Result<(), AccountsError> {
        let due = Due { now: at.0 };
        self.call(&self.scripts.none_later, &due).await?;
        self.seen().load.none_later(at);
        Ok(())
    }

    async fn outstanding(&self, now: UnixMillis) -> Result<Vec<Arc<str>>, AccountsError> {
        let due = Due { now: now.0 };
        let ids = self.call(&self.scripts.outstanding, &due).await?;
        Ok(ids.texts().map(Arc::from).collect())
    }

    async fn forgetful_since(&self) -> Result<Option<UnixMillis>, AccountsError> {
        let mut reply = self.call(&self.scripts.memory, &()).await?;
        let answers = reply.text().map_err(unavailable)?;
        let now = UnixMillis(clock::now_ms());
        Ok(self.memory().answered(answers, now))
    }

    fn reminded(&self) {
        self.memory().reminded();
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
            position: 0,
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

/// Whether Redis will say the same again.
fn is_lasting(error: &RedisError) -> bool {
    let refused = ["NOAUTH", "WRONGPASS", "NOPERM"];
    let kinds = [
        ErrorKind::AuthenticationFailed,
        ErrorKind::InvalidClientConfig,
    ];
    let code = error.code();
    let certificate = || error.to_string().contains("invalid peer certificate");
    kinds.contains(&error.kind())
        || code.is_some_and(|code| refused.contains(&code))
        || certificate()
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unavailable(error: CallError) -> AccountsError {
    AccountsError::unavailable("redis", &error)
}

impl fmt::Debug for RedisAccounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisAccounts").finish_non_exhaustive()
    }
}
