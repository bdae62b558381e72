//! Budgets: reserve before a request, settle after it.
//!
//! - A reservation is taken from every budget that applies, or from none.
//! - `spent + reserved` of a budget never goes over its limit. A request that cost more than was
//!   reserved for it is charged the rest only as far as there is room; what is beyond is reported
//!   as [`Settlement::uncovered`] for the ledger and charged to nobody.
//! - A reservation belongs to the windows it was made in, however late it is settled.
//! - A reservation that nobody settles is charged in full when it expires. A report that still
//!   comes within [`LATE_MS`] corrects the charge.
//! - A request id is settled once; settling it again changes nothing.
//! - `dry_run` budgets are kept like the others, but they only record that they would have refused.
//!   Soft limits never refuse; crossing one is reported once per window.

use std::sync::Arc;

use dragoman_proto::names;

use crate::account::{AccountId, Scope};
use crate::money::NanoDollars;
use crate::prices::Unpriced;
use crate::time::UnixMillis;
use crate::window::Window;

mod engine;
mod offer;
#[cfg(test)]
mod properties;
mod sheet;
#[cfg(test)]
mod tests;

pub use engine::Budgets;
pub use offer::{Offer, Terms, offer};
pub use sheet::AccountSheet;

/// How long after its expiry a reservation's charge can still be corrected.
pub const LATE_MS: u64 = 3_600_000;

/// A budget that applies to a request, in the window of now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetRef {
    /// Whose it is.
    pub account: AccountId,
    /// In which window.
    pub window: Window,
    /// The most that may be spent in the window; [`NanoDollars::MAX`] where only a soft limit is
    /// set.
    pub limit: NanoDollars,
    /// Spending this much is worth an alert.
    pub soft_limit: Option<NanoDollars>,
    /// Record, but do not refuse.
    pub dry_run: bool,
}

impl BudgetRef {
    /// A strict budget without a soft limit.
    pub const fn strict(account: AccountId, window: Window, limit: NanoDollars) -> Self {
        Self {
            account,
            window,
            limit,
            soft_limit: None,
            dry_run: false,
        }
    }

    /// The account and the window.
    pub fn at(&self) -> AccountWindow {
        AccountWindow {
            account: self.account.clone(),
            window: self.window,
        }
    }

    /// Above it nothing is reserved or charged.
    pub fn enforced_limit(&self) -> NanoDollars {
        if self.dry_run {
            NanoDollars::MAX
        } else {
            self.limit
        }
    }

    /// Whether it can refuse anything.
    pub fn is_strict(&self) -> bool {
        self.enforced_limit() < NanoDollars::MAX
    }
}

/// A budget and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetState {
    /// Which.
    pub budget: BudgetRef,
    /// What is spent and reserved of it.
    pub balance: Balance,
}

impl BudgetState {
    /// What can be reserved now.
    pub fn room(&self) -> NanoDollars {
        self.balance.room(self.budget.enforced_limit())
    }

    /// What could be reserved if no other request were under way.
    pub fn unspent(&self) -> NanoDollars {
        let limit = self.budget.enforced_limit();
        limit.saturating_sub(self.balance.spent)
    }

    /// Why `needed` does not go.
    pub fn refuse(&self, needed: NanoDollars, now: UnixMillis) -> Refused {
        let resets_at = self.budget.window.end;
        Refused {
            account: self.budget.account.clone(),
            limit: self.budget.limit,
            balance: self.balance,
            needed,
            resets_at,
            retry_after: resets_at.map(|end| now.seconds_until(end).max(1)),
        }
    }
}

/// One account in one window; the key of its row in storage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountWindow {
    /// Whose it is.
    pub account: AccountId,
    /// In which window.
    pub window: Window,
}

/// What is spent and reserved of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Balance {
    /// Settled.
    pub spent: NanoDollars,
    /// Held by requests under way.
    pub reserved: NanoDollars,
}

impl Balance {
    /// Spent and reserved.
    pub fn committed(&self) -> NanoDollars {
        self.spent.saturating_add(self.reserved)
    }

    /// What is left under `limit`.
    pub fn room(&self, limit: NanoDollars) -> NanoDollars {
        limit.saturating_sub(self.committed())
    }

    /// Whether at least `permille` thousandths of `limit` are spent or reserved: when to use a
    /// cheaper model.
    pub fn reaches(&self, limit: NanoDollars, permille: u32) -> bool {
        let committed = u128::from(self.committed().nanos()) * 1_000;
        committed >= u128::from(limit.nanos()) * u128::from(permille)
    }
}

