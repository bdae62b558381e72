//! Envoy's own replies, in the error contract: the status that fits, OpenAI's shape or Anthropic's.

use dragoman_proto::{Admission, ApiError, ClientDialect, ErrorKind, names};
use envoy_types::pb::envoy::config::accesslog::v3::access_log_filter::FilterSpecifier;
use envoy_types::pb::envoy::config::accesslog::v3::comparison_filter::Op;
use envoy_types::pb::envoy::config::accesslog::v3::{
    AccessLogFilter, AndFilter, ComparisonFilter, ExtensionFilter, HeaderFilter, MetadataFilter,
    OrFilter, ResponseFlagFilter, StatusCodeFilter, extension_filter,
};
use envoy_types::pb::envoy::config::core::v3::data_source::Specifier;
use envoy_types::pb::envoy::config::core::v3::substitution_format_string::Format;
use envoy_types::pb::envoy::config::core::v3::{
    DataSource, HeaderValueOption, RuntimeUInt32, SubstitutionFormatString,
};
use envoy_types::pb::envoy::config::route::v3::{
    HeaderMatcher, header_matcher::HeaderMatchSpecifier,
};
use envoy_types::pb::envoy::extensions::access_loggers::filters::cel::v3::ExpressionFilter;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    LocalReplyConfig, ResponseMapper,
};
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::envoy::r#type::matcher::v3::value_matcher;
use envoy_types::pb::envoy::r#type::matcher::v3::{
    MetadataMatcher, RegexMatcher, StringMatcher, ValueMatcher, metadata_matcher,
};
use envoy_types::pb::google::protobuf::{BoolValue, UInt32Value};
use envoy_types::util::pack_any;

use crate::route::response_header;

/// Which of Envoy's replies a mapping is for.
enum Cause {
    /// Any of these response flags.
    Flags(&'static [&'static str]),
    /// Response code details that begin with any of these.
    Details(&'static [&'static str]),
    /// This status.
    Status(u32),
}

/// First match wins. Replies of our own filter and service match none of these, or say the same. (So
/// `URX` is not here: a provider's error that came without a body is the filter's reply after the
/// last retry.)
const MAPPINGS: &[(Cause, ErrorKind, &str)] = &[
    (
        Cause::Details(&["ext_proc"]),
        ErrorKind::Unavailable,
        "the gateway's service (dragoman) cannot be reached by its Envoy; try again",
    ),
    (
        Cause::Details(&["wasm"]),
        ErrorKind::Internal,
        "the gateway's filter failed on this request",
    ),
    (
        Cause::Flags(&["UT", "UMSDR"]),
        ErrorKind::Timeout,
        "the provider did not answer in time",
    ),
    (
        Cause::Flags(&["UH", "NR", "NC"]),
        ErrorKind::Unavailable,
        "no provider for this request can be reached",
    ),
    (
        Cause::Flags(&["UPE"]),
        ErrorKind::BadGateway,
        "the provider's answer broke off, or is not valid HTTP",
    ),
    (
        Cause::Flags(&["UF", "UC", "UR", "LR", "UO", "OM"]),
        ErrorKind::Unavailable,
        "the provider cannot be reached, or closed the connection before it answered",
    ),
    (
        Cause::Flags(&["SI"]),
        ErrorKind::Timeout,
        "the stream was idle for too long",
    ),
    (
        Cause::Flags(&["DPE"]),
        ErrorKind::InvalidRequest,
        "the request is not valid HTTP",
    ),
    (
        Cause::Details(&[
            "http1.headers_too_large",
            "http1.too_many_headers",
            "http2.too_many_headers",
            // the headers that admission adds were too many for Envoy's limit
            "header_mutation_result_exceeds_limit",
        ]),
        ErrorKind::HeadersTooLarge,
        "the request's headers are too many or too long",
    ),
    (
        Cause::Details(&["upgrade_failed"]),
        ErrorKind::InvalidRequest,
        "connections are not upgraded here: no WebSocket is served",
    ),
    (
        Cause::Details(&[
            "http1.",
            "http2.",
            "missing_host",
            "missing_path",
            "path_normalization_failed",
        ]),
        ErrorKind::InvalidRequest,
        "the request is not valid HTTP",
    ),
    (
        Cause::Status(413),
        ErrorKind::TooLarge,
        "the request body is larger than this gateway accepts",
    ),
    (
        Cause::Status(408),
        ErrorKind::RequestTimeout,
        "the request did not arrive in time",
    ),
];

/// The mappings of the connection manager.
pub(crate) fn local_replies() -> LocalReplyConfig {
    let mappers = MAPPINGS.iter().flat_map(|(cause, kind, message)| {
        let error = ApiError::new(*kind, *message);
        [
            mapper(
                and(filter(cause), anthropic_client()),
                &error,
                ClientDialect::Anthropic,
            ),
            mapper(filter(cause), &error, ClientDialect::OpenAi),
        ]
    });
    LocalReplyConfig {
        mappers: mappers.collect(),
        ..LocalReplyConfig::default()
    }
}

