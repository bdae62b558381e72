//! The log of requests in a file, beside the one over gRPC: what was on its way when the service or
//! Envoy died is there to be read.

use std::collections::HashMap;
use std::path::Path;

use dragoman_proto::{Admission, names};
use envoy_types::pb::envoy::config::accesslog::v3::access_log_filter::FilterSpecifier;
use envoy_types::pb::envoy::config::accesslog::v3::{
    AccessLog, AccessLogFilter, AndFilter, LogTypeFilter, MetadataFilter, access_log,
};
use envoy_types::pb::envoy::config::core::v3::{
    SubstitutionFormatString, substitution_format_string,
};
use envoy_types::pb::envoy::data::accesslog::v3::AccessLogType;
use envoy_types::pb::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{
    MetadataMatcher, ValueMatcher, metadata_matcher, value_matcher,
};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{BoolValue, Struct, Value};
use envoy_types::util::pack_any;

/// The log of admitted requests in `file`, a JSON object per line, with the fields of
/// [`names::spool`].
pub(crate) fn spool(file: &Path) -> AccessLog {
    let report = format!("%FILTER_STATE({})%", names::REPORT_FILTER_STATE);
    let (namespace, field) = (names::ADMISSION_NAMESPACE, Admission::FIELD);
    let admission = format!("%DYNAMIC_METADATA({namespace}:{field})%");
    let fields = [
        (names::spool::ADMISSION, admission.as_str()),
        (names::spool::REPORT, report.as_str()),
        (names::spool::STATUS, "%RESPONSE_CODE%"),
        (names::spool::FLAGS, "%RESPONSE_FLAGS%"),
        (names::spool::STARTED, "%START_TIME(%s%3f)%"),
        (names::spool::DURATION, "%DURATION%"),
        (
            names::spool::FIRST_BYTE,
            "%COMMON_DURATION(DS_RX_BEG:DS_TX_BEG:ms)%",
        ),
        (names::spool::CLUSTER, "%UPSTREAM_CLUSTER_RAW%"),
        (names::spool::ATTEMPTS, "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
        (names::spool::RECEIVED, "%BYTES_RECEIVED%"),
        (names::spool::SENT, "%BYTES_SENT%"),
    ];
    let fields = fields.map(|(name, format)| (name.to_owned(), text(format)));
    let format = SubstitutionFormatString {
        format: Some(substitution_format_string::Format::JsonFormat(Struct {
            fields: HashMap::from(fields),
        })),
        omit_empty_values: true,
        ..SubstitutionFormatString::default()
    };
    let log = FileAccessLog {
        path: file.to_string_lossy().into_owned(),
        access_log_format: Some(file_access_log::AccessLogFormat::LogFormat(format)),
    };
    AccessLog {
        name: "envoy.access_loggers.file".to_owned(),
        filter: Some(admitted()),
        config_type: Some(access_log::ConfigType::TypedConfig(pack_any(log))),
    }
}

fn text(text: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    }
}

/// The request has an admission, and has ended.
fn admitted() -> AccessLogFilter {
    let ended = AccessLogFilter {
        filter_specifier: Some(FilterSpecifier::LogTypeFilter(LogTypeFilter {
            types: vec![AccessLogType::DownstreamEnd.into()],
            exclude: false,
        })),
    };
    AccessLogFilter {
        filter_specifier: Some(FilterSpecifier::AndFilter(AndFilter {
            filters: vec![has_admission(), ended],
        })),
    }
}

fn has_admission() -> AccessLogFilter {
    let key = metadata_matcher::path_segment::Segment::Key(Admission::FIELD.to_owned());
    let present = value_matcher::MatchPattern::PresentMatch(true);
    AccessLogFilter {
        filter_specifier: Some(FilterSpecifier::MetadataFilter(MetadataFilter {
            matcher: Some(MetadataMatcher {
                filter: names::ADMISSION_NAMESPACE.to_owned(),
                path: vec![metadata_matcher::PathSegment { segment: Some(key) }],
                value: Some(ValueMatcher {
                    match_pattern: Some(present),
                }),
                invert: false,
            }),
            match_if_key_not_found: Some(BoolValue { value: false }),
        })),
    }
}
