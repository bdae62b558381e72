//! Asking the providers themselves whether they answer.

use tonic::async_trait;

/// A way to the providers. The service itself has none, and wants none: keys are with Envoy, and so
/// is translation. An implementation sends one small request per deployment through Envoy's own
/// listener, as a client would, so that a probe tests what clients use.
#[async_trait]
pub trait Probe: Send + Sync + 'static {
    /// Sends one small request to `deployment`.
    async fn probe(&self, deployment: &str) -> Result<(), ProbeFailure>;
}

/// A deployment that does not answer as it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ProbeFailure(pub String);
