//! Deployments become groups: ids, weights, aliases.

use std::collections::HashSet;

use indexmap::IndexMap;
use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

use super::deployment::Entry;
use crate::section::{Reader, Section, as_whole, wrong};
use crate::{Alias, ConfigError, Deployment, DeploymentId, Group};

/// A deployment's id before it is unique.
pub(super) enum Id {
    /// In the file.
    Written(DeploymentId),
    /// Out of the entry.
    Made(DeploymentId),
}

/// `model_info.id`, else a short hash over name and parameters, as they are written: so a rotated
/// variable does not change it. A key in the file does not count either, because ids are public.
pub(super) fn id_of(
    alias: &str,
    info: &mut Section,
    params: &Map<String, Value>,
    reader: &mut Reader<'_>,
) -> Result<Id, ConfigError> {
    let path = info.at("id");
    if let Some(id) = info.text("id", reader)? {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if id.chars().all(plain) && (1..=64).contains(&id.len()) {
            return Ok(Id::Written(DeploymentId::from(id)));
        }
        reader.ignored(
            &path,
            "an id has 1 to 64 letters, digits, dots, dashes: one is made instead",
        );
    }
    let mut text = format!("{alias}\n");
    let mut keys: Vec<_> = params.iter().collect();
    keys.sort_unstable_by_key(|(key, _)| *key);
    for (key, value) in keys {
        if !is_secret(key, value) {
            text.push_str(key);
            canonical(value, &mut text);
        }
    }
    let hash = hex::encode(Sha256::digest(text));
    let id = hash.get(..12).unwrap_or(&hash);
    Ok(Id::Made(DeploymentId::from(id)))
}

/// Whether an entry's parameter is a key, or JSON that holds one.
fn is_secret(key: &str, value: &Value) -> bool {
    if key.contains("credentials") {
        let inline = |text: &str| text.trim_start().starts_with('{');
        return value.as_str().map_or(value.is_object(), inline);
    }
    let literal = |text: &str| !text.starts_with("os.environ/");
    let is_key = ["key", "secret", "token"]
        .iter()
        .any(|part| key.contains(part));
    is_key && value.as_str().is_some_and(literal)
}

/// JSON with sorted keys.
fn canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<_> = map.iter().collect();
            keys.sort_unstable_by_key(|(key, _)| *key);
            text.push('{');
            for (key, value) in keys {
                text.push_str(key);
                text.push(':');
                canonical(value, text);
            }
            text.push('}');
        }
        Value::Array(list) => {
            text.push('[');
            list.iter().for_each(|item| canonical(item, text));
            text.push(']');
        }
        plain => text.push_str(&plain.to_string()),
    }
    text.push('\n');
}

/// Groups by alias, in the file's order.
pub(super) fn gather(
    entries: Vec<Entry>,
    reader: &mut Reader<'_>,
) -> Result<(Vec<Deployment>, IndexMap<Alias, Group>), ConfigError> {
    let mut groups: IndexMap<Alias, Vec<Entry>> = IndexMap::new();
    let mut order = Vec::with_capacity(entries.len());
    let mut taken = HashSet::new();
    for mut entry in entries {
        entry.deployment.id = unique(&entry, &mut taken)?;
        order.push(entry.deployment.id.clone());
        groups
            .entry(entry.deployment.alias.clone())
            .or_default()
            .push(entry);
    }
    let mut deployments = Vec::with_capacity(order.len());
    let mut aliases = IndexMap::new();
    for (alias, mut entries) in groups {
        weigh(&mut entries, reader);
        let ids = entries
            .iter()
            .map(|entry| entry.deployment.id.clone())
            .collect();
        let group = Group {
            deployments: ids,
            hidden: false,
        };
        aliases.insert(alias, group);
        deployments.extend(entries.into_iter().map(|entry| entry.deployment));
    }
    deployments.sort_by_key(|deployment| order.iter().position(|id| *id == deployment.id));
    Ok((deployments, aliases))
}

/// Equal entries get numbers; an id that somebody wrote twice is a mistake.
fn unique(entry: &Entry, taken: &mut HashSet<DeploymentId>) -> Result<DeploymentId, ConfigError> {
    let id = match &entry.id {
        Id::Written(id) | Id::Made(id) => id,
    };
    if taken.insert(id.clone()) {
        return Ok(id.clone());
    }
    if matches!(entry.id, Id::Written(_)) {
        return Err(ConfigError::DuplicateId {
            path: format!("{}.model_info.id", entry.path),
            id: id.to_string(),
        });
    }
    let numbered = (2_usize..).map(|number| DeploymentId::from(format!("{id}-{number}")));
    let free = numbered
        .take(taken.len() + 1)
        .find(|id| !taken.contains(id));
    let free = free.unwrap_or_else(|| id.clone());
    taken.insert(free.clone());
    Ok(free)
}

/// Envoy's weights are whole numbers: fractions are scaled, for the whole group alike.
fn weigh(entries: &mut [Entry], reader: &mut Reader<'_>) {
    const SCALE: f64 = 1_000.0;
    let weights = || entries.iter().filter_map(|entry| entry.weight.as_ref());
    let whole = weights().all(|weight| as_whole(weight).is_some());
    let all_zero = entries.iter().all(|entry| {
        let weight = entry.weight.as_ref().and_then(Number::as_f64);
        weight.is_some_and(|weight| weight == 0.0)
    });
    for entry in entries.iter_mut() {
        let Some(weight) = entry.weight.as_ref().and_then(Number::as_f64) else {
            continue;
        };
        let scaled = if whole {
            weight
        } else {
            (weight * SCALE).round()
        };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let scaled = scaled.clamp(0.0, 1e6) as u32;
        entry.deployment.weight = Some(scaled);
    }
    if all_zero && let Some(first) = entries.first() {
        let path = format!("{}.litellm_params.weight", first.path);
        reader.warn(
            &path,
            "every weight of this model is 0: its deployments share alike",
        );
        for entry in entries {
            entry.deployment.weight = None;
        }
    }
}

/// `router_settings.model_group_alias`: more names for what is there.
pub(super) fn add_group_aliases(
    router: &mut Section,
    aliases: &mut IndexMap<Alias, Group>,
    reader: &mut Reader<'_>,
) -> Result<(), ConfigError> {
    let mut section = router.section("model_group_alias")?;
    let names: Vec<String> = section.entries().keys().cloned().collect();
    for name in names {
        let path = section.at(&name);
        let (target, hidden) = match section.take(&name) {
            None => continue,
            Some(Value::String(target)) => (target, false),
            Some(Value::Object(map)) => {
                let mut entry = Section::new(path.clone(), map);
                let hidden = entry.boolean("hidden", reader)?.unwrap_or(false);
                let target = entry.text("model", reader)?.ok_or(ConfigError::Missing {
                    path: path.clone(),
                    key: "model",
                })?;
                (target, hidden)
            }
            Some(other) => return Err(wrong(&path, "the name of a model", &other)),
        };
        let Some(group) = aliases.get(target.as_str()) else {
            reader.ignored(
                &path,
                format!("there is no model {target}: this name is not served"),
            );
            continue;
        };
        if aliases.contains_key(name.as_str()) {
            reader.ignored(&path, "model_list has this name already, and wins");
            continue;
        }
        let group = Group {
            deployments: group.deployments.clone(),
            hidden,
        };
        aliases.insert(Alias::from(name), group);
    }
    Ok(())
}
