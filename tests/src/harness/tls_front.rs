//! An Envoy that speaks TLS to the outside and plain HTTP to a scripted provider: a provider as the
//! real ones are met.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::ensure;
use serde_json::{Value, json};

use super::{Authority, Process, binaries, free_port};

const START_LIMIT: Duration = Duration::from_secs(20);

/// Name of the header in which it says which HTTP it was spoken to in.
pub const FRONT_PROTOCOL: &str = "x-front-protocol";

/// A running one. Stopped when dropped.
#[derive(Debug)]
pub struct TlsFront {
    address: SocketAddr,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl TlsFront {
    /// Starts one before `provider`, with `authority`'s certificate for `127.0.0.1`, that offers the
    /// protocols `alpn`: `h2`, `http/1.1`.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start(
        authority: &Authority,
        alpn: &[&str],
        provider: SocketAddr,
    ) -> anyhow::Result<Self> {
        let address = free_port();
        let folder = super::servers::folder("dragoman-front-")?;
        let file = folder.path().join("front.json");
        fs::write(
            &file,
            bootstrap(address, authority, alpn, provider).to_string(),
        )?;
        let mut command = Command::new(binaries::envoy());
        command.arg("--config-path").arg(&file).args([
            "--disable-hot-restart",
            "--concurrency",
            "1",
        ]);
        let log = folder.path().join("front.log");
        let mut process = Process::start("the TLS front", &mut command, &log)?;
        let end = Instant::now() + START_LIMIT;
        while TcpStream::connect(address).is_err() {
            process.require_running()?;
            ensure!(Instant::now() < end, "the TLS front does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self {
            address,
            _process: process,
            _folder: folder,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn bootstrap(at: SocketAddr, authority: &Authority, alpn: &[&str], provider: SocketAddr) -> Value {
    let socket = |address: SocketAddr| {
        let (ip, port) = (address.ip().to_string(), address.port());
        json!({"socket_address": {"address": ip, "port_value": port}})
    };
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "front",
        "route_config": {
            "request_headers_to_add": [{"header": {"key": FRONT_PROTOCOL, "value": "%PROTOCOL%"}}],
            "virtual_hosts": [{
                "name": "all",
                "domains": ["*"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "provider", "timeout": "0s"}}],
            }],
        },
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }],
    });
    let tls = json!({
        "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
        "common_tls_context": {
            "alpn_protocols": alpn,
            "tls_certificates": [{
                "certificate_chain": {"filename": authority.certificate()},
                "private_key": {"filename": authority.key()},
            }],
        },
    });
    json!({"static_resources": {
        "listeners": [{
            "name": "front",
            "address": socket(at),
            "filter_chains": [{
                "filters": [{
                    "name": "envoy.filters.network.http_connection_manager",
                    "typed_config": manager,
                }],
                "transport_socket": {"name": "envoy.transport_sockets.tls", "typed_config": tls},
            }],
        }],
        "clusters": [{
            "name": "provider",
            "type": "STATIC",
            "connect_timeout": "2s",
            "load_assignment": {
                "cluster_name": "provider",
                "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket(provider)}}]}],
            },
        }],
    }})
}
