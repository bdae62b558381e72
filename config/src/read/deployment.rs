//! Entries of `model_list`.

use indexmap::IndexMap;
use serde_json::{Map, Number, Value};

use super::{credential, group, model};
use crate::known::{self, Place};
use crate::section::{Reader, Section, as_number, wrong};
use crate::{Alias, ConfigError, Deployment};

/// An entry, and what only its group can decide.
pub(super) struct Entry {
    pub(super) deployment: Deployment,
    /// As written: LiteLLM takes fractions too.
    pub(super) weight: Option<Number>,
    /// Where it stands.
    pub(super) path: String,
}

/// Reads all entries; `drop_params` is the default of theirs.
pub(super) fn read_all(
    list: Vec<Value>,
    drop_params: bool,
    reader: &mut Reader<'_>,
) -> Result<Vec<Entry>, ConfigError> {
    let entries = list.into_iter().enumerate();
    entries
        .map(|(index, value)| read(index, value, drop_params, reader))
        .collect()
}

fn read(
    index: usize,
    value: Value,
    drop_params: bool,
    reader: &mut Reader<'_>,
) -> Result<Entry, ConfigError> {
    let path = format!("model_list[{index}]");
    let Value::Object(map) = value else {
        return Err(wrong(
            &path,
            "a map with model_name and litellm_params",
            &value,
        ));
    };
    let mut entry = Section::new(path.clone(), map);
    let alias = required(&mut entry, "model_name", reader)?;
    if !entry.has("litellm_params") {
        return Err(ConfigError::Missing {
            path,
            key: "litellm_params",
        });
    }
    let mut params = entry.section("litellm_params")?;
    let mut info = entry.section("model_info")?;
    let id = group::id_of(&alias, &mut info, params.entries(), reader)?;

    let custom = params.text("custom_llm_provider", reader)?;
    let model_path = params.at("model");
    let name = required(&mut params, "model", reader)?;
    let (provider, model) =
        model::resolve(&name, custom.as_deref()).map_err(|reason| ConfigError::Model {
            path: model_path.clone(),
            reason,
        })?;
    if provider.dialect.is_none() {
        let consequence = format!(
            "{} is not served yet: requests for {alias} get an error",
            provider.prefix
        );
        reader.warn(&model_path, consequence);
    }
    let (endpoint, credential) = credential::read(&mut params, provider, reader)?;
    let mut both = Both { params, entry };
    let weight = both.number("weight", reader)?;
    let deployment = Deployment {
        id,
        wildcard: alias.contains('*') || model.contains('*'),
        alias: Alias::from(alias),
        provider,
        dialect: provider.dialect,
        model,
        endpoint,
        credential,
        weight: None,
        order: both.read("order", reader, Section::count)?,
        rpm: both.read("rpm", reader, Section::count)?,
        tpm: both.read("tpm", reader, Section::count)?,
        max_parallel_requests: both.read("max_parallel_requests", reader, Section::count)?,
        timeout: match both.read("timeout", reader, Section::seconds)? {
            None => both.read("request_timeout", reader, Section::seconds)?,
            some => some,
        },
        stream_timeout: both.read("stream_timeout", reader, Section::seconds)?,
        max_retries: match both.read("num_retries", reader, Section::count)? {
            None => both.read("max_retries", reader, Section::count)?,
            some => some,
        },
        drop_params: both
            .read("drop_params", reader, Section::boolean)?
            .unwrap_or(drop_params),
        prices: prices(&mut both.params, &mut info),
        provider_settings: provider_settings(&mut both.params, reader),
        defaults: defaults(both.params, reader)?,
        quirks: provider.quirks(),
        model_info: resolved_map(info, reader),
    };
    super::leftover(both.entry, Place::Entry, reader);
    Ok(Entry {
        deployment,
        weight,
        path,
    })
}

