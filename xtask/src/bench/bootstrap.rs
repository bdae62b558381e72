//! Bootstraps of the Envoys that the chain is compared with.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

/// The least that proxies HTTP: connection manager, router, one cluster.
pub(crate) fn plain(at: SocketAddr, provider: SocketAddr) -> Value {
    proxy(at, &[cluster("provider", &socket(provider))], Vec::new())
}

/// The same, which asks the service at `service` about each request as the chain does, and makes
/// nothing of the answer.
pub(crate) fn asking(at: SocketAddr, provider: SocketAddr, service: &Path) -> Value {
    let mut grpc = cluster("service", &json!({"pipe": {"path": service}}));
    grpc["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http2_protocol_options": {}},
        },
    });
    let ext_proc = json!({
        "name": "envoy.filters.http.ext_proc",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor",
            "grpc_service": {"envoy_grpc": {"cluster_name": "service"}},
            "processing_mode": {"request_header_mode": "SEND", "response_header_mode": "SKIP"},
            "mutation_rules": {"allow_all_routing": true, "allow_envoy": true},
            "metadata_options": {"receiving_namespaces": {
                "untyped": ["dragoman"], "typed": ["dragoman.plan"],
            }},
        },
    });
    let clusters = [cluster("provider", &socket(provider)), grpc];
    proxy(at, &clusters, vec![ext_proc])
}

fn proxy(at: SocketAddr, clusters: &[Value], mut filters: Vec<Value>) -> Value {
    filters.push(json!({
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }));
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "provider", "timeout": "0s"}}],
        }]},
        "http_filters": filters,
    });
    json!({"static_resources": {
        "listeners": [{
            "name": "bench",
            "address": socket(at),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }]}],
        }],
        "clusters": clusters,
    }})
}

fn cluster(name: &str, address: &Value) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    })
}

fn socket(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}
