//! What the resources are built from.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use dragoman_proto::UpstreamConfig;

/// Everything that Envoy needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Topology {
    /// Where clients connect.
    pub listeners: Listeners,
    /// Where Envoy finds the service.
    pub services: Services,
    /// The wasm module.
    pub filter: FilterModule,
    /// The deployments, one cluster each.
    pub upstreams: Vec<Upstream>,
    /// A path under which everything is also served; empty for none.
    pub root_path: String,
    /// The largest request body, in bytes.
    pub max_body_bytes: u32,
    /// How long a stream may be silent before Envoy gives it up: longer than any attempt's timeout.
    pub idle_timeout: Duration,
    /// The file for the log of requests, as Envoy sees it; its folder must be there. `None` for no
    /// such log.
    pub spool: Option<PathBuf>,
    /// The file of CA certificates that providers are verified against, as Envoy sees it.
    pub ca_file: PathBuf,
}

/// Where clients connect.
#[derive(Debug, Clone, PartialEq)]
pub struct Listeners {
    /// Plain HTTP.
    pub http: Option<SocketAddr>,
    /// HTTPS, with the certificate that it shows.
    pub https: Option<(SocketAddr, TlsCertificate)>,
}

/// A certificate chain and its key, PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct TlsCertificate {
    /// The chain, leaf first.
    pub chain_pem: String,
    /// The private key.
    pub key_pem: String,
}

impl std::fmt::Debug for TlsCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsCertificate(…)")
    }
}

/// Where Envoy finds the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Services {
    /// ADS, ext_proc and access logs.
    pub grpc: Address,
    /// Its own HTTP endpoints.
    pub http: Address,
}

/// An address that Envoy connects to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Host (a name or an IP address) and port.
    Tcp(String, u16),
    /// A Unix domain socket.
    Unix(PathBuf),
}

/// The wasm module, a file that Envoy reads. (Fetching it over HTTP is what Envoy 1.40 calls
/// unstable: a second plugin that asks for a module under way fails for good.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterModule {
    /// The file, as Envoy sees it. Its name changes with its content, so that a new module is a new
    /// configuration.
    pub file: PathBuf,
}

/// One deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// What the upstream filter is told.
    pub config: UpstreamConfig,
    /// Where the provider is.
    pub endpoint: Endpoint,
    /// The provider's key; none when the provider wants none, or none is configured.
    pub credential: Option<Credential>,
    /// How its requests are signed, on AWS.
    pub signing: Option<Signing>,
    /// How long a whole answer may take, where that is less than a request's other attempts have.
    pub timeout: Option<Duration>,
}

/// Where a provider is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Whether it is spoken to over TLS.
    pub tls: bool,
    /// A name or an IP address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

/// How Envoy signs requests to AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signing {
    /// AWS's name of the service: `bedrock`.
    pub service: &'static str,
    /// `eu-west-1`
    pub region: String,
    /// The key; none for whatever AWS's usual chain finds where Envoy runs.
    pub keys: Option<SigningKeys>,
}

/// An access key of AWS's.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKeys {
    /// Its id.
    pub access_key_id: String,
    /// What signs.
    pub secret_access_key: String,
    /// For temporary keys; empty for others.
    pub session_token: String,
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKeys(…)")
    }
}

/// A provider's key, as it goes into a header.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential {
    /// The header's name, lower-case.
    pub header: String,
    /// The header's value, with `Bearer ` where the provider wants it.
    pub value: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credential({}: …)", self.header)
    }
}
