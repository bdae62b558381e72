//! The engine: accounts, and the reservations on them.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::sheet::{AccountSheet, Sheet};
use super::{
    AccountWindow, Admitted, Balance, BudgetRef, BudgetState, Charge, Expired, LATE_MS,
    NotAdmitted, Refused, Reservation, Settlement,
};
use crate::account::AccountId;
use crate::money::NanoDollars;
use crate::prices::Quote;
use crate::time::UnixMillis;

/// All budgets of one process, and the reservations on them.
#[derive(Debug, Default)]
pub struct Budgets {
    accounts: HashMap<AccountWindow, Sheet>,
    held: HashMap<Arc<str>, Held>,
    /// When to look at a reservation next.
    due: BTreeSet<(UnixMillis, Arc<str>)>,
}

#[derive(Debug)]
struct Held {
    amount: NanoDollars,
    accounts: Vec<AccountWindow>,
    due: UnixMillis,
    /// Whether it expired: then the amount is spent, no longer reserved.
    charged: bool,
}

impl Budgets {
    /// Reserves `amount` in all of `budgets`, or in none. A request that holds a reservation
    /// already gets that one.
    ///
    /// `expires_at` is when to give up waiting for [`Budgets::settle`].
    pub fn reserve(
        &mut self,
        budgets: &[BudgetRef],
        amount: NanoDollars,
        request_id: &Arc<str>,
        now: UnixMillis,
        expires_at: UnixMillis,
    ) -> Result<Reservation, Refused> {
        if let Some(reservation) = self.find(request_id) {
            return Ok(reservation);
        }
        let mut would_refuse = Vec::new();
        for budget in budgets {
            if let Some(refused) = self.refusal(budget, amount, now) {
                if budget.dry_run {
                    would_refuse.push(refused);
                } else {
                    return Err(refused);
                }
            }
        }
        let mut accounts: Vec<AccountWindow> = Vec::with_capacity(budgets.len());
        for budget in budgets {
            let key = budget.at();
            if accounts.contains(&key) {
                continue;
            }
            let account = self.accounts.entry(key.clone()).or_default();
            account.balance.reserved = account.balance.reserved.saturating_add(amount);
            account.limit = budget.enforced_limit();
            account.soft_limit = budget.soft_limit;
            accounts.push(key);
        }
        self.hold(request_id, amount, accounts, expires_at);
        Ok(Reservation {
            request_id: Arc::clone(request_id),
            amount,
            would_refuse,
        })
    }

    /// Reserves the most that a request can cost; where that does not fit, with as many output
    /// tokens as fit, but not fewer than `min_output_tokens` (or than it asks for, if that is less).
    pub fn admit(
        &mut self,
        budgets: &[BudgetRef],
        quote: &Quote,
        min_output_tokens: u64,
        request_id: &Arc<str>,
        now: UnixMillis,
        expires_at: UnixMillis,
    ) -> Result<Admitted, NotAdmitted> {
        let floor = min_output_tokens.min(quote.output_tokens());
        let fitting = quote.output_within(self.fit(budgets))?.unwrap_or(0);
        let output_tokens = fitting.clamp(floor, quote.output_tokens());
        let amount = quote.most_with(output_tokens)?;
        let reservation = self.reserve(budgets, amount, request_id, now, expires_at)?;
        // A request that came twice has the reservation, and so the cap, of the first time.
        let covered = quote.output_within(reservation.amount())?.unwrap_or(0);
        let output_tokens = output_tokens.min(covered);
        Ok(Admitted {
            reservation,
            output_tokens,
        })
    }

    /// The largest amount that could be reserved in all of `budgets` right now: what an output cap
    /// can be shrunk to.
    pub fn fit(&self, budgets: &[BudgetRef]) -> NanoDollars {
        budgets
            .iter()
            .map(|budget| self.balance(&budget.at()).room(budget.enforced_limit()))
            .min()
            .unwrap_or(NanoDollars::MAX)
    }

    /// The reservation of a request, when its report comes back by id.
    pub fn find(&self, request_id: &str) -> Option<Reservation> {
        let (request_id, held) = self.held.get_key_value(request_id)?;
        Some(Reservation {
            request_id: Arc::clone(request_id),
            amount: held.amount,
            would_refuse: Vec::new(),
        })
    }

    /// Replaces a reservation by what the request did cost.
    pub fn settle(&mut self, reservation: Reservation, actual: NanoDollars) -> Settlement {
        self.settle_each(reservation, |_| actual)
    }

