//! Accounts in this process, over the engines of `dragoman-policy`.
//!
//! One mutex guards all accounts, so that a request's budgets and limits change in one step. It is
//! held for microseconds and never across an await.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dragoman_policy::budget::{self, AccountWindow, Balance, Charge, Offer, offer};
use dragoman_policy::{AccountId, BudgetRef, Budgets, Limits, NanoDollars, UnixMillis};
use tonic::async_trait;

use self::settled::SettledIds;
use super::journal::{Entry, JournalWriter};
use super::line::{Attempt, Desk, Line, Turn};
use super::offers::{output_cap, refused, terms, warnings};
use super::usual::UsualOutput;
use super::{
    Accounts, AccountsError, AdmitRequest, Granted, Load, NoPast, Past, Settled, Settlement,
    Unsettled, WaitOptions, Warning,
};

mod journaled;
pub(super) mod settled;

/// Accounts of one process.
pub struct InProcess {
    state: Mutex<State>,
    line: Line,
    past: Arc<dyn Past>,
    journal: Option<JournalWriter>,
    /// Since when the journal may lack what the ledger has; `None` once that is taken up.
    forgetful_since: Mutex<Option<UnixMillis>>,
}

#[derive(Debug, Default)]
struct State {
    budgets: Budgets,
    limits: Limits,
    settled: SettledIds,
    usual: UsualOutput,
    /// Up to which record of the ledger accounts began with its sums. Those out of the journal began
    /// before all that it can have lost.
    positions: HashMap<AccountWindow, u64>,
    journal: Option<JournalWriter>,
    /// [`AdmitRequest::memo`] of what is not settled.
    memos: HashMap<Arc<str>, Arc<str>>,
}

impl InProcess {
    /// Accounts that begin with nothing and forget everything at the end.
    pub fn new(options: WaitOptions) -> Self {
        Self::with_past(options, Arc::new(NoPast))
    }

    /// Accounts that ask `past` what is spent already of a budget that they meet for the first time.
    pub fn with_past(options: WaitOptions, past: Arc<dyn Past>) -> Self {
        Self::over(State::default(), options, past)
    }

