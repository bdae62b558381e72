//! One account: what is spent and reserved, and whether its alert was sent.

use super::{AccountWindow, Balance, Crossing};
use crate::money::NanoDollars;

/// What storage keeps of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSheet {
    /// Which.
    pub at: AccountWindow,
    /// Settled.
    pub spent: NanoDollars,
    /// As the last request said; [`NanoDollars::MAX`] where nothing is refused.
    pub limit: NanoDollars,
    /// Whether the soft limit was reported as crossed.
    pub alerted: bool,
}

#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) balance: Balance,
    /// As the last request said; `MAX` on trial, where nothing is refused.
    pub(super) limit: NanoDollars,
    pub(super) soft_limit: Option<NanoDollars>,
    pub(super) alerted: bool,
}

impl Sheet {
    pub(super) fn give_back(&mut self, amount: NanoDollars, charged: bool) {
        let from = if charged {
            &mut self.balance.spent
        } else {
            &mut self.balance.reserved
        };
        *from = from.saturating_sub(amount);
    }

    pub(super) fn spend(&mut self, amount: NanoDollars) {
        self.balance.spent = self.balance.spent.saturating_add(amount);
    }

    /// Spends as much of `amount` as there is room for, and returns the rest.
    pub(super) fn spend_into_room(&mut self, amount: NanoDollars) -> NanoDollars {
        let covered = amount.min(self.balance.room(self.limit));
        self.spend(covered);
        amount.saturating_sub(covered)
    }

    /// The soft limit, the first time that spending reaches it.
    pub(super) fn crossing(&mut self, at: &AccountWindow) -> Option<Crossing> {
        let soft_limit = self.soft_limit?;
        if self.alerted || self.balance.spent < soft_limit {
            return None;
        }
        self.alerted = true;
        Some(Crossing {
            at: at.clone(),
            soft_limit,
            spent: self.balance.spent,
        })
    }
}
