//! One log entry becomes the rows of a request and of its attempts.

use std::iter;

use dragoman_policy::NanoDollars;
use dragoman_proto::{AttemptReport, Usage, UsageSource};

use super::entry::RequestEntry;
use super::{Destination, Pricing, outcome};
use crate::ledger::{AttemptRow, Charge, Identity, Record, RequestRow, State, Target, Timing};

/// More attempts than any plan has: what a report claims beyond it is not believed.
const MOST_ATTEMPTS: u32 = 64;

/// The rows of a request and of its attempts.
pub fn rows(entry: &RequestEntry, pricing: &dyn Pricing) -> Record {
    let attempts = attempts(entry, pricing);
    let last = attempts.last();
    let admission = &entry.admission;
    let state = last.map_or_else(|| outcome::last(entry, None), |attempt| attempt.state);
    let first_token = entry
        .first_byte_ms
        .filter(|_| admission.stream && attempts.iter().any(|a| a.first_token_ms.is_some()));
    let request = RequestRow {
        request_id: admission.request_id.clone(),
        identity: Identity {
            key_id: admission.key_id.clone(),
            team_id: admission.team_id.clone(),
            user_id: admission.user_id.clone(),
            end_user: admission.end_user.clone(),
        },
        alias: admission.alias.clone(),
        operation: admission.operation,
        stream: admission.stream,
        state,
        status: entry.status,
        error_code: match last {
            Some(attempt) => attempt.error_code.clone(),
            None => outcome::error_code(state, None, entry.failure),
        },
        target: last.map_or_else(Target::default, |attempt| attempt.target.clone()),
        charge: sum(attempts.iter().map(|attempt| &attempt.charge)),
        timing: Timing {
            started_ms: entry.started_ms,
            duration_ms: entry.duration_ms,
            first_token_ms: first_token,
        },
        attempts: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
        request_bytes: entry.request_bytes,
        response_bytes: entry.response_bytes,
        dropped: last.map_or_else(Vec::new, |attempt| attempt.dropped.clone()),
        tags: admission.tags.clone(),
    };
    Record { request, attempts }
}

/// One row per attempt that the router made, also those of which the filter says nothing.
fn attempts(entry: &RequestEntry, pricing: &dyn Pricing) -> Vec<AttemptRow> {
    let reports: Vec<&AttemptReport> = entry
        .report
        .iter()
        .flat_map(|last| last.earlier.iter().chain(iter::once(last)))
        .filter(|report| (1..=MOST_ATTEMPTS).contains(&report.attempt))
        .collect();
    let reported = reports.last().map_or(0, |report| report.attempt);
    let count = entry.attempts.min(MOST_ATTEMPTS).max(reported);
    let report_of = |attempt| reports.iter().rev().find(|r| r.attempt == attempt).copied();
    (1..=count)
        .map(|attempt| Attempt {
            number: attempt,
            report: report_of(attempt),
            next: report_of(attempt.saturating_add(1)),
            is_last: attempt == count,
        })
        .map(|attempt| attempt.row(entry, pricing))
        .collect()
}

/// What is known of one attempt.
struct Attempt<'e> {
    number: u32,
    report: Option<&'e AttemptReport>,
    next: Option<&'e AttemptReport>,
    is_last: bool,
}

