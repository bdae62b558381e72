//! The contract between the filter, Envoy and the service.
//!
//! Whatever crosses a process boundary is named and encoded here, once, so that the two ends cannot
//! drift apart: the headers in which the edge filter states its facts, the metadata in which the
//! service answers, the report that an attempt leaves for the ledger, the configuration that the
//! filter is given, and the one error shape that clients see.

mod admission;
mod bedrock;
mod config;
mod error;
mod facts;
pub mod names;
mod operation;
mod plan;
pub mod priority_group;
mod report;
mod serves;
pub mod spool;

pub use admission::{Admission, AdmissionError};
pub use bedrock::{BedrockName, is_region};
pub use config::{Dialect, EdgeConfig, FilterConfig, Quirks, UpstreamConfig};
pub use error::{ApiError, ClientDialect, ErrorKind};
pub use facts::{Extent, Facts, FactsError, Overrides};
pub use operation::Operation;
pub use plan::Plan;
pub use report::{AttemptReport, Outcome, Usage, UsageSource};
