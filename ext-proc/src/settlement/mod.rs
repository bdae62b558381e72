//! Settlement: what Envoy's access logs say becomes ledger rows, metrics, and news for budgets and
//! routing.
//!
//! The log of requests has one entry per request, with the admission (dynamic metadata) and the
//! filter's report of all its attempts (filter state). The router's own log of attempts is not asked
//! for: Envoy 1.40 gives its entries neither, so they could not be joined to a request, and they
//! cost a tenth of a request.

mod entry;
mod line;
mod live;
mod measure;
mod outcome;
mod rows;
mod service;
mod spool;

#[cfg(test)]
mod fixture;

use dragoman_policy::NanoDollars;
use dragoman_proto::{Admission, Usage};

use crate::ledger::{Record, Target};

pub use entry::{Failure, Malformed, RequestEntry};
pub use live::{LivePricing, RoutingObserver};
pub use measure::describe;
pub use rows::rows;
pub use service::Settlement;
pub use spool::Spool;

/// What deployments cost and who they are, in the configuration of the moment.
pub trait Pricing: Send + Sync + 'static {
    /// The cost of `usage` at `destination`, with the version of the price; `None` when no price is
    /// known.
    fn cost(&self, destination: Destination<'_>, usage: &Usage) -> Option<(NanoDollars, String)>;

    /// Who `destination` is. Provider and model are unknown once the deployment is gone from the
    /// configuration.
    fn target(&self, destination: Destination<'_>) -> Target;
}

/// Where an attempt went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The deployment's id.
    pub deployment: &'a str,
    /// What the `*` of a wildcard deployment stood for; empty for others.
    pub captured: &'a str,
}

/// Who wants to know how requests and attempts end: budgets, limits, routing. Called in the order
/// of arrival, from the task of a log stream; must not block.
pub trait Observer: Send + Sync + 'static {
    /// A request has ended. May be told twice about the same request.
    fn request(&self, admission: &Admission, record: &Record);

    /// A request is still under way; told every so often.
    fn under_way(&self, _: &Admission) {}
}

impl<A: Observer, B: Observer> Observer for (A, B) {
    fn request(&self, admission: &Admission, record: &Record) {
        self.0.request(admission, record);
        self.1.request(admission, record);
    }

    fn under_way(&self, admission: &Admission) {
        self.0.under_way(admission);
        self.1.under_way(admission);
    }
}

/// An observer that needs nothing.
#[cfg(test)]
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

#[cfg(test)]
impl Observer for NoObserver {
    fn request(&self, _: &Admission, _: &Record) {}
}
