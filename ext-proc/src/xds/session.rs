//! One ADS stream's state, without the stream: what Envoy has, what it asked for, what to send next.
//!
//! The protocol is state-of-the-world xDS
//! (<https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol>).

use std::collections::{BTreeMap, HashSet};

use dragoman_envoy::{ResourceType, Snapshot};
use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};

/// One stream's state.
#[derive(Debug, Default)]
pub(super) struct Session {
    subscriptions: BTreeMap<ResourceType, Subscription>,
    nonces: u64,
}

#[derive(Debug, Default)]
struct Subscription {
    /// The names asked for; empty for all.
    names: HashSet<String>,
    /// What was sent last.
    sent: Option<Sent>,
}

#[derive(Debug)]
struct Sent {
    version: String,
    nonce: String,
}

/// What a request says about what was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A first request, a changed subscription, or an answer to something older.
    Nothing,
    /// Envoy took what was sent.
    Ack(ResourceType),
    /// Envoy refuses what was sent, for this reason.
    Nack(ResourceType, String),
}

impl Session {
    /// Takes a request; returns what Envoy says by it and what to answer.
    pub(super) fn receive(
        &mut self,
        request: DiscoveryRequest,
        snapshot: &Snapshot,
    ) -> (Word, Option<DiscoveryResponse>) {
        let Some(kind) = ResourceType::of(&request.type_url) else {
            return (Word::Nothing, None);
        };
        let subscription = self.subscriptions.entry(kind).or_default();
        let sent_nonce = subscription.sent.as_ref().map(|sent| sent.nonce.as_str());
        let is_first = request.response_nonce.is_empty();
        if !is_first && sent_nonce != Some(request.response_nonce.as_str()) {
            return (Word::Nothing, None);
        }
        let names: HashSet<String> = request.resource_names.into_iter().collect();
        let wants_more = !names.is_subset(&subscription.names) || subscription.sent.is_none();
        subscription.names = names;
        let word = match request.error_detail {
            _ if is_first => Word::Nothing,
            Some(error) => Word::Nack(kind, without_contents(error.message)),
            None => Word::Ack(kind),
        };
        let response = if wants_more {
            self.respond(kind, snapshot)
        } else {
            self.catch_up(kind, snapshot)
        };
        (word, response)
    }

    /// What to send now that `snapshot` is the current one, in an order that Envoy can follow.
    pub(super) fn update(&mut self, snapshot: &Snapshot) -> Vec<DiscoveryResponse> {
        let kinds: Vec<_> = self.subscriptions.keys().copied().collect();
        kinds
            .into_iter()
            .filter_map(|kind| self.catch_up(kind, snapshot))
            .collect()
    }

    /// A response, unless Envoy was sent this version already: a version that it refused is not
    /// offered again.
    fn catch_up(&mut self, kind: ResourceType, snapshot: &Snapshot) -> Option<DiscoveryResponse> {
        let sent = self.subscriptions.get(&kind)?.sent.as_ref()?;
        if sent.version == snapshot.version(kind) {
            None
        } else {
            self.respond(kind, snapshot)
        }
    }

    fn respond(&mut self, kind: ResourceType, snapshot: &Snapshot) -> Option<DiscoveryResponse> {
        let subscription = self.subscriptions.get_mut(&kind)?;
        self.nonces += 1;
        let version = snapshot.version(kind).to_owned();
        let nonce = self.nonces.to_string();
        let wanted =
            |name: &String| subscription.names.is_empty() || subscription.names.contains(name);
        let resources = snapshot
            .resources(kind)
            .iter()
            .filter(|resource| wanted(&resource.name));
        let response = DiscoveryResponse {
            version_info: version.clone(),
            resources: resources.map(|resource| resource.body.clone()).collect(),
            type_url: kind.type_url().to_owned(),
            nonce: nonce.clone(),
            ..DiscoveryResponse::default()
        };
        subscription.sent = Some(Sent { version, nonce });
        Some(response)
    }
}

/// A reason for people: where a message breaks a rule, Envoy shows all that is in it, and a key for
/// AWS may be among that.
fn without_contents(reason: String) -> String {
    const RULE: &str = "Proto constraint validation failed";
    match reason.find(RULE).and_then(|at| reason.get(at..)) {
        Some(rule) => rule.to_owned(),
        None => reason,
    }
}

#[cfg(test)]
mod tests;
