//! Fallback lists, in the shapes in which people write them.

use indexmap::IndexMap;
use serde_json::Value;

use crate::section::{Reader, Section, wrong};
use crate::{Alias, ConfigError, Fallbacks, Group, yaml};

/// A list of maps (LiteLLM's form), or one map.
pub(super) fn read(
    section: &mut Section,
    key: &str,
    reader: &mut Reader<'_>,
) -> Result<Option<Fallbacks>, ConfigError> {
    let path = section.at(key);
    let maps = match section.value(key, reader) {
        None => return Ok(None),
        Some(Value::Object(map)) => vec![(path, map)],
        Some(Value::Array(list)) => {
            let mut maps = Vec::new();
            for (index, item) in list.into_iter().enumerate() {
                let path = format!("{path}[{index}]");
                match item {
                    Value::Object(map) => maps.push((path, map)),
                    other => {
                        return Err(wrong(&path, "a map such as `a-model: [another]`", &other));
                    }
                }
            }
            maps
        }
        Some(other) => {
            return Err(wrong(
                &path,
                "a list of maps such as `a-model: [another]`",
                &other,
            ));
        }
    };
    let mut fallbacks = Fallbacks::default();
    for (path, map) in maps {
        for (alias, value) in map {
            let targets = names(&yaml::join(&path, &alias), value, reader)?;
            if alias == "*" {
                fallbacks.default.extend(targets);
            } else {
                let list = fallbacks.by_alias.entry(Alias::from(alias)).or_default();
                list.extend(targets);
            }
        }
    }
    Ok(Some(fallbacks))
}

/// A list of aliases, or one.
pub(super) fn list(
    section: &mut Section,
    key: &str,
    reader: &mut Reader<'_>,
) -> Result<Option<Vec<Alias>>, ConfigError> {
    let path = section.at(key);
    let value = section.value(key, reader);
    value.map(|value| names(&path, value, reader)).transpose()
}

fn names(path: &str, value: Value, reader: &mut Reader<'_>) -> Result<Vec<Alias>, ConfigError> {
    let items = match value {
        Value::Array(items) => items,
        Value::Null => Vec::new(),
        one => vec![one],
    };
    let mut names = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        let path = format!("{path}[{index}]");
        match item {
            Value::String(name) => names.push(Alias::from(name)),
            Value::Object(map) => {
                let mut section = Section::new(path.clone(), map);
                let name = section.text("model", reader)?.ok_or(ConfigError::Missing {
                    path: path.clone(),
                    key: "model",
                })?;
                if !section.entries().is_empty() {
                    reader.ignored(
                        &path,
                        "a fallback takes the model alone, not other parameters",
                    );
                }
                names.push(Alias::from(name));
            }
            other => return Err(wrong(&path, "the name of a model", &other)),
        }
    }
    Ok(names)
}

/// Says which names of a list lead nowhere.
pub(super) fn check(
    path: &str,
    fallbacks: &Fallbacks,
    aliases: &IndexMap<Alias, Group>,
    reader: &mut Reader<'_>,
) {
    let sources = fallbacks.by_alias.keys();
    for alias in sources.filter(|alias| !exists(alias, aliases)) {
        reader.warn(
            path,
            format!("there is no model {alias}: its fallbacks are never used"),
        );
    }
    let targets = fallbacks
        .by_alias
        .values()
        .flatten()
        .chain(&fallbacks.default);
    for alias in targets.filter(|alias| !exists(alias, aliases)) {
        reader.warn(
            path,
            format!("there is no model {alias}: this fallback is passed over"),
        );
    }
}

pub(super) fn exists(alias: &Alias, aliases: &IndexMap<Alias, Group>) -> bool {
    aliases
        .keys()
        .any(|known| crate::deployment::star(known.as_str(), alias.as_str()).is_some())
}
