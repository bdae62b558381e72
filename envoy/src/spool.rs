//! The log of requests in a file, beside the one over gRPC: what was on its way when the service or
//! Envoy died is there to be read.

use std::path::Path;

use dragoman_proto::spool::format;
use dragoman_proto::{Admission, names};
use envoy_types::pb::envoy::config::accesslog::v3::access_log_filter::FilterSpecifier;
use envoy_types::pb::envoy::config::accesslog::v3::{
    AccessLog, AccessLogFilter, AndFilter, LogTypeFilter, MetadataFilter, access_log,
};
use envoy_types::pb::envoy::config::core::v3::{
    DataSource, SubstitutionFormatString, data_source, substitution_format_string,
};
use envoy_types::pb::envoy::data::accesslog::v3::AccessLogType;
use envoy_types::pb::envoy::extensions::access_loggers::file::v3::{
    FileAccessLog, file_access_log,
};
use envoy_types::pb::envoy::r#type::matcher::v3::{
    MetadataMatcher, ValueMatcher, metadata_matcher, value_matcher,
};
use envoy_types::pb::google::protobuf::BoolValue;
use envoy_types::util::pack_any;

/// The log of admitted requests in `file`, one per line.
pub(crate) fn spool(file: &Path) -> AccessLog {
    let format = SubstitutionFormatString {
        format: Some(substitution_format_string::Format::TextFormatSource(
            DataSource {
                specifier: Some(data_source::Specifier::InlineString(format())),
                ..DataSource::default()
            },
        )),
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
