//! The plan of a request: which deployment each attempt goes to.
//!
//! Within the alias: its deployments in the strategy's order, each once, then the same order again
//! until `1 + num_retries` attempts. Then each fallback alias's deployments once each. An alias is
//! visited once, so fallbacks cannot loop; fallbacks of fallbacks follow their alias at once (depth
//! first, five deep), as LiteLLM does. Deployments that are cooling down, full or without a credential,
//! or that lack the endpoint which is asked for, are left out of an alias, and an alias without any left
//! is skipped. So are those that cannot express the request, as long as another can.

use std::sync::Arc;

use dragoman_proto::Overrides;

mod order;
mod pattern;
mod table;
#[cfg(test)]
mod tests;

pub use pattern::Pattern;
use table::Found;
pub use table::{Candidate, Route, RoutingSettings, RoutingTable};

use crate::money::PicoPrice;

/// More attempts than this help nobody.
pub const MAX_ATTEMPTS: usize = 32;
/// LiteLLM's depth of fallbacks of fallbacks.
const MAX_FALLBACK_DEPTH: usize = 5;

/// How an alias's deployments are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Strategy {
    /// By chance, weighted.
    #[default]
    SimpleShuffle,
    /// The fastest of late first; one that was not tried yet comes before.
    LatencyBased,
    /// The one with the fewest requests in flight first.
    LeastBusy,
    /// The one with the fewest tokens this minute first.
    UsageBased,
    /// The cheapest first; one without a known price comes last.
    CostBased,
}

impl Strategy {
    /// LiteLLM's `routing_strategy`.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "simple-shuffle" => Self::SimpleShuffle,
            "latency-based-routing" => Self::LatencyBased,
            "least-busy" => Self::LeastBusy,
            "usage-based-routing" | "usage-based-routing-v2" => Self::UsageBased,
            "cost-based-routing" => Self::CostBased,
            _ => return None,
        })
    }
}

/// What is known of deployments right now; each method takes a deployment's id.
pub trait DeploymentView {
    /// Whether its provider has the endpoint that this request is for.
    fn serves(&self, _deployment: &str) -> bool {
        true
    }
    /// Whether this request can be told to it, with all that it asks for. `captured` is what the `*` of
    /// its alias stands for.
    fn expresses(&self, _deployment: &str, _captured: Option<&str>) -> bool {
        true
    }
    /// Milliseconds until it may be used again; `None` when it may be used now.
    fn cooling_for(&self, _deployment: &str) -> Option<u64> {
        None
    }
    /// Whether the gateway has no credential for it at the moment.
    fn lacks_credential(&self, _deployment: &str) -> bool {
        false
    }
    /// Whether one of its own limits (requests in flight, per minute) leaves no room.
    fn is_full(&self, _deployment: &str) -> bool {
        false
    }
    /// Its recent latency, in microseconds.
    fn latency(&self, _deployment: &str) -> Option<u64> {
        None
    }
    /// Requests in flight.
    fn in_flight(&self, _deployment: &str) -> u64 {
        0
    }
    /// Tokens used in this minute.
    fn tokens_this_minute(&self, _deployment: &str) -> u64 {
        0
    }
    /// Input and output price of a token, together.
    fn token_price(&self, _deployment: &str) -> Option<PicoPrice> {
        None
    }
}

/// Nothing is known: every deployment is well.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllWell;

impl DeploymentView for AllWell {}

/// What the client wishes. The caller leaves out fallbacks that the key may not use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// Aliases to fall back to; in place of all configured fallbacks.
    pub fallbacks: Option<Vec<String>>,
    /// No fallbacks.
    pub disable_fallbacks: bool,
    /// Retries within the alias, in place of the configured number.
    pub num_retries: Option<u32>,
}

impl From<&Overrides> for Wishes {
    fn from(overrides: &Overrides) -> Self {
        Self {
            fallbacks: overrides.fallbacks.clone(),
            disable_fallbacks: overrides.disable_fallbacks,
            num_retries: overrides.num_retries,
        }
    }
}

/// Where a request goes, attempt by attempt; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Attempt `n` (from 1) is `attempts[n - 1]`.
    pub attempts: Vec<Attempt>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The deployment's id.
    pub deployment: Arc<str>,
    /// Its cluster.
    pub cluster: Arc<str>,
    /// The alias through which it is reached.
    pub alias: Arc<str>,
    /// What the `*` of a wildcard alias stands for, when it was reached through one.
    pub captured: Option<String>,
    /// How many fallbacks lie before: 0 for the alias that was asked for.
    pub fallback: usize,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlan {
    /// Nothing is served under this name.
    #[error("the model `{alias}` does not exist")]
    UnknownModel {
        /// What the client asked for.
        alias: String,
    },
    /// Every deployment failed a moment ago.
    #[error("all deployments of `{alias}` are cooling down after failures")]
    AllCoolingDown {
        /// What the client asked for.
        alias: String,
        /// Seconds until the first may be used again.
        retry_after: u64,
    },
    /// There is no credential for any deployment.
    #[error("the gateway has no valid credential for any deployment of `{alias}` at the moment")]
    NoCredential {
        /// What the client asked for.
        alias: String,
    },
    /// Every deployment that is not cooling down is at its own limit.
    #[error("all deployments of `{alias}` are at their limits")]
    AllFull {
        /// What the client asked for.
        alias: String,
    },
}