    /// The same where not every account is charged alike: of the providers that a request was
    /// reserved for, only those that answered are.
    pub fn settle_each(
        &mut self,
        reservation: Reservation,
        cost: impl Fn(&AccountId) -> NanoDollars,
    ) -> Settlement {
        let Reservation { request_id, .. } = reservation;
        let Some(held) = self.let_go(&request_id) else {
            return Settlement::Already;
        };
        let mut charge = Charge {
            late: held.charged,
            ..Charge::default()
        };
        for key in held.accounts {
            let Some(sheet) = self.accounts.get_mut(&key) else {
                continue;
            };
            let actual = cost(&key.account);
            sheet.give_back(held.amount, held.charged);
            sheet.spend(actual.min(held.amount));
            let uncovered = sheet.spend_into_room(actual.saturating_sub(held.amount));
            charge.uncovered = charge.uncovered.max(uncovered);
            charge.crossed.extend(sheet.crossing(&key));
            charge.accounts.push(key);
        }
        Settlement::Charged(charge)
    }

    /// Charges a request that holds no reservation, as far as there is room: it was admitted and
    /// the reservation is lost.
    pub fn charge(
        &mut self,
        budgets: &[BudgetRef],
        cost: impl Fn(&AccountId) -> NanoDollars,
    ) -> Charge {
        let mut charge = Charge::default();
        for budget in budgets {
            let key = budget.at();
            if charge.accounts.contains(&key) {
                continue;
            }
            let sheet = self.accounts.entry(key.clone()).or_default();
            sheet.limit = budget.enforced_limit();
            sheet.soft_limit = budget.soft_limit;
            let uncovered = sheet.spend_into_room(cost(&key.account));
            charge.uncovered = charge.uncovered.max(uncovered);
            charge.crossed.extend(sheet.crossing(&key));
            charge.accounts.push(key);
        }
        charge
    }

    /// Gives a reservation back: the request was never sent.
    pub fn release(&mut self, reservation: Reservation) -> Settlement {
        self.settle(reservation, NanoDollars::ZERO)
    }

    /// The request is still under way: its reservation expires at `expires_at`, and not before.
    /// Returns whether that changes anything. What expired too early stays charged until the request
    /// is settled.
    pub fn keep(&mut self, request_id: &str, expires_at: UnixMillis) -> bool {
        let Some((request_id, held)) = self.held.get_key_value(request_id) else {
            return false;
        };
        let (request_id, due) = (Arc::clone(request_id), held.due);
        if held.charged || due >= expires_at {
            return false;
        }
        self.due.remove(&(due, Arc::clone(&request_id)));
        self.due.insert((expires_at, Arc::clone(&request_id)));
        if let Some(held) = self.held.get_mut(&request_id) {
            held.due = expires_at;
        }
        true
    }

    /// No reservation that nobody settled expires later than `at`: the clock was set back.
    pub fn none_later(&mut self, at: UnixMillis) {
        let later = self.due.iter().rev().take_while(|(due, _)| *due > at);
        let later: Vec<Arc<str>> = later.map(|(_, id)| Arc::clone(id)).collect();
        for request_id in later {
            if let Some(held) = self.held.get_mut(&request_id).filter(|held| !held.charged) {
                self.due.remove(&(held.due, Arc::clone(&request_id)));
                held.due = at;
                self.due.insert((at, request_id));
            }
        }
    }

    /// Whose reservations [`Budgets::expire`] would look at.
    pub fn due(&self, now: UnixMillis) -> impl Iterator<Item = &Arc<str>> {
        let due = self.due.iter().take_while(move |(due, _)| *due <= now);
        due.map(|(_, request_id)| request_id)
    }

    /// Charges in full what nobody settled by `now`.
    pub fn expire(&mut self, now: UnixMillis) -> Vec<Expired> {
        let mut expired = Vec::new();
        while let Some((due, request_id)) = self.due.first().cloned() {
            if due > now {
                break;
            }
            self.due.remove(&(due, Arc::clone(&request_id)));
            expired.extend(self.charge_in_full(request_id, now));
        }
        expired
    }

    /// The first expiry passes into a charge, the second forgets the reservation. The time between
    /// begins now, also when the machine slept since it was due.
    fn charge_in_full(&mut self, request_id: Arc<str>, now: UnixMillis) -> Option<Expired> {
        let held = self.held.get_mut(&request_id)?;
        if held.charged {
            self.held.remove(&request_id);
            return None;
        }
        held.charged = true;
        held.due = now.plus(LATE_MS);
        self.due.insert((held.due, Arc::clone(&request_id)));
        let mut crossed = Vec::new();
        for key in &held.accounts {
            if let Some(account) = self.accounts.get_mut(key) {
                account.give_back(held.amount, false);
                account.spend(held.amount);
                crossed.extend(account.crossing(key));
            }
        }
        Some(Expired {
            charged: held.amount,
            accounts: held.accounts.clone(),
            request_id,
            crossed,
        })
    }

    /// What is spent and reserved.
    pub fn balance(&self, key: &AccountWindow) -> Balance {
        self.accounts
            .get(key)
            .map_or_else(Balance::default, |account| account.balance)
    }

