//! `cargo xtask test fuzz`: each fuzz target for a few seconds, on the Rust that builds everything else.
//!
//! `cargo fuzz` needs a nightly for its sanitizers, which find nothing in code without `unsafe`. What
//! guides libFuzzer is the compiler's coverage counters, and stable Rust takes the flags for those.
//! Where there is a nightly, `cargo fuzz run TARGET` works in the same folder.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::packages;
use crate::process::{output, run};
use crate::workspace::{Workspace, on_path};

/// How long each target runs, unless `DRAGOMAN_FUZZ_SECONDS` says otherwise.
const SECONDS: u64 = 3;
/// What a target may take beyond that: its seeds, and one slow input.
const GRACE: Duration = Duration::from_secs(60);
/// As `cargo fuzz` has them, without the sanitizer.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
                     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
                     -Cllvm-args=-sanitizer-coverage-pc-table \
                     -Cllvm-args=-sanitizer-coverage-trace-compares \
                     -Cllvm-args=-simplifycfg-branch-fold-threshold=0";
/// The targets, each with the fixtures that it begins with, besides those in `fuzz/seeds/`.
const TARGETS: [(&str, &[&str]); 19] = [
    (
        "sse",
        &["streams/openai", "streams/anthropic", "streams/cohere"],
    ),
    ("lines", &["streams/ollama"]),
    ("aws", &["streams/bedrock"]),
    ("inflate", &["answers/openai"]),
    ("chat", &["requests"]),
    ("messages", &["clients/messages"]),
    ("responses", &["clients/responses"]),
    ("endpoints", &["requests"]),
    ("multipart", &[]),
    (
        "edge",
        &["requests", "clients/messages", "clients/responses"],
    ),
    (
        "openai",
        &["answers/openai", "streams/openai", "streams/clients"],
    ),
    ("anthropic", &["answers/anthropic", "streams/anthropic"]),
    ("gemini", &["answers/gemini", "streams/gemini"]),
    ("ollama", &["answers/ollama", "streams/ollama"]),
    ("azure", &["answers/azure", "streams/azure"]),
    ("cohere", &["answers/cohere", "streams/cohere"]),
    ("bedrock", &["answers/bedrock", "streams/bedrock"]),
    ("config", &[]),
    ("wire", &[]),
];
/// Where the fixtures of the golden matrix are.
const FIXTURES: &str = "dialect/tests/fixtures";
const CONFIGURATIONS: [&str; 2] = ["config/fixtures/seeds", "config/fixtures/wrong"];

/// Builds the targets and runs all of them.
pub(crate) fn fuzz(workspace: &Workspace) -> Result<()> {
    all_are_known(workspace)?;
    if ["c++", "g++", "clang++"]
        .into_iter()
        .all(|name| on_path(name).is_none())
    {
        packages::install(&["g++"]).context("libFuzzer is compiled by a C++ compiler")?;
    }
    let binaries = build(workspace)?;
    let todo = Mutex::new(TARGETS.iter());
    let next = || todo.lock().ok().and_then(|mut todo| todo.next());
    let workers = thread::available_parallelism().map_or(1, usize::from);
    let results: Vec<Result<()>> = thread::scope(|scope| {
        let work = || {
            let targets = std::iter::from_fn(next);
            targets
                .map(|(name, seeds)| target(workspace, &binaries, name, seeds))
                .collect()
        };
        let threads: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let ended = threads.into_iter().map(thread::ScopedJoinHandle::join);
        ended
            .flat_map(|results: thread::Result<Vec<Result<()>>>| results.unwrap_or_default())
            .collect()
    });
    if results.len() != TARGETS.len() {
        bail!("only {} of {} targets ran", results.len(), TARGETS.len());
    }
    let errors: Vec<String> = results
        .into_iter()
        .filter_map(|result| result.err().map(|error| format!("{error:#}")))
        .collect();
    if !errors.is_empty() {
        bail!("{}", errors.join("\n\n"));
    }
    Ok(())
}

fn all_are_known(workspace: &Workspace) -> Result<()> {
    for entry in fs::read_dir(workspace.root.join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        if !TARGETS.iter().any(|(known, _)| *known == name) {
            bail!("fuzz target {name} is not in xtask/src/fuzz.rs");
        }
    }
    Ok(())
}

/// Compiles the targets; returns the folder that they are in. Naming the machine as a target keeps
/// the flags away from build scripts and macros.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut rustc = Command::new("rustc");
    workspace.clean(&mut rustc);
    let host = output(
        rustc.args(["--print", "host-tuple"]),
        Duration::from_secs(60),
    )?;
    let host = host.trim();
    run(workspace
        .cargo()
        .env("RUSTFLAGS", FLAGS)
        .env("CARGO_TARGET_DIR", home(workspace))
        .args(["build", "--release", "--bins", "--target", host])
        .args(["--manifest-path", "fuzz/Cargo.toml"]))?;
    Ok(home(workspace).join(host).join("release"))
}

fn home(workspace: &Workspace) -> PathBuf {
    workspace.target.join("fuzz")
}

/// Runs one target; an error carries what it said, and names the input that it found.
fn target(workspace: &Workspace, binaries: &Path, name: &str, fixtures: &[&str]) -> Result<()> {
    let corpus = home(workspace).join("corpus").join(name);
    let findings = home(workspace).join("findings");
    fs::create_dir_all(&corpus).with_context(|| format!("cannot create {}", corpus.display()))?;
    fs::create_dir_all(&findings)?;
    let seconds = env::var("DRAGOMAN_FUZZ_SECONDS").ok();
    let seconds = seconds
        .and_then(|text| text.parse().ok())
        .unwrap_or(SECONDS);
    let binary = binaries.join(name);
    let mut command = Command::new(&binary);
    command
        .current_dir(&workspace.root)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/{name}-", findings.display()))
        .args([
            "-max_len=16384",
            "-timeout=20",
            "-rss_limit_mb=1024",
            "-verbosity=0",
        ])
        .arg(&corpus);
    let fixtures = fixtures
        .iter()
        .map(|folder| Path::new(FIXTURES).join(folder));
    let configurations = CONFIGURATIONS
        .iter()
        .filter(|_| name == "config")
        .map(PathBuf::from);
    let seeds = [Path::new("fuzz/seeds").join(name)];
    let folders = fixtures.chain(configurations).chain(seeds);
    command.args(folders.filter(|folder| workspace.root.join(folder).is_dir()));
    output(&mut command, Duration::from_secs(seconds) + GRACE).with_context(|| {
        format!(
            "fuzz target {name} found something: keep the input as a test; `{} FILE` tries it again",
            binary.display()
        )
    })?;
    Ok(())
}
