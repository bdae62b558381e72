//! What accounts have spent, for replies.

use std::sync::Arc;

use dragoman_policy::budget::AccountWindow;
use dragoman_policy::{NanoDollars, Scope};
use tonic::async_trait;

use crate::authority::Unavailable;
use crate::ledger::{Ledger, RequestFilter};

/// Knows what was spent.
#[async_trait]
pub trait Spend: Send + Sync + 'static {
    /// What each of `accounts` spent in its window, in the same order.
    async fn of(&self, accounts: &[AccountWindow]) -> Result<Vec<NanoDollars>, Unavailable>;
}

/// Sums the ledger's rows. What is in a window is told by when requests began.
pub struct LedgerSpend(pub Arc<dyn Ledger>);

#[async_trait]
impl Spend for LedgerSpend {
    async fn of(&self, accounts: &[AccountWindow]) -> Result<Vec<NanoDollars>, Unavailable> {
        let mut spent = Vec::with_capacity(accounts.len());
        for account in accounts {
            spent.push(match requests_of(account) {
                Some(filter) => self.sum(&filter).await?,
                None => NanoDollars::ZERO,
            });
        }
        Ok(spent)
    }
}

impl LedgerSpend {
    async fn sum(&self, filter: &RequestFilter) -> Result<NanoDollars, Unavailable> {
        let totals = self.0.totals(filter).await.map_err(|error| {
            tracing::error!(%error, "spend cannot be read");
            Unavailable {
                dependency: "the ledger's database",
            }
        })?;
        Ok(totals.cost)
    }
}

impl std::fmt::Debug for LedgerSpend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LedgerSpend").finish_non_exhaustive()
    }
}

/// The requests of an account in its window; `None` for what the ledger does not tell apart.
pub fn requests_of(at: &AccountWindow) -> Option<RequestFilter> {
    let id = at.account.id.to_string();
    let mut filter = RequestFilter {
        from_ms: Some(at.window.start.0),
        until_ms: at.window.end.map(|end| end.0),
        ..RequestFilter::default()
    };
    match at.account.scope {
        Scope::Key => filter.key_id = Some(id),
        Scope::User => filter.user_id = Some(id),
        Scope::Team => filter.team_id = Some(id),
        Scope::TeamMember => {
            let (team, user) = id.split_once('/')?;
            filter.team_id = Some(team.to_owned());
            filter.user_id = Some(user.to_owned());
        }
        Scope::KeyModel => (filter.key_id, filter.alias) = of_model(&id)?,
        Scope::UserModel => (filter.user_id, filter.alias) = of_model(&id)?,
        Scope::TeamModel => (filter.team_id, filter.alias) = of_model(&id)?,
        Scope::Provider => filter.provider = Some(id),
        Scope::Global => {}
        Scope::EndUser | Scope::Tag | Scope::Deployment => return None,
    }
    Some(filter)
}

/// An id and a model, out of the id of the account for both.
fn of_model(id: &str) -> Option<(Option<String>, Option<String>)> {
    let (id, model) = id.split_once('/')?;
    Some((Some(id.to_owned()), Some(model.to_owned())))
}
