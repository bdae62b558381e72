//! `cargo xtask bench`: the whole chain against the same Envoy as a plain proxy, side by side.
//!
//! Between them stands an Envoy that asks the service and does nothing else: what no chain with a
//! service beside Envoy can do better than. All stand before the same scripted provider, all with
//! as many workers (one, unless asked otherwise), and they take turns within one run: absolute
//! times say something about the machine, the ratios about us.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use dragoman_proto::{Extent, Facts, Operation, Overrides};
use serde_json::json;

use crate::progress::step;
use crate::workspace::{Profile, Workspace};
use crate::{ports, process};

mod bootstrap;
mod ground;
mod ledger;
mod load;
mod memory;
mod report;

use ground::Ground;
use load::Target;
use report::{Contender, Results};

const KEY: &str = "sk-bench";
const CONNECTIONS: usize = 16;

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
    /// Workers of each Envoy
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    workers: u32,
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
        return memory::bench(workspace, streams, options.workers);
    }
    let ground = Ground::prepare(workspace, options.workers)?;
    let mut provider = ground.provider(&["--fast"])?;
    let plain_at = ports::free()?;
    let plain_bootstrap = bootstrap::plain(plain_at, provider.address);
    let mut plain = ground.envoy("plain Envoy", plain_at, &plain_bootstrap)?;
    let (chain_at, mut chain) = ground.chain(provider.address, "fast")?;
    let asking_at = ports::free()?;
    let socket = ground.home.join("chain/grpc.sock");
    let asking_bootstrap = bootstrap::asking(asking_at, provider.address, &socket);
    let mut asking = ground.envoy("asking Envoy", asking_at, &asking_bootstrap)?;

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
    .inspect_err(|_| eprintln!("the logs are in {}", ground.home.display()))?;
    asking.stop(Duration::from_secs(5));
    chain.require_running()?;
    chain.stop();
    plain.stop(Duration::from_secs(5));
    provider.stop();
    println!("{}", ground.machine()?);
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
