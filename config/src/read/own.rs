//! `dragoman:`, our own settings. Its format is ours, so a key that does not exist is an error.

use indexmap::IndexMap;
use serde_json::Value;

use super::fallbacks;
use crate::section::{Reader, Section};
use crate::{
    Alias, Budgets, ConfigError, Downgrade, Endpoint, Group, Own, Secret, Server, Share,
    UnknownPrice,
};

const MAX_BODY: u64 = 32 << 20;
const MIN_OUTPUT: u64 = 256;

const SETTINGS: [&str; 8] = [
    "root_path",
    "max_body_bytes",
    "min_output_tokens",
    "enforce_usage_limits",
    "unknown_price",
    "prices",
    "budgets",
    "ledger",
];
const LEDGER: [&str; 1] = ["retention_days"];
const BUDGETS: [&str; 4] = ["dry_run", "allow_unbounded", "downgrade", "alert_webhook"];
const DOWNGRADE: [&str; 2] = ["at", "to"];

/// Variables that override the section, each with the key that it stands for.
const VARIABLES: [(&str, &str); 6] = [
    ("DRAGOMAN_ROOT_PATH", "root_path"),
    ("DRAGOMAN_MAX_BODY_BYTES", "max_body_bytes"),
    ("DRAGOMAN_MIN_OUTPUT_TOKENS", "min_output_tokens"),
    ("DRAGOMAN_ENFORCE_USAGE_LIMITS", "enforce_usage_limits"),
    ("DRAGOMAN_UNKNOWN_PRICE", "unknown_price"),
    ("DRAGOMAN_PRICES", "prices"),
];
const BUDGET_VARIABLES: [(&str, &str); 2] = [
    ("DRAGOMAN_DRY_RUN", "dry_run"),
    ("DRAGOMAN_ALERT_WEBHOOK", "alert_webhook"),
];
const LEDGER_VARIABLES: [(&str, &str); 1] = [("DRAGOMAN_RETENTION_DAYS", "retention_days")];

pub(super) fn read(
    mut section: Section,
    general: &mut Section,
    aliases: &IndexMap<Alias, Group>,
    reader: &mut Reader<'_>,
) -> Result<(Server, Own), ConfigError> {
    strict(&section, &SETTINGS)?;
    let budgets = section.section("budgets")?;
    strict(&budgets, &BUDGETS)?;
    let ledger = section.section("ledger")?;
    strict(&ledger, &LEDGER)?;
    let mut section = overridden(section, &VARIABLES, reader);
    let server = Server {
        root_path: root_path(&mut section, reader)?,
        max_body_bytes: max_body_bytes(&mut section, general, reader)?,
    };
    let own = Own {
        min_output_tokens: section
            .count("min_output_tokens", reader)?
            .unwrap_or(MIN_OUTPUT),
        enforce_usage_limits: section
            .boolean("enforce_usage_limits", reader)?
            .unwrap_or(false),
        unknown_price: unknown_price(&mut section, reader)?,
        prices: section
            .text("prices", reader)?
            .filter(|path| !path.trim().is_empty()),
        budgets: read_budgets(
            overridden(budgets, &BUDGET_VARIABLES, reader),
            aliases,
            reader,
        )?,
        retention_days: retention_days(overridden(ledger, &LEDGER_VARIABLES, reader), reader)?,
    };
    Ok((server, own))
}

fn strict(section: &Section, settings: &[&str]) -> Result<(), ConfigError> {
    let unknown = section
        .entries()
        .keys()
        .find(|key| !settings.contains(&key.as_str()));
    match unknown {
        None => Ok(()),
        Some(key) => Err(ConfigError::UnknownSetting {
            path: section.at(key),
            possible: settings.join(", "),
        }),
    }
}

fn overridden(section: Section, variables: &[(&str, &str)], reader: &Reader<'_>) -> Section {
    let path = section.path().to_owned();
    let mut entries = section.into_rest();
    for (variable, key) in variables {
        if let Some(value) = reader.variable(variable) {
            entries.insert((*key).to_owned(), Value::String(value));
        }
    }
    Section::new(path, entries)
}

