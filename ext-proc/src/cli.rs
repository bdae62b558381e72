//! The command line.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::listen::Listen;
use crate::storage::Databases;

/// An LLM gateway for the Envoy that you run.
#[derive(Debug, Parser)]
#[command(name = "dragoman", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve Envoy: admission, control plane, ledger, and the endpoints that are not a provider's.
    Serve(Box<Serve>),
    /// Explain a configuration: what was understood, where requests go, what is missing or ignored.
    Check {
        /// LiteLLM's config.yaml.
        #[arg(long, value_name = "FILE", env = "DRAGOMAN_CONFIG")]
        config: PathBuf,
    },
    /// Print the bootstrap configuration for an Envoy beside the service.
    Bootstrap(Services),
}

/// `dragoman serve`.
#[derive(Debug, Args)]
pub struct Serve {
    /// LiteLLM's config.yaml.
    #[arg(long, value_name = "FILE", env = "DRAGOMAN_CONFIG")]
    pub config: PathBuf,
    /// Folder for ledger, generated keys and certificates.
    #[arg(
        long,
        value_name = "DIR",
        env = "DRAGOMAN_STATE",
        default_value = "state"
    )]
    pub state: PathBuf,
    /// Where Envoy accepts HTTP; `off` for none.
    #[arg(
        long,
        value_name = "ADDR",
        env = "DRAGOMAN_HTTP",
        default_value = "127.0.0.1:4000"
    )]
    pub http: Switch,
    /// Where Envoy accepts HTTPS; `off` for none.
    #[arg(
        long,
        value_name = "ADDR",
        env = "DRAGOMAN_HTTPS",
        default_value = "127.0.0.1:8443"
    )]
    pub https: Switch,
    /// CA certificates that providers are verified against, as Envoy sees the file.
    #[arg(
        long,
        value_name = "FILE",
        env = "DRAGOMAN_CA_FILE",
        default_value = "/etc/ssl/certs/ca-certificates.crt"
    )]
    pub ca_file: PathBuf,
    /// Folder in which Envoy finds the filter; the service writes it there. Where Envoy runs in
    /// another container, mount one folder at the same path in both. Default: in the state folder.
    #[arg(long, value_name = "DIR", env = "DRAGOMAN_FILTER_DIR")]
    pub filter_dir: Option<PathBuf>,
    /// Folder in which Envoy logs requests that the service then settles, should it have been away
    /// when they ended; both write there. `off` for none. Default: in the state folder, but none where
    /// --filter-dir says that Envoy does not see that.
    #[arg(long, value_name = "DIR", env = "DRAGOMAN_SPOOL_DIR")]
    pub spool_dir: Option<PathBuf>,
    /// Where the service reaches Envoy's HTTP listener, for `/health?probe=true`. Default: the address
    /// of --http on this machine.
    #[arg(long, value_name = "URL", env = "DRAGOMAN_ENVOY_URL")]
    pub envoy_url: Option<String>,
    /// Threads of the service. One serves some ten thousand requests a second, and more take time
    /// from Envoy where cores are few. Default: a quarter of the cores.
    #[arg(long, value_name = "N", env = "DRAGOMAN_THREADS")]
    pub threads: Option<NonZeroUsize>,
    /// Where Envoy reaches the service, and its admin interface.
    #[command(flatten)]
    pub services: Services,
    /// Databases that replicas share.
    #[command(flatten)]
    pub databases: Databases,
}

/// Where Envoy reaches the service. Whoever reaches the gRPC address can read providers' keys: keep
/// it a Unix socket, or a network of your own.
#[derive(Debug, Args)]
pub struct Services {
    /// ADS, ext_proc and access logs: `unix:PATH` or `HOST:PORT`. Default: a socket in the state
    /// folder.
    #[arg(long, value_name = "ADDR", env = "DRAGOMAN_GRPC")]
    pub grpc: Option<Listen>,
    /// The service's own HTTP endpoints: `unix:PATH` or `HOST:PORT`. Default: a socket in the state
    /// folder.
    #[arg(long, value_name = "ADDR", env = "DRAGOMAN_API")]
    pub api: Option<Listen>,
    /// Envoy's admin interface; none by default.
    #[arg(long, value_name = "ADDR", env = "DRAGOMAN_ENVOY_ADMIN")]
    pub envoy_admin: Option<SocketAddr>,
}

/// An address, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch(pub Option<SocketAddr>);

impl std::str::FromStr for Switch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let address = text
            .parse()
            .map_err(|_| "expected an address such as 127.0.0.1:4000, or off")?;
        Ok(Self(Some(address)))
    }
}
