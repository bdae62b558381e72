//! Where a deployment is and how it is paid: `api_base` and `api_key`.

use dragoman_proto::Dialect;

use crate::section::{Given, Reader, Section};
use crate::{BasePath, ConfigError, Credential, Endpoint, Origin, Provider, Secret};

/// Reads `api_base` and `api_key` of a deployment's parameters; `own_base` is where it is otherwise,
/// when that does not depend on the provider alone.
pub(super) fn read(
    params: &mut Section,
    provider: &'static Provider,
    own_base: Option<String>,
    reader: &mut Reader<'_>,
) -> Result<(Option<Endpoint>, Credential), ConfigError> {
    let base_key = if params.has("api_base") {
        "api_base"
    } else {
        "base_url"
    };
    let base = Field {
        path: params.at(base_key),
        given: params.given(base_key, reader)?,
    };
    let key = Field {
        path: params.at("api_key"),
        given: params.given("api_key", reader)?,
    };
    let borrowed_key = key.given.is_none() && base.given.is_some();
    let default = own_base.or_else(|| provider.base.map(str::to_owned));
    let endpoint = address(base, params.path(), provider, default, reader)?;
    let credential = credential(key, provider, endpoint.as_ref(), reader)?;
    if borrowed_key
        && credential.secret.is_some()
        && let (Some(endpoint), Origin::Variable(name)) = (&endpoint, &credential.origin)
        && is_elsewhere(provider, endpoint)
    {
        let whose = endpoint.authority();
        reader.warn(
            params.path(),
            format!("no api_key: the key in {name} is sent to {whose}"),
        );
    }
    Ok((endpoint, credential))
}

struct Field {
    path: String,
    given: Option<Given>,
}

fn address(
    base: Field,
    deployment: &str,
    provider: &'static Provider,
    default: Option<String>,
    reader: &mut Reader<'_>,
) -> Result<Option<Endpoint>, ConfigError> {
    let mut path = base.path;
    let text = match base.given {
        Some(Given::Literal(text)) if !text.trim().is_empty() => Some(text),
        Some(Given::Variable {
            value: Some(text), ..
        }) => Some(text),
        Some(Given::Variable { name, value: None }) => {
            unset(&path, name, provider, default, reader)?
        }
        Some(Given::Literal(_)) | None => match reader.first_variable(provider.base_variables) {
            // What is wrong with it is wrong with the variable.
            Some((variable, base)) => {
                path = variable;
                Some(base)
            }
            None => default,
        },
    };
    let Some(text) = text else {
        return match provider.dialect {
            None => Ok(None),
            Some(_) => Err(ConfigError::NoAddress {
                path: deployment.to_owned(),
                provider: provider.prefix,
            }),
        };
    };
    let endpoint = Endpoint::parse(&text).map_err(|reason| ConfigError::Address {
        path: path.clone(),
        reason,
    })?;
    Ok(Some(normalised(endpoint, &path, provider, reader)))
}

/// What happens when the address is in a variable that is not set. A default on this machine is
/// harmless; a provider on the Internet would get prompts and a key that were meant for another.
fn unset(
    path: &str,
    variable: String,
    provider: &Provider,
    default: Option<String>,
    reader: &mut Reader<'_>,
) -> Result<Option<String>, ConfigError> {
    let other = reader.first_variable(provider.base_variables);
    let default = other.map(|(_, base)| base).or(default);
    match (&default, provider.dialect) {
        (Some(default), _) if provider.keyless => {
            let consequence = format!("variable {variable} is not set: requests go to {default}");
            reader.missing(path, consequence);
        }
        (Some(default), Some(_)) => {
            return Err(ConfigError::UnsetAddress {
                path: path.to_owned(),
                variable,
                default: default.clone(),
            });
        }
        (None, Some(_)) => {
            return Err(ConfigError::NoAddressVariable {
                path: path.to_owned(),
                variable,
                provider: provider.prefix,
            });
        }
        (_, None) => reader.missing(path, format!("variable {variable} is not set")),
    }
    Ok(default)
}

