//! The rest of `litellm_params`: prices, settings of providers, defaults for the request.

use dragoman_policy::Price;
use dragoman_policy::prices::is_read;
use dragoman_proto::Dialect;
use indexmap::IndexMap;
use serde_json::{Map, Number, Value};

use crate::known::{self, Place, Plain};
use crate::section::{Reader, Section, as_number, wrong};
use crate::{ConfigError, Provider, Secret, yaml};

/// Takes LiteLLM's price keys out of `litellm_params` and `model_info`; the former win.
pub(super) fn prices(
    entry: &str,
    params: &mut Section,
    info: &mut Section,
    reader: &mut Reader<'_>,
) -> Result<IndexMap<String, Number>, ConfigError> {
    let mut prices = IndexMap::new();
    for section in [params, info] {
        let keys = section.entries().keys().filter(|key| is_price(key));
        let keys: Vec<String> = keys.cloned().collect();
        for key in keys {
            let path = section.at(&key);
            let Some(value) = section.value(&key, reader) else {
                continue;
            };
            match as_number(&value) {
                Some(_) if !is_read(&key) => {
                    reader.ignored(
                        &path,
                        "this price is not counted: what it is for is charged at the others",
                    );
                }
                Some(price) => {
                    prices.entry(key).or_insert(price);
                }
                None if value.is_object() || value.is_array() => {
                    reader.ignored(&path, "prices are numbers here: this one is not counted");
                }
                None => return Err(wrong(&path, "a price in dollars", &value)),
            }
        }
    }
    // Read once here, so that a price that is no amount is named with its place.
    let settings = prices.clone().into_iter();
    let settings = settings
        .map(|(key, price)| (key, Value::Number(price)))
        .collect();
    match Price::overridden(&[&settings], None) {
        Ok(_) => Ok(prices),
        Err(reason) => Err(ConfigError::Price {
            path: entry.to_owned(),
            reason,
        }),
    }
}

/// `input_cost_per_token`, `cache_read_input_token_cost`
fn is_price(key: &str) -> bool {
    key.contains("_cost_") || key.ends_with("_cost")
}

/// `api_version`, where the provider has such a thing; the first variable that is set otherwise.
pub(super) fn api_version(
    params: &mut Section,
    provider: &Provider,
    reader: &mut Reader<'_>,
) -> Result<Option<String>, ConfigError> {
    if provider.dialect != Some(Dialect::Azure) {
        return Ok(None);
    }
    let given = params.text("api_version", reader)?;
    let given = given.map(|text| text.trim().to_owned());
    Ok(given.filter(|text| !text.is_empty()).or_else(|| {
        let variable = reader.first_variable(&["AZURE_API_VERSION"]);
        variable.map(|(_, version)| version)
    }))
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

/// Takes those out.
pub(super) fn provider_settings(
    params: &mut Section,
    reader: &mut Reader<'_>,
) -> IndexMap<String, Secret> {
    let keys = params.entries().keys();
    let keys = keys.filter(|key| PROVIDER_SETTINGS.iter().any(|start| key.starts_with(start)));
    let keys: Vec<String> = keys.cloned().collect();
    let mut settings = IndexMap::new();
    for key in keys {
        match params.value(&key, reader) {
            None => {}
            Some(Value::String(text)) => {
                settings.insert(key, Secret::new(text));
            }
            Some(other) => {
                settings.insert(key, Secret::new(other.to_string()));
            }
        }
    }
    settings
}

/// What is left are defaults for the request.
pub(super) fn defaults(
    mut params: Section,
    reader: &mut Reader<'_>,
) -> Result<Map<String, Value>, ConfigError> {
    let extra = params.section("extra_body")?;
    let path = params.path().to_owned();
    let mut defaults = Map::new();
    for (key, value) in params.into_rest() {
        let path = yaml::join(&path, &key);
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
                "not a parameter that we know: each request is sent with it",
            );
        }
        if let Some(value) = reader.resolved(&path, value) {
            let value = typed(&key, value, &path, reader);
            defaults.insert(key, value);
        }
    }
    defaults.extend(resolved_map(extra, reader));
    Ok(defaults)
}

/// A default as providers want it: variables and quoted values are text, also where they are numbers.
fn typed(key: &str, value: Value, path: &str, reader: &mut Reader<'_>) -> Value {
    let Some(plain) = known::plain(key) else {
        return value;
    };
    let (read, wanted) = match (plain, &value) {
        (Plain::Number, Value::Number(_)) | (Plain::Boolean, Value::Bool(_)) => return value,
        (Plain::Number, _) => (as_number(&value).map(Value::Number), "a number"),
        (Plain::Boolean, Value::String(text)) => {
            (text.trim().parse().ok().map(Value::Bool), "true or false")
        }
        (Plain::Boolean, _) => (None, "true or false"),
    };
    read.unwrap_or_else(|| {
        let consequence = format!("is not {wanted}: providers refuse requests with it");
        reader.warn(path, consequence);
        value
    })
}

/// The section as it is, references replaced.
pub(super) fn resolved_map(section: Section, reader: &mut Reader<'_>) -> Map<String, Value> {
    let path = section.path().to_owned();
    match reader.resolved(&path, Value::Object(section.into_rest())) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}
