//! Settlement by the configuration of the moment, and news for the routing of this process.

use std::sync::Arc;

use arc_swap::ArcSwap;
use dragoman_policy::NanoDollars;
use dragoman_policy::cooldown::Verdict;
use dragoman_proto::{Admission, Usage};

use super::{Destination, Observer, Pricing};
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

/// Tells routing how deployments fare.
#[derive(Debug, Clone)]
pub struct RoutingObserver {
    /// The configuration of the moment.
    pub live: Arc<ArcSwap<Live>>,
    /// Where it is remembered.
    pub routing: Arc<Routing>,
}

impl Observer for RoutingObserver {
    fn request(&self, _: &Admission, record: &Record) {
        let (live, now) = (self.live.load(), clock::now_ms());
        for attempt in &record.attempts {
            let deployment = attempt.target.deployment.as_deref();
            if let (Some(deployment), Some(verdict)) = (deployment, verdict(attempt)) {
                let latency = attempt
                    .first_token_ms
                    .filter(|_| verdict == Verdict::Success);
                self.routing
                    .record(&live, deployment, verdict, latency, now);
            }
        }
    }
}

/// What an attempt says of its deployment; `None` when that is nothing: the client left before an
/// answer, or the request is at fault.
fn verdict(attempt: &AttemptRow) -> Option<Verdict> {
    match attempt.state {
        State::Complete => Some(Verdict::Success),
        State::Cancelled => attempt.first_token_ms.map(|_| Verdict::Success),
        State::Failed | State::Broken => Some(Verdict::Failure {
            status: attempt.provider_status.filter(|status| *status >= 400),
            retry_after_ms: None,
        }),
        State::Rejected | State::Unsettled => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::contract::record;

    fn ended(state: State, provider_status: Option<u16>) -> AttemptRow {
        let attempt = record("a", 1).attempts.remove(0);
        AttemptRow {
            state,
            provider_status,
            first_token_ms: None,
            ..attempt
        }
    }

    #[test]
    fn a_client_that_leaves_is_no_failure_of_the_deployment() {
        assert_eq!(verdict(&ended(State::Cancelled, None)), None);
        let answering = AttemptRow {
            first_token_ms: Some(12),
            ..ended(State::Cancelled, Some(200))
        };
        assert_eq!(verdict(&answering), Some(Verdict::Success));
    }

    #[test]
    fn a_request_at_fault_is_no_failure_of_the_deployment() {
        assert_eq!(verdict(&ended(State::Rejected, Some(400))), None);
    }

    #[test]
    fn a_failure_is_told_with_the_provider_s_own_status() {
        let told = |status| verdict(&ended(State::Failed, status));
        let failure = |status| {
            Some(Verdict::Failure {
                status,
                retry_after_ms: None,
            })
        };
        assert_eq!(told(Some(401)), failure(Some(401)));
        assert_eq!(told(None), failure(None), "no connection");
        assert_eq!(told(Some(200)), failure(None), "an error inside a 200");
    }
}
