//! Who may ask: from a credential to a principal.

use dragoman_policy::keys::MASTER;
use dragoman_policy::{Credential, Principal, Refusal};
use dragoman_proto::{ApiError, ErrorKind};
use tonic::async_trait;

/// Knows keys: the master key, and those of a store.
#[async_trait]
pub trait Authority: Send + Sync + 'static {
    /// The principal behind `credential`.
    async fn authenticate(&self, credential: &Credential) -> Result<Principal, AuthorityError>;

    /// The principal whose key has this identity; `None` when there is no such key (any more). For
    /// accounts of what was admitted before.
    async fn known(&self, key_id: &str) -> Result<Option<Principal>, Unavailable> {
        Ok((key_id == MASTER).then(Principal::master))
    }

    /// Forgets what it remembers of keys, because some have changed.
    fn forget(&self) {}
}

/// Why there is no principal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthorityError {
    /// The credential is at fault.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nobody can say at the moment, which is not the credential's fault.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Something that this service depends on does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{dependency} does not answer at the moment")]
pub struct Unavailable {
    /// For people: what it is.
    pub dependency: &'static str,
}

/// Seconds after which a dependency may be back.
const RETRY_SECONDS: u64 = 2;

impl From<Unavailable> for ApiError {
    fn from(unavailable: Unavailable) -> Self {
        Self::new(ErrorKind::Unavailable, unavailable.to_string())
            .code("dependency_unavailable")
            .retry_after(RETRY_SECONDS)
    }
}

impl From<AuthorityError> for ApiError {
    fn from(error: AuthorityError) -> Self {
        match error {
            AuthorityError::Refused(refusal) => refusal.into(),
            AuthorityError::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! An authority for tests of what needs no store.

    use dragoman_policy::KeyHash;

    use super::*;

    /// Knows the master key alone.
    #[derive(Debug)]
    pub(crate) struct MasterKey(KeyHash);

    impl MasterKey {
        /// The master key is `secret`.
        pub(crate) fn new(secret: &str) -> Self {
            Self(KeyHash::of(secret))
        }
    }

    #[async_trait]
    impl Authority for MasterKey {
        async fn authenticate(&self, credential: &Credential) -> Result<Principal, AuthorityError> {
            if credential.hash() == self.0 {
                Ok(Principal::master())
            } else {
                Err(Refusal::UnknownKey.into())
            }
        }
    }
}
