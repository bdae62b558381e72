//! The decision: who asks, for what, and where it may go.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dragoman_envoy::timed_cluster_name;
use dragoman_policy::plan::{Attempt, Plan, Wishes};
use dragoman_policy::{Credential, NoPlan, Principal, Refusal};
use dragoman_proto::{Admission, ApiError, ClientDialect, ErrorKind, Facts, Operation, names};

use crate::authority::Authority;
use crate::live::Live;
use crate::routing::Routing;

/// A stream may go on for this long after its attempts' time for a first token.
const STREAM_LIMIT: Duration = Duration::from_secs(3600);

/// Request headers, by lower-case name.
pub trait Headers {
    /// A header's value, when it is there and UTF-8.
    fn get(&self, name: &str) -> Option<&str>;
}

/// Decides about requests.
#[derive(Clone)]
pub struct Admitter {
    live: Arc<ArcSwap<Live>>,
    authority: Arc<dyn Authority>,
    routing: Arc<Routing>,
}

impl std::fmt::Debug for Admitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admitter").finish_non_exhaustive()
    }
}

/// A request that may go on.
#[derive(Debug, PartialEq, Eq)]
pub struct Admitted {
    /// What filter and access log are told.
    pub admission: Admission,
    /// The clusters to try, in order.
    pub plan: dragoman_proto::Plan,
    /// Time for one attempt's first token.
    pub attempt_timeout: Duration,
    /// Time for everything.
    pub total_timeout: Duration,
}

/// A request that may not, in the client's dialect.
#[derive(Debug, PartialEq, Eq)]
pub struct Denied {
    /// Why.
    pub error: ApiError,
    /// How to say it.
    pub dialect: ClientDialect,
}

impl Admitter {
    /// Decides by `live`, `authority` and `routing`.
    pub fn new(
        live: Arc<ArcSwap<Live>>,
        authority: Arc<dyn Authority>,
        routing: Arc<Routing>,
    ) -> Self {
        Self {
            live,
            authority,
            routing,
        }
    }

    /// Decides about a request with these headers.
    pub async fn decide(&self, headers: &impl Headers, now_ms: u64) -> Result<Admitted, Denied> {
        let operation = headers.get(names::OPERATION).and_then(Operation::parse);
        let dialect = operation.map_or(ClientDialect::OpenAi, Operation::client_dialect);
        let decision = self.admit(headers, now_ms).await;
        decision.map_err(|error| Denied { error, dialect })
    }

    async fn admit(&self, headers: &impl Headers, now_ms: u64) -> Result<Admitted, ApiError> {
        let facts = Facts::from_headers(|name| headers.get(name)).map_err(|error| {
            ApiError::new(
                ErrorKind::Internal,
                format!("the filter's facts are missing: {error}"),
            )
        })?;
        let credential = Credential::from_headers(|name| headers.get(name))?;
        let principal = self.authority.authenticate(&credential).await?;
        let live = self.live.load();
        let alias = requested_model(&live, &facts)?;
        principal.authorize(&alias)?;
        let model = principal.resolve(&alias);
        let plan = self.plan(&live, model, &principal, &facts, now_ms)?;
        Ok(admitted(&live, alias, facts, principal, &plan, now_ms))
    }

    fn plan(
        &self,
        live: &Live,
        alias: &str,
        principal: &Principal,
        facts: &Facts,
        now_ms: u64,
    ) -> Result<Plan, ApiError> {
        let mut wishes = Wishes::from(&facts.overrides);
        if let Some(fallbacks) = &mut wishes.fallbacks {
            fallbacks.retain(|alias| principal.models.allows(alias));
        }
        let plan = self.routing.plan(live, alias, &wishes, now_ms);
        plan.map_err(|no_plan| match (&no_plan, live.unserved_provider(alias)) {
            (NoPlan::UnknownModel { .. }, Some(provider)) => ApiError::invalid(format!(
                "the model `{alias}` is configured with the provider `{provider}`, which this \
                 version of dragoman does not serve yet"
            ))
            .param("model")
            .code("provider_not_served"),
            _ => Refusal::NoPlan(no_plan).into(),
        })
    }
}