    /// How many requests hold a reservation.
    pub fn open_reservations(&self) -> usize {
        self.held.values().filter(|held| !held.charged).count()
    }

    /// Whether anything was ever reserved, charged or restored here.
    pub fn knows(&self, key: &AccountWindow) -> bool {
        self.accounts.contains_key(key)
    }

    /// How `budgets` stand.
    pub fn states(&self, budgets: &[BudgetRef]) -> Vec<BudgetState> {
        let state = |budget: &BudgetRef| BudgetState {
            budget: budget.clone(),
            balance: self.balance(&budget.at()),
        };
        budgets.iter().map(state).collect()
    }

    /// What storage keeps of an account.
    pub fn sheet(&self, key: &AccountWindow) -> Option<AccountSheet> {
        let sheet = self.accounts.get(key)?;
        Some(AccountSheet {
            at: key.clone(),
            spent: sheet.balance.spent,
            limit: sheet.limit,
            alerted: sheet.alerted,
        })
    }

    /// Takes up an account out of storage: at the start, before any request.
    pub fn restore_sheet(&mut self, stored: AccountSheet) {
        let sheet = self.accounts.entry(stored.at).or_default();
        sheet.balance.spent = stored.spent;
        sheet.limit = stored.limit;
        sheet.alerted = stored.alerted;
    }

    /// Sets what is already spent, out of storage: at the start, before any request. An alert that
    /// was due before is not sent again.
    pub fn restore_spent(&mut self, budget: &BudgetRef, spent: NanoDollars) {
        let sheet = self.accounts.entry(budget.at()).or_default();
        sheet.balance.spent = spent;
        sheet.limit = budget.enforced_limit();
        sheet.soft_limit = budget.soft_limit;
        sheet.alerted = budget.soft_limit.is_some_and(|soft| spent >= soft);
    }

    /// Takes up a reservation out of storage, as it was: also one that no longer fits.
    pub fn restore_reservation(
        &mut self,
        request_id: &Arc<str>,
        amount: NanoDollars,
        accounts: Vec<AccountWindow>,
        expires_at: UnixMillis,
    ) {
        if self.held.contains_key(request_id) {
            return;
        }
        for key in &accounts {
            let account = self.accounts.entry(key.clone()).or_default();
            account.balance.reserved = account.balance.reserved.saturating_add(amount);
        }
        self.hold(request_id, amount, accounts, expires_at);
    }

    /// Takes up a reservation that had expired and was charged in full, and may still be corrected
    /// until `due`; the charge is in what the accounts have spent.
    pub fn restore_charged(
        &mut self,
        request_id: &Arc<str>,
        amount: NanoDollars,
        accounts: Vec<AccountWindow>,
        due: UnixMillis,
    ) {
        self.hold(request_id, amount, accounts, due);
        if let Some(held) = self.held.get_mut(request_id) {
            held.charged = true;
        }
    }

    /// Sets an account's spending to zero, as an operator may; reservations stay.
    pub fn reset(&mut self, key: &AccountWindow) {
        self.set_spent(key, NanoDollars::ZERO);
    }

    /// Sets an account's spending, as an operator may; reservations stay. Its alert may be sent
    /// again.
    pub fn set_spent(&mut self, key: &AccountWindow, spent: NanoDollars) {
        let sheet = self.accounts.entry(key.clone()).or_default();
        sheet.balance.spent = spent;
        sheet.alerted = false;
    }

    /// Forgets accounts whose window is over and that nothing can change any more.
    pub fn forget_ended(&mut self, now: UnixMillis) {
        let held: BTreeSet<&AccountWindow> =
            self.held.values().flat_map(|held| &held.accounts).collect();
        self.accounts.retain(|key, _| {
            held.contains(key) || key.window.end.is_none_or(|end| end.plus(LATE_MS) > now)
        });
    }

    fn refusal(&self, budget: &BudgetRef, amount: NanoDollars, now: UnixMillis) -> Option<Refused> {
        let state = BudgetState {
            budget: budget.clone(),
            balance: self.balance(&budget.at()),
        };
        (amount > state.balance.room(budget.limit)).then(|| state.refuse(amount, now))
    }

    fn hold(
        &mut self,
        request_id: &Arc<str>,
        amount: NanoDollars,
        accounts: Vec<AccountWindow>,
        due: UnixMillis,
    ) {
        self.due.insert((due, Arc::clone(request_id)));
        let held = Held {
            amount,
            accounts,
            due,
            charged: false,
        };
        self.held.insert(Arc::clone(request_id), held);
    }

    fn let_go(&mut self, request_id: &Arc<str>) -> Option<Held> {
        let held = self.held.remove(request_id)?;
        self.due.remove(&(held.due, Arc::clone(request_id)));
        Some(held)
    }
}
