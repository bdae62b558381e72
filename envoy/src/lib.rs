//! Envoy's resources out of a topology: clusters, routes, listeners, secrets, and the bootstrap.
//!
//! Pure functions. The service turns its configuration into a [`Topology`], and [`Snapshot::build`]
//! turns that into what ADS serves; [`bootstrap`] makes the static part that Envoy starts with.

mod any;
mod bootstrap;
mod cluster;
mod filters;
mod listener;
mod local_reply;
mod route;
mod secret;
mod signing;
mod snapshot;
mod spool;
mod topology;

pub use bootstrap::bootstrap;
pub use cluster::{cluster_name, deployment_of, timed_cluster_name};
pub use listener::UNDER_WAY_EVERY;
pub use snapshot::{Resource, ResourceType, Snapshot};
pub use topology::{
    Address, Credential, Endpoint, FilterModule, Listeners, Services, Signing, SigningKeys,
    TlsCertificate, Topology, Upstream,
};

/// Cluster of the service's gRPC: ADS, ext_proc and access logs.
pub const SERVICE_GRPC_CLUSTER: &str = "dragoman.grpc";
/// Cluster of the service's HTTP: the endpoints that it answers itself.
pub const SERVICE_HTTP_CLUSTER: &str = "dragoman.http";
