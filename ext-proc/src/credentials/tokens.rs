//! All accounts that the configuration of the moment names.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use dragoman_config::{Config, GoogleCredentials};
use tokio::sync::watch;
use tokio::time::timeout;

use super::keeper::Keeper;
use super::{Issuer, TokenBoard};

/// How long a start, or a changed configuration, waits for first tokens. When they take longer,
/// their deployments are passed over until they are there.
const FIRST_TOKENS: Duration = Duration::from_secs(3);

/// Keeps the tokens of all accounts; there is one for the life of the service.
pub(crate) struct Tokens {
    issuer: Arc<dyn Issuer>,
    keepers: HashMap<GoogleCredentials, Keeper>,
    board: TokenBoard,
    changes: watch::Sender<()>,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").finish_non_exhaustive()
    }
}

impl Tokens {
    /// Nobody's yet.
    pub(crate) fn new(issuer: Arc<dyn Issuer>) -> Self {
        Self {
            issuer,
            keepers: HashMap::new(),
            board: TokenBoard::default(),
            changes: watch::Sender::new(()),
        }
    }

    /// Where the tokens are read.
    pub(crate) fn board(&self) -> TokenBoard {
        self.board.clone()
    }

    /// Says when there is another token, or none any more.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Takes over the accounts of `config`: those that it still has keep their tokens, those that are
    /// new get their first, or a moment passes without an answer.
    pub(crate) async fn configure(&mut self, config: &Config) {
        let mut wanted = HashMap::new();
        for deployment in &config.deployments {
            if let Some(google) = &deployment.google {
                wanted.insert(deployment.id.to_string(), google.clone());
            }
        }
        self.keepers
            .retain(|credentials, _| wanted.values().any(|wanted| wanted == credentials));
        let mut changes = self.changes.subscribe();
        let mut slots = HashMap::new();
        for (deployment, credentials) in wanted {
            let keeper = self.keepers.entry(credentials.clone()).or_insert_with(|| {
                Keeper::start(credentials, Arc::clone(&self.issuer), self.changes.clone())
            });
            slots.insert(deployment, Arc::clone(&keeper.slot));
        }
        self.board.replace(slots);
        let settled = async {
            while !self.keepers.values().all(|keeper| keeper.slot.is_settled()) {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(FIRST_TOKENS, settled).await;
    }
}

#[cfg(test)]
mod tests;
