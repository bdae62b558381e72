//! Entries as Envoy sends them, and the rows that they must become.

use dragoman_proto::Outcome;
use envoy_types::pb::envoy::data::accesslog::v3::{HttpAccessLogEntry, ResponseFlags};

use super::*;
use crate::settlement::fixture::{
    Prices, STARTED_MS, admission, client_left, common, entry, report, with_flags, with_report,
    with_usage,
};

fn settled(entry: &HttpAccessLogEntry) -> Record {
    let entry = RequestEntry::read(entry).unwrap().unwrap();
    rows(&entry, &Prices)
}

fn states(record: &Record) -> Vec<State> {
    record
        .attempts
        .iter()
        .map(|attempt| attempt.state)
        .collect()
}

fn with_status(mut entry: HttpAccessLogEntry, status: u32) -> HttpAccessLogEntry {
    let response = entry.response.get_or_insert_default();
    response.response_code.get_or_insert_default().value = status;
    entry
}

#[test]
fn a_complete_answer_is_charged_at_its_price() {
    let report = with_usage(report(Outcome::Complete), 20, 10);
    let record = settled(&with_report(entry(&admission(false)), &report));
    let request = &record.request;
    assert_eq!(
        (request.state, request.status),
        (State::Complete, Some(200))
    );
    assert_eq!(request.error_code, None);
    assert_eq!(request.charge.cost, Some(NanoDollars::new(120)));
    assert_eq!(request.charge.price_version.as_deref(), Some("v1"));
    assert_eq!(request.charge.source, UsageSource::Provider);
    assert_eq!(request.target.deployment.as_deref(), Some("d1"));
    assert_eq!(request.target.model.as_deref(), Some("d1-model"));
    assert_eq!(request.identity.user_id.as_deref(), Some("user-1"));
    assert_eq!(
        (request.request_bytes, request.response_bytes),
        (220, 4_096)
    );
    assert_eq!(request.tags, ["blue"]);
    assert_eq!(record.attempts.len(), 1);
    assert_eq!(record.attempts[0].charge, request.charge);
}

#[test]
fn times_are_counted_from_the_request_s_head() {
    let report = with_usage(report(Outcome::Complete), 20, 10);
    let record = settled(&with_report(entry(&admission(true)), &report));
    let expected = Timing {
        started_ms: STARTED_MS,
        duration_ms: 900,
        first_token_ms: Some(400),
    };
    assert_eq!(record.request.timing, expected);
    let attempt = &record.attempts[0];
    assert_eq!(attempt.started_ms, Some(STARTED_MS + 100));
    assert_eq!(
        (attempt.duration_ms, attempt.first_token_ms),
        (Some(800), Some(300))
    );
}

#[test]
fn only_a_stream_has_a_first_token_time() {
    let report = with_usage(report(Outcome::Complete), 20, 10);
    let record = settled(&with_report(entry(&admission(false)), &report));
    assert_eq!(record.request.timing.first_token_ms, None);
}

#[test]
fn a_client_that_leaves_mid_stream_pays_for_what_was_used() {
    let report = with_usage(report(Outcome::Streaming), 20, 3);
    let entry = with_flags(with_report(entry(&admission(true)), &report), client_left());
    let record = settled(&entry);
    assert_eq!(record.request.state, State::Cancelled);
    assert_eq!(
        record.request.error_code.as_deref(),
        Some("client_disconnected")
    );
    assert_eq!(record.request.charge.cost, Some(NanoDollars::new(50)));
}

#[test]
fn a_client_that_leaves_before_the_answer_is_cancelled_without_a_status() {
    let entry = with_report(entry(&admission(true)), &report(Outcome::Sent));
    let record = settled(&with_status(with_flags(entry, client_left()), 0));
    assert_eq!(
        (record.request.state, record.request.status),
        (State::Cancelled, None)
    );
    assert_eq!(record.request.charge, Charge::nothing());
}

