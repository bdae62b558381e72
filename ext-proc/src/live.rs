//! What one configuration comes to: an immutable snapshot, swapped as a whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use dragoman_config::{Config, Deployment, Fallbacks, Provider};
use dragoman_envoy::cluster_name;
use dragoman_policy::keys::MASTER;
use dragoman_policy::plan::{Attempt, RoutingSettings};
use dragoman_policy::prices::{CONFIG_VERSION, Model, OverrideError};
use dragoman_policy::{
    AccountId, Candidate, KeyHash, LimitRef, PicoPrice, Price, PriceTable, Route, RoutingTable,
    Scope, Strategy,
};
use dragoman_proto::{Facts, Operation};

mod interpretation;
mod sizes;

pub use interpretation::Interpretation;
pub use sizes::Sizes;

/// One configuration, ready to decide by.
#[derive(Debug)]
pub struct Live {
    /// As read.
    pub config: Config,
    /// Aliases, deployments and fallbacks.
    pub routing: RoutingTable,
    deployments: HashMap<Arc<str>, Served>,
    prices: Arc<PriceTable>,
    /// By the identity of the key.
    usage_limits: HashMap<String, LimitRef>,
}

/// What is known of a deployment that is served.
#[derive(Debug)]
pub struct Served {
    /// LiteLLM's provider prefix.
    pub provider: &'static str,
    /// The provider's name of the model.
    pub model: String,
    /// The alias that it serves.
    pub alias: String,
    /// How many deployments that alias has.
    pub group_size: usize,
    /// Time for a whole answer, or for the first token of a stream.
    pub timeout: Duration,
    /// Time for the first token of a stream.
    pub stream_timeout: Duration,
    /// Its own timeout for a whole answer, where other attempts of a request may have longer.
    pub bound: Option<Duration>,
    /// Requests that it may have in flight.
    pub max_parallel_requests: Option<u32>,
    /// Retries that it asks for, in place of the router's number.
    pub max_retries: Option<u32>,
    /// Requests per minute, where that is enforced.
    pub rpm: Option<u64>,
    /// Tokens per minute, where that is enforced.
    pub tpm: Option<u64>,
    /// What bounds a request to it; for a wildcard deployment without what the table would say.
    pub sizes: Sizes,
    /// What it charges; for a wildcard deployment only what the configuration sets.
    pub price: Option<Charged>,
    /// How requests are told to it.
    pub interpretation: Interpretation,
}

/// A price and its version.
pub type Charged = (Price, Arc<str>);

impl Served {
    /// Input and output price of a token, together.
    pub fn token_price(&self) -> Option<PicoPrice> {
        let (price, _) = self.price.as_ref()?;
        Some(PicoPrice(price.input?.0.saturating_add(price.output?.0)))
    }
}

/// A price in the configuration that does not read.
#[derive(Debug, thiserror::Error)]
#[error("deployment of `{alias}`: {error}")]
pub struct LiveError {
    alias: String,
    error: OverrideError,
}

impl Live {
    /// Prepares `config`; prices come from it and from `table`.
    pub fn new(config: Config, table: &Arc<PriceTable>) -> Result<Self, LiveError> {
        let mut deployments = HashMap::new();
        for deployment in &config.deployments {
            if let Some(served) = served(&config, deployment, table)? {
                deployments.insert(Arc::from(deployment.id.as_str()), served);
            }
        }
        let routing = RoutingTable::new(routes(&config), settings(&config));
        Ok(Self {
            usage_limits: usage_limits(&config),
            config,
            routing,
            deployments,
            prices: Arc::clone(table),
        })
    }

    /// The deployment with this id, when it is served.
    pub fn served(&self, id: &str) -> Option<&Served> {
        self.deployments.get(id)
    }

    /// Whether the provider of `deployment` has the endpoint of `operation`.
    pub fn serves(&self, deployment: &str, operation: Operation) -> bool {
        self.served(deployment).is_some_and(|served| {
            let dialect = served.interpretation.config.dialect;
            dialect.serves(operation, &served.model)
        })
    }

    /// Whether `deployment` can be told a request with all that it asks for; `captured` is what the `*`
    /// of its alias stands for.
    pub fn expresses(&self, deployment: &str, facts: &Facts, captured: Option<&str>) -> bool {
        let served = self.served(deployment);
        served.is_some_and(|served| served.interpretation.expresses(facts, captured))
    }

