//! Deployments on AWS: region, address, and the keys that sign. The variables are LiteLLM's.

use dragoman_proto::BedrockName;
use serde_json::Value;

use crate::section::{Given, Reader, Section, wrong};
use crate::{
    AwsKeys, AwsSigner, AwsSigning, ConfigError, Credential, Endpoint, Origin, Provider, Secret,
};

/// Where LiteLLM looks when nothing says where.
const DEFAULT_REGION: &str = "us-west-2";
const REGION_VARIABLES: [&str; 3] = ["AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"];
const BASE_KEYS: [&str; 3] = ["api_base", "base_url", "aws_bedrock_runtime_endpoint"];
/// A region is part of a host's name.
const A_REGION: &str = "a region such as eu-west-1";

/// Where a deployment is and who pays for it.
pub(super) struct Access {
    pub(super) endpoint: Endpoint,
    /// A token of Bedrock's own; nothing in it where requests are signed.
    pub(super) credential: Credential,
    pub(super) signing: Option<AwsSigning>,
}

/// Reads a deployment's region, address and keys. `model` is its name, which may tell the region.
pub(super) fn read(
    params: &mut Section,
    model: &str,
    provider: &'static Provider,
    reader: &mut Reader<'_>,
) -> Result<Access, ConfigError> {
    let region = region(params, model, reader)?;
    let endpoint = endpoint(params, &region, provider, reader)?;
    let (credential, signer) = keys(params, provider, reader)?;
    let access = Access {
        endpoint,
        credential,
        signing: signer.map(|signer| AwsSigning { region, signer }),
    };
    unread(params, reader);
    Ok(access)
}

fn region(
    params: &mut Section,
    model: &str,
    reader: &mut Reader<'_>,
) -> Result<String, ConfigError> {
    let path = params.at("aws_region_name");
    let given = match params.text("aws_region_name", reader)? {
        Some(region) => Some(region),
        None => params.text("region_name", reader)?,
    };
    let given = given
        .map(|region| region.trim().to_owned())
        .filter(|region| !region.is_empty());
    let named = given.or_else(|| BedrockName::parse(model).region.map(str::to_owned));
    let region = match named {
        Some(region) => region,
        None => match reader.first_variable(&REGION_VARIABLES) {
            Some((_, region)) => region,
            None => {
                let consequence = format!(
                    "no aws_region_name, and no variable AWS_REGION: it is {DEFAULT_REGION}"
                );
                reader.warn(&path, consequence);
                DEFAULT_REGION.to_owned()
            }
        },
    };
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if region.bytes().all(fits) {
        Ok(region)
    } else {
        Err(wrong(&path, A_REGION, &Value::String(region)))
    }
}

/// The address: one's own, or that of the region.
fn endpoint(
    params: &mut Section,
    region: &str,
    provider: &'static Provider,
    reader: &mut Reader<'_>,
) -> Result<Endpoint, ConfigError> {
    let own = own_address(region);
    let mut found = None;
    for key in BASE_KEYS {
        let path = params.at(key);
        match params.given(key, reader)? {
            None => {}
            Some(Given::Literal(text)) if text.trim().is_empty() => {}
            Some(_) if found.is_some() => {
                reader.ignored(&path, "the address is said already");
            }
            Some(Given::Literal(text)) => found = Some((path, text)),
            Some(Given::Variable {
                value: Some(text), ..
            }) => found = Some((path, text)),
            Some(Given::Variable { name, value: None }) => {
                return Err(ConfigError::UnsetAddress {
                    path,
                    variable: name,
                    default: own,
                });
            }
        }
    }
    let (path, text) = found
        .or_else(|| reader.first_variable(provider.base_variables))
        .unwrap_or_else(|| (params.path().to_owned(), own));
    Endpoint::parse(&text).map_err(|reason| ConfigError::Address { path, reason })
}

/// <https://docs.aws.amazon.com/general/latest/gr/bedrock.html>
fn own_address(region: &str) -> String {
    let suffix = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else if region.starts_with("eusc-") {
        "amazonaws.eu"
    } else {
        "amazonaws.com"
    };
    format!("https://bedrock-runtime.{region}.{suffix}")
}