/// Money held for one request. It ends in [`Budgets::settle`] or [`Budgets::release`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a reservation is settled or released"]
pub struct Reservation {
    request_id: Arc<str>,
    amount: NanoDollars,
    would_refuse: Vec<Refused>,
}

impl Reservation {
    /// For which request.
    pub fn request_id(&self) -> &Arc<str> {
        &self.request_id
    }

    /// How much is held in each budget.
    pub fn amount(&self) -> NanoDollars {
        self.amount
    }

    /// What budgets on trial would have refused.
    pub fn would_refuse(&self) -> &[Refused] {
        &self.would_refuse
    }
}

/// A budget without room for a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.message())]
pub struct Refused {
    /// Which.
    pub account: AccountId,
    /// Its limit.
    pub limit: NanoDollars,
    /// What is spent and reserved of it.
    pub balance: Balance,
    /// What the request needs.
    pub needed: NanoDollars,
    /// When the budget starts anew.
    pub resets_at: Option<UnixMillis>,
    /// Seconds until then.
    pub retry_after: Option<u64>,
}

impl Refused {
    /// Whether the request would fit if no other were under way: it is worth trying again soon.
    pub fn is_contended(&self) -> bool {
        self.needed <= self.limit.saturating_sub(self.balance.spent)
    }

    /// What the client is told of its budget in headers, when it is its key's.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        if self.account.scope == Scope::Key {
            key_headers(self.balance, self.limit)
        } else {
            Vec::new()
        }
    }

    /// What is left.
    pub fn remaining(&self) -> NanoDollars {
        self.balance.room(self.limit)
    }

    fn message(&self) -> String {
        let whose = self.account.scope.described();
        let (spent, limit) = (self.balance.spent, self.limit);
        if self.is_contended() {
            let reserved = self.balance.reserved;
            return format!(
                "the budget of {whose} is held by requests under way: ${spent} spent and \
                 ${reserved} reserved of ${limit}; try again when they are done"
            );
        }
        let reset = match self.resets_at {
            Some(time) => format!("it starts anew at {time}"),
            None => "it does not start anew by itself".to_owned(),
        };
        let needed = self.needed;
        format!(
            "the budget of {whose} has no room for this request: ${spent} of ${limit} is spent and \
             the request may cost ${needed}; {reset}"
        )
    }
}

/// What a client is told of its key's budget, in dollars: spent, the limit, what is left.
pub fn key_headers(balance: Balance, limit: NanoDollars) -> Vec<(&'static str, String)> {
    let mut headers = vec![("x-litellm-key-spend", balance.spent.to_string())];
    if limit < NanoDollars::MAX {
        headers.push(("x-litellm-key-max-budget", limit.to_string()));
        headers.push((names::KEY_BUDGET_LEFT, balance.room(limit).to_string()));
    }
    headers
}

/// A request that the budgets have room for.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the reservation in it is settled or released"]
pub struct Admitted {
    /// What is held for it.
    pub reservation: Reservation,
    /// The output tokens (per choice) that the reservation covers: as asked for, or fewer.
    pub output_tokens: u64,
}

/// Why a request is not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// A budget has no room, even for the smallest output.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// A deployment of the plan has no known price.
    #[error(transparent)]
    Unpriced(#[from] Unpriced),
}

/// How a reservation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It was charged.
    Charged(Charge),
    /// The request id was settled or released before, or is too old: nothing changed.
    Already,
}

/// What settling changed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Charge {
    /// The accounts whose balance changed.
    pub accounts: Vec<AccountWindow>,
    /// The largest part of the cost that some budget had no room for.
    pub uncovered: NanoDollars,
    /// Whether it had expired and been charged in full before.
    pub late: bool,
    /// Soft limits that this crossed, each once per window.
    pub crossed: Vec<Crossing>,
}

/// A soft limit that was crossed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crossing {
    /// Whose.
    pub at: AccountWindow,
    /// The soft limit.
    pub soft_limit: NanoDollars,
    /// What is spent now.
    pub spent: NanoDollars,
}

/// A reservation that nobody settled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expired {
    /// Of which request.
    pub request_id: Arc<str>,
    /// What was charged to each budget.
    pub charged: NanoDollars,
    /// The accounts whose balance changed.
    pub accounts: Vec<AccountWindow>,
    /// Soft limits that this crossed.
    pub crossed: Vec<Crossing>,
}
