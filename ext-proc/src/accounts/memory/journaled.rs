//! Accounts of one process that a journal remembers.

use std::path::Path;
use std::sync::{Arc, Mutex};

use dragoman_policy::budget::AccountWindow;
use dragoman_policy::{BudgetRef, NanoDollars};

use super::{InProcess, State};
use crate::accounts::journal::{
    Entry, Held, Journal, JournalError, JournalGuard, JournalWriter, Restored,
};
use crate::accounts::{AdmitRequest, Past, WaitOptions};

impl InProcess {
    /// Accounts that are journaled in the SQLite `file`, and take up what an earlier process left
    /// there. If that may lack something, nobody is admitted before [`Accounts::reminded`].
    ///
    /// [`Accounts::reminded`]: crate::accounts::Accounts::reminded
    pub async fn journaled(
        options: WaitOptions,
        past: Arc<dyn Past>,
        file: &Path,
    ) -> Result<(Self, JournalGuard), JournalError> {
        let journal = Journal::open(file).await?;
        let restored = journal.restore().await?;
        // What was never written lacks nothing: every account begins with its past.
        let written_at = Some(restored.written_at).filter(|at| at.0 > 0);
        let (writer, guard) = JournalWriter::start(journal);
        let mut state = State::restore(restored);
        state.journal = Some(writer.clone());
        let accounts = Self {
            journal: Some(writer),
            forgetful_since: Mutex::new(written_at),
            ..Self::over(state, options, past)
        };
        Ok((accounts, guard))
    }
}

impl State {
    fn restore(restored: Restored) -> Self {
        let mut state = Self::default();
        for sheet in restored.sheets {
            state.budgets.restore_sheet(sheet);
        }
        for held in restored.open {
            state.memos.insert(Arc::clone(&held.request_id), held.memo);
            state.budgets.restore_reservation(
                &held.request_id,
                held.amount,
                held.accounts,
                held.due,
            );
        }
        for held in restored.charged {
            let (id, amount) = (&held.request_id, held.amount);
            state
                .budgets
                .restore_charged(id, amount, held.accounts, held.due);
        }
        for (request_id, at) in restored.settled {
            state.settled.insert(&request_id, at);
        }
        state
    }

    /// Notes what happened, in its order: the caller holds the lock.
    pub(super) fn note(&self, entry: impl FnOnce() -> Entry) {
        if let Some(journal) = &self.journal {
            journal.note(entry());
        }
    }

    pub(super) fn note_reserved(&self, request: &AdmitRequest, amount: NanoDollars) {
        if request.budgets.is_empty() {
            return;
        }
        self.note(|| {
            Entry::Reserved(Held {
                request_id: Arc::clone(&request.request_id),
                amount,
                due: request.expires_at,
                accounts: request.budgets.iter().map(BudgetRef::at).collect(),
                memo: Arc::clone(&request.memo),
            })
        });
    }

    pub(super) fn note_sheets(&self, accounts: &[AccountWindow]) {
        for sheet in accounts.iter().filter_map(|at| self.budgets.sheet(at)) {
            self.note(|| Entry::Sheet(sheet));
        }
    }
}
