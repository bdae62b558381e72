//! The proxy-wasm filter: the only place that sees bodies.
//!
//! One module, two roles. The **edge** role sits in the connection manager: it reads the client's
//! request once and states the facts in headers. The **upstream** role sits in each provider's
//! cluster: it interprets one attempt for one provider, and the answer back.
//!
//! Both are written over the [`Host`] trait, so that they run natively under test; `wasm_host` alone
//! knows proxy-wasm. A trap would cost the worker's other requests too, hence the denied lints.
#![deny(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing
)]
#![cfg_attr(
    test,
    allow(
        clippy::panic,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing
    )
)]

pub mod edge;
mod form;
pub mod host;
pub mod path;
#[cfg(test)]
mod testing;
pub mod upstream;
#[cfg(target_arch = "wasm32")]
mod wasm_host;

pub use host::{Flow, Host};
