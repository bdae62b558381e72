//! Between the domain's rows and the database's columns, for every backend alike.

use dragoman_policy::NanoDollars;
use dragoman_proto::{Operation, Usage, UsageSource};

use super::{AttemptRow, Charge, Identity, LedgerError, RequestRow, State, Target, Timing};
use crate::database::{Named, Row, Value};

pub(super) const MS_PER_DAY: u64 = 86_400_000;
/// Of tokens, images … per request. Providers say how many there were; sums must hold what they say,
/// whatever it is, because a row that cannot be written would hold up all that come after it.
const MOST_UNITS: u64 = 1_000_000_000_000;
/// Per request, for the same reason.
const MOST_COST: NanoDollars = NanoDollars::dollars(10_000_000);
/// In bytes.
const LONGEST_TAG: usize = 512;

/// The columns of `requests`.
pub(super) fn request_columns(row: &RequestRow, transient: bool) -> Vec<Named> {
    let mut columns = vec![
        ("transient", int(transient.into())),
        ("request_id", text(&row.request_id)),
        ("started_at", int(row.timing.started_ms)),
        ("day", int(row.timing.started_ms / MS_PER_DAY)),
        ("duration_ms", int(row.timing.duration_ms)),
        ("first_token_ms", optional_int(row.timing.first_token_ms)),
        ("key_id", text(&row.identity.key_id)),
        ("team_id", optional_text(row.identity.team_id.as_deref())),
        ("user_id", optional_text(row.identity.user_id.as_deref())),
        ("end_user", optional_text(row.identity.end_user.as_deref())),
        ("alias", text(&row.alias)),
        ("operation", text(row.operation.as_str())),
        ("stream", int(u64::from(row.stream))),
        ("state", text(row.state.as_str())),
        ("status", optional_int(row.status.map(u64::from))),
        ("error_code", optional_text(row.error_code.as_deref())),
        ("attempts", int(row.attempts.into())),
        ("request_bytes", int(row.request_bytes)),
        ("response_bytes", int(row.response_bytes)),
        ("dropped", json(&row.dropped)),
        ("tags", json(&row.tags)),
    ];
    columns.extend(target_columns(&row.target));
    columns.extend(charge_columns(&row.charge));
    columns
}

/// The columns of `attempts`.
pub(super) fn attempt_columns(row: &AttemptRow) -> Vec<Named> {
    let mut columns = vec![
        ("request_id", text(&row.request_id)),
        ("attempt", int(row.attempt.into())),
        ("started_at", optional_int(row.started_ms)),
        ("duration_ms", optional_int(row.duration_ms)),
        ("first_token_ms", optional_int(row.first_token_ms)),
        ("state", text(row.state.as_str())),
        (
            "provider_status",
            optional_int(row.provider_status.map(u64::from)),
        ),
        ("error_code", optional_text(row.error_code.as_deref())),
        ("dropped", json(&row.dropped)),
    ];
    columns.extend(target_columns(&row.target));
    columns.extend(charge_columns(&row.charge));
    columns
}

/// Reads a row of `requests`.
pub(super) fn request(row: &Row) -> Result<RequestRow, LedgerError> {
    let operation = required_text(row, "operation")?;
    Ok(RequestRow {
        request_id: required_text(row, "request_id")?,
        identity: Identity {
            key_id: required_text(row, "key_id")?,
            team_id: row.optional_text("team_id")?,
            user_id: row.optional_text("user_id")?,
            end_user: row.optional_text("end_user")?,
        },
        alias: required_text(row, "alias")?,
        operation: Operation::parse(&operation).ok_or(LedgerError::Corrupt("operation"))?,
        stream: count(row, "stream")? != 0,
        state: state(row)?,
        status: small(row, "status")?,
        error_code: row.optional_text("error_code")?,
        target: target(row)?,
        charge: charge(row)?,
        timing: Timing {
            started_ms: count(row, "started_at")?,
            duration_ms: count(row, "duration_ms")?,
            first_token_ms: optional_count(row, "first_token_ms")?,
        },
        attempts: small(row, "attempts")?.ok_or(LedgerError::Corrupt("attempts"))?,
        request_bytes: count(row, "request_bytes")?,
        response_bytes: count(row, "response_bytes")?,
        dropped: list(row, "dropped")?,
        tags: list(row, "tags")?,
    })
}

/// Reads a row of `attempts`.
pub(super) fn attempt(row: &Row) -> Result<AttemptRow, LedgerError> {
    Ok(AttemptRow {
        request_id: required_text(row, "request_id")?,
        attempt: small(row, "attempt")?.ok_or(LedgerError::Corrupt("attempt"))?,
        state: state(row)?,
        provider_status: small(row, "provider_status")?,
        error_code: row.optional_text("error_code")?,
        target: target(row)?,
        charge: charge(row)?,
        started_ms: optional_count(row, "started_at")?,
        duration_ms: optional_count(row, "duration_ms")?,
        first_token_ms: optional_count(row, "first_token_ms")?,
        dropped: list(row, "dropped")?,
    })
}

fn target_columns(target: &Target) -> [Named; 3] {
    [
        ("deployment", optional_text(target.deployment.as_deref())),
        ("provider", optional_text(target.provider.as_deref())),
        ("provider_model", optional_text(target.model.as_deref())),
    ]
}

