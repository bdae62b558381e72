//! One cluster per deployment: where the provider is, and the filters that interpret for it.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily,
};
use envoy_types::pb::envoy::config::cluster::v3::{CircuitBreakers, Cluster};
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    Address as EnvoyAddress, DataSource, Http1ProtocolOptions, Http2ProtocolOptions,
    HttpProtocolOptions as CommonOptions, SocketAddress, TransportSocket, data_source,
    transport_socket,
};
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint as EnvoyEndpoint, LbEndpoint, LocalityLbEndpoints,
    lb_endpoint::HostIdentifier,
};
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
    Some(name.strip_suffix(TIMED).unwrap_or(name)).filter(|id| !id.is_empty())
}

/// The clusters of `upstream`: a second one where it has a timeout of its own. Envoy has one timeout
/// for all attempts of a request; the bound of a cluster is the attempt's own. It bounds the whole
/// answer, so streams never go there.
pub(crate) fn clusters(upstream: &Upstream, topology: &Topology) -> Vec<Cluster> {
    let id = &upstream.config.deployment;
    let timed = upstream
        .timeout
        .map(|timeout| cluster(timed_cluster_name(id), Some(timeout), upstream, topology));
    let plain = cluster(cluster_name(id), None, upstream, topology);
    std::iter::once(plain).chain(timed).collect()
}

fn cluster(
    name: String,
    timeout: Option<Duration>,
    upstream: &Upstream,
    topology: &Topology,
) -> Cluster {
    let endpoint = &upstream.endpoint;
    let is_address = endpoint.host.parse::<IpAddr>().is_ok();
    let discovery = if is_address {
        DiscoveryType::Static
    } else {
        DiscoveryType::LogicalDns
    };
    Cluster {
        connect_timeout: Some(any::duration(CONNECT_TIMEOUT)),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(discovery.into())),
        dns_lookup_family: DnsLookupFamily::V4Preferred.into(),
        load_assignment: Some(assignment(&name, endpoint)),
        circuit_breakers: Some(unlimited()),
        per_connection_buffer_limit_bytes: Some(UInt32Value {
            value: topology.max_body_bytes,
        }),
        transport_socket: endpoint.tls.then(|| tls(&endpoint.host, &topology.ca_file)),
        typed_extension_protocol_options: HashMap::from([(
            HTTP_OPTIONS.to_owned(),
            pack_any(http_options(upstream, timeout, topology)),
        )]),
        name,
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

fn assignment(cluster: &str, endpoint: &Endpoint) -> ClusterLoadAssignment {
    let address = SocketAddress {
        address: endpoint.host.clone(),
        port_specifier: Some(PortSpecifier::PortValue(endpoint.port.into())),
        ..SocketAddress::default()
    };
    let endpoint = EnvoyEndpoint {
        address: Some(EnvoyAddress {
            address: Some(AddressKind::SocketAddress(address)),
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

/// HTTP/2 where a TLS provider offers it, HTTP/1.1 otherwise; and the filters of the attempt.
fn http_options(
    upstream: &Upstream,
    timeout: Option<Duration>,
    topology: &Topology,
) -> HttpProtocolOptions {
    let protocol = if upstream.endpoint.tls {
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
        http_filters: filters::upstream(upstream, &topology.filter),
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