/// Endpoints that people paste whole; their paths are ours to append.
const PASTED: [&str; 4] = [
    "/chat/completions",
    "/completions",
    "/v1/messages",
    "/messages",
];

fn normalised(
    mut endpoint: Endpoint,
    path: &str,
    provider: &Provider,
    reader: &mut Reader<'_>,
) -> Endpoint {
    let base = &mut endpoint.base_path;
    if let Some(end) = PASTED.into_iter().find(|end| base.ends_with(end)) {
        base.truncate(base.len() - end.len());
        reader.warn(
            path,
            format!("{end} at the end is left out: it is the base that belongs here"),
        );
    }
    match provider.base_path {
        BasePath::AsGiven => {
            if base.is_empty()
                && provider.dialect == Some(Dialect::OpenAi)
                && provider.base != Some(endpoint.to_string().as_str())
            {
                let consequence = format!(
                    "requests go to {endpoint}/chat/completions; most servers want {endpoint}/v1 here"
                );
                reader.warn(path, consequence);
            }
        }
        BasePath::WithV1 => {
            if !base.ends_with("/v1") {
                base.push_str("/v1");
            }
        }
        BasePath::Root => {
            if base.ends_with("/v1") {
                base.truncate(base.len() - "/v1".len());
            }
        }
    }
    endpoint
}

fn credential(
    key: Field,
    provider: &'static Provider,
    endpoint: Option<&Endpoint>,
    reader: &mut Reader<'_>,
) -> Result<Credential, ConfigError> {
    let path = key.path;
    let (secret, origin) = match key.given {
        Some(Given::Literal(text)) if !text.trim().is_empty() => (Some(text), Origin::File),
        Some(Given::Variable { name, value }) => {
            if value.is_none() {
                let effect = without_key(provider, endpoint);
                reader.missing(&path, format!("variable {name} is not set: {effect}"));
            }
            (value, Origin::Variable(name))
        }
        Some(Given::Literal(_)) | None => from_environment(&path, provider, endpoint, reader),
    };
    let secret = secret.map(|text| Secret::new(text.trim()));
    if let Some(secret) = &secret {
        if !secret
            .expose()
            .bytes()
            .all(|byte| matches!(byte, 0x20..=0x7e))
        {
            return Err(ConfigError::Unprintable { path });
        }
        if secret.looks_like_placeholder() {
            let consequence = format!(
                "looks like a placeholder: {} will refuse it (a variable is os.environ/NAME)",
                provider.prefix
            );
            reader.warn(&path, consequence);
        }
    }
    Ok(Credential {
        header: provider.header,
        secret,
        origin,
    })
}

fn from_environment(
    path: &str,
    provider: &Provider,
    endpoint: Option<&Endpoint>,
    reader: &mut Reader<'_>,
) -> (Option<String>, Origin) {
    if let Some((name, value)) = reader.first_variable(provider.key_variables) {
        return (Some(value), Origin::Variable(name));
    }
    match provider.key_variables.first() {
        Some(name) if !provider.keyless => {
            let effect = without_key(provider, endpoint);
            reader.missing(
                path,
                format!("no api_key, and variable {name} is not set: {effect}"),
            );
            (None, Origin::Variable((*name).to_owned()))
        }
        _ => (None, Origin::Nowhere),
    }
}

fn without_key(provider: &Provider, endpoint: Option<&Endpoint>) -> String {
    let elsewhere = endpoint.is_some_and(|endpoint| is_elsewhere(provider, endpoint));
    if provider.keyless || elsewhere {
        "requests go out without a key".to_owned()
    } else {
        format!("{} will refuse these requests", provider.prefix)
    }
}

/// Whether `endpoint` is somebody other than the provider that the prefix names.
fn is_elsewhere(provider: &Provider, endpoint: &Endpoint) -> bool {
    let own = provider.base.and_then(|base| Endpoint::parse(base).ok());
    own.is_none_or(|own| own.host != endpoint.host)
}