fn charge_columns(charge: &Charge) -> [Named; 13] {
    let usage = &charge.usage;
    [
        ("input_tokens", Value::Int(Some(units(usage.input_tokens)))),
        (
            "cached_tokens",
            Value::Int(Some(units(usage.cached_tokens))),
        ),
        (
            "cache_write_tokens",
            Value::Int(Some(units(usage.cache_write_tokens))),
        ),
        (
            "audio_input_tokens",
            Value::Int(Some(units(usage.audio_input_tokens))),
        ),
        (
            "output_tokens",
            Value::Int(Some(units(usage.output_tokens))),
        ),
        (
            "reasoning_tokens",
            Value::Int(Some(units(usage.reasoning_tokens))),
        ),
        (
            "audio_output_tokens",
            Value::Int(Some(units(usage.audio_output_tokens))),
        ),
        ("images", Value::Int(Some(units(usage.images)))),
        ("audio_ms", Value::Int(Some(units(usage.audio_ms)))),
        ("characters", Value::Int(Some(units(usage.characters)))),
        ("usage_source", text(source_name(charge.source))),
        ("cost_nanos", Value::Int(charge.cost.map(nanos))),
        (
            "price_version",
            optional_text(charge.price_version.as_deref()),
        ),
    ]
}

fn target(row: &Row) -> Result<Target, LedgerError> {
    Ok(Target {
        deployment: row.optional_text("deployment")?,
        provider: row.optional_text("provider")?,
        model: row.optional_text("provider_model")?,
    })
}

fn charge(row: &Row) -> Result<Charge, LedgerError> {
    let source = match required_text(row, "usage_source")?.as_str() {
        "provider" => UsageSource::Provider,
        "estimated" => UsageSource::Estimated,
        "none" => UsageSource::Unspecified,
        _ => return Err(LedgerError::Corrupt("usage_source")),
    };
    Ok(Charge {
        usage: Usage {
            input_tokens: count(row, "input_tokens")?,
            cached_tokens: count(row, "cached_tokens")?,
            cache_write_tokens: count(row, "cache_write_tokens")?,
            audio_input_tokens: count(row, "audio_input_tokens")?,
            output_tokens: count(row, "output_tokens")?,
            reasoning_tokens: count(row, "reasoning_tokens")?,
            audio_output_tokens: count(row, "audio_output_tokens")?,
            images: count(row, "images")?,
            audio_ms: count(row, "audio_ms")?,
            characters: count(row, "characters")?,
            // It decides the cost, and is not kept.
            image_output_tokens: 0,
        },
        source,
        cost: row.optional_int("cost_nanos")?.map(NanoDollars::new),
        price_version: row.optional_text("price_version")?,
    })
}

fn state(row: &Row) -> Result<State, LedgerError> {
    State::parse(&required_text(row, "state")?).ok_or(LedgerError::Corrupt("state"))
}

/// The name of a usage source in the database and in answers.
pub(crate) const fn source_name(source: UsageSource) -> &'static str {
    match source {
        UsageSource::Provider => "provider",
        UsageSource::Estimated => "estimated",
        UsageSource::Unspecified => "none",
    }
}

/// PostgreSQL has no NUL in texts; one in a client's `user` field must not hold a batch back.
pub(super) fn text(value: &str) -> Value {
    Value::Text(Some(value.replace('\0', "")))
}

/// Units of usage as they are kept.
pub(super) fn units(count: u64) -> i64 {
    i64::try_from(count.min(MOST_UNITS)).unwrap_or(i64::MAX)
}

/// A cost as it is kept.
pub(super) fn nanos(cost: NanoDollars) -> i64 {
    cost.min(MOST_COST).to_i64()
}

/// A tag as it is counted by; `None` for one that says nothing. PostgreSQL refuses long ones in an
/// index.
pub(super) fn clipped_tag(tag: &str) -> Option<&str> {
    let mut end = tag.len().min(LONGEST_TAG);
    while !tag.is_char_boundary(end) {
        end -= 1;
    }
    tag.get(..end).filter(|tag| !tag.is_empty())
}

fn optional_text(value: Option<&str>) -> Value {
    value.map_or(Value::Text(None), text)
}

fn int(value: u64) -> Value {
    optional_int(Some(value))
}

fn optional_int(value: Option<u64>) -> Value {
    Value::Int(value.map(|v| i64::try_from(v).unwrap_or(i64::MAX)))
}

fn json(values: &[String]) -> Value {
    text(&serde_json::to_string(values).unwrap_or_else(|_| "[]".to_owned()))
}

fn required_text(row: &Row, column: &'static str) -> Result<String, LedgerError> {
    Ok(row.text(column)?)
}

fn count(row: &Row, column: &'static str) -> Result<u64, LedgerError> {
    Ok(row.int(column)?)
}

fn optional_count(row: &Row, column: &'static str) -> Result<Option<u64>, LedgerError> {
    Ok(row.optional_int(column)?)
}

fn small<T: TryFrom<u64>>(row: &Row, column: &'static str) -> Result<Option<T>, LedgerError> {
    optional_count(row, column)?
        .map(|v| T::try_from(v).map_err(|_| LedgerError::Corrupt(column)))
        .transpose()
}

fn list(row: &Row, column: &'static str) -> Result<Vec<String>, LedgerError> {
    serde_json::from_str(&required_text(row, column)?).map_err(|_| LedgerError::Corrupt(column))
}