    fn over(state: State, options: WaitOptions, past: Arc<dyn Past>) -> Self {
        Self {
            state: Mutex::new(state),
            line: Line::new(options, None),
            past,
            journal: None,
            forgetful_since: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forgetful(&self) -> MutexGuard<'_, Option<UnixMillis>> {
        self.forgetful_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody passes before the ledger was asked what the journal lost.
    fn require_memory(&self) -> Result<(), AccountsError> {
        if self.forgetful().is_none() {
            return Ok(());
        }
        let missing = "it was not asked what the journal of accounts lacks";
        Err(AccountsError::unavailable("ledger", &missing))
    }

    /// Brings budgets that are new here up to what was spent before.
    async fn meet(&self, budgets: &[BudgetRef]) -> Result<(), AccountsError> {
        let strangers: Vec<&BudgetRef> = {
            let state = self.lock();
            let strangers = budgets.iter().filter(|b| !state.budgets.knows(&b.at()));
            strangers.collect()
        };
        for budget in strangers {
            let spent = self.past.spent(&budget.at()).await;
            let spent = spent.map_err(|error| AccountsError::unavailable("ledger", &error))?;
            let mut state = self.lock();
            if !state.budgets.knows(&budget.at()) {
                state.budgets.restore_spent(budget, spent.amount);
                state.positions.insert(budget.at(), spent.position);
                state.note_sheets(&[budget.at()]);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}

#[async_trait]
impl Accounts for InProcess {
    async fn admit(&self, request: AdmitRequest) -> Result<Granted, AccountsError> {
        if self.journal.as_ref().is_some_and(|j| !j.keeps_up()) {
            return Err(AccountsError::unavailable(
                "journal",
                &"it cannot be written",
            ));
        }
        self.require_memory()?;
        self.meet(&request.budgets).await?;
        self.line.admit(self, &request).await
    }

    async fn settle(&self, settlement: &Settlement) -> Result<Settled, AccountsError> {
        let settled = self.lock().settle(settlement);
        self.line.stir();
        Ok(settled)
    }

    async fn charge(
        &self,
        settlement: &Settlement,
        position: u64,
        budgets: &[BudgetRef],
    ) -> Result<Settled, AccountsError> {
        self.meet(budgets).await?;
        let settled = self.lock().charge(settlement, position, budgets);
        self.line.stir();
        Ok(settled)
    }

    async fn release(&self, request_id: &str) -> Result<(), AccountsError> {
        self.lock().release(request_id);
        self.line.stir();
        Ok(())
    }

    async fn expire(&self, now: UnixMillis) -> Result<Vec<Unsettled>, AccountsError> {
        let expired = self.lock().expire(now);
        self.line.stir();
        Ok(expired)
    }

    async fn keep(&self, request_id: &str, until: UnixMillis) -> Result<(), AccountsError> {
        self.lock().keep(request_id, until);
        Ok(())
    }

    async fn none_later(&self, at: UnixMillis) -> Result<(), AccountsError> {
        let mut state = self.lock();
        state.limits.none_later(at);
        state.budgets.none_later(at);
        Ok(())
    }

    async fn outstanding(&self, now: UnixMillis) -> Result<Vec<Arc<str>>, AccountsError> {
        Ok(self.lock().budgets.due(now).cloned().collect())
    }

    async fn forgetful_since(&self) -> Result<Option<UnixMillis>, AccountsError> {
        Ok(*self.forgetful())
    }

    fn reminded(&self) {
        *self.forgetful() = None;
    }

    async fn balance(&self, at: &AccountWindow) -> Result<Balance, AccountsError> {
        let untouched = BudgetRef::strict(at.account.clone(), at.window, NanoDollars::MAX);
        self.meet(std::slice::from_ref(&untouched)).await?;
        Ok(self.lock().budgets.balance(at))
    }

    async fn set_spent(&self, at: &AccountWindow, spent: NanoDollars) -> Result<(), AccountsError> {
        let mut state = self.lock();
        state.budgets.set_spent(at, spent);
        state.note_sheets(std::slice::from_ref(at));
        drop(state);
        self.line.stir();
        Ok(())
    }

    fn load(&self, account: &AccountId, now: UnixMillis) -> Load {
        let state = self.lock();
        Load {
            in_flight: state.limits.in_flight(account),
            tokens: state.limits.tokens_this_minute(account, now),
        }
    }

    async fn health(&self) -> Result<(), AccountsError> {
        self.require_memory()?;
        let failing = self.journal.as_ref().is_some_and(JournalWriter::is_failing);
        let dependency = "journal";
        if failing {
            Err(AccountsError::Unavailable { dependency })
        } else {
            Ok(())
        }
    }
}

impl Desk for InProcess {
    async fn attempt(&self, request: &AdmitRequest, turn: Turn) -> Result<Attempt, AccountsError> {
        self.lock().attempt(request, turn)
    }
}

impl State {
    fn attempt(&mut self, request: &AdmitRequest, turn: Turn) -> Result<Attempt, AccountsError> {
        let AdmitRequest {
            request_id, now, ..
        } = request;
        if let Some(held) = self.budgets.find(request_id) {
            return Ok(Attempt::Granted(self.grant(request, &held, Vec::new())));
        }
        let (limits, tokens) = (&request.limits, request.tokens);
        self.limits
            .admit(limits, tokens, request_id, *now, request.expires_at)
            .map_err(AccountsError::refused)?;
        let states = self.budgets.states(&request.budgets);
        let terms = terms(request, turn, self.usual.of(&request.model));
        let amount = match offer(&states, &request.quote, &terms) {
            Ok(Offer::Take { amount, .. }) => amount,
            not_taken => {
                self.limits.retract(request_id);
                return refused(request, not_taken);
            }
        };
        let budgets = &request.budgets;
        let reserved = self
            .budgets
            .reserve(budgets, amount, request_id, *now, request.expires_at);
        let reservation = reserved.map_err(|refused| {
            self.limits.retract(request_id);
            AccountsError::refused(refused)
        })?;
        self.memos
            .insert(Arc::clone(request_id), Arc::clone(&request.memo));
        self.note_reserved(request, reservation.amount());
        let warnings = warnings(request, &states, reservation.would_refuse());
        let granted = self.grant(request, &reservation, warnings);
        Ok(Attempt::Granted(granted))
    }

    fn grant(
        &self,
        request: &AdmitRequest,
        held: &budget::Reservation,
        warnings: Vec<Warning>,
    ) -> Granted {
        Granted {
            reserved: held.amount(),
            output_cap: output_cap(request, held.amount()),
            rates: self.limits.allowances(&request.limits, request.now),
            budgets: self.budgets.states(&request.budgets),
            warnings,
        }
    }

    fn settle(&mut self, settlement: &Settlement) -> Settled {
        let request_id = &settlement.request_id;
        let Some(held) = self.budgets.find(request_id) else {
            return if self.settled.contains(request_id) {
                Settled::Already
            } else {
                Settled::Unknown
            };
        };
        let amount = held.amount();
        let cost = |account: &AccountId| settlement.cost_of(account, amount);
        let settled = self.budgets.settle_each(held, cost);
        match settled {
            budget::Settlement::Charged(charge) => {
                self.ended(settlement, &charge.accounts);
                self.note_sheets(&charge.accounts);
                Settled::Charged(charge)
            }
            budget::Settlement::Already => Settled::Already,
        }
    }

    fn charge(&mut self, settlement: &Settlement, position: u64, budgets: &[BudgetRef]) -> Settled {
        match self.settle(settlement) {
            Settled::Unknown => {}
            known => return known,
        }
        // What a request of unknown cost held is not known either.
        let cost = |account: &AccountId| settlement.cost_of(account, NanoDollars::ZERO);
        let began = |at| self.positions.get(&at).copied().unwrap_or_default();
        let lacks = |budget: &&BudgetRef| began(budget.at()) < position;
        let budgets: Vec<BudgetRef> = budgets.iter().filter(lacks).cloned().collect();
        let charge: Charge = self.budgets.charge(&budgets, cost);
        self.ended(settlement, &charge.accounts);
        self.note_sheets(&charge.accounts);
        Settled::Charged(charge)
    }

    fn ended(&mut self, settlement: &Settlement, accounts: &[AccountWindow]) {
        let request_id = &settlement.request_id;
        self.limits.finish(request_id, settlement.tokens);
        self.usual.note(&settlement.model, settlement.output_tokens);
        self.settled.insert(request_id, settlement.now);
        self.memos.remove(request_id);
        if !accounts.is_empty() {
            self.note(|| Entry::Settled {
                request_id: Arc::clone(request_id),
                at: settlement.now,
            });
        }
    }

    fn keep(&mut self, request_id: &str, until: UnixMillis) {
        self.limits.keep(request_id, until);
        if self.budgets.keep(request_id, until) {
            self.note(|| Entry::Kept {
                request_id: Arc::from(request_id),
                due: until,
            });
        }
    }

    fn release(&mut self, request_id: &str) {
        self.limits.retract(request_id);
        if let Some(held) = self.budgets.find(request_id) {
            let request_id = Arc::clone(held.request_id());
            self.budgets.release(held);
            self.memos.remove(&request_id);
            self.note(|| Entry::Released { request_id });
        }
    }

    fn expire(&mut self, now: UnixMillis) -> Vec<Unsettled> {
        self.limits.expire(now);
        let expired = self.budgets.expire(now);
        for expired in expired.iter().filter(|e| !e.accounts.is_empty()) {
            self.note(|| Entry::Expired {
                request_id: Arc::clone(&expired.request_id),
                due: now.plus(budget::LATE_MS),
            });
            self.note_sheets(&expired.accounts);
        }
        self.budgets.forget_ended(now);
        self.positions.retain(|at, _| self.budgets.knows(at));
        self.limits.forget_idle(now);
        let unsettled = |expired: budget::Expired| Unsettled {
            memo: self.memos.remove(&expired.request_id).unwrap_or_default(),
            request_id: expired.request_id,
            charged: expired.charged,
            crossed: expired.crossed,
        };
        expired.into_iter().map(unsettled).collect()
    }
}

#[cfg(test)]
mod tests;
