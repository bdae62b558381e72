//! `cargo xtask bench`: the whole chain against the same Envoy as a plain proxy, side by side.
//!
//! Both stand before the same scripted provider, both with one worker, and they take turns within one
//! run: absolute times say something about the machine, the ratios about us.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;

use crate::daemon::Daemon;
use crate::progress::step;
use crate::stack::{Provider, Setup, Stack};
use crate::workspace::{Profile, Workspace};
use crate::{build, envoy, http, ports, process, wasm};

mod ledger;
mod load;
mod report;

use load::{Sample, Target};
use report::Results;

const KEY: &str = "sk-bench";
const CONNECTIONS: usize = 16;
const START_LIMIT: Duration = Duration::from_secs(30);

/// Options of `cargo xtask bench`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A short run, to see that it works
    #[arg(long)]
    quick: bool,
    /// Instead: how a ledger of so many requests fares, in SQLite or at `DATABASE_URL`
    #[arg(long, value_name = "ROWS")]
    ledger: Option<u64>,
    /// With `--ledger`: the development build, which is there sooner
    #[arg(long, requires = "ledger")]
    dev: bool,
}

impl Options {
    const fn rounds(&self) -> usize {
        if self.quick { 2 } else { 5 }
    }

    const fn slice(&self) -> Duration {
        Duration::from_millis(if self.quick { 700 } else { 3000 })
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Stream,
}

impl Kind {
    /// A chat request of about 220 bytes.
    fn body(self) -> String {
        let mut body = json!({
            "model": "bench",
            "messages": [
                {"role": "system", "content": "You are a terse assistant. Answer in one sentence."},
                {"role": "user", "content": "What is the tallest mountain on Earth, and how tall?"},
            ],
            "temperature": 0.2,
            "max_tokens": 256,
        });
        if self == Self::Stream {
            body["stream"] = true.into();
        }
        body.to_string()
    }
}

/// `cargo xtask bench`
pub(crate) fn bench(workspace: &Workspace, options: &Options) -> Result<()> {
    if let Some(rows) = options.ledger {
        let profile = if options.dev {
            Profile::Dev
        } else {
            Profile::Release
        };
        return ledger::bench(workspace, profile, rows);
    }
    let envoy = envoy::find_or_install(workspace)?;
    wasm::build(workspace)?;
    let provider = [("dragoman-tests", "scripted-provider")];
    let service = build::service(workspace, Profile::Release, &provider)?;
    let home = workspace.target.join("bench");
    if home.exists() {
        fs::remove_dir_all(&home).with_context(|| format!("cannot empty {}", home.display()))?;
    }
    fs::create_dir_all(&home)?;
    let binary = workspace.binary(Profile::Release, "scripted-provider");
    let mut provider = Provider::start(&binary, &home, &["--fast"])?;
    let (plain_at, mut plain) = start_plain(&envoy, &home, provider.address)?;
    let (chain_at, mut chain) = start_chain(&service, &envoy, &home, provider.address)?;

    let mut results = Results::default();
    step("measuring", || {
        measure(options, &mut results, |kind| {
            (
                Target::new(plain_at, KEY, &kind.body()),
                Target::new(chain_at, KEY, &kind.body()),
            )
        })
    })
    .inspect_err(|_| eprintln!("the logs are in {}", home.display()))?;
    chain.require_running()?;
    chain.stop();
    plain.stop(Duration::from_secs(5));
    provider.stop();
    println!("{}", report::machine(&envoy::version(&envoy)?));
    println!("{results}");
    Ok(())
}

/// Lets both take turns, the one that begins changing from round to round.
fn measure(
    options: &Options,
    results: &mut Results,
    targets: impl Fn(Kind) -> (Target, Target),
) -> Result<()> {
    for round in 0..=options.rounds() {
        let warming = round == 0;
        let slice = if warming {
            options.slice() / 3
        } else {
            options.slice()
        };
        for kind in [Kind::Json, Kind::Stream] {
            let (plain, chain) = targets(kind);
            for connections in [CONNECTIONS, 1] {
                let sample = |target: &Target| -> Result<Sample> {
                    process::check_interrupted()?;
                    target.load(connections, slice)
                };
                let (plain, chain) = if round % 2 == 0 {
                    let plain = sample(&plain)?;
                    (plain, sample(&chain)?)
                } else {
                    let chain = sample(&chain)?;
                    (sample(&plain)?, chain)
                };
                if !warming {
                    results.add(kind, connections, plain, chain);
                }
            }
        }
        if !warming {
            eprintln!("    round {round} of {}", options.rounds());
        }
    }
    Ok(())
}

fn start_chain(
    service: &Path,
    envoy: &Path,
    home: &Path,
    provider: SocketAddr,
) -> Result<(SocketAddr, Stack)> {
    let config = home.join("config.yaml");
    fs::write(&config, chain_config(provider))?;
    let http = ports::free()?;
    let stack = Stack::start(&Setup {
        service,
        envoy,
        config: &config,
        state: &home.join("chain"),
        http,
        https: ports::free()?,
        workers: Some(1),
        environment: Vec::new(),
    })?;
    Ok((http, stack))
}

/// A model with prices, at the scripted provider.
fn chain_config(provider: SocketAddr) -> String {
    format!(
        "model_list:\n  - model_name: bench\n    litellm_params:\n      model: openai/fast\n      \
         api_base: http://{provider}/v1\n      api_key: sk-provider\n      \
         input_cost_per_token: 0.000001\n      output_cost_per_token: 0.000002\n\
         general_settings:\n  master_key: {KEY}\n"
    )
}

fn start_plain(envoy: &Path, home: &Path, provider: SocketAddr) -> Result<(SocketAddr, Daemon)> {
    let at = ports::free()?;
    let file = home.join("plain.json");
    fs::write(&file, plain_bootstrap(at, provider).to_string())?;
    let mut command = Command::new(envoy);
    command
        .arg("--config-path")
        .arg(&file)
        .args(["--disable-hot-restart", "--concurrency", "1"]);
    let log: PathBuf = home.join("plain.log");
    let mut daemon = Daemon::start("the plain Envoy", &command, log)?;
    let end = Instant::now() + START_LIMIT;
    while http::ask(at, "GET", "/").is_err() && Instant::now() < end {
        daemon.require_running()?;
        process::pause(Duration::from_millis(50))?;
    }
    Ok((at, daemon))
}

/// The least that proxies HTTP: connection manager, router, one cluster.
fn plain_bootstrap(at: SocketAddr, provider: SocketAddr) -> serde_json::Value {
    let socket = |address: SocketAddr| json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}});
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "plain",
        "route_config": {"virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "provider", "timeout": "0s"}}],
        }]},
        "http_filters": [{
            "name": "envoy.filters.http.router",
            "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
        }],
    });
    json!({"static_resources": {
        "listeners": [{
            "name": "plain",
            "address": socket(at),
            "filter_chains": [{"filters": [{
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": manager,
            }]}],
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
