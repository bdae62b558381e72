//! What happened since the last transaction, each thing once.

use std::collections::HashMap;
use std::sync::Arc;

use dragoman_policy::budget::{AccountSheet, AccountWindow};
use dragoman_policy::{NanoDollars, UnixMillis};

/// A reservation as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::accounts) struct Held {
    pub(in crate::accounts) request_id: Arc<str>,
    pub(in crate::accounts) amount: NanoDollars,
    pub(in crate::accounts) due: UnixMillis,
    pub(in crate::accounts) accounts: Vec<AccountWindow>,
    pub(in crate::accounts) memo: Arc<str>,
}

/// Something that happened.
#[derive(Debug, Clone)]
pub(in crate::accounts) enum Entry {
    /// A reservation was made.
    Reserved(Held),
    /// It is held for longer, until `due`.
    Kept {
        request_id: Arc<str>,
        due: UnixMillis,
    },
    /// It expired, and may be corrected until `due`.
    Expired {
        request_id: Arc<str>,
        due: UnixMillis,
    },
    /// It was settled, or a request without one was charged.
    Settled {
        request_id: Arc<str>,
        at: UnixMillis,
    },
    /// It was given back.
    Released { request_id: Arc<str> },
    /// What an account came to.
    Sheet(AccountSheet),
}

/// What becomes of a reservation's row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change {
    Held { held: Held, charged: bool },
    Kept { due: UnixMillis },
    Charged { due: UnixMillis },
    Settled { at: UnixMillis },
    Released,
}

/// The changes of one transaction.
#[derive(Debug, Default)]
pub(in crate::accounts) struct Batch {
    reservations: HashMap<Arc<str>, Change>,
    sheets: HashMap<AccountWindow, AccountSheet>,
}

impl Batch {
    /// Adds what happened next.
    pub(in crate::accounts) fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Reserved(held) => {
                let request_id = Arc::clone(&held.request_id);
                let charged = false;
                self.reservations
                    .insert(request_id, Change::Held { held, charged });
            }
            Entry::Kept { request_id, due } => match self.reservations.get_mut(&request_id) {
                Some(Change::Held { held, .. }) => held.due = due,
                Some(Change::Kept { due: kept }) => *kept = due,
                // It ended in the same moment.
                Some(_) => {}
                None => drop(self.reservations.insert(request_id, Change::Kept { due })),
            },
            Entry::Expired { request_id, due } => match self.reservations.get_mut(&request_id) {
                Some(Change::Held { held, charged }) => {
                    held.due = due;
                    *charged = true;
                }
                _ => drop(
                    self.reservations
                        .insert(request_id, Change::Charged { due }),
                ),
            },
            Entry::Settled { request_id, at } => {
                self.reservations.insert(request_id, Change::Settled { at });
            }
            Entry::Released { request_id } => {
                self.reservations.insert(request_id, Change::Released);
            }
            Entry::Sheet(sheet) => {
                self.sheets.insert(sheet.at.clone(), sheet);
            }
        }
    }

    pub(super) fn reservations(&self) -> impl Iterator<Item = (&Arc<str>, &Change)> {
        self.reservations.iter()
    }

    pub(super) fn sheets(&self) -> impl Iterator<Item = &AccountSheet> {
        self.sheets.values()
    }
}
