//! Who may ask: from a credential to a principal.

use dragoman_policy::{Credential, KeyHash, Principal, Refusal};
use tonic::async_trait;

/// Knows keys. The master key is one implementation; keys of a store are another.
#[async_trait]
pub trait Authority: Send + Sync + 'static {
    /// The principal behind `credential`.
    async fn authenticate(&self, credential: &Credential) -> Result<Principal, Refusal>;
}

/// Knows the master key alone.
#[derive(Debug)]
pub struct MasterKey(KeyHash);

impl MasterKey {
    /// The master key is `secret`.
    pub fn new(secret: &str) -> Self {
        Self(KeyHash::of(secret))
    }
}

#[async_trait]
impl Authority for MasterKey {
    async fn authenticate(&self, credential: &Credential) -> Result<Principal, Refusal> {
        // hashes are compared, in constant time: neither length nor prefix of the key shows
        if credential.hash() == self.0 {
            Ok(Principal::master())
        } else {
            Err(Refusal::UnknownKey)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(key: &str) -> Credential {
        let header = format!("Bearer {key}");
        Credential::from_headers(|name| (name == "authorization").then_some(header.as_str()))
            .unwrap()
    }

    #[tokio::test]
    async fn only_the_master_key_itself_is_the_master_key() {
        let authority = MasterKey::new("sk-master");
        assert!(
            authority
                .authenticate(&credential("sk-master"))
                .await
                .unwrap()
                .is_master
        );
        for key in ["sk-maste", "sk-master1", "SK-MASTER"] {
            let refused = authority.authenticate(&credential(key)).await;
            assert_eq!(refused, Err(Refusal::UnknownKey), "{key}");
        }
    }
}
