//! From a configuration to what Envoy's resources are built from.

use std::path::PathBuf;
use std::time::Duration;

use dragoman_config::{AwsSigner, AwsSigning, Deployment, Scheme, Secret};
use dragoman_envoy::{
    Credential, Endpoint, FilterModule, Listeners, Services, Signing, SigningKeys, Topology,
    Upstream,
};

use crate::credentials::TokenBoard;
use crate::live::{Live, longest_timeout};

/// A stream may be silent for this long beyond the longest timeout of a deployment.
const IDLE_MARGIN: Duration = Duration::from_secs(30);

/// What does not come from the configuration file.
#[derive(Debug, Clone)]
pub(crate) struct Surroundings {
    pub(crate) listeners: Listeners,
    pub(crate) services: Services,
    pub(crate) filter: FilterModule,
    pub(crate) spool: Option<PathBuf>,
    pub(crate) ca_file: PathBuf,
}

/// What stands in a secret while there is no access token. Envoy would wait for a secret that is not
/// there; plans leave the deployment out.
const NO_TOKEN: &str = "none";

/// The topology of `live` in its surroundings, with the access tokens of the moment.
pub(crate) fn topology(live: &Live, around: &Surroundings, tokens: &TokenBoard) -> Topology {
    let config = &live.config;
    Topology {
        listeners: around.listeners.clone(),
        services: around.services.clone(),
        filter: around.filter.clone(),
        upstreams: config
            .deployments
            .iter()
            .filter_map(|deployment| upstream(deployment, live, tokens))
            .collect(),
        root_path: config.server.root_path.clone(),
        max_body_bytes: u32::try_from(config.server.max_body_bytes).unwrap_or(u32::MAX),
        idle_timeout: longest_timeout(config) + IDLE_MARGIN,
        spool: around.spool.clone(),
        ca_file: around.ca_file.clone(),
    }
}

fn upstream(deployment: &Deployment, live: &Live, tokens: &TokenBoard) -> Option<Upstream> {
    let (_, endpoint) = deployment.upstream()?;
    let served = live.served(deployment.id.as_str())?;
    let tls = endpoint.scheme == Scheme::Https;
    Some(Upstream {
        config: served.interpretation.config.clone(),
        endpoint: Endpoint {
            tls,
            host: endpoint.host.clone(),
            port: endpoint.port,
        },
        credential: credential(deployment, tokens),
        signing: deployment.signing.as_ref().map(signing),
        timeout: served.bound,
    })
}

fn credential(deployment: &Deployment, tokens: &TokenBoard) -> Option<Credential> {
    let own = &deployment.credential;
    let value = if deployment.google.is_some() {
        let token = tokens.token(deployment.id.as_str());
        let token = token.as_ref().map_or(NO_TOKEN, Secret::expose);
        format!("{}{token}", own.header.prefix())
    } else {
        own.header_value()?.expose().to_owned()
    };
    Some(Credential {
        header: own.header.name().to_owned(),
        value,
    })
}

/// What AWS calls the service that Bedrock's models run in.
const BEDROCK: &str = "bedrock";

fn signing(signing: &AwsSigning) -> Signing {
    let keys = match &signing.signer {
        AwsSigner::Surroundings => None,
        AwsSigner::Keys(keys) => Some(SigningKeys {
            access_key_id: keys.access_key_id.expose().to_owned(),
            secret_access_key: keys.secret_access_key.expose().to_owned(),
            session_token: keys
                .session_token
                .as_ref()
                .map(|token| token.expose().to_owned())
                .unwrap_or_default(),
        }),
    };
    Signing {
        service: BEDROCK,
        region: signing.region.clone(),
        keys,
    }
}
