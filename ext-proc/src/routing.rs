//! What routing remembers of deployments: failures, latency, requests in flight.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use dragoman_policy::cooldown::{CooldownRules, Cooldowns, Verdict};
use dragoman_policy::plan::{self, DeploymentView, NoPlan, Plan, Wishes};
use dragoman_policy::{AccountId, PicoPrice, Scope, UnixMillis};
use dragoman_proto::Facts;

use crate::accounts::{Accounts, Load};
use crate::credentials::TokenBoard;
use crate::live::Live;

/// Weight of a new sample in the moving average of latency, as a share of this many.
const LATENCY_SAMPLES: u64 = 8;

/// The memory of routing; one for the life of the service.
#[derive(Debug, Default)]
pub struct Routing {
    memory: Mutex<Memory>,
    tokens: TokenBoard,
}

#[derive(Debug, Default)]
struct Memory {
    cooldowns: Cooldowns,
    /// Moving average of the time to the first token, in microseconds.
    latency: HashMap<Arc<str>, u64>,
}

impl Routing {
    /// Remembers nothing yet; deployments whose token is not on `tokens` are left out of plans.
    pub fn new(tokens: TokenBoard) -> Self {
        Self {
            memory: Mutex::default(),
            tokens,
        }
    }

    /// The deployments' access tokens.
    pub const fn tokens(&self) -> &TokenBoard {
        &self.tokens
    }

    /// The plan for a request with `facts`, by `alias`.
    pub fn plan(
        &self,
        live: &Live,
        accounts: &dyn Accounts,
        facts: &Facts,
        alias: &str,
        wishes: &Wishes,
        now_ms: u64,
    ) -> Result<Plan, NoPlan> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let view = View {
            memory: &memory,
            tokens: &self.tokens,
            live,
            accounts,
            facts,
            now: UnixMillis(now_ms),
        };
        plan::plan(&live.routing, alias, wishes, &view, &mut random)
    }

    /// Takes over another configuration: its rules, and no deployment that it does not have.
    pub fn configure(&self, live: &Live) {
        let router = &live.config.router;
        let cooldown = router.cooldown_time.as_millis();
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.cooldowns.set_rules(CooldownRules {
            allowed_fails: router.allowed_fails.map(u64::from),
            cooldown_ms: u64::try_from(cooldown).unwrap_or(u64::MAX),
            disabled: router.cooldowns_disabled,
        });
        memory.cooldowns.retain(|id| live.has(id));
        memory.latency.retain(|id, _| live.has(id));
    }

    /// Notes how an attempt at `deployment` ended, and its time to the first token.
    pub fn record(
        &self,
        live: &Live,
        deployment: &str,
        verdict: Verdict,
        first_token_ms: Option<u64>,
        now_ms: u64,
    ) {
        let Some(served) = live.served(deployment) else {
            return;
        };
        if let Verdict::Failure {
            status: Some(401), ..
        } = verdict
        {
            self.tokens.refused(deployment);
        }
        let id: Arc<str> = Arc::from(deployment);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let cools = memory
            .cooldowns
            .record(&id, served.group_size, verdict, UnixMillis(now_ms));
        if let Some(ms) = first_token_ms {
            let sample = ms.saturating_mul(1_000);
            let average = memory.latency.entry(id).or_insert(sample);
            *average = (*average * (LATENCY_SAMPLES - 1) + sample) / LATENCY_SAMPLES;
        }
        drop(memory);
        if cools {
            tracing::warn!(
                deployment,
                alias = served.alias,
                "deployment cools down after failures"
            );
        }
    }

    /// Milliseconds until `deployment` may be used again.
    pub fn cooling_for(&self, deployment: &str, now_ms: u64) -> Option<u64> {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.cooldowns.cooling_for(deployment, UnixMillis(now_ms))
    }
}

struct View<'a> {
    memory: &'a Memory,
    tokens: &'a TokenBoard,
    live: &'a Live,
    accounts: &'a dyn Accounts,
    facts: &'a Facts,
    now: UnixMillis,
}

impl View<'_> {
    fn load(&self, deployment: &str) -> Load {
        let account = AccountId::new(Scope::Deployment, deployment);
        self.accounts.load(&account, self.now)
    }
}

impl DeploymentView for View<'_> {
    fn serves(&self, deployment: &str) -> bool {
        self.live.serves(deployment, self.facts.operation)
    }

    fn expresses(&self, deployment: &str, captured: Option<&str>) -> bool {
        self.live.expresses(deployment, self.facts, captured)
    }

    fn cooling_for(&self, deployment: &str) -> Option<u64> {
        self.memory.cooldowns.cooling_for(deployment, self.now)
    }

    fn lacks_credential(&self, deployment: &str) -> bool {
        self.tokens.is_without(deployment)
    }

    fn is_full(&self, deployment: &str) -> bool {
        let limit = self
            .live
            .deployment_limit(deployment)
            .and_then(|limit| limit.parallel);
        limit.is_some_and(|most| self.load(deployment).in_flight >= most)
    }

    fn in_flight(&self, deployment: &str) -> u64 {
        self.load(deployment).in_flight
    }

    fn tokens_this_minute(&self, deployment: &str) -> u64 {
        self.load(deployment).tokens
    }

    fn latency(&self, deployment: &str) -> Option<u64> {
        self.memory.latency.get(deployment).copied()
    }

    fn token_price(&self, deployment: &str) -> Option<PicoPrice> {
        self.live.served(deployment)?.token_price()
    }
}

/// Chance for load balancing; a failing source of it is no reason to refuse a request.
fn random() -> u64 {
    getrandom::u64().unwrap_or_else(|_| crate::clock::now_ms().wrapping_mul(0x9E37_79B9_7F4A_7C15))
}
