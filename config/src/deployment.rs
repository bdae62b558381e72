//! A deployment: one entry of `model_list`, resolved.

use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

use dragoman_policy::plan::Pattern;
use dragoman_proto::{Dialect, Quirks};
use indexmap::IndexMap;
use serde_json::{Map, Number, Value};

use crate::{AwsSigning, Endpoint, GoogleCredentials, KeyHeader, Origin, Provider, Secret};

/// Where requests for an alias can go: one entry of `model_list`.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// Stable over restarts; also the name of its Envoy cluster's core.
    pub id: DeploymentId,
    /// The name that clients use; may be a pattern when [`Deployment::wildcard`].
    pub alias: Alias,
    /// Who runs it.
    pub provider: &'static Provider,
    /// What it speaks; `None`: a provider that we know and do not serve yet. Such a deployment is
    /// listed, and requests to it get a clear error.
    pub dialect: Option<Dialect>,
    /// The provider's name of the model; a pattern when [`Deployment::wildcard`].
    pub model: String,
    /// Whether alias or model hold a `*`: [`Deployment::model_for`] tells the model of a request.
    pub wildcard: bool,
    /// Where it is. Always there when [`Deployment::dialect`] is.
    pub endpoint: Option<Endpoint>,
    /// The version of the API, where the provider wants one.
    pub api_version: Option<String>,
    /// How it is paid.
    pub credential: Credential,
    /// What the service makes access tokens with, where those are its key.
    pub google: Option<GoogleCredentials>,
    /// Who signs its requests, on AWS.
    pub signing: Option<AwsSigning>,
    /// Share of the alias's requests, relative to its other deployments.
    pub weight: Option<u32>,
    /// Deployments of a lower order come first.
    pub order: Option<u32>,
    /// Requests per minute.
    pub rpm: Option<u64>,
    /// Tokens per minute.
    pub tpm: Option<u64>,
    /// Requests at once.
    pub max_parallel_requests: Option<u32>,
    /// For a whole answer; the router's own where `None`.
    pub timeout: Option<Duration>,
    /// For a stream; the router's own where `None`.
    pub stream_timeout: Option<Duration>,
    /// Retries of a request to it; the router's own where `None`.
    pub max_retries: Option<u32>,
    /// Whether a parameter that it cannot express is dropped (or a 400); all levels considered.
    pub drop_params: bool,
    /// Request parameters that apply when the client sets none.
    pub defaults: Map<String, Value>,
    /// How it differs from its dialect.
    pub quirks: Quirks,
    /// LiteLLM's price keys (`input_cost_per_token` …), in dollars per unit.
    pub prices: IndexMap<String, Number>,
    /// Settings of dialects that are not served yet: `aws_*`, `watsonx_*` …
    /// Kept secret as a whole, because keys are among them; what is not text is JSON.
    pub provider_settings: IndexMap<String, Secret>,
    /// What else `model_info` says: `mode`, `base_model`, `max_tokens` …
    pub model_info: Map<String, Value>,
}

impl Deployment {
    /// Dialect and address, for a deployment that is served.
    pub fn upstream(&self) -> Option<(Dialect, &Endpoint)> {
        Some((self.dialect?, self.endpoint.as_ref()?))
    }

    /// Whether clients reach it by `requested`.
    pub fn answers_to(&self, requested: &str) -> bool {
        star(self.alias.as_str(), requested).is_some()
    }

    /// The provider's model for a client's `requested` name: a `*` in the model stands for what the
    /// `*` of the alias stands for.
    pub fn model_for(&self, requested: &str) -> Option<String> {
        let matched = star(self.alias.as_str(), requested)?;
        Some(self.model.replacen('*', matched, 1))
    }
}

/// What the first `*` of `pattern` stands for in `name`; nothing when it has none and is equal.
pub(crate) fn star<'n>(pattern: &str, name: &'n str) -> Option<&'n str> {
    match Pattern::parse(pattern) {
        None => (pattern == name).then_some(""),
        Some(pattern) => pattern.capture(name),
    }
}

/// How a deployment is paid: a header that Envoy adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// In which header the provider wants it.
    pub header: KeyHeader,
    /// The key; `None`: requests go out without one.
    pub secret: Option<Secret>,
    /// Where the key stands.
    pub origin: Origin,
}

impl Credential {
    /// The header's value: `Bearer sk-…`.
    pub fn header_value(&self) -> Option<Secret> {
        let secret = self.secret.as_ref()?;
        Some(Secret::new(format!(
            "{}{}",
            self.header.prefix(),
            secret.expose()
        )))
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// As text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// A deployment's id: `model_info.id`, or a short hash of its entry without secrets. Letters,
    /// digits, `.`, `_` and `-` only.
    DeploymentId
);
name!(
    /// The name by which clients ask for a model.
    Alias
);
