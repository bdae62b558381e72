//! Settlement by the configuration of the moment, and news for the routing of this process.

use std::sync::Arc;

use arc_swap::ArcSwap;
use dragoman_policy::NanoDollars;
use dragoman_policy::cooldown::Verdict;
use dragoman_proto::{Admission, Usage};

use super::{Destination, Failure, Observer, Pricing, UpstreamAttempt};
use crate::clock;
use crate::ledger::{AttemptRow, Record, State, Target};
use crate::live::Live;
use crate::routing::Routing;

/// Prices and names out of the live configuration.
#[derive(Debug, Clone)]
pub struct LivePricing(pub Arc<ArcSwap<Live>>);

impl Pricing for LivePricing {
    fn cost(&self, to: Destination<'_>, usage: &Usage) -> Option<(NanoDollars, String)> {
        let (price, version) = self.0.load().price(to.deployment, to.captured)?;
        let cost = price.cost(usage).ok()?;
        Some((cost, version.to_string()))
    }

    fn target(&self, to: Destination<'_>) -> Target {
        let live = self.0.load();
        let deployment = live.config.deployment(to.deployment);
        let provider = deployment.map(|found| found.provider.prefix.to_owned());
        let model = deployment.map(|found| found.model.replacen('*', to.captured, 1));
        Target {
            deployment: Some(to.deployment.to_owned()),
            provider,
            model,
        }
    }
}

/// Tells routing how deployments fare. Failures are told as attempts end, because a request that
/// failed over may go on for long; successes with the request, because only it knows when the first
/// token came.
#[derive(Debug, Clone)]
pub struct RoutingObserver {
    /// The configuration of the moment.
    pub live: Arc<ArcSwap<Live>>,
    /// Where it is remembered.
    pub routing: Arc<Routing>,
}

impl Observer for RoutingObserver {
    fn attempt(&self, attempt: &UpstreamAttempt) {
        if let Some(verdict) = failure(attempt) {
            let (live, now) = (self.live.load(), clock::now_ms());
            self.routing
                .record(&live, &attempt.deployment, verdict, None, now);
        }
    }

    fn request(&self, _: &Admission, record: &Record) {
        let live = self.live.load();
        for attempt in &record.attempts {
            let Some(deployment) = &attempt.target.deployment else {
                continue;
            };
            if let Some(latency) = success(attempt) {
                let now = clock::now_ms();
                self.routing
                    .record(&live, deployment, Verdict::Success, latency, now);
            }
        }
    }
}

/// The verdict on an attempt that failed through the deployment; `None` for others.
fn failure(attempt: &UpstreamAttempt) -> Option<Verdict> {
    let status = match (attempt.failure, attempt.status) {
        (Some(Failure::ClientLeft | Failure::NoCluster), _) => return None,
        (Some(_), _) => None,
        // Neither: it was cut off from our side, nearly always because the client left. Where the
        // provider was too slow for one attempt, Envoy flags it.
        (None, None | Some(200..=299)) => return None,
        (None, status) => status,
    };
    Some(Verdict::Failure {
        status,
        retry_after_ms: attempt.retry_after_ms,
    })
}

/// The latency of an attempt that answered, where it is known; `None` for others.
fn success(attempt: &AttemptRow) -> Option<Option<u64>> {
    let answered = match attempt.state {
        State::Complete => true,
        State::Cancelled => attempt.first_token_ms.is_some(),
        State::Failed | State::Broken | State::Rejected | State::Unsettled => false,
    };
    answered.then_some(attempt.first_token_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::contract::record;

    fn ended(failure: Option<Failure>, status: Option<u16>) -> UpstreamAttempt {
        UpstreamAttempt {
            deployment: "d1".into(),
            status,
            retry_after_ms: None,
            failure,
            duration_ms: 1,
            first_byte_ms: None,
        }
    }

    #[test]
    fn a_client_that_leaves_is_no_failure_of_the_deployment() {
        assert_eq!(failure(&ended(Some(Failure::ClientLeft), Some(200))), None);
        assert_eq!(failure(&ended(Some(Failure::ClientLeft), None)), None);
        // As Envoy's log of attempts has it: no flag, and no status.
        assert_eq!(failure(&ended(None, None)), None);
    }

    #[test]
    fn what_fails_below_http_has_no_status() {
        let expected = Some(Verdict::Failure {
            status: None,
            retry_after_ms: None,
        });
        assert_eq!(failure(&ended(Some(Failure::Connect), None)), expected);
        assert_eq!(failure(&ended(Some(Failure::Reset), Some(200))), expected);
    }

    #[test]
    fn an_error_of_the_provider_is_told_with_its_status() {
        let attempt = UpstreamAttempt {
            retry_after_ms: Some(3_000),
            ..ended(None, Some(429))
        };
        let expected = Some(Verdict::Failure {
            status: Some(429),
            retry_after_ms: Some(3_000),
        });
        assert_eq!(failure(&attempt), expected);
    }

    #[test]
    fn an_answer_counts_once_and_with_the_request() {
        assert_eq!(failure(&ended(None, Some(200))), None);
        let attempts = record("a", 1).attempts;
        let told: Vec<_> = attempts.iter().map(success).collect();
        assert_eq!(told, [None, Some(Some(12))]);
    }
}