    /// What `deployment` charges; `captured` is what its `*` stands for, if it has one.
    pub fn price(&self, deployment: &str, captured: &str) -> Option<Charged> {
        let served = self.served(deployment)?;
        if served.price.is_some() || captured.is_empty() {
            return served.price.clone();
        }
        let model = served.model.replacen('*', captured, 1);
        listed(&self.prices, served.provider, &model)
    }

    /// What bounds a request to `deployment`; `captured` is what its `*` stands for, if it has one.
    pub fn sizes(&self, deployment: &str, captured: &str) -> Sizes {
        let Some(served) = self.served(deployment) else {
            return Sizes::unknown();
        };
        let found = self.config.deployment(deployment);
        let Some(found) = found.filter(|_| !captured.is_empty()) else {
            return served.sizes.clone();
        };
        let model = served.model.replacen('*', captured, 1);
        Sizes::of(found, self.prices.lookup(served.provider, &model))
    }

    /// `cap` for each attempt, no higher than its model can make; empty when it suits all.
    pub fn output_caps(&self, attempts: &[Attempt], cap: Option<u64>) -> Vec<u64> {
        let Some(cap) = cap else {
            return Vec::new();
        };
        let caps = attempts.iter().map(|attempt| {
            let captured = attempt.captured.as_deref().unwrap_or_default();
            let sizes = self.sizes(&attempt.deployment, captured);
            sizes.max_output_tokens.map_or(cap, |most| most.min(cap))
        });
        let caps: Vec<u64> = caps.collect();
        if caps.iter().all(|of_one| *of_one == cap) {
            return Vec::new();
        }
        caps
    }

    /// The retries that the deployments of `alias` ask for; the largest number counts.
    pub fn max_retries(&self, alias: &str) -> Option<u32> {
        let (_, group) = self.config.group(alias)?;
        let served = group
            .deployments
            .iter()
            .filter_map(|id| self.served(id.as_str()));
        served.filter_map(|served| served.max_retries).max()
    }

    /// The limits of the deployment itself, where it has any.
    pub fn deployment_limit(&self, id: &str) -> Option<LimitRef> {
        let served = self.served(id)?;
        let limit = LimitRef {
            account: AccountId::new(Scope::Deployment, id),
            rpm: served.rpm,
            tpm: served.tpm,
            parallel: served.max_parallel_requests.map(u64::from),
        };
        let binds = limit.rpm.or(limit.tpm).or(limit.parallel).is_some();
        binds.then_some(limit)
    }

    /// `usage_limits` of a key, where they are enforced.
    pub fn usage_limit(&self, key_id: &str) -> Option<LimitRef> {
        self.usage_limits.get(key_id).cloned()
    }

    /// Whether the deployment still exists.
    pub fn has(&self, id: &str) -> bool {
        self.deployments.contains_key(id)
    }

    /// A provider whose dialect is not served yet, when `alias` has only such deployments.
    pub fn unserved_provider(&self, alias: &str) -> Option<&'static str> {
        let (_, group) = self.config.group(alias)?;
        let mut all = group
            .deployments
            .iter()
            .filter_map(|id| self.config.deployment(id.as_str()));
        let first = all.next()?;
        let served = first.upstream().is_some() || all.any(|d| d.upstream().is_some());
        (!served).then_some(first.provider.prefix)
    }
}

/// `general_settings.usage_limits` per minute, when `dragoman.enforce_usage_limits` says so.
fn usage_limits(config: &Config) -> HashMap<String, LimitRef> {
    if !config.own.enforce_usage_limits {
        return HashMap::new();
    }
    let master = config.general.master_key.as_ref().map(|key| &key.secret);
    let limits = config.general.usage_limits.iter().map(|limit| {
        let key_id = match master {
            Some(master) if *master == limit.key => MASTER.to_owned(),
            _ => KeyHash::of(limit.key.expose()).to_hex(),
        };
        let limit = LimitRef {
            account: AccountId::new(Scope::Key, &key_id),
            rpm: limit.max_requests,
            tpm: limit.max_tokens,
            parallel: None,
        };
        (key_id, limit)
    });
    limits.collect()
}

