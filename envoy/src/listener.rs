//! Listeners: where clients connect, over HTTP and HTTPS, to one and the same connection manager.

use std::net::SocketAddr;
use std::time::Duration;

use dragoman_proto::names;
use envoy_types::pb::envoy::config::accesslog::v3::AccessLog;
use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    Address, Http1ProtocolOptions, HttpProtocolOptions, SocketAddress, TransportSocket,
    transport_socket,
};
use envoy_types::pb::envoy::config::listener::v3::{
    Filter, FilterChain, Listener, filter,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::{
    HcmAccessLogOptions, RouteSpecifier, ServerHeaderTransformation,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, Rds,
};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, SdsSecretConfig,
};
use envoy_types::pb::google::protobuf::{BoolValue, UInt32Value};
use envoy_types::util::pack_any;

use crate::{Topology, any, filters, local_reply, route, secret, spool};

/// How long a client may take to send its headers.
const HEADERS_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a client may take to send a whole request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(300);
/// How long Envoy waits for a client to close a connection that is over. A client whose stream broke
/// off waits this long before it can know.
const DELAYED_CLOSE: Duration = Duration::from_millis(100);
/// How long a connection without a request stays open.
const CONNECTION_IDLE_TIMEOUT: Duration = Duration::from_secs(900);
/// How often the log of requests tells of each request that is under way: so one that was lost with
/// Envoy is known by the silence.
pub const UNDER_WAY_EVERY: Duration = Duration::from_secs(15);

/// The listeners of the topology.
pub(crate) fn listeners(topology: &Topology) -> Vec<Listener> {
    let http = topology
        .listeners
        .http
        .map(|at| listener("http", at, None, topology));
    let https = topology.listeners.https.as_ref();
    let https = https.map(|(at, _)| listener("https", *at, Some(https_socket()), topology));
    http.into_iter().chain(https).collect()
}

fn listener(
    name: &str,
    at: SocketAddr,
    transport_socket: Option<TransportSocket>,
    topology: &Topology,
) -> Listener {
    let address = SocketAddress {
        address: at.ip().to_string(),
        port_specifier: Some(PortSpecifier::PortValue(at.port().into())),
        ..SocketAddress::default()
    };
    let manager = Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(filter::ConfigType::TypedConfig(pack_any(manager(
            name, topology,
        )))),
    };
    Listener {
        name: format!("dragoman.{name}"),
        address: Some(Address {
            address: Some(AddressKind::SocketAddress(address)),
        }),
        per_connection_buffer_limit_bytes: Some(UInt32Value {
            value: topology.max_body_bytes,
        }),
        filter_chains: vec![FilterChain {
            filters: vec![manager],
            transport_socket,
            ..FilterChain::default()
        }],
        ..Listener::default()
    }
}

fn manager(name: &str, topology: &Topology) -> HttpConnectionManager {
    HttpConnectionManager {
        stat_prefix: format!("dragoman.{name}"),
        http_filters: filters::edge(topology),
        access_log: access_logs(topology),
        access_log_options: Some(HcmAccessLogOptions {
            access_log_flush_interval: Some(any::duration(UNDER_WAY_EVERY)),
            ..HcmAccessLogOptions::default()
        }),
        local_reply_config: Some(local_reply::local_replies()),
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: Some(any::ads()),
            route_config_name: route::ROUTES.to_owned(),
        })),
        use_remote_address: Some(BoolValue { value: true }),
        // ours is made at admission; this one would reach nobody
        generate_request_id: Some(BoolValue { value: false }),
        normalize_path: Some(BoolValue { value: true }),
        merge_slashes: true,
        server_name: "dragoman".to_owned(),
        server_header_transformation: ServerHeaderTransformation::Overwrite.into(),
        http_protocol_options: Some(Http1ProtocolOptions {
            accept_http_10: true,
            ..Http1ProtocolOptions::default()
        }),
        common_http_protocol_options: Some(HttpProtocolOptions {
            idle_timeout: Some(any::duration(CONNECTION_IDLE_TIMEOUT)),
            ..HttpProtocolOptions::default()
        }),
        request_headers_timeout: Some(any::duration(HEADERS_TIMEOUT)),
        request_timeout: Some(any::duration(REQUEST_TIMEOUT)),
        delayed_close_timeout: Some(any::duration(DELAYED_CLOSE)),
        stream_idle_timeout: Some(any::duration(topology.idle_timeout)),
        ..HttpConnectionManager::default()
    }
}

fn access_logs(topology: &Topology) -> Vec<AccessLog> {
    let in_file = topology.spool.as_deref().map(spool::spool);
    let over_grpc = any::access_log(names::REQUEST_LOG);
    std::iter::once(over_grpc).chain(in_file).collect()
}

fn https_socket() -> TransportSocket {
    let context = DownstreamTlsContext {
        common_tls_context: Some(CommonTlsContext {
            alpn_protocols: vec!["h2".to_owned(), "http/1.1".to_owned()],
            tls_certificate_sds_secret_configs: vec![SdsSecretConfig {
                name: secret::HTTPS_CERTIFICATE.to_owned(),
                sds_config: Some(any::ads()),
            }],
            ..CommonTlsContext::default()
        }),
        ..DownstreamTlsContext::default()
    };
    TransportSocket {
        name: "envoy.transport_sockets.tls".to_owned(),
        config_type: Some(transport_socket::ConfigType::TypedConfig(pack_any(context))),
    }
}
