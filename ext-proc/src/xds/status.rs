//! What Envoy says of what it was sent.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use dragoman_envoy::ResourceType;

/// Which Envoys are there, and what they refuse.
#[derive(Debug, Default)]
pub struct EnvoyStatus {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    streams: usize,
    refused: BTreeMap<ResourceType, String>,
}

impl EnvoyStatus {
    /// How many Envoys are connected.
    pub fn connected(&self) -> usize {
        self.lock().streams
    }

    /// What Envoy refuses to take over, with its reason; empty when all is well.
    pub fn refused(&self) -> Vec<(ResourceType, String)> {
        self.lock()
            .refused
            .iter()
            .map(|(kind, reason)| (*kind, reason.clone()))
            .collect()
    }

    pub(super) fn opened(&self) {
        self.lock().streams += 1;
    }

    pub(super) fn closed(&self) {
        let mut inner = self.lock();
        inner.streams = inner.streams.saturating_sub(1);
        if inner.streams == 0 {
            inner.refused.clear();
        }
    }

    pub(super) fn accepted(&self, kind: ResourceType) {
        self.lock().refused.remove(&kind);
    }

    pub(super) fn refuse(&self, kind: ResourceType, reason: String) {
        self.lock().refused.insert(kind, reason);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
