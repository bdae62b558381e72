//! From the tree to the [`Config`]: who reads which section, in which order.

mod aws;
mod credential;
mod deployment;
mod fallbacks;
mod general;
mod group;
mod model;
mod own;
mod params;
mod router;
mod vertex;

use serde_json::Value;

use crate::known::{self, Place};
use crate::section::{Reader, Section, wrong};
use crate::{Config, ConfigError, Environment, yaml};

/// Reads a whole file.
pub(crate) fn config(text: &str, environment: &dyn Environment) -> Result<Config, ConfigError> {
    let mut root = Section::new("", yaml::parse(text)?);
    let mut reader = Reader::new(environment);
    assign_variables(&mut root, &mut reader)?;

    let model_list = model_list(&mut root)?;
    let mut sections = Sections {
        router: root.section("router_settings")?,
        litellm: root.section("litellm_settings")?,
        general: root.section("general_settings")?,
    };
    let own = root.section("dragoman")?;

    let drop_params = sections.drop_params(&mut reader)?;
    let entries = deployment::read_all(model_list, drop_params, &mut reader)?;
    let (deployments, mut aliases) = group::gather(entries, &mut reader)?;
    group::add_group_aliases(&mut sections.router, &mut aliases, &mut reader)?;
    let router = router::read(&mut sections, &aliases, &mut reader)?;
    let (server, own) = own::read(own, &mut sections.general, &aliases, &mut reader)?;
    let general = general::read(&mut sections, &own, &aliases, &mut reader)?;

    leftover(root, Place::Top, &mut reader);
    leftover(sections.router, Place::Router, &mut reader);
    leftover(sections.litellm, Place::LiteLlm, &mut reader);
    leftover(sections.general, Place::General, &mut reader);
    Ok(Config {
        deployments,
        aliases,
        router,
        general,
        server,
        own,
        notices: reader.notices,
    })
}

/// LiteLLM's three sections of settings. People confuse them, so many keys are read from each.
struct Sections {
    router: Section,
    litellm: Section,
    general: Section,
}

impl Sections {
    /// Reads `keys` wherever they stand; the first place in order of `places` wins.
    fn anywhere<T>(
        &mut self,
        places: &[(Place, &str)],
        reader: &mut Reader<'_>,
        read: impl Fn(&mut Section, &str, &mut Reader<'_>) -> Result<Option<T>, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        let mut winner: Option<(String, T)> = None;
        for (place, key) in places {
            let section = match place {
                Place::Router => &mut self.router,
                Place::LiteLlm => &mut self.litellm,
                Place::General | Place::Top | Place::Entry | Place::Params => &mut self.general,
            };
            let path = section.at(key);
            let Some(value) = read(section, key, reader)? else {
                continue;
            };
            match &winner {
                None => winner = Some((path, value)),
                Some((first, _)) => {
                    let consequence = format!("{first} says it already, and wins");
                    reader.ignored(&path, consequence);
                }
            }
        }
        Ok(winner.map(|(_, value)| value))
    }

    fn drop_params(&mut self, reader: &mut Reader<'_>) -> Result<bool, ConfigError> {
        let places = [
            (Place::LiteLlm, "drop_params"),
            (Place::General, "drop_params"),
        ];
        let found = self.anywhere(&places, reader, Section::boolean)?;
        Ok(found.unwrap_or(false))
    }
}

/// `environment_variables`: LiteLLM puts them into its environment, over what is there.
fn assign_variables(root: &mut Section, reader: &mut Reader<'_>) -> Result<(), ConfigError> {
    let mut section = root.section("environment_variables")?;
    let names: Vec<String> = section.entries().keys().cloned().collect();
    for name in names {
        let path = section.at(&name);
        let value = match section.take(&name) {
            None => continue,
            Some(value @ (Value::Array(_) | Value::Object(_))) => {
                return Err(wrong(&path, "text", &value));
            }
            Some(Value::String(text)) => reader.resolved(&path, Value::String(text)),
            Some(plain) => Some(plain),
        };
        let text = match value {
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => continue,
        };
        reader.assigned.insert(name, text);
    }
    Ok(())
}

fn model_list(root: &mut Section) -> Result<Vec<Value>, ConfigError> {
    match root.take("model_list") {
        None => Err(ConfigError::NoModels {
            state: "is missing",
        }),
        Some(Value::Array(list)) if list.is_empty() => {
            Err(ConfigError::NoModels { state: "is empty" })
        }
        Some(Value::Array(list)) => Ok(list),
        Some(other) => Err(wrong("model_list", "a list", &other)),
    }
}

/// Names what nobody has read.
fn leftover(section: Section, place: Place, reader: &mut Reader<'_>) {
    let path = section.path().to_owned();
    for (key, value) in section.into_rest() {
        if value.is_null() {
            continue;
        }
        let consequence = known::consequence(place, &key).unwrap_or("unknown key: ignored");
        reader.ignored(&yaml::join(&path, &key), consequence);
    }
}
