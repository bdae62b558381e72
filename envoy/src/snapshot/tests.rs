//! What the resources hold, and what they must not.

use std::net::SocketAddr;
use std::time::Duration;

use dragoman_proto::{Dialect, Quirks, UpstreamConfig};
use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::cluster::v3::cluster::ClusterDiscoveryType;
use envoy_types::pb::envoy::config::core::v3::transport_socket;
use envoy_types::pb::envoy::config::route::v3::{RouteConfiguration, route::Action};
use envoy_types::pb::envoy::extensions::clusters::aggregate::v3::ClusterConfig;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;

use super::*;
use crate::{
    Address, Credential, Endpoint, FilterModule, Listeners, Services, Signing, SigningKeys,
    Upstream,
};

const KEY: &str = "Bearer sk-of-the-provider";

fn upstream(deployment: &str, tls: bool, host: &str) -> Upstream {
    Upstream {
        config: UpstreamConfig {
            deployment: deployment.into(),
            provider: "openai".into(),
            dialect: Dialect::OpenAi,
            model: "gpt".into(),
            authority: host.into(),
            base_path: "/v1".into(),
            api_version: None,
            defaults: serde_json::Map::new(),
            drop_params: false,
            quirks: Quirks::default(),
        },
        endpoint: Endpoint {
            tls,
            host: host.into(),
            port: 443,
        },
        credential: Some(Credential {
            header: "authorization".into(),
            value: KEY.into(),
        }),
        signing: None,
        timeout: None,
    }
}

fn topology(upstreams: Vec<Upstream>) -> Topology {
    Topology {
        listeners: Listeners {
            http: Some(SocketAddr::from(([127, 0, 0, 1], 4000))),
            https: None,
        },
        services: Services {
            grpc: Address::Unix("/run/grpc.sock".into()),
            http: Address::Unix("/run/api.sock".into()),
        },
        filter: FilterModule {
            file: "/run/dragoman.wasm".into(),
        },
        upstreams,
        root_path: String::new(),
        max_body_bytes: 32 << 20,
        idle_timeout: Duration::from_secs(630),
        spool: None,
        ca_file: "/etc/ssl/certs/ca-certificates.crt".into(),
    }
}

fn contains(resource: &Resource, text: &str) -> bool {
    let bytes = &resource.body.value;
    bytes
        .windows(text.len())
        .any(|window| window == text.as_bytes())
}

fn cluster(snapshot: &Snapshot, name: &str) -> Cluster {
    let found = snapshot
        .resources(ResourceType::Cluster)
        .iter()
        .find(|r| r.name == name);
    Cluster::decode(found.expect("the cluster is there").body.value.as_slice()).unwrap()
}

#[test]
fn a_provider_s_key_is_in_secrets_alone() {
    let snapshot = Snapshot::build(&topology(vec![upstream("a", true, "api.test")]));
    for kind in ResourceType::ALL {
        let with_key = snapshot
            .resources(kind)
            .iter()
            .any(|r| contains(r, "sk-of-the-provider"));
        assert_eq!(with_key, kind == ResourceType::Secret, "{kind:?}");
    }
}

#[test]
fn requests_to_aws_are_signed_by_the_last_filter_before_the_provider() {
    let signed = Upstream {
        credential: None,
        signing: Some(Signing {
            service: "bedrock",
            region: "eu-west-1".into(),
            keys: Some(SigningKeys {
                access_key_id: "AKIA".into(),
                secret_access_key: "the-secret".into(),
                session_token: String::new(),
            }),
        }),
        ..upstream("a", true, "api.test")
    };
    assert!(!format!("{signed:?}").contains("the-secret"));
    let snapshot = Snapshot::build(&topology(vec![signed]));
    let cluster = cluster(&snapshot, "dragoman/a");
    let options = cluster
        .typed_extension_protocol_options
        .values()
        .next()
        .unwrap();
    let options = HttpProtocolOptions::decode(options.value.as_slice()).unwrap();
    let names: Vec<_> = options
        .http_filters
        .iter()
        .map(|filter| &*filter.name)
        .collect();
    assert_eq!(
        names,
        [
            "envoy.filters.http.wasm",
            "envoy.filters.http.aws_request_signing",
            "envoy.filters.http.upstream_codec"
        ]
    );
}

