//! Log entries as Envoy sends them, for tests.

use std::collections::HashMap;

use dragoman_policy::NanoDollars;
use dragoman_proto::{Admission, AttemptReport, Operation, Outcome, Usage, UsageSource, names};
use envoy_types::pb::envoy::config::core::v3::Metadata;
use envoy_types::pb::envoy::data::accesslog::v3::{
    AccessLogCommon, HttpAccessLogEntry, HttpRequestProperties, HttpResponseProperties,
    ResponseFlags,
};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{
    Any, BytesValue, Duration, Struct, Timestamp, UInt32Value, Value,
};
use prost::Message;

use super::{Destination, Pricing};
use crate::ledger::Target;

pub(super) const STARTED_MS: u64 = 1_763_600_000_250;

pub(super) fn admission(stream: bool) -> Admission {
    Admission {
        request_id: "req-1".into(),
        admitted_ms: STARTED_MS + 1,
        alias: "smart".into(),
        operation: Operation::ChatCompletions,
        stream,
        output_cap: None,
        output_caps: Vec::new(),
        prompt_tokens: 17,
        key_id: "master".into(),
        team_id: None,
        user_id: Some("user-1".into()),
        end_user: None,
        tags: vec!["blue".into()],
        reserved: false,
        captured: Vec::new(),
        fallbacks: Vec::new(),
        headers: Vec::new(),
    }
}

/// The entry of an admitted request, of one attempt at `d1`, that took 900 ms and ended with 200.
pub(super) fn entry(admission: &Admission) -> HttpAccessLogEntry {
    let field = Value {
        kind: Some(Kind::StringValue(admission.encode())),
    };
    let fields = Struct {
        fields: HashMap::from([(Admission::FIELD.to_owned(), field)]),
    };
    let metadata = Metadata {
        filter_metadata: HashMap::from([(names::ADMISSION_NAMESPACE.to_owned(), fields)]),
        ..Metadata::default()
    };
    let mut entry = unadmitted(200);
    let common = common(&mut entry);
    common.metadata = Some(metadata);
    common.upstream_cluster = dragoman_envoy::cluster_name("d1");
    common.upstream_request_attempt_count = 1;
    entry
}

/// The entry of a request that Envoy answered itself.
pub(super) fn unadmitted(status: u32) -> HttpAccessLogEntry {
    HttpAccessLogEntry {
        common_properties: Some(AccessLogCommon {
            start_time: Some(Timestamp {
                seconds: 1_763_600_000,
                nanos: 250_000_000,
            }),
            duration: Some(millis(900)),
            time_to_first_downstream_tx_byte: Some(millis(400)),
            ..AccessLogCommon::default()
        }),
        request: Some(HttpRequestProperties {
            request_body_bytes: 220,
            ..HttpRequestProperties::default()
        }),
        response: Some(HttpResponseProperties {
            response_code: Some(UInt32Value { value: status }),
            response_body_bytes: 4_096,
            ..HttpResponseProperties::default()
        }),
        ..HttpAccessLogEntry::default()
    }
}

pub(super) fn common(entry: &mut HttpAccessLogEntry) -> &mut AccessLogCommon {
    entry.common_properties.get_or_insert_default()
}

pub(super) fn with_report(
    mut entry: HttpAccessLogEntry,
    report: &AttemptReport,
) -> HttpAccessLogEntry {
    let bytes = BytesValue {
        value: report.to_text().into_bytes(),
    };
    let any = Any {
        type_url: "type.googleapis.com/google.protobuf.BytesValue".into(),
        value: bytes.encode_to_vec(),
    };
    common(&mut entry)
        .filter_state_objects
        .insert(names::REPORT_FILTER_STATE.to_owned(), any);
    entry
}

pub(super) fn with_flags(
    mut entry: HttpAccessLogEntry,
    flags: ResponseFlags,
) -> HttpAccessLogEntry {
    common(&mut entry).response_flags = Some(flags);
    entry
}

pub(super) fn client_left() -> ResponseFlags {
    ResponseFlags {
        downstream_connection_termination: true,
        ..ResponseFlags::default()
    }
}

/// The report of the first attempt, at `d1`, 100 ms after the request's start.
pub(super) fn report(outcome: Outcome) -> AttemptReport {
    AttemptReport {
        attempt: 1,
        deployment: "d1".into(),
        outcome: outcome.into(),
        started_ms: STARTED_MS + 100,
        ..AttemptReport::default()
    }
}

pub(super) fn with_usage(report: AttemptReport, input: u64, output: u64) -> AttemptReport {
    AttemptReport {
        usage: Some(Usage {
            input_tokens: input,
            output_tokens: output,
            ..Usage::default()
        }),
        usage_source: UsageSource::Provider.into(),
        provider_status: 200,
        first_token_ms: 300,
        ..report
    }
}

pub(super) fn millis(millis: u32) -> Duration {
    Duration {
        seconds: i64::from(millis / 1_000),
        nanos: i32::try_from(millis % 1_000).unwrap() * 1_000_000,
    }
}

/// One nano-dollar per input token and ten per output token; `unpriced` has no price.
pub(super) struct Prices;

impl Pricing for Prices {
    fn cost(&self, to: Destination<'_>, usage: &Usage) -> Option<(NanoDollars, String)> {
        let cost = NanoDollars::new(usage.input_tokens + 10 * usage.output_tokens);
        (to.deployment != "unpriced").then(|| (cost, "v1".to_owned()))
    }

    fn target(&self, to: Destination<'_>) -> Target {
        Target {
            deployment: Some(to.deployment.to_owned()),
            provider: Some("openai".into()),
            model: Some(format!("{}-model{}", to.deployment, to.captured)),
        }
    }
}