/// The token, or who signs. What stands in the file comes before what is in the environment. Keys
/// that are asked for and are not there are not replaced by anybody else's.
fn keys(
    params: &mut Section,
    provider: &'static Provider,
    reader: &mut Reader<'_>,
) -> Result<(Credential, Option<AwsSigner>), ConfigError> {
    let id = Field::take(params, "aws_access_key_id", reader)?;
    let secret = Field::take(params, "aws_secret_access_key", reader)?;
    let session = Field::take(params, "aws_session_token", reader)?;
    let token = Field::take(params, "api_key", reader)?;
    if token.is_given() {
        let origin = token.origin.clone();
        return Ok((bearer(provider, token.secret()?, origin), None));
    }
    if id.is_given() || secret.is_given() {
        let origin = secret.origin.clone();
        let path = secret.path.clone();
        let signer = match (id.secret()?, secret.secret()?) {
            (Some(access_key_id), Some(secret_access_key)) => Some(AwsSigner::Keys(AwsKeys {
                access_key_id,
                secret_access_key,
                session_token: session.secret()?,
                origin: origin.clone(),
            })),
            _ => {
                let consequence =
                    "one half of the access key is missing: AWS will refuse these requests";
                reader.missing(&path, consequence);
                None
            }
        };
        return Ok((bearer(provider, None, origin), signer));
    }
    from_environment(provider, reader)
}

fn from_environment(
    provider: &'static Provider,
    reader: &Reader<'_>,
) -> Result<(Credential, Option<AwsSigner>), ConfigError> {
    let variable = |name: &str| Field::variable(name, reader);
    let token = variable("AWS_BEARER_TOKEN_BEDROCK");
    if token.is_given() {
        let origin = token.origin.clone();
        return Ok((bearer(provider, token.secret()?, origin), None));
    }
    let secret = variable("AWS_SECRET_ACCESS_KEY");
    let origin = secret.origin.clone();
    let id = variable("AWS_ACCESS_KEY_ID").secret()?;
    let signer = match (id, secret.secret()?) {
        (Some(access_key_id), Some(secret_access_key)) => AwsSigner::Keys(AwsKeys {
            access_key_id,
            secret_access_key,
            session_token: variable("AWS_SESSION_TOKEN").secret()?,
            origin,
        }),
        _ => AwsSigner::Surroundings,
    };
    Ok((bearer(provider, None, Origin::Nowhere), Some(signer)))
}

fn bearer(provider: &'static Provider, secret: Option<Secret>, origin: Origin) -> Credential {
    Credential {
        header: provider.header,
        secret,
        origin,
    }
}

/// A secret, and where it stands.
struct Field {
    path: String,
    text: Option<String>,
    origin: Origin,
}

impl Field {
    fn take(params: &mut Section, key: &str, reader: &mut Reader<'_>) -> Result<Self, ConfigError> {
        let path = params.at(key);
        let (text, origin) = match params.given(key, reader)? {
            Some(Given::Literal(text)) if !text.trim().is_empty() => (Some(text), Origin::File),
            Some(Given::Variable { name, value }) => {
                if value.is_none() {
                    reader.missing(&path, format!("variable {name} is not set"));
                }
                (value, Origin::Variable(name))
            }
            Some(Given::Literal(_)) | None => (None, Origin::Nowhere),
        };
        Ok(Self { path, text, origin })
    }

    fn variable(name: &str, reader: &Reader<'_>) -> Self {
        let text = reader.variable(name);
        Self {
            path: name.to_owned(),
            origin: if text.is_some() {
                Origin::Variable(name.to_owned())
            } else {
                Origin::Nowhere
            },
            text,
        }
    }

    /// Whether something stands there, be it a variable that is not set.
    fn is_given(&self) -> bool {
        self.origin != Origin::Nowhere
    }

    fn secret(self) -> Result<Option<Secret>, ConfigError> {
        let Some(text) = self.text else {
            return Ok(None);
        };
        let text = text.trim();
        if text.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
            Ok(Some(Secret::new(text)))
        } else {
            Err(ConfigError::Unprintable { path: self.path })
        }
    }
}

/// Names the settings of LiteLLM's that do nothing here.
fn unread(params: &mut Section, reader: &mut Reader<'_>) {
    let keys = params.entries().keys();
    let keys: Vec<String> = keys
        .filter(|key| key.starts_with("aws_"))
        .cloned()
        .collect();
    for key in keys {
        let path = params.at(&key);
        if params.take(&key).is_none() {
            continue;
        }
        let consequence = match key.as_str() {
            "aws_role_name"
            | "aws_session_name"
            | "aws_external_id"
            | "aws_web_identity_token"
            | "aws_sts_endpoint"
            | "aws_session_tags" => {
                "no role is assumed: requests are signed by the access key, or without one by \
                 whoever Envoy itself is on AWS"
            }
            "aws_profile_name" => {
                "no profile is read here: set AWS_PROFILE for Envoy, and no access key"
            }
            _ => "not a setting that we know",
        };
        reader.ignored(&path, consequence);
    }
}
