//! One cluster per deployment: where the provider is, and the filters that interpret for it.
//!
//! A provider that is known by a name has two: Envoy answers a request for a cluster without an address
//! itself, past the router's retries, so a name that does not resolve would end a request that has
//! fallbacks. The deployment's cluster is therefore an aggregate of the one that resolves the name and of
//! one that refuses every connection, which is a failure like others. The filters are those of the
//! aggregate; connections, TLS and the bound of an attempt are the other's (tried on 1.40.0).

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, CustomClusterType, DiscoveryType, DnsLookupFamily, LbPolicy,
};
use envoy_types::pb::envoy::config::cluster::v3::{CircuitBreakers, Cluster};
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    Address as EnvoyAddress, DataSource, Http1ProtocolOptions, Http2ProtocolOptions,
    HttpProtocolOptions as CommonOptions, Pipe, SocketAddress, TransportSocket, data_source,
    transport_socket,
};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint as EnvoyEndpoint, LbEndpoint, LocalityLbEndpoints,
    lb_endpoint::HostIdentifier,
};
use envoy_types::pb::envoy::extensions::clusters::aggregate::v3::ClusterConfig;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::subject_alt_name_matcher::SanType;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CertificateValidationContext, CommonTlsContext, SubjectAltNameMatcher, UpstreamTlsContext,
    common_tls_context::ValidationContextType,
};
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::http_protocol_options::{
    AutoHttpConfig, ExplicitHttpConfig, UpstreamProtocolOptions,
    explicit_http_config::ProtocolConfig,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern};
use envoy_types::pb::google::protobuf::UInt32Value;
use envoy_types::util::pack_any;

use crate::{Endpoint, Topology, Upstream, any, filters};

/// How long a TCP and TLS connection to a provider may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Idle connections are closed before the usual 60 to 75 s of providers' load balancers.
const IDLE_TIMEOUT: Duration = Duration::from_secs(50);
/// Envoy's own limits (1024 requests, 3 retries at once) are not ours: limits are the service's.
const NO_LIMIT: u32 = 1_000_000;

/// What tells a deployment's timed cluster from its other one. No id holds a `/`.
const TIMED: &str = "/timed";
/// What tells the cluster that resolves a provider's name from the one that stands for it.
const RESOLVED: &str = "/dns";
/// The cluster that refuses every connection.
const REFUSING: &str = "dragoman.refusing";
/// A socket that nobody listens at.
const NO_SOCKET: &str = "/nobody/listens/here.sock";

const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// The cluster of a deployment.
pub fn cluster_name(deployment: &str) -> String {
    format!("dragoman/{deployment}")
}

/// The cluster of a deployment for requests that must end within its own timeout.
pub fn timed_cluster_name(deployment: &str) -> String {
    format!("dragoman/{deployment}{TIMED}")
}

/// The deployment of a cluster; `None` for a cluster that is none of a deployment.
pub fn deployment_of(cluster: &str) -> Option<&str> {
    let name = cluster.strip_prefix("dragoman/")?;
    name.split('/').next().filter(|id| !id.is_empty())
}

/// The clusters of `upstream`: a second one where it has a timeout of its own. Envoy has one timeout
/// for all attempts of a request; the bound of a cluster is the attempt's own. It bounds the whole
/// answer, so streams never go there.
pub(crate) fn clusters(upstream: &Upstream, topology: &Topology) -> Vec<Cluster> {
    let id = &upstream.config.deployment;
    let mut clusters = attempt(cluster_name(id), None, upstream, topology);
    if let Some(timeout) = upstream.timeout {
        let name = timed_cluster_name(id);
        clusters.extend(attempt(name, Some(timeout), upstream, topology));
    }
    clusters
}

/// The cluster `name`, of attempts that end within `timeout`, and the one that it stands for.
fn attempt(
    name: String,
    timeout: Option<Duration>,
    upstream: &Upstream,
    topology: &Topology,
) -> Vec<Cluster> {
    let filters = filters::upstream(upstream, &topology.filter);
    let Endpoint { tls, host, .. } = &upstream.endpoint;
    let options = http_options(*tls, timeout);
    if host.parse::<IpAddr>().is_ok() {
        let options = HttpProtocolOptions {
            http_filters: filters,
            ..options
        };
        let provider = provider(name, DiscoveryType::Static, options, upstream, topology);
        return vec![provider];
    }
    let resolved = format!("{name}{RESOLVED}");
    // the other knows which version of HTTP is spoken; Envoy refuses to choose one without TLS
    let with_filters = HttpProtocolOptions {
        http_filters: filters,
        ..http_options(false, timeout)
    };
    let aggregate = first_of(&[&resolved, REFUSING], name, with_filters, topology);
    let dns = DiscoveryType::LogicalDns;
    vec![
        provider(resolved, dns, options, upstream, topology),
        aggregate,
    ]
}

/// Where the provider is.
fn provider(
    name: String,
    discovery: DiscoveryType,
    options: HttpProtocolOptions,
    upstream: &Upstream,
    topology: &Topology,
) -> Cluster {
    let endpoint = &upstream.endpoint;
    Cluster {
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(discovery.into())),
        dns_lookup_family: DnsLookupFamily::V4Preferred.into(),
        load_assignment: Some(assignment(&name, socket(endpoint))),
        transport_socket: endpoint.tls.then(|| tls(&endpoint.host, &topology.ca_file)),
        ..cluster(name, options, topology)
    }
}