fn required(
    section: &mut Section,
    key: &'static str,
    reader: &mut Reader<'_>,
) -> Result<String, ConfigError> {
    let text = section
        .text(key, reader)?
        .map(|text| text.trim().to_owned());
    text.filter(|text| !text.is_empty())
        .ok_or_else(|| ConfigError::Missing {
            path: section.path().to_owned(),
            key,
        })
}

/// `litellm_params` and the entry around it: people write limits and weights in either.
struct Both {
    params: Section,
    entry: Section,
}

impl Both {
    fn read<T>(
        &mut self,
        key: &str,
        reader: &mut Reader<'_>,
        read: impl Fn(&mut Section, &str, &mut Reader<'_>) -> Result<Option<T>, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        let inner = read(&mut self.params, key, reader)?;
        let outer_path = self.entry.at(key);
        let outer = read(&mut self.entry, key, reader)?;
        if inner.is_some() && outer.is_some() {
            let consequence = format!("{} says it already, and wins", self.params.at(key));
            reader.ignored(&outer_path, consequence);
        }
        Ok(inner.or(outer))
    }

    fn number(
        &mut self,
        key: &str,
        reader: &mut Reader<'_>,
    ) -> Result<Option<Number>, ConfigError> {
        self.read(key, reader, |section, key, reader| {
            section.number(key, "a number, 0 or more", reader)
        })
    }
}

/// Whether a key names a price: `input_cost_per_token`, `cache_read_input_token_cost`.
fn is_price(key: &str) -> bool {
    key.contains("_cost_") || key.ends_with("_cost")
}

/// Takes prices out of `litellm_params` and `model_info`; the former win, as in LiteLLM.
fn prices(params: &mut Section, info: &mut Section) -> IndexMap<String, Number> {
    let mut prices = IndexMap::new();
    for section in [params, info] {
        let keys = section.entries().iter();
        let keys = keys.filter(|(key, value)| is_price(key) && as_number(value).is_some());
        let keys: Vec<String> = keys.map(|(key, _)| key.clone()).collect();
        for key in keys {
            if let Some(price) = section.take(&key).as_ref().and_then(as_number) {
                prices.entry(key).or_insert(price);
            }
        }
    }
    prices
}

/// Beginnings of keys that belong to providers whose dialects need more than a base and a key.
const PROVIDER_SETTINGS: [&str; 9] = [
    "api_version",
    "aws_",
    "vertex_",
    "azure_",
    "watsonx_",
    "region_name",
    "tenant_id",
    "client_id",
    "client_secret",
];

fn provider_settings(params: &mut Section, reader: &mut Reader<'_>) -> Map<String, Value> {
    let keys = params.entries().keys();
    let keys = keys.filter(|key| PROVIDER_SETTINGS.iter().any(|start| key.starts_with(start)));
    let keys: Vec<String> = keys.cloned().collect();
    keys.into_iter()
        .filter_map(|key| {
            let value = params.value(&key, reader)?;
            Some((key, value))
        })
        .collect()
}

/// What is left of `litellm_params` are defaults for the request.
fn defaults(
    mut params: Section,
    reader: &mut Reader<'_>,
) -> Result<Map<String, Value>, ConfigError> {
    let extra = params.section("extra_body")?;
    let path = params.path().to_owned();
    let mut defaults = Map::new();
    for (key, value) in params.into_rest() {
        let path = crate::yaml::join(&path, &key);
        if value.is_null() {
            continue;
        }
        if let Some(consequence) = known::consequence(Place::Params, &key) {
            reader.ignored(&path, consequence);
            continue;
        }
        if !known::is_request_parameter(&key) {
            reader.warn(
                &path,
                "not a parameter that we know: it is sent to the provider with each request",
            );
        }
        if let Some(value) = reader.resolved(&path, value) {
            defaults.insert(key, value);
        }
    }
    defaults.extend(resolved_map(extra, reader));
    Ok(defaults)
}

fn resolved_map(section: Section, reader: &mut Reader<'_>) -> Map<String, Value> {
    let path = section.path().to_owned();
    match reader.resolved(&path, Value::Object(section.into_rest())) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}
