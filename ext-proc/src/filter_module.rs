//! The filter, embedded: service and filter are always of one version.

use bytes::Bytes;
use dragoman_envoy::FilterModule;
use sha2::{Digest, Sha256};

/// The module; empty in a build without one.
static MODULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/filter.wasm"));

/// The module that Envoy fetches.
#[derive(Debug, Clone)]
pub(crate) struct Embedded {
    /// The module's bytes.
    pub(crate) bytes: Bytes,
    /// Its name and digest.
    pub(crate) module: FilterModule,
}

/// A build that cannot serve.
#[derive(Debug, thiserror::Error)]
#[error(
    "this dragoman was built without its filter: build it with `cargo xtask build`, or give \
     --filter FILE"
)]
pub(crate) struct NoFilter;

impl Embedded {
    /// The module of this build, or `replacement`.
    pub(crate) fn load(replacement: Option<Vec<u8>>) -> Result<Self, NoFilter> {
        let bytes = replacement.map_or(Bytes::from_static(MODULE), Bytes::from);
        if bytes.is_empty() {
            return Err(NoFilter);
        }
        let sha256 = hex::encode(Sha256::digest(&bytes));
        let module = FilterModule { path: format!("/filter/{sha256}.wasm"), sha256 };
        Ok(Self { bytes, module })
    }
}
