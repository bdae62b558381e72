//! How requests and attempts ended, from the filter's last word and what Envoy saw.

use dragoman_proto::{AttemptReport, Outcome};

use super::entry::{Failure, RequestEntry};
use crate::ledger::State;

/// How the request's last attempt, and with it the request, ended.
pub(super) fn last(entry: &RequestEntry, report: Option<&AttemptReport>) -> State {
    let client_left = entry.failure == Some(Failure::ClientLeft);
    let Some(report) = report else {
        return match entry.status {
            _ if client_left => State::Cancelled,
            // An answer that no filter saw: what it used is not known.
            Some(200..=299) => State::Unsettled,
            _ => State::Failed,
        };
    };
    match report.outcome() {
        // Whatever happened to the connection afterwards, the provider has done its work.
        Outcome::Complete => State::Complete,
        Outcome::Rejected => State::Rejected,
        Outcome::Broken => State::Broken,
        Outcome::Streaming if client_left => State::Cancelled,
        Outcome::Streaming => State::Broken,
        Outcome::Sending if client_left || is_left_undone(entry) => State::Cancelled,
        Outcome::Sent | Outcome::Failed | Outcome::Unspecified if client_left => State::Cancelled,
        Outcome::Sending | Outcome::Sent | Outcome::Failed | Outcome::Unspecified => State::Failed,
    }
}

/// Whether a request that was on its way ended because its client sent no more: nothing else takes
/// time before it is whole.
fn is_left_undone(entry: &RequestEntry) -> bool {
    const REQUEST_TIMEOUT: u16 = 408;
    let timed_out = entry.failure == Some(Failure::Timeout);
    timed_out || (entry.failure.is_none() && entry.status == Some(REQUEST_TIMEOUT))
}

/// How an attempt ended that another one followed.
pub(super) fn earlier(report: &AttemptReport) -> State {
    match report.outcome() {
        Outcome::Complete => State::Complete,
        Outcome::Rejected => State::Rejected,
        Outcome::Broken | Outcome::Streaming => State::Broken,
        Outcome::Sending | Outcome::Sent | Outcome::Failed | Outcome::Unspecified => State::Failed,
    }
}

/// Why an attempt failed; `None` when it did not.
pub(super) fn error_code(
    state: State,
    report: Option<&AttemptReport>,
    failure: Option<Failure>,
) -> Option<String> {
    if state == State::Complete {
        return None;
    }
    let reported = report
        .map(|report| report.error_code.as_str())
        .filter(|code| !code.is_empty() && state != State::Cancelled);
    let seen = failure.map(Failure::code);
    let silent = match state {
        // The request's log entry has the flags of its last attempt alone.
        State::Failed => Some("no_answer"),
        State::Cancelled => Some(Failure::Timeout.code()),
        _ => None,
    };
    reported.or(seen).or(silent).map(str::to_owned)
}
