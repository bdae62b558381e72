//! The service beside Envoy: admission, control plane, settlement and ledger.

pub mod accounting;
pub mod accounts;
pub mod admission;
pub mod authority;
pub mod cli;
pub mod clock;
pub mod database;
pub mod explain;
mod filter_module;
pub mod http;
mod https;
pub mod ledger;
mod listen;
pub mod live;
mod log;
mod probe;
mod reload;
pub mod routing;
pub mod serve;
mod servers;
pub mod settlement;
mod source;
mod state;
pub mod storage;
pub mod store;
mod topology;
pub mod xds;
