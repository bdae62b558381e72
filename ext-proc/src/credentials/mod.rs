//! Access tokens, where a provider wants those in place of a key: made, renewed well before they
//! expire, and known to whoever plans requests or builds Envoy's secrets.
//!
//! One [`Tokens`] owns a task per account; [`TokenBoard`] is what others read.

mod board;
mod google;
mod keeper;
mod schedule;
mod tokens;

pub use board::TokenBoard;
pub(crate) use google::{Google, TokenError};
pub(crate) use tokens::Tokens;

use std::time::Duration;

use dragoman_config::{GoogleCredentials, Secret};
use tonic::async_trait;

/// A token, as it was issued.
#[derive(Debug, Clone)]
pub(crate) struct Issued {
    pub(crate) token: Secret,
    /// From now on.
    pub(crate) lifetime: Duration,
}

/// Who issues tokens.
#[async_trait]
pub(crate) trait Issuer: Send + Sync + 'static {
    /// A new token for whom `credentials` name. Answers within a bounded time.
    async fn issue(&self, credentials: &GoogleCredentials) -> Result<Issued, TokenError>;
}
