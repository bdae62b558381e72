//! `general_settings`: access and records.

use indexmap::IndexMap;

use super::{Sections, fallbacks, router};
use crate::known::Place;
use crate::section::{Given, Reader, Section};
use crate::{
    Alias, ConfigError, General, Group, MasterKey, MaxBudget, Origin, Own, Secret, UsageLimit,
};

/// Our variable comes before the file, as for every setting; LiteLLM's comes after it.
const OURS: &str = "DRAGOMAN_MASTER_KEY";
const LITELLMS: &str = "LITELLM_MASTER_KEY";

pub(super) fn read(
    sections: &mut Sections,
    own: &Own,
    aliases: &IndexMap<Alias, Group>,
    reader: &mut Reader<'_>,
) -> Result<General, ConfigError> {
    let section = &mut sections.general;
    let master_key = master_key(section, reader)?;
    let completion_model = completion_model(section, aliases, reader)?;
    let usage_limits = usage_limits(section, own, reader)?;
    let disable_spend_logs = section
        .boolean("disable_spend_logs", reader)?
        .unwrap_or(false);
    let disable_error_logs = section
        .boolean("disable_error_logs", reader)?
        .unwrap_or(false);
    Ok(General {
        master_key,
        completion_model,
        disable_spend_logs,
        disable_error_logs,
        usage_limits,
        max_budget: max_budget(sections, reader)?,
    })
}

fn master_key(
    section: &mut Section,
    reader: &mut Reader<'_>,
) -> Result<Option<MasterKey>, ConfigError> {
    let path = section.at("master_key");
    let given = section.given("master_key", reader)?;
    let from = |name: &str, text: String| (text, Origin::Variable(name.to_owned()));
    let ours = reader.variable(OURS).map(|text| from(OURS, text));
    let litellms = reader.variable(LITELLMS).map(|text| from(LITELLMS, text));
    let file = match given {
        Some(Given::Literal(text)) if !text.trim().is_empty() => Some((text, Origin::File)),
        Some(Given::Variable {
            name,
            value: Some(text),
        }) => Some((text, Origin::Variable(name))),
        Some(Given::Variable { name, value: None }) => {
            if ours.is_none() {
                let instead = match litellms {
                    Some(_) => format!("{LITELLMS} is the master key"),
                    None => "a master key is generated at first start".to_owned(),
                };
                reader.missing(&path, format!("variable {name} is not set: {instead}"));
            }
            None
        }
        Some(Given::Literal(_)) | None => None,
    };
    let Some((text, origin)) = ours.or(file).or(litellms) else {
        return Ok(None);
    };
    let secret = Secret::new(text.trim());
    if !secret
        .expose()
        .bytes()
        .all(|byte| matches!(byte, 0x21..=0x7e))
    {
        let path = match origin {
            Origin::Variable(name) => name,
            _ => path,
        };
        return Err(ConfigError::Unprintable { path });
    }
    if secret.looks_like_placeholder() || secret.expose() == "sk-1234" {
        reader.warn(
            &path,
            "this key stands in public documents: whoever knows them may do everything here",
        );
    }
    Ok(Some(MasterKey { secret, origin }))
}

fn completion_model(
    section: &mut Section,
    aliases: &IndexMap<Alias, Group>,
    reader: &mut Reader<'_>,
) -> Result<Option<Alias>, ConfigError> {
    let path = section.at("completion_model");
    let Some(alias) = section.text("completion_model", reader)?.map(Alias::from) else {
        return Ok(None);
    };
    if !fallbacks::exists(&alias, aliases) {
        reader.warn(
            &path,
            format!("there is no model {alias}: requests that name no model are refused"),
        );
        return Ok(None);
    }
    reader.warn(
        &path,
        format!("{alias} answers requests that name no model; unlike in LiteLLM, others go where they ask"),
    );
    Ok(Some(alias))
}

/// Keys of clients are the map's keys here, so no path or message may hold one.
fn usage_limits(
    section: &mut Section,
    own: &Own,
    reader: &mut Reader<'_>,
) -> Result<Vec<UsageLimit>, ConfigError> {
    let path = section.at("usage_limits");
    let limits = section.section("usage_limits")?;
    let mut read = Vec::new();
    for (index, (key, value)) in limits.into_rest().into_iter().enumerate() {
        let mut limit = Section::from_value(format!("{path}[{index}]"), Some(value))?;
        read.push(UsageLimit {
            key: Secret::new(key),
            max_requests: limit.count("max_requests", reader)?,
            max_tokens: limit.count("max_tokens", reader)?,
        });
        super::leftover(limit, Place::General, reader);
    }
    if !read.is_empty() && !own.enforce_usage_limits {
        reader.ignored(
            &path,
            "not enforced, as in LiteLLM; `dragoman: {enforce_usage_limits: true}` enforces them per minute",
        );
    }
    Ok(read)
}

fn max_budget(
    sections: &mut Sections,
    reader: &mut Reader<'_>,
) -> Result<Option<MaxBudget>, ConfigError> {
    let places = [
        (Place::LiteLlm, "max_budget"),
        (Place::General, "max_budget"),
    ];
    let dollars = sections.anywhere(&places, reader, |section, key, reader| {
        section.number(key, "dollars, 0 or more", reader)
    })?;
    let places = [
        (Place::LiteLlm, "budget_duration"),
        (Place::General, "budget_duration"),
    ];
    let window = sections.anywhere(&places, reader, router::period)?;
    Ok(dollars.map(|dollars| MaxBudget { dollars, window }))
}
