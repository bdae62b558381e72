//! Small constructors that Envoy's message types want again and again.

use std::time::Duration;

use dragoman_proto::names;
use envoy_types::pb::envoy::config::core::v3::config_source::ConfigSourceSpecifier;
use envoy_types::pb::envoy::config::core::v3::{
    AggregatedConfigSource, ApiVersion, ConfigSource, GrpcService, TypedExtensionConfig,
    grpc_service,
};
use envoy_types::pb::google::protobuf;
use envoy_types::util::pack_any;
use prost::Name;

use crate::SERVICE_GRPC_CLUSTER;

/// `message` as a named extension.
pub(crate) fn extension(name: &str, message: impl Name) -> TypedExtensionConfig {
    TypedExtensionConfig {
        name: name.to_owned(),
        typed_config: Some(pack_any(message)),
    }
}

pub(crate) fn duration(duration: Duration) -> protobuf::Duration {
    protobuf::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or(0),
    }
}

/// "Over ADS", for whatever refers to another resource.
pub(crate) fn ads() -> ConfigSource {
    ConfigSource {
        resource_api_version: ApiVersion::V3.into(),
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    }
}

/// The service's gRPC.
pub(crate) fn service_grpc() -> GrpcService {
    GrpcService {
        target_specifier: Some(grpc_service::TargetSpecifier::EnvoyGrpc(
            grpc_service::EnvoyGrpc {
                cluster_name: SERVICE_GRPC_CLUSTER.to_owned(),
                ..grpc_service::EnvoyGrpc::default()
            },
        )),
        ..GrpcService::default()
    }
}

/// The gRPC access log `name`, carrying metadata and the attempt's report to the service.
pub(crate) fn access_log(name: &str) -> envoy_types::pb::envoy::config::accesslog::v3::AccessLog {
    use envoy_types::pb::envoy::config::accesslog::v3::{AccessLog, access_log};
    use envoy_types::pb::envoy::extensions::access_loggers::grpc::v3::{
        CommonGrpcAccessLogConfig, HttpGrpcAccessLogConfig,
    };
    let config = HttpGrpcAccessLogConfig {
        common_config: Some(CommonGrpcAccessLogConfig {
            log_name: name.to_owned(),
            grpc_service: Some(service_grpc()),
            transport_api_version: ApiVersion::V3.into(),
            // What Envoy holds back is lost when it is killed. Entries share a connection with
            // admission, so that sending each at once costs less than a log that is flushed for it.
            buffer_size_bytes: Some(protobuf::UInt32Value { value: 0 }),
            buffer_flush_interval: Some(duration(Duration::from_millis(50))),
            filter_state_objects_to_log: vec![names::REPORT_FILTER_STATE.to_owned()],
            ..CommonGrpcAccessLogConfig::default()
        }),
        ..HttpGrpcAccessLogConfig::default()
    };
    AccessLog {
        name: "envoy.access_loggers.http_grpc".to_owned(),
        config_type: Some(access_log::ConfigType::TypedConfig(pack_any(config))),
        ..AccessLog::default()
    }
}