#[test]
fn a_request_that_its_client_did_not_finish_is_no_failure_of_the_deployment() {
    let sending = with_report(entry(&admission(false)), &report(Outcome::Sending));
    let idle = ResponseFlags {
        stream_idle_timeout: true,
        ..ResponseFlags::default()
    };
    for undone in [
        with_status(sending.clone(), 408),
        with_status(with_flags(sending.clone(), idle), 408),
        with_status(with_flags(sending.clone(), client_left()), 0),
    ] {
        let record = settled(&undone);
        assert_eq!(record.request.state, State::Cancelled);
        assert!(record.request.error_code.is_some());
        assert_eq!(record.request.charge, Charge::nothing());
    }
    let reset = ResponseFlags {
        upstream_remote_reset: true,
        ..ResponseFlags::default()
    };
    let record = settled(&with_status(with_flags(sending, reset), 502));
    assert_eq!(record.request.state, State::Failed);
}

#[test]
fn a_client_that_leaves_at_the_very_end_had_its_answer() {
    let report = with_usage(report(Outcome::Complete), 20, 10);
    let entry = with_flags(with_report(entry(&admission(true)), &report), client_left());
    assert_eq!(settled(&entry).request.state, State::Complete);
}

#[test]
fn a_stream_that_stops_without_an_end_is_broken() {
    let report = with_usage(report(Outcome::Streaming), 20, 3);
    let flags = ResponseFlags {
        upstream_connection_termination: true,
        ..ResponseFlags::default()
    };
    let record = settled(&with_flags(
        with_report(entry(&admission(true)), &report),
        flags,
    ));
    assert_eq!(record.request.state, State::Broken);
    assert_eq!(
        record.request.error_code.as_deref(),
        Some("connection_reset")
    );
}

#[test]
fn a_failover_has_a_row_per_attempt_and_the_sum_of_their_charges() {
    let failed = AttemptReport {
        error_code: "overloaded".into(),
        provider_status: 529,
        elapsed_ms: 70,
        ..report(Outcome::Failed)
    };
    let failed = AttemptReport {
        usage: Some(Usage {
            input_tokens: 5,
            ..Usage::default()
        }),
        ..failed
    };
    let second = AttemptReport {
        attempt: 2,
        deployment: "d2".into(),
        outcome: Outcome::Complete.into(),
        started_ms: STARTED_MS + 300,
        ..with_usage(AttemptReport::following(failed), 20, 10)
    };
    let mut entry = with_report(entry(&admission(true)), &second);
    common(&mut entry).upstream_request_attempt_count = 2;
    common(&mut entry).upstream_cluster = dragoman_envoy::cluster_name("d2");
    let record = settled(&entry);
    assert_eq!(states(&record), [State::Failed, State::Complete]);
    let first = &record.attempts[0];
    assert_eq!(first.target.deployment.as_deref(), Some("d1"));
    assert_eq!(first.error_code.as_deref(), Some("overloaded"));
    assert_eq!(
        (first.provider_status, first.duration_ms),
        (Some(529), Some(70))
    );
    assert_eq!(record.request.attempts, 2);
    assert_eq!(record.request.target.deployment.as_deref(), Some("d2"));
    assert_eq!(record.request.charge.cost, Some(NanoDollars::new(125)));
    assert_eq!(record.request.charge.source, UsageSource::Estimated);
}

#[test]
fn an_attempt_that_never_connected_lasts_until_the_next() {
    let second = AttemptReport {
        attempt: 2,
        deployment: "d2".into(),
        outcome: Outcome::Complete.into(),
        started_ms: STARTED_MS + 350,
        ..AttemptReport::following(report(Outcome::Sent))
    };
    let mut entry = with_report(entry(&admission(false)), &second);
    common(&mut entry).upstream_request_attempt_count = 2;
    let record = settled(&entry);
    assert_eq!(record.attempts[0].duration_ms, Some(250));
    assert_eq!(record.attempts[0].error_code.as_deref(), Some("no_answer"));
}