/// The model that the client named, else the configured one for such requests.
fn requested_model(live: &Live, facts: &Facts) -> Result<String, ApiError> {
    if let Some(model) = &facts.model {
        return Ok(model.clone());
    }
    let default = live.config.general.completion_model.as_ref();
    let default = default.filter(|_| facts.operation == Operation::ChatCompletions);
    default
        .map(ToString::to_string)
        .ok_or_else(|| ApiError::invalid("the request names no model; set `model`").param("model"))
}

fn admitted(
    live: &Live,
    alias: String,
    facts: Facts,
    principal: Principal,
    plan: &Plan,
    now_ms: u64,
) -> Admitted {
    let attempts = &plan.attempts;
    let clusters = clusters(live, &facts, attempts);
    let attempt_timeout = attempt_timeout(live, &facts, attempts);
    let count = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
    let waiting = attempt_timeout.saturating_mul(count);
    let total_timeout = if facts.stream {
        waiting + STREAM_LIMIT
    } else {
        waiting
    };
    let captured = per_attempt(attempts, |attempt| {
        attempt.captured.clone().unwrap_or_default()
    });
    let fallbacks = per_attempt(attempts, |attempt| {
        u32::try_from(attempt.fallback).unwrap_or(u32::MAX)
    });
    Admitted {
        admission: Admission {
            request_id: uuid::Uuid::now_v7().simple().to_string(),
            admitted_ms: now_ms,
            alias,
            operation: facts.operation,
            stream: facts.stream,
            output_cap: None,
            prompt_tokens: facts.prompt_tokens,
            key_id: principal.key_id,
            team_id: principal.team_id,
            user_id: principal.user_id,
            end_user: facts.user,
            tags: with_key_s(facts.overrides.tags, principal.tags),
            reserved: false,
            captured,
            fallbacks,
        },
        plan: dragoman_proto::Plan { clusters },
        attempt_timeout,
        total_timeout,
    }
}

/// The cluster of each attempt: the one that bounds a whole answer, where a deployment has one and
/// the client sets no time of its own.
fn clusters(live: &Live, facts: &Facts, attempts: &[Attempt]) -> Vec<String> {
    let bounded = !facts.stream && facts.overrides.timeout_ms.is_none();
    let cluster = |attempt: &Attempt| {
        let bound = live.served(&attempt.deployment).and_then(|s| s.bound);
        match bound.filter(|_| bounded) {
            Some(_) => timed_cluster_name(&attempt.deployment),
            None => attempt.cluster.to_string(),
        }
    };
    attempts.iter().map(cluster).collect()
}

/// The longest time that any deployment of the plan allows, or what the client asks for.
fn attempt_timeout(live: &Live, facts: &Facts, attempts: &[Attempt]) -> Duration {
    if let Some(ms) = facts.overrides.timeout_ms {
        return Duration::from_millis(ms);
    }
    let deployments = attempts
        .iter()
        .filter_map(|attempt| live.served(&attempt.deployment));
    let timeouts = deployments.map(|served| {
        if facts.stream {
            served.stream_timeout
        } else {
            served.timeout
        }
    });
    timeouts.max().unwrap_or(live.config.router.timeout)
}

/// A request's own tags, and those of its key that are not among them.
fn with_key_s(mut tags: Vec<String>, of_key: Vec<String>) -> Vec<String> {
    for tag in of_key {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    tags
}

/// One value per attempt, or nothing when all are the default.
fn per_attempt<T: Default + PartialEq>(
    attempts: &[Attempt],
    value: impl Fn(&Attempt) -> T,
) -> Vec<T> {
    let values: Vec<T> = attempts.iter().map(value).collect();
    if values.iter().all(|value| *value == T::default()) {
        Vec::new()
    } else {
        values
    }
}

#[cfg(test)]
mod tests;