/// The first of `clusters` that has an address.
fn first_of(
    clusters: &[&str],
    name: String,
    options: HttpProtocolOptions,
    topology: &Topology,
) -> Cluster {
    let aggregate = ClusterConfig {
        clusters: clusters.iter().map(ToString::to_string).collect(),
    };
    Cluster {
        cluster_discovery_type: Some(ClusterDiscoveryType::ClusterType(CustomClusterType {
            name: "envoy.clusters.aggregate".to_owned(),
            typed_config: Some(pack_any(aggregate)),
        })),
        lb_policy: LbPolicy::ClusterProvided.into(),
        ..cluster(name, options, topology)
    }
}

fn cluster(name: String, options: HttpProtocolOptions, topology: &Topology) -> Cluster {
    Cluster {
        name,
        connect_timeout: Some(any::duration(CONNECT_TIMEOUT)),
        circuit_breakers: Some(unlimited()),
        per_connection_buffer_limit_bytes: Some(UInt32Value {
            value: topology.max_body_bytes,
        }),
        typed_extension_protocol_options: HashMap::from([(
            HTTP_OPTIONS.to_owned(),
            pack_any(options),
        )]),
        ..Cluster::default()
    }
}

/// The cluster that refuses every connection: what stands in for a provider whose name does not resolve.
pub(crate) fn refusing() -> Cluster {
    let nobody = AddressKind::Pipe(Pipe {
        path: NO_SOCKET.to_owned(),
        ..Pipe::default()
    });
    Cluster {
        name: REFUSING.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
        load_assignment: Some(assignment(REFUSING, nobody)),
        circuit_breakers: Some(unlimited()),
        ..Cluster::default()
    }
}

/// A cluster without endpoints: where a request goes for which there is no plan.
pub(crate) fn nowhere(name: &str) -> Cluster {
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
        load_assignment: Some(ClusterLoadAssignment {
            cluster_name: name.to_owned(),
            ..ClusterLoadAssignment::default()
        }),
        ..Cluster::default()
    }
}

fn socket(endpoint: &Endpoint) -> AddressKind {
    AddressKind::SocketAddress(SocketAddress {
        address: endpoint.host.clone(),
        port_specifier: Some(PortSpecifier::PortValue(endpoint.port.into())),
        ..SocketAddress::default()
    })
}

fn assignment(cluster: &str, address: AddressKind) -> ClusterLoadAssignment {
    let endpoint = EnvoyEndpoint {
        address: Some(EnvoyAddress {
            address: Some(address),
        }),
        ..EnvoyEndpoint::default()
    };
    ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        endpoints: vec![LocalityLbEndpoints {
            lb_endpoints: vec![LbEndpoint {
                host_identifier: Some(HostIdentifier::Endpoint(endpoint)),
                ..LbEndpoint::default()
            }],
            ..LocalityLbEndpoints::default()
        }],
        ..ClusterLoadAssignment::default()
    }
}

fn unlimited() -> CircuitBreakers {
    let no_limit = Some(UInt32Value { value: NO_LIMIT });
    CircuitBreakers {
        thresholds: vec![Thresholds {
            max_connections: no_limit,
            max_pending_requests: no_limit,
            max_requests: no_limit,
            max_retries: no_limit,
            ..Thresholds::default()
        }],
        ..CircuitBreakers::default()
    }
}

/// HTTP/2 where a TLS provider offers it, HTTP/1.1 otherwise.
fn http_options(tls: bool, timeout: Option<Duration>) -> HttpProtocolOptions {
    let protocol = if tls {
        UpstreamProtocolOptions::AutoConfig(AutoHttpConfig {
            http_protocol_options: Some(Http1ProtocolOptions::default()),
            http2_protocol_options: Some(Http2ProtocolOptions::default()),
            ..AutoHttpConfig::default()
        })
    } else {
        UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig {
            protocol_config: Some(ProtocolConfig::HttpProtocolOptions(
                Http1ProtocolOptions::default(),
            )),
        })
    };
    HttpProtocolOptions {
        common_http_protocol_options: Some(CommonOptions {
            idle_timeout: Some(any::duration(IDLE_TIMEOUT)),
            max_stream_duration: timeout.map(any::duration),
            ..CommonOptions::default()
        }),
        upstream_protocol_options: Some(protocol),
        ..HttpProtocolOptions::default()
    }
}

fn tls(host: &str, ca_file: &Path) -> TransportSocket {
    let san = SubjectAltNameMatcher {
        san_type: if host.parse::<IpAddr>().is_ok() {
            SanType::IpAddress
        } else {
            SanType::Dns
        }
        .into(),
        matcher: Some(StringMatcher {
            match_pattern: Some(MatchPattern::Exact(host.to_owned())),
            ..StringMatcher::default()
        }),
        ..SubjectAltNameMatcher::default()
    };
    let validation = CertificateValidationContext {
        trusted_ca: Some(DataSource {
            specifier: Some(data_source::Specifier::Filename(
                ca_file.to_string_lossy().into_owned(),
            )),
            ..DataSource::default()
        }),
        match_typed_subject_alt_names: vec![san],
        ..CertificateValidationContext::default()
    };
    let context = UpstreamTlsContext {
        sni: host.to_owned(),
        common_tls_context: Some(CommonTlsContext {
            validation_context_type: Some(ValidationContextType::ValidationContext(validation)),
            ..CommonTlsContext::default()
        }),
        ..UpstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(pack_any(context))),
    }
}
