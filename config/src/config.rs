//! The resolved configuration: what the service and the Envoy resources are built from.

use std::time::Duration;

use indexmap::IndexMap;
use serde_json::Number;

use crate::{Alias, Deployment, DeploymentId, Notice, Period, Secret, Share};

/// A configuration that loads.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// In the file's order; ids are unique.
    pub deployments: Vec<Deployment>,
    /// In the file's order; each has at least one deployment.
    pub aliases: IndexMap<Alias, Group>,
    /// How requests find a deployment.
    pub router: Router,
    /// Access and records.
    pub general: General,
    /// Limits and place of the listener.
    pub server: Server,
    /// Our own settings, `dragoman:` in the file.
    pub own: Own,
    /// What a person should know.
    pub notices: Vec<Notice>,
}

/// The deployments behind an alias.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Group {
    /// In the file's order.
    pub deployments: Vec<DeploymentId>,
    /// Reachable, and not listed in `/v1/models` (`model_group_alias` with `hidden: true`).
    pub hidden: bool,
}

/// How requests find a deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Router {
    /// How one of several is chosen.
    pub strategy: Strategy,
    /// Attempts after the first; 2 unless set, as in LiteLLM.
    pub num_retries: u32,
    /// For a whole answer. 600 s unless set, as OpenAI's clients have it: LiteLLM's own 6000 s
    /// outlast every client.
    pub timeout: Duration,
    /// For a stream, where it has its own.
    pub stream_timeout: Option<Duration>,
    /// When all attempts at an alias failed.
    pub fallbacks: Fallbacks,
    /// When the prompt is too long.
    pub context_window_fallbacks: Fallbacks,
    /// When the provider refuses the content.
    pub content_policy_fallbacks: Fallbacks,
    /// Failures in a minute that a deployment may have; `None`: the default rule.
    pub allowed_fails: Option<u32>,
    /// How long a deployment that fails is left out; 5 s unless set.
    pub cooldown_time: Duration,
    /// Whether deployments that fail stay in (`disable_cooldowns`).
    pub cooldowns_disabled: bool,
    /// Whether `rpm` and `tpm` of deployments are enforced (`enable_pre_call_checks`).
    pub pre_call_checks: bool,
    /// Budgets by provider prefix (`provider_budget_config`).
    pub provider_budgets: Vec<ProviderBudget>,
}

/// How one of several deployments is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strategy {
    /// By weight, at random.
    #[default]
    SimpleShuffle,
    /// The quickest of late.
    LatencyBased,
    /// The one with the fewest requests under way.
    LeastBusy,
    /// The one with most of its `rpm` and `tpm` left.
    UsageBased,
    /// The cheapest.
    CostBased,
}

impl Strategy {
    /// LiteLLM's names.
    pub(crate) const NAMES: [(&'static str, Self); 6] = [
        ("simple-shuffle", Self::SimpleShuffle),
        ("latency-based-routing", Self::LatencyBased),
        ("least-busy", Self::LeastBusy),
        ("usage-based-routing", Self::UsageBased),
        ("usage-based-routing-v2", Self::UsageBased),
        ("cost-based-routing", Self::CostBased),
    ];

    /// LiteLLM's name.
    pub fn as_str(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(_, strategy)| *strategy == self);
        named.map_or("simple-shuffle", |(name, _)| name)
    }
}

/// Which aliases stand in for which.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fallbacks {
    /// By the alias that failed.
    pub by_alias: IndexMap<Alias, Vec<Alias>>,
    /// For every other alias: `"*"`, or `default_fallbacks`.
    pub default: Vec<Alias>,
}

impl Fallbacks {
    /// The stand-ins for `alias`, never itself.
    pub fn of<'a>(&'a self, alias: &'a str) -> impl Iterator<Item = &'a Alias> {
        let own = self.by_alias.get(alias).unwrap_or(&self.default);
        own.iter().filter(move |name| name.as_str() != alias)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_alias.is_empty() && self.default.is_empty()
    }
}

/// Access and records.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct General {
    /// `None`: the service makes one at first start.
    pub master_key: Option<MasterKey>,
    /// For requests that name no model.
    pub completion_model: Option<Alias>,
    /// Keep totals, not a row per request.
    pub disable_spend_logs: bool,
    /// Keep no row of a request that failed.
    pub disable_error_logs: bool,
    /// `usage_limits`; enforced only with [`Own::enforce_usage_limits`].
    pub usage_limits: Vec<UsageLimit>,
    /// The budget of everything (`litellm_settings.max_budget`).
    pub max_budget: Option<MaxBudget>,
}