#[test]
fn equal_topologies_have_equal_versions_and_a_changed_key_changes_secrets_alone() {
    let one = topology(vec![upstream("a", true, "api.test")]);
    let mut other = one.clone();
    other.upstreams[0].credential.as_mut().unwrap().value = "Bearer sk-new".into();
    let (one, again, other) = (
        Snapshot::build(&one),
        Snapshot::build(&one),
        Snapshot::build(&other),
    );
    for kind in ResourceType::ALL {
        assert_eq!(one.version(kind), again.version(kind));
        let changed = one.version(kind) != other.version(kind);
        assert_eq!(changed, kind == ResourceType::Secret, "{kind:?}");
    }
}

#[test]
fn only_a_tls_provider_has_a_transport_socket_that_verifies_its_name() {
    let upstreams = vec![
        upstream("a", true, "api.test"),
        upstream("b", false, "127.0.0.1"),
    ];
    let snapshot = Snapshot::build(&topology(upstreams));
    let tls = cluster(&snapshot, "dragoman/a/dns")
        .transport_socket
        .unwrap();
    let transport_socket::ConfigType::TypedConfig(any) = tls.config_type.unwrap();
    let text = String::from_utf8_lossy(&any.value).into_owned();
    assert!(text.contains("api.test") && text.contains("ca-certificates.crt"));
    assert_eq!(cluster(&snapshot, "dragoman/b").transport_socket, None);
}

#[test]
fn behind_a_provider_with_a_name_stands_a_cluster_that_refuses() {
    let by_address = upstream("b", false, "127.0.0.1");
    let snapshot = Snapshot::build(&topology(vec![upstream("a", true, "api.test"), by_address]));
    let aggregate = |name: &str| match cluster(&snapshot, name).cluster_discovery_type {
        Some(ClusterDiscoveryType::ClusterType(custom)) => {
            let any = custom.typed_config.unwrap();
            ClusterConfig::decode(any.value.as_slice())
                .unwrap()
                .clusters
        }
        _ => Vec::new(),
    };
    assert_eq!(
        aggregate("dragoman/a"),
        ["dragoman/a/dns", "dragoman.refusing"]
    );
    assert!(aggregate("dragoman/b").is_empty());
    for name in aggregate("dragoman/a") {
        cluster(&snapshot, &name);
    }
}

#[test]
fn no_limit_of_envoy_s_own_is_below_what_a_gateway_sees() {
    let snapshot = Snapshot::build(&topology(vec![upstream("a", true, "api.test")]));
    let breakers = cluster(&snapshot, "dragoman/a").circuit_breakers.unwrap();
    let threshold = &breakers.thresholds[0];
    for limit in [
        &threshold.max_connections,
        &threshold.max_pending_requests,
        &threshold.max_requests,
        &threshold.max_retries,
    ] {
        assert!(limit.as_ref().unwrap().value >= 100_000);
    }
}

#[test]
fn every_route_to_a_provider_picks_its_cluster_again_on_a_retry() {
    let snapshot = Snapshot::build(&topology(Vec::new()));
    let routes = &snapshot.resources(ResourceType::Route)[0];
    let routes = RouteConfiguration::decode(routes.body.value.as_slice()).unwrap();
    let mut providers = 0;
    for route in &routes.virtual_hosts[0].routes {
        let Some(Action::Route(action)) = &route.action else {
            panic!("{}", route.name)
        };
        if let Some(retry) = &action.retry_policy {
            providers += 1;
            assert!(retry.refresh_cluster_on_retry, "{}", route.name);
        }
    }
    assert_eq!(providers, 2);
}

#[test]
fn a_deployment_with_a_timeout_of_its_own_has_a_cluster_that_bounds_an_attempt() {
    let timed = Upstream {
        timeout: Some(Duration::from_secs(5)),
        ..upstream("a", true, "api.test")
    };
    let snapshot = Snapshot::build(&topology(vec![timed, upstream("b", true, "api.test")]));
    let names = snapshot
        .resources(ResourceType::Cluster)
        .iter()
        .map(|r| r.name.as_str());
    let names: Vec<_> = names.filter(|name| name.starts_with("dragoman/")).collect();
    let addressed = names.iter().filter(|name| !name.ends_with("/dns"));
    let addressed: Vec<_> = addressed.copied().collect();
    assert_eq!(addressed, ["dragoman/a", "dragoman/a/timed", "dragoman/b"]);
    for name in names {
        let deployment = crate::deployment_of(name).unwrap();
        assert!(["a", "b"].contains(&deployment), "{deployment}");
    }
}
