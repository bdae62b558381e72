//! The lines of Envoy's log of requests in a file: written by Envoy's text formatter, which costs it a
//! third of what its JSON one does, and read by the service.

use crate::{Admission, names};

/// What Envoy writes for a value that it does not have.
const NONE: &str = "-";

/// One line. Numbers are in decimal; what Envoy does not know is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// The HTTP status that the client saw.
    pub status: Option<&'a str>,
    /// Envoy's response flags, in their short form, comma-separated.
    pub flags: Option<&'a str>,
    /// The start of the request, in milliseconds since the epoch.
    pub started_ms: Option<&'a str>,
    /// Milliseconds from the start to the end.
    pub duration_ms: Option<&'a str>,
    /// Milliseconds from the start to the first byte of the answer.
    pub first_byte_ms: Option<&'a str>,
    /// The cluster of the last attempt.
    pub cluster: Option<&'a str>,
    /// How many attempts were made.
    pub attempts: Option<&'a str>,
    /// Bytes of the request's body.
    pub received: Option<&'a str>,
    /// Bytes of the answer's body.
    pub sent: Option<&'a str>,
    /// The last [`AttemptReport`](crate::AttemptReport), as text.
    pub report: Option<&'a str>,
    /// The [`Admission`], encoded.
    pub admission: &'a str,
}

/// The format of a line for Envoy's `text_format`: fields in the order of [`Line`], tabs between
/// them. The admission is last; no value before it has a tab, and JSON writes one as `\\t`.
pub fn format() -> String {
    let report = format!("%FILTER_STATE({}:PLAIN)%", names::REPORT_FILTER_STATE);
    let (namespace, field) = (names::ADMISSION_NAMESPACE, Admission::FIELD);
    let admission = format!("%DYNAMIC_METADATA({namespace}:{field})%");
    let fields = [
        "%RESPONSE_CODE%",
        "%RESPONSE_FLAGS%",
        "%START_TIME(%s%3f)%",
        "%DURATION%",
        "%COMMON_DURATION(DS_RX_BEG:DS_TX_BEG:ms)%",
        "%UPSTREAM_CLUSTER_RAW%",
        "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "%BYTES_RECEIVED%",
        "%BYTES_SENT%",
        &report,
        &admission,
    ];
    fields.join("\t") + "\n"
}

impl<'a> Line<'a> {
    /// Reads a line, with or without its line feed; `None` when it is none.
    pub fn read(line: &'a [u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.trim_end_matches('\n');
        let mut fields = line.splitn(11, '\t');
        let mut next = || fields.next().map(|field| (field != NONE).then_some(field));
        Some(Self {
            status: next()?,
            flags: next()?,
            started_ms: next()?,
            duration_ms: next()?,
            first_byte_ms: next()?,
            cluster: next()?,
            attempts: next()?,
            received: next()?,
            sent: next()?,
            report: next()?,
            admission: next()??,
        })
    }
}
