//! The metrics of requests and attempts. Labels come from the configuration or are of a few values;
//! what a client can write freely is bounded first.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use dragoman_proto::Usage;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, histogram};

use crate::ledger::{AttemptRow, Record, RequestRow, State};

/// Different aliases that get a series of their own; wildcard aliases let clients name any.
const MOST_ALIASES: usize = 500;
const OTHER: &str = "(other)";
const UNKNOWN: &str = "(unknown)";

/// Describes every metric of ledger and settlement, for the recorder that is installed.
pub fn describe() {
    describe_counter!(
        "dragoman_requests_total",
        "Admitted requests, by how they ended."
    );
    describe_counter!(
        "dragoman_refused_total",
        "Requests that were not admitted, by status."
    );
    describe_counter!(
        "dragoman_tokens_total",
        "Tokens, by kind; kinds overlap as in OpenAI's usage."
    );
    describe_counter!(
        "dragoman_cost_nanodollars_total",
        "Cost in billionths of a US dollar."
    );
    describe_counter!(
        "dragoman_unpriced_total",
        "Requests that used something without a price."
    );
    describe_counter!(
        "dragoman_attempts_total",
        "Attempts at deployments, by how they ended."
    );
    describe_histogram!(
        "dragoman_request_duration_seconds",
        "From a request's head to its end."
    );
    describe_histogram!(
        "dragoman_first_token_seconds",
        "From a request's head to the first token."
    );
    describe_counter!(
        "dragoman_malformed_logs_total",
        "Log entries that do not read."
    );
    describe_counter!(
        "dragoman_access_tokens_total",
        "Access tokens that were asked for, by result."
    );
    describe_gauge!("dragoman_ledger_queue", "Records that wait to be written.");
    describe_counter!("dragoman_ledger_written_total", "Records written.");
    describe_counter!(
        "dragoman_ledger_write_failures_total",
        "Transactions that failed and were tried again."
    );
    describe_counter!(
        "dragoman_ledger_lost_total",
        "Records given up at shutdown. Should be 0."
    );
    describe_histogram!("dragoman_ledger_batch_records", "Records in a transaction.");
}

/// The aliases that have a series of their own.
#[derive(Debug, Default)]
pub(super) struct Measure {
    aliases: Mutex<HashSet<String>>,
}

impl Measure {
    /// An admitted request has ended.
    pub(super) fn record(&self, record: &Record) {
        let request = &record.request;
        let alias = self.alias(&request.alias);
        measure_request(&alias, request);
        for attempt in &record.attempts {
            counter!(
                "dragoman_attempts_total",
                "deployment" => label(attempt.target.deployment.as_ref()),
                "provider" => label(attempt.target.provider.as_ref()),
                "state" => attempt.state.as_str(),
            )
            .increment(1);
            measure_charge(&alias, attempt);
        }
    }

    /// The alias, or a common name once there are too many.
    fn alias(&self, alias: &str) -> String {
        let mut known = self.aliases.lock().unwrap_or_else(PoisonError::into_inner);
        if known.contains(alias) {
            return alias.to_owned();
        }
        if known.len() >= MOST_ALIASES {
            return OTHER.to_owned();
        }
        known.insert(alias.to_owned());
        alias.to_owned()
    }
}

/// A request was not admitted.
pub(super) fn refused(status: Option<u16>) {
    let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
    counter!("dragoman_refused_total", "status" => status).increment(1);
}

/// A log entry does not read.
pub(super) fn malformed(log: &'static str) {
    counter!("dragoman_malformed_logs_total", "log" => log).increment(1);
}