impl Attempt<'_> {
    fn row(&self, entry: &RequestEntry, pricing: &dyn Pricing) -> AttemptRow {
        let state = match self.report {
            report if self.is_last => outcome::last(entry, report),
            Some(report) => outcome::earlier(report),
            None => State::Failed,
        };
        let failure = entry.failure.filter(|_| self.is_last);
        let destination = self.destination(entry);
        AttemptRow {
            request_id: entry.admission.request_id.clone(),
            attempt: self.number,
            state,
            provider_status: self.report.and_then(provider_status),
            error_code: outcome::error_code(state, self.report, failure),
            target: destination.map_or_else(Target::default, |to| pricing.target(to)),
            charge: match (self.report, destination) {
                (Some(report), Some(destination)) => charge(report, destination, pricing),
                _ if state == State::Unsettled => unknown(),
                _ => Charge::nothing(),
            },
            started_ms: self.report.map(|r| r.started_ms).filter(|at| *at != 0),
            duration_ms: self.duration_ms(entry),
            first_token_ms: self.report.map(|r| r.first_token_ms).filter(|ms| *ms != 0),
            dropped: self.report.map_or_else(Vec::new, |r| r.dropped.clone()),
        }
    }

    fn destination<'a>(&'a self, entry: &'a RequestEntry) -> Option<Destination<'a>> {
        let reported = self.report.map(|report| report.deployment.as_str());
        let routed = entry.deployment.as_deref().filter(|_| self.is_last);
        let deployment = reported.filter(|id| !id.is_empty()).or(routed)?;
        // Attempts past the end of the plan stay on its last deployment.
        let captured = &entry.admission.captured;
        let planned = usize::try_from(self.number.saturating_sub(1)).unwrap_or(usize::MAX);
        let captured = captured.get(planned).or(captured.last());
        Some(Destination {
            deployment,
            captured: captured.map_or("", String::as_str),
        })
    }

    /// To the end of the request, for its last attempt; else to the next attempt where the filter
    /// saw no end itself, as when a connection fails or a timeout strikes.
    fn duration_ms(&self, entry: &RequestEntry) -> Option<u64> {
        let report = self.report.filter(|report| report.started_ms != 0)?;
        let elapsed = Some(report.elapsed_ms).filter(|ms| *ms != 0);
        let end = if self.is_last {
            Some(entry.started_ms.saturating_add(entry.duration_ms))
        } else if elapsed.is_none() {
            self.next.map(|next| next.started_ms)
        } else {
            None
        };
        end.map(|end| end.saturating_sub(report.started_ms))
            .or(elapsed)
    }
}

fn provider_status(report: &AttemptReport) -> Option<u16> {
    u16::try_from(report.provider_status)
        .ok()
        .filter(|status| *status != 0)
}

fn charge(report: &AttemptReport, destination: Destination<'_>, pricing: &dyn Pricing) -> Charge {
    let Some(usage) = report.usage.filter(|usage| *usage != Usage::default()) else {
        return Charge::nothing();
    };
    let (cost, price_version) = pricing.cost(destination, &usage).unzip();
    Charge {
        usage,
        source: match report.usage_source() {
            UsageSource::Provider => UsageSource::Provider,
            UsageSource::Estimated | UsageSource::Unspecified => UsageSource::Estimated,
        },
        cost,
        price_version,
    }
}

/// Something was used, and nobody knows how much.
fn unknown() -> Charge {
    Charge {
        cost: None,
        ..Charge::nothing()
    }
}

/// The charge of a request: all its attempts'. One attempt of unknown cost makes the sum unknown,
/// one that is estimated makes it an estimate.
fn sum<'c>(charges: impl Iterator<Item = &'c Charge>) -> Charge {
    charges.fold(Charge::nothing(), |total, charge| Charge {
        usage: add(total.usage, charge.usage),
        source: match (total.source, charge.source) {
            (UsageSource::Unspecified, source) | (source, UsageSource::Unspecified) => source,
            (UsageSource::Provider, UsageSource::Provider) => UsageSource::Provider,
            (UsageSource::Estimated, _) | (_, UsageSource::Estimated) => UsageSource::Estimated,
        },
        cost: total
            .cost
            .zip(charge.cost)
            .map(|(a, b): (NanoDollars, NanoDollars)| a.saturating_add(b)),
        price_version: charge.price_version.clone().or(total.price_version),
    })
}

fn add(a: Usage, b: Usage) -> Usage {
    Usage {
        input_tokens: a.input_tokens.saturating_add(b.input_tokens),
        cached_tokens: a.cached_tokens.saturating_add(b.cached_tokens),
        cache_write_tokens: a.cache_write_tokens.saturating_add(b.cache_write_tokens),
        audio_input_tokens: a.audio_input_tokens.saturating_add(b.audio_input_tokens),
        output_tokens: a.output_tokens.saturating_add(b.output_tokens),
        reasoning_tokens: a.reasoning_tokens.saturating_add(b.reasoning_tokens),
        audio_output_tokens: a.audio_output_tokens.saturating_add(b.audio_output_tokens),
        images: a.images.saturating_add(b.images),
        audio_ms: a.audio_ms.saturating_add(b.audio_ms),
        characters: a.characters.saturating_add(b.characters),
        image_output_tokens: a.image_output_tokens.saturating_add(b.image_output_tokens),
    }
}

#[cfg(test)]
mod tests;