impl Plan {
    /// The deployments' ids, each once, in order.
    pub fn deployments(&self) -> Vec<&Arc<str>> {
        let mut seen = Vec::new();
        for attempt in &self.attempts {
            if !seen.contains(&&attempt.deployment) {
                seen.push(&attempt.deployment);
            }
        }
        seen
    }
}

/// The plan for `alias`.
pub fn plan(
    table: &RoutingTable,
    alias: &str,
    wishes: &Wishes,
    view: &impl DeploymentView,
    random: &mut impl FnMut() -> u64,
) -> Result<Plan, NoPlan> {
    let settings = table.settings();
    let retries = wishes.num_retries.unwrap_or(settings.num_retries);
    let mut attempts = Vec::new();
    let aliases = visited(table, alias, wishes);
    let mut shortage = Shortage {
        // Where nobody can do it, the filter says who lacks what.
        wants_endpoint: anyone(table, &aliases, |_, id| view.serves(id)),
        wants_expression: has_choice(table, &aliases)
            && anyone(table, &aliases, |captured, id| {
                view.serves(id) && view.expresses(id, captured)
            }),
        ..Shortage::default()
    };
    for (fallback, name) in aliases.into_iter().enumerate() {
        let Some(found) = table.find(name) else {
            if fallback == 0 {
                return Err(NoPlan::UnknownModel {
                    alias: alias.to_owned(),
                });
            }
            continue;
        };
        let usable = shortage.usable(&found, view);
        let ordered = order::ordered(settings.strategy, usable, view, random);
        let count = match fallback {
            0 if ordered.is_empty() => 0,
            0 => usize::try_from(retries).map_or(MAX_ATTEMPTS, |r| r.saturating_add(1)),
            _ => ordered.len(),
        };
        let room = MAX_ATTEMPTS.saturating_sub(attempts.len());
        let chosen = ordered.iter().cycle().take(count.min(room));
        attempts.extend(chosen.map(|candidate| Attempt {
            deployment: Arc::clone(&candidate.id),
            cluster: Arc::clone(&candidate.cluster),
            alias: found.alias(),
            captured: found.captured().map(str::to_owned),
            fallback,
        }));
    }
    if attempts.is_empty() {
        return Err(shortage.no_plan(alias));
    }
    Ok(Plan { attempts })
}

/// Whether `aliases` have more than one deployment.
fn has_choice(table: &RoutingTable, aliases: &[&str]) -> bool {
    let found = aliases.iter().filter_map(|name| table.find(name));
    found.map(|found| found.candidates().len()).sum::<usize>() > 1
}

/// Whether a deployment of any of `aliases` is able to, by what a `*` stands for and its id.
fn anyone(
    table: &RoutingTable,
    aliases: &[&str],
    is_able: impl Fn(Option<&str>, &str) -> bool,
) -> bool {
    let mut found = aliases.iter().filter_map(|name| table.find(name));
    found.any(|found| {
        let mut candidates = found.candidates().iter();
        candidates.any(|candidate| is_able(found.captured(), &candidate.id))
    })
}

/// The aliases of a plan, in order, each once.
fn visited<'a>(table: &'a RoutingTable, alias: &'a str, wishes: &'a Wishes) -> Vec<&'a str> {
    let mut visited = vec![alias];
    if wishes.disable_fallbacks {
        return visited;
    }
    match &wishes.fallbacks {
        Some(wished) => {
            for name in wished {
                if !visited.contains(&name.as_str()) {
                    visited.push(name);
                }
            }
        }
        None => follow(table, alias, 1, &mut visited),
    }
    visited
}

fn follow<'a>(table: &'a RoutingTable, alias: &'a str, depth: usize, visited: &mut Vec<&'a str>) {
    if depth > MAX_FALLBACK_DEPTH || visited.len() >= MAX_ATTEMPTS {
        return;
    }
    for name in table.fallbacks_of(alias) {
        if !visited.contains(&name.as_str()) {
            visited.push(name);
            follow(table, name, depth + 1, visited);
        }
    }
}

/// Why deployments were left out.
#[derive(Default)]
struct Shortage {
    /// Whether deployments without the endpoint are left out.
    wants_endpoint: bool,
    /// Whether those are that cannot express the request.
    wants_expression: bool,
    /// The shortest cooldown, in milliseconds.
    cooling: Option<u64>,
    full: bool,
    without_credential: bool,
}

impl Shortage {
    fn usable<'a>(&mut self, found: &Found<'a>, view: &impl DeploymentView) -> Vec<&'a Candidate> {
        let candidates = found.candidates();
        let mut usable = Vec::with_capacity(candidates.len());
        for candidate in candidates {
            if self.wants_endpoint && !view.serves(&candidate.id) {
                continue;
            }
            if self.wants_expression && !view.expresses(&candidate.id, found.captured()) {
                continue;
            }
            if view.lacks_credential(&candidate.id) {
                self.without_credential = true;
            } else if let Some(left) = view.cooling_for(&candidate.id) {
                self.cooling = Some(self.cooling.map_or(left, |shortest| shortest.min(left)));
            } else if view.is_full(&candidate.id) {
                self.full = true;
            } else {
                usable.push(candidate);
            }
        }
        usable
    }

    fn no_plan(&self, alias: &str) -> NoPlan {
        let alias = alias.to_owned();
        match self.cooling {
            _ if self.full => NoPlan::AllFull { alias },
            Some(left) => NoPlan::AllCoolingDown {
                alias,
                retry_after: left.div_ceil(1_000).max(1),
            },
            None if self.without_credential => NoPlan::NoCredential { alias },
            None => NoPlan::UnknownModel { alias },
        }
    }
}
