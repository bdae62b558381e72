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
    /// By endpoint, and by whether parameters are dropped: the demands that it cannot meet. Its dialect
    /// is asked when the first request makes some.
    lacking: [[OnceLock<Vec<&'static str>>; 2]; Operation::ALL.len()],
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
        let (operation, config) = (facts.operation, &self.config);
        let drop_params = facts.overrides.drop_params.unwrap_or(config.drop_params);
        let known = match captured.filter(|_| config.model.contains('*')) {
            None => self.lacking.get(operation as usize),
            Some(_) => None,
        };
        let known = known.and_then(|known| known.get(usize::from(drop_params)));
        let of_this_request = || self.config_for(drop_params, captured);
        let mut names = facts.demands.iter();
        let Some(known) = known else {
            let config = of_this_request();
            return !names.any(|name| demands::lacks(&config, operation, name));
        };
        let lacking = known.get_or_init(|| demands::lacking(&of_this_request(), operation));
        !names.any(|name| lacking.contains(&name.as_str()))
    }

    /// The configuration as it is for one request.
    fn config_for(&self, drop_params: bool, captured: Option<&str>) -> UpstreamConfig {
        let model = &self.config.model;
        UpstreamConfig {
            drop_params,
            model: captured.map_or_else(|| model.clone(), |c| model.replacen('*', c, 1)),
            ..self.config.clone()
        }
    }
}
