//! How requests are told to a deployment, and which of them it cannot be told.

use std::sync::OnceLock;

use dragoman_config::Deployment;
use dragoman_dialect::demands;
use dragoman_proto::{Facts, Operation, UpstreamConfig};

/// What the filter knows of a deployment, and what follows from it for plans.
#[derive(Debug)]
pub struct Interpretation {
    /// The filter's configuration.
    pub config: UpstreamConfig,
    /// By endpoint: the demands that it cannot meet. Its dialect is asked when the first request makes
    /// some.
    lacking: [OnceLock<Vec<&'static str>>; Operation::ALL.len()],
}

impl Interpretation {
    /// Of `deployment`; `None` where its provider is not served.
    pub(super) fn of(deployment: &Deployment) -> Option<Self> {
        let (dialect, endpoint) = deployment.upstream()?;
        Some(Self {
            config: UpstreamConfig {
                deployment: deployment.id.to_string(),
                provider: deployment.provider.prefix.to_owned(),
                dialect,
                model: deployment.model.clone(),
                authority: endpoint.authority(),
                base_path: endpoint.base_path.clone(),
                api_version: deployment.api_version.clone(),
                defaults: deployment.defaults.clone(),
                drop_params: deployment.drop_params,
                quirks: deployment.quirks.clone(),
            },
            lacking: Default::default(),
        })
    }

    /// Whether the deployment can meet all demands of a request; `captured` is what the `*` of its
    /// model stands for, if it has one.
    pub(super) fn expresses(&self, facts: &Facts, captured: Option<&str>) -> bool {
        if facts.demands.is_empty() {
            return true;
        }
        let operation = facts.operation;
        let is_another = captured.is_some() && self.config.model.contains('*');
        if is_another || facts.overrides.keep_params && self.config.drop_params {
            let config = self.config_for(facts, captured);
            let mut names = facts.demands.iter();
            return !names.any(|name| demands::lacks(&config, operation, name));
        }
        let Some(lacking) = self.lacking.get(operation as usize) else {
            return true;
        };
        let lacking = lacking.get_or_init(|| demands::lacking(&self.config, operation));
        let mut names = facts.demands.iter();
        !names.any(|name| lacking.contains(&name.as_str()))
    }

    /// The configuration as it is for one request.
    fn config_for(&self, facts: &Facts, captured: Option<&str>) -> UpstreamConfig {
        let mut config = self.config.clone();
        config.drop_params &= !facts.overrides.keep_params;
        if let Some(captured) = captured {
            config.model = config.model.replacen('*', captured, 1);
        }
        config
    }
}