fn mapper(filter: AccessLogFilter, error: &ApiError, dialect: ClientDialect) -> ResponseMapper {
    let body = String::from_utf8(error.body(dialect)).unwrap_or_default();
    ResponseMapper {
        filter: Some(filter),
        headers_to_add: added_headers(),
        status_code: Some(UInt32Value {
            value: error.status().into(),
        }),
        body_format_override: Some(SubstitutionFormatString {
            content_type: "application/json".to_owned(),
            format: Some(Format::TextFormatSource(DataSource {
                specifier: Some(Specifier::InlineString(body)),
                ..DataSource::default()
            })),
            ..SubstitutionFormatString::default()
        }),
        ..ResponseMapper::default()
    }
}

/// The request's id, which the upstream filter sets on a provider's answer; and leave for pages of any
/// origin to read the error, which routes give where a request has come as far as to one.
fn added_headers() -> Vec<HeaderValueOption> {
    let (namespace, field) = (names::ADMISSION_NAMESPACE, Admission::REQUEST_ID_FIELD);
    let id = format!("%DYNAMIC_METADATA({namespace}:{field})%");
    vec![
        response_header(names::REQUEST_ID, &id),
        response_header(names::CALL_ID, &id),
        response_header(names::ALLOW_ORIGIN, names::ANY_ORIGIN),
    ]
}

fn filter(cause: &Cause) -> AccessLogFilter {
    specifier(match cause {
        Cause::Flags(flags) => FilterSpecifier::ResponseFlagFilter(ResponseFlagFilter {
            flags: flags.iter().map(ToString::to_string).collect(),
        }),
        Cause::Details(prefixes) => FilterSpecifier::ExtensionFilter(ExtensionFilter {
            name: "envoy.access_loggers.extension_filters.cel".to_owned(),
            config_type: Some(extension_filter::ConfigType::TypedConfig(pack_any(
                ExpressionFilter {
                    expression: begins_with_any("response.code_details", prefixes),
                    ..ExpressionFilter::default()
                },
            ))),
        }),
        Cause::Status(status) => FilterSpecifier::StatusCodeFilter(StatusCodeFilter {
            comparison: Some(ComparisonFilter {
                op: Op::Eq.into(),
                value: Some(RuntimeUInt32 {
                    default_value: *status,
                    runtime_key: "dragoman.unused".to_owned(),
                }),
            }),
        }),
    })
}

/// An expression in CEL.
fn begins_with_any(value: &str, prefixes: &[&str]) -> String {
    let begins = |prefix: &&str| format!("{value}.startsWith('{prefix}')");
    let each: Vec<_> = prefixes.iter().map(begins).collect();
    each.join(" || ")
}

/// The client speaks Anthropic's API: by its path until the request is admitted, by the admission
/// from then on, because the upstream filter rewrites the path to the provider's.
fn anthropic_client() -> AccessLogFilter {
    let path = specifier(FilterSpecifier::HeaderFilter(HeaderFilter {
        header: Some(HeaderMatcher {
            name: ":path".to_owned(),
            header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(StringMatcher {
                match_pattern: Some(MatchPattern::SafeRegex(RegexMatcher {
                    regex: ".*/messages(/count_tokens)?/?(\\?.*)?".to_owned(),
                    ..RegexMatcher::default()
                })),
                ..StringMatcher::default()
            })),
            ..HeaderMatcher::default()
        }),
    }));
    // no request id is empty, so this is true exactly where there is none
    let not_admitted = admission(Admission::REQUEST_ID_FIELD, "", true);
    let admitted = admission(Admission::CLIENT_FIELD, Admission::ANTHROPIC, false);
    specifier(FilterSpecifier::OrFilter(OrFilter {
        filters: vec![and(path, not_admitted), admitted],
    }))
}

/// Whether the admission's `field` is `value`; `otherwise` when there is no such field.
fn admission(field: &str, value: &str, otherwise: bool) -> AccessLogFilter {
    specifier(FilterSpecifier::MetadataFilter(MetadataFilter {
        matcher: Some(MetadataMatcher {
            filter: names::ADMISSION_NAMESPACE.to_owned(),
            path: vec![metadata_matcher::PathSegment {
                segment: Some(metadata_matcher::path_segment::Segment::Key(
                    field.to_owned(),
                )),
            }],
            value: Some(ValueMatcher {
                match_pattern: Some(value_matcher::MatchPattern::StringMatch(StringMatcher {
                    match_pattern: Some(MatchPattern::Exact(value.to_owned())),
                    ..StringMatcher::default()
                })),
            }),
            invert: false,
        }),
        match_if_key_not_found: Some(BoolValue { value: otherwise }),
    }))
}

fn and(one: AccessLogFilter, other: AccessLogFilter) -> AccessLogFilter {
    specifier(FilterSpecifier::AndFilter(AndFilter {
        filters: vec![one, other],
    }))
}

fn specifier(specifier: FilterSpecifier) -> AccessLogFilter {
    AccessLogFilter {
        filter_specifier: Some(specifier),
    }
}
