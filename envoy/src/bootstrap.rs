//! The static configuration that Envoy starts with: who it is, and where the service is. All the
//! rest comes over ADS.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::{Address, SERVICE_GRPC_CLUSTER, SERVICE_HTTP_CLUSTER, Services};

/// The bootstrap for an Envoy beside a service at `services`; `admin` is Envoy's own admin
/// interface, if any.
pub fn bootstrap(services: &Services, admin: Option<SocketAddr>) -> Value {
    let mut bootstrap = json!({
        "node": { "id": "dragoman-envoy", "cluster": "dragoman" },
        "dynamic_resources": {
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": true,
                "grpc_services": [{ "envoy_grpc": { "cluster_name": SERVICE_GRPC_CLUSTER } }],
            },
            "cds_config": { "ads": {}, "resource_api_version": "V3" },
            "lds_config": { "ads": {}, "resource_api_version": "V3" },
        },
        "static_resources": {
            "clusters": [
                cluster(SERVICE_GRPC_CLUSTER, &services.grpc, "http2_protocol_options"),
                cluster(SERVICE_HTTP_CLUSTER, &services.http, "http_protocol_options"),
            ],
        },
    });
    if let (Some(at), Some(object)) = (admin, bootstrap.as_object_mut()) {
        let address = json!({
            "socket_address": { "address": at.ip().to_string(), "port_value": at.port() },
        });
        object.insert("admin".to_owned(), json!({ "address": address }));
    }
    bootstrap
}

fn cluster(name: &str, address: &Address, protocol: &str) -> Value {
    let (kind, address) = match address {
        Address::Unix(path) => (
            "STATIC",
            json!({ "pipe": { "path": path.to_string_lossy() } }),
        ),
        Address::Tcp(host, port) => {
            let kind = if host.parse::<std::net::IpAddr>().is_ok() {
                "STATIC"
            } else {
                "STRICT_DNS"
            };
            (
                kind,
                json!({ "socket_address": { "address": host, "port_value": port } }),
            )
        }
    };
    json!({
        "name": name,
        "type": kind,
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{ "lb_endpoints": [{ "endpoint": { "address": address } }] }],
        },
        "circuit_breakers": {
            "thresholds": [{
                "max_connections": 1_000_000,
                "max_pending_requests": 1_000_000,
                "max_requests": 1_000_000,
                "max_retries": 1_000_000,
            }],
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": { protocol: {} },
            },
        },
    })
}