fn served(
    config: &Config,
    deployment: &Deployment,
    table: &PriceTable,
) -> Result<Option<Served>, LiveError> {
    let Some(interpretation) = Interpretation::of(deployment) else {
        return Ok(None);
    };
    let timeout = deployment.timeout.unwrap_or(config.router.timeout);
    let stream = deployment.stream_timeout.or(config.router.stream_timeout);
    Ok(Some(Served {
        provider: deployment.provider.prefix,
        model: deployment.model.clone(),
        alias: deployment.alias.to_string(),
        group_size: config
            .aliases
            .get(deployment.alias.as_str())
            .map_or(1, |group| group.deployments.len()),
        timeout,
        stream_timeout: stream.unwrap_or(timeout),
        bound: deployment
            .timeout
            .filter(|own| *own < longest_timeout(config)),
        max_parallel_requests: deployment.max_parallel_requests,
        max_retries: deployment.max_retries,
        rpm: deployment.rpm.filter(|_| config.router.pre_call_checks),
        tpm: deployment.tpm.filter(|_| config.router.pre_call_checks),
        sizes: Sizes::of(deployment, listed_model(deployment, table)),
        price: charged(deployment, table)?,
        interpretation,
    }))
}

/// The longest time that any attempt has, for an answer or for a stream's first token.
pub(crate) fn longest_timeout(config: &Config) -> Duration {
    let router = [Some(config.router.timeout), config.router.stream_timeout];
    let own = config
        .deployments
        .iter()
        .flat_map(|d| [d.timeout, d.stream_timeout]);
    own.chain(router).flatten().max().unwrap_or_default()
}

/// What the configuration says that `deployment` charges, else what the table says.
fn charged(deployment: &Deployment, table: &PriceTable) -> Result<Option<Charged>, LiveError> {
    // people reach many providers by `openai/` and an api_base: who is there decides the price
    let there = deployment.endpoint.as_ref().and_then(Provider::at);
    let provider = there.unwrap_or(deployment.provider).prefix;
    let model = price_model(deployment);
    let base = table.lookup(provider, model).map(|model| &model.price);
    let settings = deployment.prices.iter();
    let settings = settings.map(|(name, number)| (name.clone(), number.clone().into()));
    let configured =
        Price::overridden(&[&settings.collect()], base).map_err(|error| LiveError {
            alias: deployment.alias.to_string(),
            error,
        })?;
    Ok(match configured {
        Some(price) => Some((price, Arc::from(CONFIG_VERSION))),
        None => listed(table, provider, model),
    })
}

fn listed(table: &PriceTable, provider: &str, model: &str) -> Option<Charged> {
    let priced = table.priced(provider, model, None)?;
    Some((priced.price, Arc::from(priced.version)))
}

fn listed_model<'t>(deployment: &Deployment, table: &'t PriceTable) -> Option<&'t Model> {
    table.lookup(deployment.provider.prefix, price_model(deployment))
}

/// The model whose price holds: `model_info.base_model` where it is set.
fn price_model(deployment: &Deployment) -> &str {
    let base = deployment
        .model_info
        .get("base_model")
        .and_then(serde_json::Value::as_str);
    base.unwrap_or(&deployment.model)
}

fn routes(config: &Config) -> Vec<Route> {
    let group = |(alias, group): (&dragoman_config::Alias, &dragoman_config::Group)| Route {
        alias: Arc::from(alias.as_str()),
        deployments: group
            .deployments
            .iter()
            .filter_map(|id| config.deployment(id.as_str()))
            .filter(|deployment| deployment.upstream().is_some())
            .map(candidate)
            .collect(),
    };
    config.aliases.iter().map(group).collect()
}

fn candidate(deployment: &Deployment) -> Candidate {
    let id = deployment.id.as_str();
    Candidate {
        id: Arc::from(id),
        cluster: Arc::from(cluster_name(id)),
        model: Arc::from(format!(
            "{}/{}",
            deployment.provider.prefix, deployment.model
        )),
        weight: deployment.weight,
        rpm: deployment.rpm,
        tpm: deployment.tpm,
        order: deployment.order.unwrap_or(0),
    }
}

fn settings(config: &Config) -> RoutingSettings {
    let router = &config.router;
    let map = |fallbacks: &Fallbacks| {
        let names =
            |all: &Vec<dragoman_config::Alias>| all.iter().map(ToString::to_string).collect();
        let own = fallbacks.by_alias.iter();
        let others =
            (!fallbacks.default.is_empty()).then(|| ("*".to_owned(), names(&fallbacks.default)));
        own.map(|(alias, to)| (alias.to_string(), names(to)))
            .chain(others)
            .collect()
    };
    RoutingSettings {
        strategy: Strategy::parse(router.strategy.as_str()).unwrap_or_default(),
        num_retries: router.num_retries,
        fallbacks: map(&router.fallbacks),
        context_window_fallbacks: map(&router.context_window_fallbacks),
        content_policy_fallbacks: map(&router.content_policy_fallbacks),
        default_fallbacks: router
            .fallbacks
            .default
            .iter()
            .map(ToString::to_string)
            .collect(),
        ..RoutingSettings::default()
    }
}
