//! Between decisions and accounts: which budgets and limits a request meets, and how its end reaches
//! them.

mod bill;
mod lost;
mod past;
mod quote;
mod settler;

pub use bill::{Bill, Estimate};
pub use past::LedgerPast;
pub use settler::{Settler, SettlerGuard};
