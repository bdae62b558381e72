//! What is known of the deployments' access tokens at this moment.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use dragoman_config::Secret;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::Issued;

/// A token that is refused may be replaced at once, but not more often than this.
const LEAST_AGE: Duration = Duration::from_secs(10);

/// The access tokens of all deployments that need one. Cheap to clone.
#[derive(Clone, Default)]
pub struct TokenBoard(Arc<ArcSwap<HashMap<String, Arc<Slot>>>>);

/// The token of one account.
#[derive(Default)]
pub(super) struct Slot {
    state: Mutex<State>,
    /// Somebody wants a new one now.
    pub(super) wanted: Notify,
}

#[derive(Default)]
struct State {
    token: Option<Token>,
    /// Why the last attempt to get one failed.
    trouble: Option<String>,
}

impl State {
    fn valid(&self) -> Option<&Token> {
        let token = self.token.as_ref();
        token.filter(|token| Instant::now() < token.expires)
    }
}

struct Token {
    value: Secret,
    issued: Instant,
    expires: Instant,
}

impl fmt::Debug for TokenBoard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TokenBoard").finish_non_exhaustive()
    }
}

impl TokenBoard {
    /// Whether `deployment` needs a token, and there is no valid one.
    pub fn is_without(&self, deployment: &str) -> bool {
        let slots = self.0.load();
        slots.get(deployment).is_some_and(|slot| !slot.is_valid())
    }

    /// Why `deployment` has no valid token, when it needs one.
    pub fn trouble(&self, deployment: &str) -> Option<String> {
        if !self.is_without(deployment) {
            return None;
        }
        let slot = self.0.load().get(deployment).cloned()?;
        let trouble = slot.lock().trouble.clone();
        Some(trouble.unwrap_or_else(|| "it was not issued yet".to_owned()))
    }

    /// The provider refused the token of `deployment`: another is fetched now, unless this one is
    /// new.
    pub fn refused(&self, deployment: &str) {
        let slots = self.0.load();
        let Some(slot) = slots.get(deployment) else {
            return;
        };
        let issued = slot.lock().token.as_ref().map(|token| token.issued);
        if issued.is_some_and(|issued| issued.elapsed() >= LEAST_AGE) {
            slot.wanted.notify_one();
        }
    }

    /// The valid token of `deployment`.
    pub(crate) fn token(&self, deployment: &str) -> Option<Secret> {
        self.0.load().get(deployment)?.token()
    }

    pub(super) fn replace(&self, slots: HashMap<String, Arc<Slot>>) {
        self.0.store(Arc::new(slots));
    }
}

impl Slot {
    /// One that never gets a token.
    pub(super) fn without(trouble: String) -> Self {
        let slot = Self::default();
        slot.lock().trouble = Some(trouble);
        slot
    }

    /// Whether there was an answer of any kind.
    pub(super) fn is_settled(&self) -> bool {
        let state = self.lock();
        state.token.is_some() || state.trouble.is_some()
    }

    fn is_valid(&self) -> bool {
        self.lock().valid().is_some()
    }

    fn token(&self) -> Option<Secret> {
        let state = self.lock();
        state.valid().map(|token| token.value.clone())
    }

    pub(super) fn renew(&self, issued: Issued) {
        let now = Instant::now();
        let mut state = self.lock();
        state.trouble = None;
        state.token = Some(Token {
            value: issued.token,
            issued: now,
            expires: now + issued.lifetime,
        });
    }

    /// Notes a failure; says for how long there is still a valid token.
    pub(super) fn fail(&self, trouble: String) -> Option<Duration> {
        let mut state = self.lock();
        state.trouble = Some(trouble);
        let expires = state.token.as_ref()?.expires;
        expires.checked_duration_since(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
