//! Envoy's log entries, read into what settlement needs of them.

use dragoman_proto::{Admission, AttemptReport, names};
use envoy_types::pb::envoy::data::accesslog::v3::{
    AccessLogCommon, AccessLogType, HttpAccessLogEntry, ResponseFlags,
};
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Any, BytesValue, Duration, Timestamp};
use prost::Message;

use dragoman_envoy::deployment_of;

/// The end of an admitted request, as the connection manager's log tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestEntry {
    /// What the service admitted.
    pub admission: Admission,
    /// It has not ended yet.
    pub is_under_way: bool,
    /// The last report of the filter, with those of earlier attempts; `None` when no attempt left
    /// one.
    pub report: Option<AttemptReport>,
    /// The HTTP status that the client saw; `None` when it left before.
    pub status: Option<u16>,
    /// What Envoy knows to have gone wrong.
    pub failure: Option<Failure>,
    /// Milliseconds since the epoch; when Envoy had the request's head.
    pub started_ms: u64,
    /// Milliseconds from the start to the end.
    pub duration_ms: u64,
    /// Milliseconds from the start to the first byte that went to the client.
    pub first_byte_ms: Option<u64>,
    /// The deployment of the last attempt.
    pub deployment: Option<String>,
    /// How many attempts the router made.
    pub attempts: u32,
    /// Bytes of the client's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub response_bytes: u64,
}

/// What went wrong below HTTP, from Envoy's response flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The client closed the connection or reset the stream.
    ClientLeft,
    /// No connection to the provider.
    Connect,
    /// The provider's name does not resolve.
    Resolve,
    /// The provider did not answer in time.
    Timeout,
    /// The provider closed or reset the connection.
    Reset,
    /// The provider does not speak HTTP properly.
    Protocol,
    /// No endpoint of the deployment, or too much at once.
    Unavailable,
    /// The deployment is not there: the plan is older than the configuration.
    NoCluster,
}

/// An entry that cannot be read: filter, Envoy or service are not of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The admission does not parse.
    #[error("the admission does not parse")]
    Admission,
    /// The report does not decode.
    #[error("the report does not decode")]
    Report,
}

/// Whether the entry is of a request that goes on.
pub(super) fn is_under_way(entry: &HttpAccessLogEntry) -> bool {
    let common = entry.common_properties.as_ref();
    common.is_some_and(|common| common.access_log_type() == AccessLogType::DownstreamPeriodic)
}

impl RequestEntry {
    /// Reads an entry of the log of requests; `None` for a request that was not admitted.
    pub fn read(entry: &HttpAccessLogEntry) -> Result<Option<Self>, Malformed> {
        let Some(common) = &entry.common_properties else {
            return Ok(None);
        };
        let Some(admission) = admission(common)? else {
            return Ok(None);
        };
        let end = common.duration.or(common.time_to_last_downstream_tx_byte);
        Ok(Some(Self {
            is_under_way: is_under_way(entry),
            report: report(common)?,
            status: status(entry),
            failure: Failure::read(common.response_flags.as_ref()),
            started_ms: since_epoch(common.start_time).unwrap_or(admission.admitted_ms),
            duration_ms: millis(end).unwrap_or(0),
            first_byte_ms: millis(common.time_to_first_downstream_tx_byte),
            deployment: deployment_of(&common.upstream_cluster).map(str::to_owned),
            attempts: common.upstream_request_attempt_count,
            request_bytes: entry.request.as_ref().map_or(0, |r| r.request_body_bytes),
            response_bytes: entry.response.as_ref().map_or(0, |r| r.response_body_bytes),
            admission,
        }))
    }
}

impl Failure {
    /// The failure that explains the most, of all that are flagged: a client that left comes first,
    /// because the resets that follow are its doing.
    fn read(flags: Option<&ResponseFlags>) -> Option<Self> {
        let flags = flags?;
        let ranked = [
            (
                flags.downstream_connection_termination
                    || flags.downstream_remote_reset
                    || flags.downstream_protocol_error,
                Self::ClientLeft,
            ),
            (
                flags.upstream_request_timeout
                    || flags.stream_idle_timeout
                    || flags.upstream_max_stream_duration_reached
                    || flags.duration_timeout,
                Self::Timeout,
            ),
            (flags.dns_resolution_failure, Self::Resolve),
            (flags.upstream_connection_failure, Self::Connect),
            (flags.upstream_protocol_error, Self::Protocol),
            (
                flags.upstream_connection_termination || flags.upstream_remote_reset,
                Self::Reset,
            ),
            (
                flags.no_cluster_found || flags.no_route_found,
                Self::NoCluster,
            ),
            (
                flags.no_healthy_upstream || flags.upstream_overflow || flags.overload_manager,
                Self::Unavailable,
            ),
        ];
        ranked
            .into_iter()
            .find_map(|(flagged, failure)| flagged.then_some(failure))
    }

    /// The error code in the ledger.
    pub const fn code(self) -> &'static str {
        match self {
            Self::ClientLeft => "client_disconnected",
            Self::Connect => "connect_failure",
            Self::Resolve => "dns_failure",
            Self::Timeout => "timeout",
            Self::Reset => "connection_reset",
            Self::Protocol => "protocol_error",
            Self::Unavailable => "no_healthy_upstream",
            Self::NoCluster => "no_cluster",
        }
    }
}

fn admission(common: &AccessLogCommon) -> Result<Option<Admission>, Malformed> {
    let field = common
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.filter_metadata.get(names::ADMISSION_NAMESPACE))
        .and_then(|fields| fields.fields.get(Admission::FIELD))
        .and_then(|value| value.kind.as_ref());
    match field {
        None => Ok(None),
        Some(Kind::StringValue(json)) => Admission::decode(json.as_bytes())
            .map(Some)
            .map_err(|_| Malformed::Admission),
        Some(_) => Err(Malformed::Admission),
    }
}

fn report(common: &AccessLogCommon) -> Result<Option<AttemptReport>, Malformed> {
    let state = common.filter_state_objects.get(names::REPORT_FILTER_STATE);
    state.map(decode_report).transpose()
}

/// The filter's property: an `Any` that holds a `BytesValue` that holds the report's text.
fn decode_report(state: &Any) -> Result<AttemptReport, Malformed> {
    let bytes = BytesValue::decode(state.value.as_slice()).map_err(|_| Malformed::Report)?;
    AttemptReport::from_text(&bytes.value).ok_or(Malformed::Report)
}

fn status(entry: &HttpAccessLogEntry) -> Option<u16> {
    let code = entry.response.as_ref()?.response_code?.value;
    u16::try_from(code).ok().filter(|code| *code != 0)
}

fn millis(duration: Option<Duration>) -> Option<u64> {
    let duration = duration?;
    let seconds = u64::try_from(duration.seconds).ok()?;
    let nanos = u64::try_from(duration.nanos).ok()?;
    Some(
        seconds
            .saturating_mul(1_000)
            .saturating_add(nanos / 1_000_000),
    )
}

fn since_epoch(timestamp: Option<Timestamp>) -> Option<u64> {
    let Timestamp { seconds, nanos } = timestamp?;
    millis(Some(Duration { seconds, nanos }))
}
