//! The HTTP filters, at the edge and in a provider's cluster.

use std::time::Duration;

use dragoman_proto::{EdgeConfig, FilterConfig, names};
use envoy_types::pb::envoy::config::common::mutation_rules::v3::HeaderMutationRules;
use envoy_types::pb::envoy::config::core::v3::{
    AsyncDataSource, DataSource, async_data_source, data_source,
};
use envoy_types::pb::envoy::extensions::filters::http::credential_injector::v3::CredentialInjector;
use envoy_types::pb::envoy::extensions::filters::http::ext_proc::v3::{
    ExternalProcessor, HeaderForwardingRules, MetadataOptions, ProcessingMode,
    metadata_options::MetadataNamespaces,
    processing_mode::{BodySendMode, HeaderSendMode},
};
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::http::upstream_codec::v3::UpstreamCodec;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpFilter, http_filter,
};
use envoy_types::pb::envoy::extensions::http::injected_credentials::generic::v3::Generic;
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::SdsSecretConfig;
use envoy_types::pb::envoy::extensions::wasm::v3::{
    FailurePolicy, PluginConfig, VmConfig, plugin_config,
};
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::envoy::r#type::matcher::v3::{ListStringMatcher, StringMatcher};
use envoy_types::pb::envoy::r#type::v3::{HttpStatus, StatusCode};
use envoy_types::pb::google::protobuf::{BoolValue, StringValue};
use envoy_types::util::pack_any;
use prost::Name;

use crate::{FilterModule, Topology, Upstream, any, secret, signing};

/// Name under which routes turn admission off.
pub(crate) const EXT_PROC: &str = "envoy.filters.http.ext_proc";

/// How long admission may take before the client gets a 503: longer than a request may wait for
/// budgets that are only reserved by others.
const ADMISSION_TIMEOUT: Duration = Duration::from_secs(8);

/// The headers that admission reads: where a key may be, and the facts. The others stay in Envoy.
const READ_BY_ADMISSION: [&str; 6] = [
    names::FACTS,
    "authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "x-litellm-api-key",
];

/// The filters of the connection manager, in order.
pub(crate) fn edge(topology: &Topology) -> Vec<HttpFilter> {
    let config = FilterConfig::Edge(EdgeConfig {
        root_path: topology.root_path.clone(),
        max_body_bytes: topology.max_body_bytes.into(),
    });
    vec![
        wasm(names::EDGE_ROOT_ID, &config, &topology.filter),
        admission(),
        filter(
            "envoy.filters.http.router",
            Router {
                suppress_envoy_headers: true,
                ..Router::default()
            },
        ),
    ]
}

/// The filters of a provider's cluster, in order.
pub(crate) fn upstream(upstream: &Upstream, module: &FilterModule) -> Vec<HttpFilter> {
    let config = FilterConfig::Upstream(Box::new(upstream.config.clone()));
    let mut filters = vec![wasm(names::UPSTREAM_ROOT_ID, &config, module)];
    if let Some(credential) = &upstream.credential {
        filters.push(injector(&upstream.config.deployment, &credential.header));
    }
    if let Some(signing) = &upstream.signing {
        filters.push(filter(signing::FILTER, signing::config(signing)));
    }
    filters.push(filter(
        "envoy.filters.http.upstream_codec",
        UpstreamCodec {},
    ));
    filters
}

fn filter(name: &str, config: impl Name) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(http_filter::ConfigType::TypedConfig(pack_any(config))),
        ..HttpFilter::default()
    }
}

fn wasm(root_id: &str, config: &FilterConfig, module: &FilterModule) -> HttpFilter {
    let configuration = serde_json::to_string(config).unwrap_or_default();
    let plugin = PluginConfig {
        name: format!("dragoman.{root_id}"),
        root_id: root_id.to_owned(),
        configuration: Some(pack_any(StringValue {
            value: configuration,
        })),
        failure_policy: FailurePolicy::FailReload.into(),
        // without it, pausing on headers stops the body callbacks for good
        allow_on_headers_stop_iteration: Some(BoolValue { value: true }),
        vm: Some(plugin_config::Vm::VmConfig(VmConfig {
            vm_id: names::VM_ID.to_owned(),
            runtime: "envoy.wasm.runtime.v8".to_owned(),
            code: Some(local(module)),
            ..VmConfig::default()
        })),
        ..PluginConfig::default()
    };
    filter(
        "envoy.filters.http.wasm",
        Wasm {
            config: Some(plugin),
        },
    )
}

fn local(module: &FilterModule) -> AsyncDataSource {
    let file = module.file.to_string_lossy().into_owned();
    AsyncDataSource {
        specifier: Some(async_data_source::Specifier::Local(DataSource {
            specifier: Some(data_source::Specifier::Filename(file)),
            ..DataSource::default()
        })),
    }
}

/// Headers only, one round trip; no service, no request.
fn admission() -> HttpFilter {
    let config = ExternalProcessor {
        grpc_service: Some(any::service_grpc()),
        failure_mode_allow: false,
        processing_mode: Some(ProcessingMode {
            request_header_mode: HeaderSendMode::Send.into(),
            response_header_mode: HeaderSendMode::Skip.into(),
            request_body_mode: BodySendMode::None.into(),
            response_body_mode: BodySendMode::None.into(),
            request_trailer_mode: HeaderSendMode::Skip.into(),
            response_trailer_mode: HeaderSendMode::Skip.into(),
        }),
        message_timeout: Some(any::duration(ADMISSION_TIMEOUT)),
        forward_rules: Some(HeaderForwardingRules {
            allowed_headers: Some(ListStringMatcher {
                patterns: READ_BY_ADMISSION.iter().map(exactly).collect(),
            }),
            ..HeaderForwardingRules::default()
        }),
        // the service steers the router by x-envoy-* headers
        mutation_rules: Some(HeaderMutationRules {
            allow_all_routing: Some(BoolValue { value: true }),
            allow_envoy: Some(BoolValue { value: true }),
            ..HeaderMutationRules::default()
        }),
        metadata_options: Some(MetadataOptions {
            receiving_namespaces: Some(MetadataNamespaces {
                untyped: vec![names::ADMISSION_NAMESPACE.to_owned()],
                typed: vec![names::PLAN_NAMESPACE.to_owned()],
            }),
            ..MetadataOptions::default()
        }),
        status_on_error: Some(HttpStatus {
            code: StatusCode::ServiceUnavailable.into(),
        }),
        ..ExternalProcessor::default()
    };
    filter(EXT_PROC, config)
}

/// Matches `text` and nothing else.
pub(crate) fn exactly(text: &&str) -> StringMatcher {
    StringMatcher {
        match_pattern: Some(MatchPattern::Exact((*text).to_owned())),
        ..StringMatcher::default()
    }
}

fn injector(deployment: &str, header: &str) -> HttpFilter {
    let generic = Generic {
        credential: Some(SdsSecretConfig {
            name: secret::credential_name(deployment),
            sds_config: Some(any::ads()),
        }),
        header: header.to_owned(),
        ..Generic::default()
    };
    filter(
        "envoy.filters.http.credential_injector",
        CredentialInjector {
            overwrite: true,
            credential: Some(any::extension(
                "envoy.http.injected_credentials.generic",
                generic,
            )),
            ..CredentialInjector::default()
        },
    )
}