fn measure_request(alias: &str, request: &RequestRow) {
    let alias = || alias.to_owned();
    counter!(
        "dragoman_requests_total",
        "alias" => alias(),
        "operation" => request.operation.as_str(),
        "state" => request.state.as_str(),
        "status" => status_class(request.status),
    )
    .increment(1);
    if request.charge.cost.is_none() {
        counter!("dragoman_unpriced_total", "alias" => alias()).increment(1);
    }
    // What failed or was cancelled took as long as something else decided.
    if request.state == State::Complete {
        let stream = if request.stream { "true" } else { "false" };
        histogram!("dragoman_request_duration_seconds", "alias" => alias(), "stream" => stream)
            .record(Duration::from_millis(request.timing.duration_ms));
    }
    if let Some(first_token) = request.timing.first_token_ms {
        histogram!("dragoman_first_token_seconds", "alias" => alias())
            .record(Duration::from_millis(first_token));
    }
}

fn measure_charge(alias: &str, attempt: &AttemptRow) {
    let provider = label(attempt.target.provider.as_ref());
    for (kind, tokens) in token_kinds(&attempt.charge.usage) {
        if tokens > 0 {
            counter!(
                "dragoman_tokens_total",
                "alias" => alias.to_owned(), "provider" => provider.clone(), "kind" => kind,
            )
            .increment(tokens);
        }
    }
    if let Some(cost) = attempt.charge.cost.filter(|cost| !cost.is_zero()) {
        counter!(
            "dragoman_cost_nanodollars_total",
            "alias" => alias.to_owned(), "provider" => provider,
        )
        .increment(cost.nanos());
    }
}

const fn token_kinds(usage: &Usage) -> [(&'static str, u64); 5] {
    [
        ("input", usage.input_tokens),
        ("cached", usage.cached_tokens),
        ("cache_write", usage.cache_write_tokens),
        ("output", usage.output_tokens),
        ("reasoning", usage.reasoning_tokens),
    ]
}

const fn status_class(status: Option<u16>) -> &'static str {
    match status {
        Some(200..=299) => "2xx",
        Some(400..=499) => "4xx",
        Some(500..=599) => "5xx",
        Some(_) => "other",
        None => "none",
    }
}

fn label(value: Option<&String>) -> String {
    value.cloned().unwrap_or_else(|| UNKNOWN.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::contract;

    /// What Prometheus sees after `measured`.
    fn shown(measured: impl FnOnce()) -> String {
        let recorder = crate::http::recorder().unwrap();
        metrics::with_local_recorder(&recorder, || {
            describe();
            measured();
        });
        recorder.handle().render()
    }

    #[test]
    fn a_settled_request_is_counted_with_its_tokens_cost_and_times() {
        let text = shown(|| Measure::default().record(&contract::record("a", 1)));
        let expected = [
            r#"dragoman_requests_total{alias="smart",operation="chat_completions",state="complete",status="2xx"} 1"#,
            r#"dragoman_attempts_total{deployment="d2",provider="openai",state="failed"} 1"#,
            r#"dragoman_attempts_total{deployment="d2",provider="openai",state="complete"} 1"#,
            r#"dragoman_tokens_total{alias="smart",provider="openai",kind="output"} 10"#,
            r#"dragoman_cost_nanodollars_total{alias="smart",provider="openai"} 1500"#,
            r#"dragoman_request_duration_seconds_bucket{alias="smart",stream="true",le="0.1"} 1"#,
            r#"dragoman_first_token_seconds_bucket{alias="smart",le="0.05"} 0"#,
        ];
        for line in expected {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn every_metric_says_what_it_is() {
        let text = shown(|| {
            Measure::default().record(&contract::record("a", 1));
            refused(Some(401));
            malformed("requests");
        });
        let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        let names: Vec<_> = types.filter_map(|line| line.split(' ').next()).collect();
        assert!(names.len() >= 8, "{names:?}");
        for name in names {
            assert!(text.contains(&format!("# HELP {name} ")), "{name}");
        }
    }

    #[test]
    fn names_that_clients_make_up_share_one_series_in_the_end() {
        let measure = Measure::default();
        for n in 0..MOST_ALIASES {
            let alias = format!("openai/m{n}");
            assert_eq!(measure.alias(&alias), alias);
        }
        assert_eq!(measure.alias("openai/one-more"), OTHER);
        assert_eq!(measure.alias("openai/m0"), "openai/m0");
    }
}
