//! LiteLLM's config.yaml, read into what Dragoman does with it.
//!
//! [`load`] is pure: the file's text and the [`Environment`] come in, a resolved [`Config`] of newtypes
//! or one clear [`ConfigError`] comes out. Whatever the file says that does not happen is in
//! [`Config::notices`], with the place and what it means; nothing is passed over in silence.
//! [`report`] explains a configuration to a person.

mod aws;
mod config;
mod deployment;
mod endpoint;
mod environment;
mod error;
mod google;
mod known;
mod notice;
mod providers;
mod read;
mod report;
mod secret;
mod section;
mod units;
mod yaml;

#[cfg(test)]
mod tests;

pub use aws::{AwsKeys, AwsSigner, AwsSigning};
pub use config::{
    Budgets, Config, Downgrade, Fallbacks, General, Group, MasterKey, MaxBudget, Origin, Own,
    ProviderBudget, Router, Server, Strategy, UnknownPrice, UsageLimit,
};
pub use deployment::{Alias, Credential, Deployment, DeploymentId};
pub use endpoint::{Endpoint, EndpointError, Scheme};
pub use environment::Environment;
pub use error::{ConfigError, ModelError};
pub use google::{
    AuthorizedUser, GoogleAccount, GoogleAccountError, GoogleCredentials, ServiceAccount,
};
pub use notice::{Notice, Severity};
pub use providers::{BasePath, KeyHeader, Provider};
pub use report::report;
pub use secret::Secret;
pub use units::{Period, PeriodUnit, Share};

/// Reads the file's `text`. `environment` looks variables up (the file's own
/// `environment_variables` come before it, as in LiteLLM) and files of credentials.
pub fn load(text: &str, environment: &dyn Environment) -> Result<Config, ConfigError> {
    read::config(text, environment)
}
