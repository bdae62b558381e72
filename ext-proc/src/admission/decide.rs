//! The decision: who asks, for what, and where it may go.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dragoman_envoy::timed_cluster_name;
use dragoman_policy::budget::{BudgetState, key_headers};
use dragoman_policy::plan::{Attempt, Plan, Wishes};
use dragoman_policy::{Credential, NoPlan, Principal, Refusal, Scope, UnixMillis};
use dragoman_proto::{Admission, ApiError, ClientDialect, ErrorKind, Facts, Operation};

use crate::accounting::{Bill, Estimate};
use crate::accounts::{Accounts, Granted, Warning};
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
    accounts: Arc<dyn Accounts>,
}

impl std::fmt::Debug for Admitter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admitter").finish_non_exhaustive()
    }
}

/// A request, and who asks.
#[derive(Clone, Copy)]
struct Asking<'a> {
    live: &'a Live,
    principal: &'a Principal,
    facts: &'a Facts,
    /// The model as the client named it.
    alias: &'a str,
    now_ms: u64,
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
    /// Decides by `live`, `authority`, `routing` and `accounts`.
    pub fn new(
        live: Arc<ArcSwap<Live>>,
        authority: Arc<dyn Authority>,
        routing: Arc<Routing>,
        accounts: Arc<dyn Accounts>,
    ) -> Self {
        Self {
            live,
            authority,
            routing,
            accounts,
        }
    }

    /// Decides about a request with these headers.
    pub async fn decide(&self, headers: &impl Headers, now_ms: u64) -> Result<Admitted, Denied> {
        let facts = Facts::from_headers(|name| headers.get(name)).map_err(|error| Denied {
            error: ApiError::new(
                ErrorKind::Internal,
                format!("the filter's facts are missing: {error}"),
            ),
            dialect: ClientDialect::OpenAi,
        })?;
        let dialect = facts.operation.client_dialect();
        let decision = self.admit(headers, &facts, now_ms).await;
        decision.map_err(|error| Denied { error, dialect })
    }

    async fn admit(
        &self,
        headers: &impl Headers,
        facts: &Facts,
        now_ms: u64,
    ) -> Result<Admitted, ApiError> {
        let credential = Credential::from_headers(|name| headers.get(name))?;
        let principal = self.authority.authenticate(&credential).await?;
        let live = self.live.load_full();
        let alias = requested_model(&live, facts)?;
        principal.authorize_operation(facts.operation)?;
        principal.authorize(&alias)?;
        let asking = Asking {
            live: &live,
            principal: &principal,
            facts,
            alias: &alias,
            now_ms,
        };
        self.grant(&asking).await
    }

    /// Plans, and reserves what the plan may cost. Where a budget is nearly spent and the
    /// configuration names a cheaper alias for that, the request goes there instead.
    async fn grant(&self, asking: &Asking<'_>) -> Result<Admitted, ApiError> {
        let model = asking.principal.resolve(asking.alias).to_owned();
        let (admitted, cheaper) = self.reserve(asking, &model, true).await?;
        let Some(cheaper) = cheaper.filter(|cheaper| *cheaper != model) else {
            return Ok(admitted);
        };
        if self
            .accounts
            .release(&admitted.admission.request_id)
            .await
            .is_err()
        {
            return Ok(admitted);
        }
        Ok(self.reserve(asking, &cheaper, false).await?.0)
    }

    /// Plans for `model`, and reserves. Also says which alias to take instead, if any.
    async fn reserve(
        &self,
        asking: &Asking<'_>,
        model: &str,
        may_downgrade: bool,
    ) -> Result<(Admitted, Option<String>), ApiError> {
        let Asking {
            live,
            principal,
            facts,
            now_ms,
            ..
        } = *asking;
        let plan = self.plan(live, model, principal, facts, now_ms)?;
        let mut admitted = admitted(asking, &plan);
        let now = UnixMillis(now_ms);
        let bill = Bill::of(live, principal, model, &plan.attempts, now);
        if bill.is_empty() {
            return Ok((admitted, None));
        }
        let estimate = Estimate {
            facts,
            attempts: &plan.attempts,
        };
        admitted.admission.reserved = true;
        let request = bill.request(live, &admitted.admission, &estimate, now)?;
        let granted = self.accounts.admit(request).await?;
        note_trials(&granted);
        let downgrade = live
            .config
            .own
            .budgets
            .downgrade
            .as_ref()
            .filter(|_| may_downgrade);
        let is_due = granted
            .warnings
            .iter()
            .any(|warning| matches!(warning, Warning::Downgrade(_)));
        let cheaper = downgrade
            .filter(|_| is_due)
            .map(|downgrade| downgrade.to.to_string());
        admitted.admission.output_cap = granted.output_cap;
        admitted.admission.output_caps = live.output_caps(&plan.attempts, granted.output_cap);
        admitted.admission.headers = response_headers(&granted, principal, now);
        Ok((admitted, cheaper))
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
        wishes.num_retries = wishes.num_retries.or_else(|| live.max_retries(alias));
        if let Some(fallbacks) = &mut wishes.fallbacks {
            fallbacks.retain(|alias| principal.authorize(alias).is_ok());
            for alias in fallbacks {
                *alias = principal.resolve(alias).to_owned();
            }
        }
        let accounts = &*self.accounts;
        let plan = self
            .routing
            .plan(live, accounts, facts, alias, &wishes, now_ms);
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

fn admitted(asking: &Asking<'_>, plan: &Plan) -> Admitted {
    let Asking {
        live,
        principal,
        facts,
        alias,
        now_ms,
    } = *asking;
    let attempts = &plan.attempts;
    let attempt_timeout = attempt_timeout(live, facts, attempts);
    let count = u32::try_from(attempts.len()).unwrap_or(u32::MAX);
    let waiting = attempt_timeout.saturating_mul(count);
    let total_timeout = if facts.stream {
        waiting + STREAM_LIMIT
    } else {
        waiting
    };
    let tags = with_key_s(facts.overrides.tags.clone(), principal.tags.clone());
    Admitted {
        admission: Admission {
            request_id: uuid::Uuid::now_v7().simple().to_string(),
            admitted_ms: now_ms,
            alias: alias.to_owned(),
            operation: facts.operation,
            stream: facts.stream,
            output_cap: None,
            output_caps: Vec::new(),
            prompt_tokens: facts.prompt_tokens,
            key_id: principal.key_id.clone(),
            team_id: principal.team_id.clone(),
            user_id: principal.user_id.clone(),
            end_user: facts.user.clone(),
            tags,
            reserved: false,
            captured: per_attempt(attempts, |attempt| {
                attempt.captured.clone().unwrap_or_default()
            }),
            fallbacks: per_attempt(attempts, |attempt| {
                u32::try_from(attempt.fallback).unwrap_or(u32::MAX)
            }),
            headers: Vec::new(),
        },
        plan: dragoman_proto::Plan {
            clusters: clusters(live, facts, attempts),
        },
        attempt_timeout,
        total_timeout,
    }
}

/// Records what budgets on trial (`dragoman.budgets.dry_run`) would have refused.
fn note_trials(granted: &Granted) {
    for warning in &granted.warnings {
        if let Warning::WouldRefuse(refused) = warning {
            let scope = refused.account.scope.as_str();
            metrics::counter!("dragoman_budget_would_refuse_total", "scope" => scope).increment(1);
            tracing::info!(scope, id = %refused.account.id, "a budget on trial would have refused a request");
        }
    }
}

/// What the client is told of its limits and its key's budget.
fn response_headers(
    granted: &Granted,
    principal: &Principal,
    now: UnixMillis,
) -> Vec<(String, String)> {
    let rates = granted.rates.headers(now).into_iter();
    let mut headers: Vec<_> = rates
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    let of_key = |state: &&BudgetState| {
        let account = &state.budget.account;
        account.scope == Scope::Key && *account.id == *principal.key_id
    };
    if let Some(state) = granted.budgets.iter().find(of_key) {
        let told = key_headers(state.balance, state.budget.limit);
        headers.extend(
            told.into_iter()
                .map(|(name, value)| (name.to_owned(), value)),
        );
    }
    headers
}

/// The cluster of each attempt: the one that bounds a whole answer, where a deployment has one and
/// the client sets no time of its own, nor takes any to send the request.
fn clusters(live: &Live, facts: &Facts, attempts: &[Attempt]) -> Vec<String> {
    let is_whole = !facts.stream && !facts.arriving;
    let bounded = is_whole && facts.overrides.timeout_ms.is_none();
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
