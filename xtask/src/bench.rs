//! `cargo xtask bench`: the whole chain against the same Envoy as a plain proxy, side by side.
//!
//! Between them stands an Envoy that asks the service and does nothing else: what no chain with a
//! service beside Envoy can do better than. All stand before the same scripted provider, all with
//! one worker, and they take turns within one run: absolute times say something about the machine,
//! the ratios about us.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use dragoman_proto::{Extent, Facts, Operation, Overrides};
use serde_json::json;

use crate::daemon::Daemon;
use crate::progress::step;
use crate::stack::{Provider, Setup, Stack};
use crate::workspace::{Profile, Workspace};
use crate::{build, envoy, http, ports, process, wasm};

mod bootstrap;
mod ledger;
mod load;
mod memory;
mod report;

use load::Target;
use report::{Contender, Results};

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
    /// Instead: the memory that so many open streams take
    #[arg(long, conflicts_with = "ledger")]
    streams: Option<usize>,
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

    /// What the edge filter would say of the request, for the Envoy that has none.
    fn facts(self) -> String {
        let facts = Facts {
            model: Some("bench".to_owned()),
            operation: Operation::ChatCompletions,
            stream: self == Self::Stream,
            prompt_tokens: 40,
            prompt_bound: 400,
            extent: Extent::default(),
            max_tokens: Some(256),
            choices: 1,
            user: None,
            demands: Vec::new(),
            path: "/v1/chat/completions".to_owned(),
            arriving: false,
            overrides: Overrides::default(),
        };
        let (name, value) = facts.to_header();
        format!("{name}: {value}")
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
    if let Some(streams) = options.streams {
        return memory::bench(workspace, streams);
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
    let plain_at = ports::free()?;
    let plain_bootstrap = bootstrap::plain(plain_at, provider.address);
    let mut plain = start_envoy(&envoy, &home, "plain Envoy", plain_at, &plain_bootstrap)?;
    let (chain_at, mut chain) = start_chain(&service, &envoy, &home, provider.address, "fast")?;
    let asking_at = ports::free()?;
    let socket = home.join("chain/grpc.sock");
    let asking_bootstrap = bootstrap::asking(asking_at, provider.address, &socket);
    let mut asking = start_envoy(&envoy, &home, "asking Envoy", asking_at, &asking_bootstrap)?;

    let mut results = Results::default();
    step("measuring", || {
        measure(options, &mut results, |contender, kind| {
            let at = match contender {
                Contender::Plain => plain_at,
                Contender::Asking => asking_at,
                Contender::Chain => chain_at,
            };
            Target::new(at, KEY, &kind.facts(), &kind.body())
        })
    })
    .inspect_err(|_| eprintln!("the logs are in {}", home.display()))?;
    asking.stop(Duration::from_secs(5));
    chain.require_running()?;
    chain.stop();
    plain.stop(Duration::from_secs(5));
    provider.stop();
    println!("{}", report::machine(&envoy::version(&envoy)?));
    println!("{results}");
    Ok(())
}

/// Lets all take turns, the one that begins changing from round to round.
fn measure(
    options: &Options,
    results: &mut Results,
    target: impl Fn(Contender, Kind) -> Target,
) -> Result<()> {
    for round in 0..=options.rounds() {
        let warming = round == 0;
        let slice = if warming {
            options.slice() / 3
        } else {
            options.slice()
        };
        for kind in [Kind::Json, Kind::Stream] {
            for connections in [CONNECTIONS, 1] {
                let mut turns = Contender::ALL;
                turns.rotate_left(round % Contender::ALL.len());
                for contender in turns {
                    process::check_interrupted()?;
                    let sample = target(contender, kind).load(connections, slice)?;
                    if !warming {
                        results.add(kind, connections, contender, sample);
                    }
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
    model: &str,
) -> Result<(SocketAddr, Stack)> {
    let config = home.join("config.yaml");
    fs::write(&config, chain_config(provider, model))?;
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
fn chain_config(provider: SocketAddr, model: &str) -> String {
    format!(
        "model_list:\n  - model_name: bench\n    litellm_params:\n      model: openai/{model}\n      \
         api_base: http://{provider}/v1\n      api_key: sk-provider\n      \
         input_cost_per_token: 0.000001\n      output_cost_per_token: 0.000002\n\
         general_settings:\n  master_key: {KEY}\n"
    )
}

/// An Envoy with one worker and a bootstrap of ours.
fn start_envoy(
    envoy: &Path,
    home: &Path,
    name: &'static str,
    at: SocketAddr,
    bootstrap: &serde_json::Value,
) -> Result<Daemon> {
    let file = home.join(format!("{}.json", name.replace(' ', "-")));
    fs::write(&file, bootstrap.to_string())?;
    let mut command = Command::new(envoy);
    command
        .arg("--config-path")
        .arg(&file)
        .args(["--disable-hot-restart", "--concurrency", "1"]);
    let log: PathBuf = home.join(format!("{}.log", name.replace(' ', "-")));
    let mut daemon = Daemon::start(name, &command, log)?;
    let end = Instant::now() + START_LIMIT;
    while http::ask(at, "GET", "/").is_err() && Instant::now() < end {
        daemon.require_running()?;
        process::pause(Duration::from_millis(50))?;
    }
    Ok(daemon)
}
