//! Entries of `model_list`.

use std::time::Duration;

use dragoman_proto::Dialect;
use serde_json::{Number, Value};

use super::vertex::{self, Vertex};
use super::{aws, credential, group, model, params};
use crate::known::Place;
use crate::section::{Reader, Section, wrong};
use crate::{
    Alias, AwsSigning, ConfigError, Credential, Deployment, DeploymentId, Endpoint,
    GoogleCredentials, Provider,
};

/// An entry, and what only its group can decide.
pub(super) struct Entry {
    /// Not yet unique.
    pub(super) id: group::Id,
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
    let (alias, mut maps) = maps(&path, value, reader)?;
    let Maps { params, info, .. } = &mut maps;
    let id = group::id_of(&alias, info, params.entries(), reader)?;
    let (provider, model) = provider_and_model(&alias, params, reader)?;
    let Access {
        endpoint,
        credential,
        google,
        signing,
    } = access(params, &model, provider, reader)?;
    let api_version = params::api_version(params, provider, reader)?;
    let there = endpoint.as_ref().and_then(Provider::at);
    let there = there.filter(|there| there.dialect == provider.dialect);
    let quirks = there.unwrap_or(provider).quirks();
    let prices = params::prices(&path, params, info, reader)?;
    let weight = maps.read(&["weight"], reader, |section, key, reader| {
        section.number(key, "a number, 0 or more", reader)
    })?;
    let deployment = Deployment {
        // Its group gives it one that is unique.
        id: DeploymentId::from(""),
        wildcard: alias.contains('*') || model.contains('*'),
        alias: Alias::from(alias),
        provider,
        dialect: provider.dialect,
        model,
        endpoint,
        api_version,
        credential,
        google,
        signing,
        weight: None,
        order: maps.count(&["order"], reader)?,
        rpm: maps.limit("rpm", reader)?,
        tpm: maps.limit("tpm", reader)?,
        max_parallel_requests: maps.limit("max_parallel_requests", reader)?,
        timeout: maps.seconds(&["timeout", "request_timeout"], reader)?,
        stream_timeout: maps.seconds(&["stream_timeout"], reader)?,
        max_retries: maps.count(&["num_retries", "max_retries"], reader)?,
        drop_params: maps
            .read(&["drop_params"], reader, Section::boolean)?
            .unwrap_or(drop_params),
        prices,
        provider_settings: params::provider_settings(&mut maps.params, reader),
        defaults: params::defaults(maps.params, reader)?,
        quirks,
        model_info: params::resolved_map(maps.info, reader),
    };
    super::leftover(maps.entry, Place::Entry, reader);
    Ok(Entry {
        id,
        deployment,
        weight,
        path,
    })
}

/// Where a deployment is, and how it is paid.
struct Access {
    endpoint: Option<Endpoint>,
    credential: Credential,
    google: Option<GoogleCredentials>,
    signing: Option<AwsSigning>,
}

fn access(
    params: &mut Section,
    model: &str,
    provider: &'static Provider,
    reader: &mut Reader<'_>,
) -> Result<Access, ConfigError> {
    if provider.dialect == Some(Dialect::Bedrock) {
        let access = aws::read(params, model, provider, reader)?;
        return Ok(Access {
            endpoint: Some(access.endpoint),
            credential: access.credential,
            google: None,
            signing: access.signing,
        });
    }
    let vertex = vertex::read(params, provider, model, reader)?;
    let own_base = vertex.as_ref().map(Vertex::base);
    let (endpoint, mut credential) = credential::read(params, provider, own_base, reader)?;
    let endpoint = match &vertex {
        Some(vertex) => endpoint.map(|endpoint| vertex.placed(endpoint, params, reader)),
        None => endpoint,
    };
    let google = vertex.and_then(|vertex| vertex.paying(&mut credential, params, reader));
    Ok(Access {
        endpoint,
        credential,
        google,
        signing: None,
    })
}

fn maps(path: &str, value: Value, reader: &mut Reader<'_>) -> Result<(String, Maps), ConfigError> {
    let Value::Object(map) = value else {
        let expected = "a map with model_name and litellm_params";
        return Err(wrong(path, expected, &value));
    };
    let mut entry = Section::new(path, map);
    let alias = required(&mut entry, "model_name", reader)?;
    if !entry.has("litellm_params") {
        return Err(ConfigError::Missing {
            path: path.to_owned(),
            key: "litellm_params",
        });
    }
    let params = entry.section("litellm_params")?;
    let info = entry.section("model_info")?;
    let maps = Maps {
        params,
        info,
        entry,
    };
    Ok((alias, maps))
}

fn provider_and_model(
    alias: &str,
    params: &mut Section,
    reader: &mut Reader<'_>,
) -> Result<(&'static Provider, String), ConfigError> {
    let path = params.at("model");
    let custom = params.text("custom_llm_provider", reader)?;
    let name = required(params, "model", reader)?;
    let (provider, model) =
        model::resolve(&name, custom.as_deref()).map_err(|reason| ConfigError::Model {
            path: path.clone(),
            reason,
        })?;
    if provider.dialect.is_none() {
        let prefix = provider.prefix;
        let consequence = format!("{prefix} is not served yet: requests for {alias} get an error");
        reader.warn(&path, consequence);
    }
    Ok((provider, model))
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

/// An entry's maps. People write limits and weights in `litellm_params` and in the entry around it.
struct Maps {
    params: Section,
    info: Section,
    entry: Section,
}

impl Maps {
    /// The first of `keys`, which mean the same, that either map has; the inner map wins.
    fn read<T>(
        &mut self,
        keys: &[&str],
        reader: &mut Reader<'_>,
        read: impl Fn(&mut Section, &str, &mut Reader<'_>) -> Result<Option<T>, ConfigError>,
    ) -> Result<Option<T>, ConfigError> {
        let mut winner: Option<(String, T)> = None;
        for section in [&mut self.params, &mut self.entry] {
            for key in keys {
                let path = section.at(key);
                match (read(section, key, reader)?, &winner) {
                    (None, _) => {}
                    (Some(value), None) => winner = Some((path, value)),
                    (Some(_), Some((first, _))) => {
                        reader.ignored(&path, format!("{first} says it already, and wins"));
                    }
                }
            }
        }
        Ok(winner.map(|(_, value)| value))
    }

    fn count<N: TryFrom<u64>>(
        &mut self,
        keys: &[&str],
        reader: &mut Reader<'_>,
    ) -> Result<Option<N>, ConfigError> {
        self.read(keys, reader, Section::count)
    }

    /// None at all is as if nothing were said, as in LiteLLM.
    fn limit<N: TryFrom<u64> + PartialEq + Default>(
        &mut self,
        key: &str,
        reader: &mut Reader<'_>,
    ) -> Result<Option<N>, ConfigError> {
        let limit = self.count(&[key], reader)?;
        if limit == Some(N::default()) {
            reader.warn(&self.params.at(key), "0 is no limit, as in LiteLLM");
            return Ok(None);
        }
        Ok(limit)
    }

    /// No time at all is as if nothing were said.
    fn seconds(
        &mut self,
        keys: &[&str],
        reader: &mut Reader<'_>,
    ) -> Result<Option<Duration>, ConfigError> {
        let time = self.read(keys, reader, Section::seconds)?;
        Ok(time.filter(|time| !time.is_zero()))
    }
}
