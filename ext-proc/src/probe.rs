//! `/health?probe=true`: one small request per deployment, through Envoy's own listener, as a client
//! would send it. So a probe tests what clients use: filters, translation, credential and provider.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use reqwest::Client;
use serde::Deserialize;
use serde_json::json;
use tonic::async_trait;

use crate::http::{Probe, ProbeFailure};

/// A provider that takes longer for a few tokens is not well.
const PATIENCE: Duration = Duration::from_secs(30);

/// Probes through Envoy.
pub(crate) struct EnvoyProbe {
    url: String,
    master_key: String,
    client: Client,
}

#[derive(Deserialize)]
struct Refused {
    error: Message,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

/// A listener that is bound to every address is reached at the local one.
pub(crate) fn reachable(listener: SocketAddr) -> SocketAddr {
    if listener.ip().is_unspecified() {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listener.port())
    } else {
        listener
    }
}

impl EnvoyProbe {
    /// Probes through the Envoy whose HTTP listener is at `url`, with the master key.
    pub(crate) fn new(url: &str, master_key: String) -> reqwest::Result<Self> {
        let url = url.trim_end_matches('/');
        Ok(Self {
            url: format!("{url}/v1/chat/completions"),
            master_key,
            client: Client::builder().timeout(PATIENCE).no_proxy().build()?,
        })
    }
}

#[async_trait]
impl Probe for EnvoyProbe {
    async fn probe(&self, deployment: &str) -> Result<(), ProbeFailure> {
        let body = json!({
            "model": deployment,
            "messages": [{ "role": "user", "content": "ping" }],
            "max_tokens": 16,
            "num_retries": 0,
            "disable_fallbacks": true,
        });
        let request = self.client.post(&self.url).bearer_auth(&self.master_key);
        let failed = |error: reqwest::Error| ProbeFailure(error.without_url().to_string());
        let answer = request.json(&body).send().await.map_err(failed)?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let refused = answer.json::<Refused>().await.ok();
        let message = refused.map_or_else(|| status.to_string(), |refused| refused.error.message);
        Err(ProbeFailure(message))
    }
}
