//! Decisions, pure and synchronous: keys, budgets, limits, prices and plans.
//!
//! Nothing here reads a clock, a random source, a file or a socket: `now` and random numbers are
//! arguments, so a decision can be replayed and tested exactly. Money is integers throughout.

pub mod account;
pub mod budget;
pub mod cooldown;
pub mod keys;
pub mod limits;
pub mod money;
pub mod plan;
pub mod prices;
pub mod refusal;
pub mod terms;
pub mod time;
pub mod window;

pub use account::{AccountId, Scope};
pub use budget::{BudgetRef, Budgets, Reservation};
pub use keys::{Credential, KeyHash, ModelAccess, Principal};
pub use limits::{LimitRef, Limits};
pub use money::{NanoDollars, PicoPrice};
pub use plan::{Candidate, NoPlan, Plan, Route, RoutingTable, Strategy};
pub use prices::{Price, PriceTable, Quote};
pub use refusal::Refusal;
pub use terms::{Holder, ModelBudget, Terms};
pub use time::UnixMillis;
pub use window::{Period, Span, Window};
