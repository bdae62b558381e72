//! `router_settings`, and what people write elsewhere and mean here.

use std::time::Duration;

use indexmap::IndexMap;

use super::{Sections, fallbacks};
use crate::known::Place::{self, General, LiteLlm, Router as Routing};
use crate::section::{Reader, Section};
use crate::{Alias, ConfigError, Fallbacks, Group, Period, ProviderBudget, Router, Strategy};

/// LiteLLM's `DEFAULT_MAX_RETRIES` of the router.
const RETRIES: u32 = 2;
/// What OpenAI's clients wait.
const TIMEOUT: Duration = Duration::from_secs(600);
/// LiteLLM's.
const COOLDOWN: Duration = Duration::from_secs(5);

/// Where the number of retries may stand; the first one wins.
const RETRY_KEYS: [(Place, &str); 6] = [
    (Routing, "num_retries"),
    (LiteLlm, "num_retries"),
    (General, "num_retries"),
    (Routing, "max_retries"),
    (LiteLlm, "max_retries"),
    (General, "max_retries"),
];
/// Where the timeout may stand; the first one wins.
const TIMEOUT_KEYS: [(Place, &str); 6] = [
    (Routing, "timeout"),
    (Routing, "request_timeout"),
    (LiteLlm, "request_timeout"),
    (LiteLlm, "timeout"),
    (General, "request_timeout"),
    (General, "timeout"),
];

pub(super) fn read(
    sections: &mut Sections,
    aliases: &IndexMap<Alias, Group>,
    reader: &mut Reader<'_>,
) -> Result<Router, ConfigError> {
    let everywhere = |key| [(Routing, key), (LiteLlm, key), (General, key)];
    let timeout = sections.anywhere(&TIMEOUT_KEYS, reader, Section::seconds)?;
    Ok(Router {
        strategy: strategy(&mut sections.router, reader)?.unwrap_or_default(),
        num_retries: sections
            .anywhere(&RETRY_KEYS, reader, Section::count)?
            .unwrap_or(RETRIES),
        timeout: timeout
            .filter(|timeout| !timeout.is_zero())
            .unwrap_or(TIMEOUT),
        stream_timeout: sections.anywhere(
            &everywhere("stream_timeout"),
            reader,
            Section::seconds,
        )?,
        fallbacks: fallback_lists(sections, "fallbacks", aliases, reader)?,
        context_window_fallbacks: fallback_lists(
            sections,
            "context_window_fallbacks",
            aliases,
            reader,
        )?,
        content_policy_fallbacks: fallback_lists(
            sections,
            "content_policy_fallbacks",
            aliases,
            reader,
        )?,
        allowed_fails: sections.anywhere(&everywhere("allowed_fails"), reader, Section::count)?,
        cooldown_time: sections
            .anywhere(&everywhere("cooldown_time"), reader, Section::seconds)?
            .unwrap_or(COOLDOWN),
        cooldowns_disabled: sections
            .router
            .boolean("disable_cooldowns", reader)?
            .unwrap_or(false),
        pre_call_checks: sections
            .router
            .boolean("enable_pre_call_checks", reader)?
            .unwrap_or(false),
        provider_budgets: provider_budgets(sections, reader)?,
    })
}

fn strategy(
    router: &mut Section,
    reader: &mut Reader<'_>,
) -> Result<Option<Strategy>, ConfigError> {
    let path = router.at("routing_strategy");
    let Some(found) = router.text("routing_strategy", reader)? else {
        return Ok(None);
    };
    let named = Strategy::NAMES.iter().find(|(name, _)| *name == found);
    match named {
        Some((_, strategy)) => Ok(Some(*strategy)),
        None => Err(ConfigError::Choice {
            path,
            found,
            possible: Strategy::NAMES.map(|(name, _)| name).join(", "),
        }),
    }
}

fn fallback_lists(
    sections: &mut Sections,
    key: &'static str,
    aliases: &IndexMap<Alias, Group>,
    reader: &mut Reader<'_>,
) -> Result<Fallbacks, ConfigError> {
    let places = [(Routing, key), (LiteLlm, key), (General, key)];
    let found = sections.anywhere(&places, reader, |section, key, reader| {
        let path = section.at(key);
        let found = fallbacks::read(section, key, reader)?;
        if let Some(found) = &found {
            fallbacks::check(&path, found, aliases, reader);
        }
        Ok(found)
    })?;
    let mut found = found.unwrap_or_default();
    if key == "fallbacks" {
        let places = [
            (Routing, "default_fallbacks"),
            (LiteLlm, "default_fallbacks"),
            (General, "default_fallbacks"),
        ];
        let default = sections.anywhere(&places, reader, |section, key, reader| {
            let path = section.at(key);
            let list = fallbacks::list(section, key, reader)?;
            for alias in list
                .iter()
                .flatten()
                .filter(|alias| !fallbacks::exists(alias, aliases))
            {
                reader.warn(
                    &path,
                    format!("there is no model {alias}: this fallback is passed over"),
                );
            }
            Ok(list)
        })?;
        found.default.extend(default.unwrap_or_default());
    }
    Ok(found)
}

/// `{openai: {budget_limit: 10, time_period: 1d}}`
fn provider_budgets(
    sections: &mut Sections,
    reader: &mut Reader<'_>,
) -> Result<Vec<ProviderBudget>, ConfigError> {
    let key = "provider_budget_config";
    let mut section = sections.router.section(key)?;
    let names: Vec<String> = section.entries().keys().cloned().collect();
    let mut budgets = Vec::new();
    for provider in names {
        let mut entry = section.section(&provider)?;
        let limit = entry.number("budget_limit", "dollars, 0 or more", reader)?;
        let limit = match limit {
            None => entry.number("max_budget", "dollars, 0 or more", reader)?,
            some => some,
        };
        let dollars = limit.ok_or_else(|| ConfigError::Missing {
            path: entry.path().to_owned(),
            key: "budget_limit",
        })?;
        let window = match period(&mut entry, "time_period", reader)? {
            None => period(&mut entry, "budget_duration", reader)?,
            some => some,
        };
        let window = window.ok_or_else(|| ConfigError::Missing {
            path: entry.path().to_owned(),
            key: "time_period",
        })?;
        if crate::Provider::named(&provider).is_none() {
            reader.warn(
                entry.path(),
                format!("there is no provider {provider}: this budget is never used"),
            );
        }
        super::leftover(entry, Routing, reader);
        budgets.push(ProviderBudget {
            provider,
            dollars,
            window,
        });
    }
    Ok(budgets)
}

/// Takes a budget's window out.
pub(super) fn period(
    section: &mut Section,
    key: &str,
    reader: &mut Reader<'_>,
) -> Result<Option<Period>, ConfigError> {
    let path = section.at(key);
    let Some(text) = section.text(key, reader)? else {
        return Ok(None);
    };
    match Period::parse(&text) {
        Some(period) => Ok(Some(period)),
        None => Err(ConfigError::Type {
            path,
            expected: "a period such as 30s, 5m, 1h, 1d, 1w or 1mo",
            found: "something else".to_owned(),
        }),
    }
}
