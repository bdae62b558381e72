//! End to end, against the real Envoy and scripted providers.
//!
//! [`provider`] plays the providers, well or badly, as told; [`harness`] starts the real
//! service and the real Envoy. The tests themselves are in `tests/tests/`, one file per subject.

pub mod harness;
pub mod provider;
