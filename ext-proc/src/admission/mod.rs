//! Admission: one question by Envoy's ext_proc filter per request, one answer.

mod decide;
mod respond;
mod service;

pub use decide::{Admitted, Admitter, Headers};
pub use service::ExtProc;