/// The key that may do everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MasterKey {
    /// The key.
    pub secret: Secret,
    /// Where it stands.
    pub origin: Origin,
}

/// Where a secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In the file.
    File,
    /// In this variable, which need not be set.
    Variable(String),
    /// Nowhere.
    Nowhere,
}

/// What a key may use in a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageLimit {
    /// The client's key.
    pub key: Secret,
    /// Requests.
    pub max_requests: Option<u64>,
    /// Tokens.
    pub max_tokens: Option<u64>,
}

/// A budget over everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaxBudget {
    /// Dollars.
    pub dollars: Number,
    /// Its window; `None`: for ever.
    pub window: Option<Period>,
}

/// What may be spent at a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderBudget {
    /// The provider's prefix.
    pub provider: String,
    /// Dollars.
    pub dollars: Number,
    /// Its window.
    pub window: Period,
}

/// Limits and place of the listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// A path under which everything is also served: `/ai-api`; empty for none. From
    /// `DRAGOMAN_ROOT_PATH`, `dragoman.root_path` or LiteLLM's `SERVER_ROOT_PATH`.
    pub root_path: String,
    /// The largest request body; 32 MiB unless set.
    pub max_body_bytes: u64,
}

/// Our own settings, `dragoman:` in the file; `DRAGOMAN_*` variables override them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// How far an answer may be shortened to fit what is left of a budget; 256 unless set.
    pub min_output_tokens: u64,
    /// Whether `general_settings.usage_limits` are enforced, per minute.
    pub enforce_usage_limits: bool,
    /// What happens to a request under a budget whose price is not known.
    pub unknown_price: UnknownPrice,
    /// A file of prices that come before the built-in ones: LiteLLM's list, or our own form of it. A
    /// relative path begins at the configuration file's folder.
    pub prices: Option<String>,
    /// Extras of budgets.
    pub budgets: Budgets,
    /// How long the ledger keeps rows of requests, `ledger.retention_days`; for ever unless set. Sums
    /// stay.
    pub retention_days: Option<u64>,
}

/// What happens to a request under a budget whose price is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownPrice {
    /// It is refused.
    #[default]
    Refuse,
    /// It passes and is recorded as unpriced.
    Allow,
}

/// Extras of budgets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Budgets {
    /// Record what a budget would have refused, and refuse nothing.
    pub dry_run: bool,
    /// Admit under a budget what may cost more than can be told beforehand: tools that providers run.
    pub allow_unbounded: bool,
    /// Where to go when most of a budget is spent.
    pub downgrade: Option<Downgrade>,
    /// Where alerts go; secret, because such addresses are all the authentication there is.
    pub alert_webhook: Option<Secret>,
}

/// A cheaper alias for when most of a budget is spent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Downgrade {
    /// From this share of the budget on.
    pub at: Share,
    /// The alias.
    pub to: Alias,
}

impl Config {
    /// The deployment with this id.
    pub fn deployment(&self, id: &str) -> Option<&Deployment> {
        self.deployments
            .iter()
            .find(|deployment| deployment.id.as_str() == id)
    }

    /// The group that a client's model name reaches: the alias itself, else the longest pattern
    /// that fits.
    pub fn group(&self, requested: &str) -> Option<(&Alias, &Group)> {
        let exact = self.aliases.get_key_value(requested);
        exact.or_else(|| {
            let fitting = self.aliases.iter().filter(|(alias, _)| {
                alias.as_str().contains('*')
                    && crate::deployment::star(alias.as_str(), requested).is_some()
            });
            fitting.max_by_key(|(alias, _)| alias.as_str().len())
        })
    }

    /// The deployments of an alias with their shares, as `simple-shuffle` has it: by the first of
    /// `weight`, `rpm` and `tpm` that any of them sets, else equal.
    pub fn shares(&self, alias: &str) -> Vec<(&Deployment, u64)> {
        let Some(group) = self.aliases.get(alias) else {
            return Vec::new();
        };
        let deployments: Vec<_> = group
            .deployments
            .iter()
            .filter_map(|id| self.deployment(id.as_str()))
            .collect();
        let share = |deployment: &Deployment| -> u64 {
            if deployments.iter().any(|other| other.weight.is_some()) {
                deployment.weight.map_or(1, u64::from)
            } else if deployments.iter().any(|other| other.rpm.is_some()) {
                deployment.rpm.unwrap_or(0)
            } else if deployments.iter().any(|other| other.tpm.is_some()) {
                deployment.tpm.unwrap_or(0)
            } else {
                1
            }
        };
        deployments
            .iter()
            .map(|deployment| (*deployment, share(deployment)))
            .collect()
    }
}
