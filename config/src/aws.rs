//! Who signs requests to AWS, and for which region.

use crate::{Origin, Secret};

/// How requests of a deployment are signed. Envoy does it (AWS Signature Version 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsSigning {
    /// `eu-west-1`
    pub region: String,
    /// Whose signature it is.
    pub signer: AwsSigner,
}

/// Whose signature it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AwsSigner {
    /// That of these keys.
    Keys(AwsKeys),
    /// Whoever AWS's usual chain finds in Envoy's own surroundings: its variables, its files, the
    /// role of its container or machine.
    Surroundings,
}

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwsKeys {
    /// Its id, which is no secret but nobody's business either.
    pub access_key_id: Secret,
    /// What signs.
    pub secret_access_key: Secret,
    /// For temporary keys.
    pub session_token: Option<Secret>,
    /// Where the secret stands.
    pub origin: Origin,
}