#[test]
fn a_provider_s_failure_is_a_failed_request_with_its_code() {
    let failed = AttemptReport {
        error_code: "server_error".into(),
        provider_status: 500,
        error_status: 502,
        ..report(Outcome::Failed)
    };
    let record = settled(&with_status(
        with_report(entry(&admission(false)), &failed),
        502,
    ));
    assert_eq!(
        (record.request.state, record.request.status),
        (State::Failed, Some(502))
    );
    assert_eq!(record.request.error_code.as_deref(), Some("server_error"));
    assert_eq!(record.request.charge.cost, Some(NanoDollars::ZERO));
}

#[test]
fn a_connect_failure_without_a_report_still_has_its_rows() {
    let flags = ResponseFlags {
        upstream_connection_failure: true,
        upstream_retry_limit_exceeded: true,
        ..ResponseFlags::default()
    };
    let mut entry = with_status(with_flags(entry(&admission(false)), flags), 503);
    common(&mut entry).upstream_request_attempt_count = 2;
    let record = settled(&entry);
    assert_eq!(states(&record), [State::Failed, State::Failed]);
    assert_eq!(record.attempts[0].target, Target::default());
    assert_eq!(record.attempts[0].error_code.as_deref(), Some("no_answer"));
    assert_eq!(record.attempts[1].target.deployment.as_deref(), Some("d1"));
    assert_eq!(
        record.request.error_code.as_deref(),
        Some("connect_failure")
    );
    assert_eq!(record.request.charge, Charge::nothing());
}

#[test]
fn a_last_attempt_without_a_report_does_not_borrow_the_one_before() {
    let earlier = with_usage(report(Outcome::Failed), 1, 1);
    let mut entry = with_status(with_report(entry(&admission(false)), &earlier), 503);
    common(&mut entry).upstream_request_attempt_count = 2;
    common(&mut entry).upstream_cluster = dragoman_envoy::cluster_name("d2");
    let record = settled(&entry);
    assert_eq!(record.attempts[1].target.deployment.as_deref(), Some("d2"));
    assert_eq!(record.attempts[1].charge, Charge::nothing());
}

#[test]
fn an_answer_that_no_filter_saw_is_unsettled_and_not_free() {
    let record = settled(&entry(&admission(false)));
    assert_eq!(record.request.state, State::Unsettled);
    assert_eq!(record.request.charge.cost, None);
}

#[test]
fn usage_without_a_price_is_unpriced_and_not_free() {
    let report = AttemptReport {
        deployment: "unpriced".into(),
        ..with_usage(report(Outcome::Complete), 20, 10)
    };
    let record = settled(&with_report(entry(&admission(false)), &report));
    assert_eq!(record.request.charge.cost, None);
    assert_eq!(record.request.charge.usage.input_tokens, 20);
}

#[test]
fn a_request_that_was_never_routed_has_no_attempts() {
    let flags = ResponseFlags {
        no_cluster_found: true,
        ..ResponseFlags::default()
    };
    let mut entry = with_status(with_flags(entry(&admission(false)), flags), 503);
    common(&mut entry).upstream_request_attempt_count = 0;
    let record = settled(&entry);
    assert_eq!(
        (record.request.state, record.attempts.len()),
        (State::Failed, 0)
    );
    assert_eq!(record.request.error_code.as_deref(), Some("no_cluster"));
}

#[test]
fn a_wildcard_deployment_s_model_is_named_per_attempt() {
    let admission = dragoman_proto::Admission {
        captured: vec![String::new(), "-x".into()],
        ..admission(false)
    };
    let mut entry = with_status(entry(&admission), 503);
    common(&mut entry).upstream_request_attempt_count = 3;
    let record = settled(&with_report(entry, &report(Outcome::Failed)));
    let models = record.attempts.iter().map(|a| a.target.model.as_deref());
    assert_eq!(
        models.collect::<Vec<_>>(),
        [Some("d1-model"), None, Some("d1-model-x")]
    );
}
