//! A line of Envoy's log of requests in a file, as the entry that the stream would have brought.

use std::str::FromStr;

use dragoman_proto::spool::Line;
use dragoman_proto::{Admission, names};
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

/// Reads a line: the request's id, and the entry. `None` when it does not read.
pub(super) fn read(line: &[u8]) -> Option<(String, HttpAccessLogEntry)> {
    let line = Line::read(line)?;
    let admission = Admission::decode(line.admission.as_bytes()).ok()?;
    let report = line.report.map(any);
    let report = report.map(|any| (names::REPORT_FILTER_STATE.to_owned(), any));
    let common = AccessLogCommon {
        metadata: Some(metadata(line.admission.to_owned())),
        filter_state_objects: report.into_iter().collect(),
        response_flags: line.flags.map(flags),
        start_time: number(line.started_ms).map(time),
        duration: number(line.duration_ms).map(millis),
        time_to_first_downstream_tx_byte: number(line.first_byte_ms).map(millis),
        upstream_cluster: line.cluster.unwrap_or_default().to_owned(),
        upstream_request_attempt_count: number(line.attempts).unwrap_or(0),
        ..AccessLogCommon::default()
    };
    let entry = HttpAccessLogEntry {
        common_properties: Some(common),
        request: Some(HttpRequestProperties {
            request_body_bytes: number(line.received).unwrap_or(0),
            ..HttpRequestProperties::default()
        }),
        response: Some(HttpResponseProperties {
            response_code: number(line.status).map(|value| UInt32Value { value }),
            response_body_bytes: number(line.sent).unwrap_or(0),
            ..HttpResponseProperties::default()
        }),
        ..HttpAccessLogEntry::default()
    };
    Some((admission.request_id, entry))
}

fn metadata(admission: String) -> Metadata {
    let value = Value {
        kind: Some(Kind::StringValue(admission)),
    };
    let fields = Struct {
        fields: [(Admission::FIELD.to_owned(), value)].into(),
    };
    Metadata {
        filter_metadata: [(names::ADMISSION_NAMESPACE.to_owned(), fields)].into(),
        ..Metadata::default()
    }
}

fn number<N: FromStr>(text: Option<&str>) -> Option<N> {
    text?.parse().ok()
}

fn any(report: &str) -> Any {
    let value = report.as_bytes().to_vec();
    Any {
        value: BytesValue { value }.encode_to_vec(),
        ..Any::default()
    }
}

fn time(ms: u64) -> Timestamp {
    let Duration { seconds, nanos } = millis(ms);
    Timestamp { seconds, nanos }
}

fn millis(ms: u64) -> Duration {
    Duration {
        seconds: i64::try_from(ms / 1_000).unwrap_or(i64::MAX),
        nanos: i32::try_from(ms % 1_000 * 1_000_000).unwrap_or(0),
    }
}

/// Envoy's short names of the flags that settlement knows.
fn flags(short: &str) -> ResponseFlags {
    let mut flags = ResponseFlags::default();
    for flag in short.split(',') {
        match flag {
            "DC" => flags.downstream_connection_termination = true,
            "DR" => flags.downstream_remote_reset = true,
            "DPE" => flags.downstream_protocol_error = true,
            "UT" => flags.upstream_request_timeout = true,
            "SI" => flags.stream_idle_timeout = true,
            "UMSDR" => flags.upstream_max_stream_duration_reached = true,
            "DT" => flags.duration_timeout = true,
            "DF" => flags.dns_resolution_failure = true,
            "UF" => flags.upstream_connection_failure = true,
            "UPE" => flags.upstream_protocol_error = true,
            "UC" => flags.upstream_connection_termination = true,
            "UR" => flags.upstream_remote_reset = true,
            "NC" => flags.no_cluster_found = true,
            "NR" => flags.no_route_found = true,
            "UH" => flags.no_healthy_upstream = true,
            "UO" => flags.upstream_overflow = true,
            "OM" => flags.overload_manager = true,
            _ => {}
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use dragoman_proto::Outcome;

    use super::*;
    use crate::settlement::fixture::{STARTED_MS, admission, report};
    use crate::settlement::{Failure, RequestEntry};

    #[test]
    fn a_line_is_the_entry_that_the_stream_brings() {
        let (admission, report) = (admission(true), report(Outcome::Complete));
        let line = format!(
            "200\tUC,DC\t{STARTED_MS}\t900\t40\t{}\t1\t10\t20\t{}\t{}\n",
            dragoman_envoy::cluster_name("d1"),
            report.to_text(),
            admission.encode(),
        );
        let (id, entry) = read(line.as_bytes()).unwrap();
        assert_eq!(id, admission.request_id);
        let expected = RequestEntry {
            is_under_way: false,
            admission,
            report: Some(report),
            status: Some(200),
            failure: Some(Failure::ClientLeft),
            started_ms: STARTED_MS,
            duration_ms: 900,
            first_byte_ms: Some(40),
            deployment: Some("d1".to_owned()),
            attempts: 1,
            request_bytes: 10,
            response_bytes: 20,
        };
        assert_eq!(RequestEntry::read(&entry), Ok(Some(expected)));
    }

    #[test]
    fn what_envoy_does_not_know_is_left_out() {
        let line = format!("{}{}", "-\t".repeat(10), admission(false).encode());
        let (_, entry) = read(line.as_bytes()).unwrap();
        let entry = RequestEntry::read(&entry).unwrap().unwrap();
        assert_eq!((entry.status, entry.report), (None, None));
    }

    #[test]
    fn what_is_no_line_is_nothing() {
        for line in ["", "{}", "\0\0", "-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t{}"] {
            assert!(read(line.as_bytes()).is_none(), "{line:?}");
        }
    }
}
