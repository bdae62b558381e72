//! What ADS serves, as one immutable whole.

use envoy_types::pb::google::protobuf::Any;
use envoy_types::util::pack_any;
use prost::{Message, Name};
use sha2::{Digest, Sha256};

use crate::{Topology, cluster, listener, route, secret};

/// A kind of resource, in the order in which Envoy must learn of them: what refers comes after what
/// is referred to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceType {
    /// CDS.
    Cluster,
    /// SDS.
    Secret,
    /// LDS.
    Listener,
    /// RDS.
    Route,
}

impl ResourceType {
    /// All that are served.
    pub const ALL: [Self; 4] = [Self::Cluster, Self::Secret, Self::Listener, Self::Route];

    /// The type URL on the wire.
    pub const fn type_url(self) -> &'static str {
        match self {
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Secret => "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        }
    }

    /// The reverse of [`ResourceType::type_url`].
    pub fn of(type_url: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.type_url() == type_url)
    }
}

/// One resource, encoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Its name, by which Envoy asks for secrets and routes.
    pub name: String,
    /// The message.
    pub body: Any,
}

/// All resources of one topology.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    clusters: Resources,
    secrets: Resources,
    listeners: Resources,
    routes: Resources,
}

#[derive(Debug, Clone, PartialEq)]
struct Resources {
    version: String,
    all: Vec<Resource>,
}

impl Snapshot {
    /// Builds the resources of `topology`.
    pub fn build(topology: &Topology) -> Self {
        let upstreams = topology
            .upstreams
            .iter()
            .flat_map(|up| cluster::clusters(up, topology));
        let clusters = upstreams.chain([cluster::nowhere(route::NOWHERE), cluster::refusing()]);
        Self {
            clusters: Resources::new(clusters, |cluster| &cluster.name),
            secrets: Resources::new(secret::secrets(topology), |secret| &secret.name),
            listeners: Resources::new(listener::listeners(topology), |listener| &listener.name),
            routes: Resources::new([route::routes(topology)], |routes| &routes.name),
        }
    }

    /// The version of a kind: the same content has the same version, also after a restart.
    pub fn version(&self, kind: ResourceType) -> &str {
        &self.of(kind).version
    }

    /// All resources of a kind.
    pub fn resources(&self, kind: ResourceType) -> &[Resource] {
        &self.of(kind).all
    }

    const fn of(&self, kind: ResourceType) -> &Resources {
        match kind {
            ResourceType::Cluster => &self.clusters,
            ResourceType::Secret => &self.secrets,
            ResourceType::Listener => &self.listeners,
            ResourceType::Route => &self.routes,
        }
    }
}

impl Resources {
    fn new<M: Message + Name>(
        messages: impl IntoIterator<Item = M>,
        name: impl Fn(&M) -> &String,
    ) -> Self {
        let all: Vec<Resource> = messages
            .into_iter()
            .map(|message| Resource {
                name: name(&message).clone(),
                body: pack_any(message),
            })
            .collect();
        let mut digest = Sha256::new();
        for resource in &all {
            digest.update(&resource.body.value);
        }
        Self {
            version: hex::encode(&digest.finalize()[..8]),
            all,
        }
    }
}

#[cfg(test)]
mod tests;