/// `/ai-api`, from any spelling of it.
fn root_path(section: &mut Section, reader: &mut Reader<'_>) -> Result<String, ConfigError> {
    let path = section.at("root_path");
    let text = match section.text("root_path", reader)? {
        None => reader.variable("SERVER_ROOT_PATH").unwrap_or_default(),
        Some(text) => text,
    };
    let text = text.trim().trim_matches('/');
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
    if !text.chars().all(plain) || text.contains("//") {
        return Err(ConfigError::Type {
            path,
            expected: "a path such as /ai-api",
            found: "something else".to_owned(),
        });
    }
    Ok(if text.is_empty() {
        String::new()
    } else {
        format!("/{text}")
    })
}

fn max_body_bytes(
    section: &mut Section,
    general: &mut Section,
    reader: &mut Reader<'_>,
) -> Result<u64, ConfigError> {
    let litellms: Option<u64> = general.count("max_request_size_mb", reader)?;
    let litellms = litellms.map(|megabytes| megabytes.saturating_mul(1 << 20));
    let path = section.at("max_body_bytes");
    let bytes = section
        .count("max_body_bytes", reader)?
        .or(litellms)
        .unwrap_or(MAX_BODY);
    // Envoy's buffer limits are 32 bits wide.
    if (1..=u64::from(u32::MAX)).contains(&bytes) {
        return Ok(bytes);
    }
    Err(ConfigError::Type {
        path,
        expected: "bytes, from 1 to 4294967295",
        found: bytes.to_string(),
    })
}

fn retention_days(
    mut section: Section,
    reader: &mut Reader<'_>,
) -> Result<Option<u64>, ConfigError> {
    let path = section.at("retention_days");
    match section.count("retention_days", reader)? {
        Some(0) => Err(ConfigError::Type {
            path,
            expected: "days, at least 1",
            found: "0".to_owned(),
        }),
        days => Ok(days),
    }
}

fn unknown_price(
    section: &mut Section,
    reader: &mut Reader<'_>,
) -> Result<UnknownPrice, ConfigError> {
    let path = section.at("unknown_price");
    match section.text("unknown_price", reader)?.as_deref() {
        None | Some("refuse") => Ok(UnknownPrice::Refuse),
        Some("allow") => Ok(UnknownPrice::Allow),
        Some(other) => Err(ConfigError::Choice {
            path,
            found: other.to_owned(),
            possible: "refuse, allow".to_owned(),
        }),
    }
}

fn read_budgets(
    mut section: Section,
    aliases: &IndexMap<Alias, Group>,
    reader: &mut Reader<'_>,
) -> Result<Budgets, ConfigError> {
    let dry_run = section.boolean("dry_run", reader)?.unwrap_or(false);
    let path = section.at("alert_webhook");
    let alert_webhook = section.text("alert_webhook", reader)?;
    if let Some(url) = &alert_webhook {
        Endpoint::parse(url.split(['?', '#']).next().unwrap_or(url))
            .map_err(|reason| ConfigError::Address { path, reason })?;
    }
    let allow_unbounded = section.boolean("allow_unbounded", reader)?;
    Ok(Budgets {
        dry_run,
        allow_unbounded: allow_unbounded.unwrap_or(false),
        downgrade: downgrade(&mut section, aliases, reader)?,
        alert_webhook: alert_webhook.map(Secret::new),
    })
}

fn downgrade(
    section: &mut Section,
    aliases: &IndexMap<Alias, Group>,
    reader: &mut Reader<'_>,
) -> Result<Option<Downgrade>, ConfigError> {
    if !section.has("downgrade") {
        return Ok(None);
    }
    let mut section = section.section("downgrade")?;
    strict(&section, &DOWNGRADE)?;
    let expected = "a share of the budget, from 0 to 1";
    let missing = |section: &Section, key| ConfigError::Missing {
        path: section.path().to_owned(),
        key,
    };
    let at = section
        .number("at", expected, reader)?
        .ok_or_else(|| missing(&section, "at"))?;
    let share = at
        .as_f64()
        .and_then(Share::from_fraction)
        .ok_or_else(|| ConfigError::Type {
            path: section.at("at"),
            expected,
            found: at.to_string(),
        })?;
    let to = section
        .text("to", reader)?
        .ok_or_else(|| missing(&section, "to"))?;
    let to = Alias::from(to);
    if !fallbacks::exists(&to, aliases) {
        return Err(ConfigError::Choice {
            path: section.at("to"),
            found: to.to_string(),
            possible: aliases
                .keys()
                .map(Alias::as_str)
                .collect::<Vec<_>>()
                .join(", "),
        });
    }
    Ok(Some(Downgrade { at: share, to }))
}
