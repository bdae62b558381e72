//! `cargo xtask test`: all that has to hold before a change goes in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::build::FILTER_WASM;
use crate::process::{output, run};
use crate::progress::seconds;
use crate::workspace::{Profile, Workspace, on_path};
use crate::{compose, dependencies, envoy, fuzz, packages, readme, tidy, venv, wasm};

/// The crate of the end-to-end tests.
const END_TO_END: &str = "dragoman-tests";

/// A part of the tests that can run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Formatting, clippy, tidiness, the direction of dependencies
    Lint,
    /// Unit and golden tests
    Unit,
    /// Fuzz targets, each for a few seconds
    Fuzz,
    /// Compose files, and everything against the real Envoy
    E2e,
    /// The README's demo and its examples
    Readme,
}

/// `cargo xtask test`
pub(crate) fn test(workspace: &Workspace, only: Option<Part>) -> Result<()> {
    let start = Instant::now();
    let wanted = |part| only.is_none_or(|only| only == part);
    let mut phases = Phases::default();
    if wanted(Part::Lint) {
        phases.run("formatting", || format_check(workspace))?;
        phases.run("tidiness", || tidy::tidy(workspace))?;
        phases.run("direction of dependencies", || {
            dependencies::check(workspace)
        })?;
    }
    // First, because the service embeds it: whatever compiles the service depends on it.
    phases.run("filter", || wasm::build(workspace).map(drop))?;
    if wanted(Part::Lint) {
        phases.run("clippy", || clippy(workspace))?;
    }
    if wanted(Part::Unit) || wanted(Part::E2e) {
        phases.run("compiling", || compile(workspace))?;
    }
    if wanted(Part::Unit) || wanted(Part::E2e) {
        phases.run("PostgreSQL and Redis", databases)?;
    }
    if wanted(Part::Unit) {
        phases.run("unit and golden tests", || unit(workspace))?;
    }
    if wanted(Part::Fuzz) {
        phases.run("fuzz targets", || fuzz::fuzz(workspace))?;
    }
    if wanted(Part::E2e) || wanted(Part::Readme) {
        let tools = phases.run("Envoy and Python clients", || Tools::prepare(workspace))?;
        if wanted(Part::E2e) {
            phases.run("compose files", || compose::check(workspace, &tools.envoy))?;
            phases.run("end to end", || end_to_end(workspace, &tools))?;
        }
        if wanted(Part::Readme) {
            phases.run("the README's demo", || {
                readme::check(workspace, &tools.python)
            })?;
        }
    }
    phases.report(start.elapsed());
    Ok(())
}

#[derive(Debug, Default)]
struct Phases {
    done: Vec<(&'static str, Duration)>,
}

impl Phases {
    fn run<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("\n### {name}");
        let start = Instant::now();
        let done = work().with_context(|| format!("{name} failed"))?;
        let time = start.elapsed();
        eprintln!("### {name}: ok, {}", seconds(time));
        self.done.push((name, time));
        Ok(done)
    }

    fn report(&self, total: Duration) {
        eprintln!();
        for (name, time) in &self.done {
            eprintln!("{:>9}  {name}", seconds(*time));
        }
        eprintln!("{:>9}  all passed", seconds(total));
    }
}

struct Tools {
    envoy: PathBuf,
    python: PathBuf,
}

impl Tools {
    fn prepare(workspace: &Workspace) -> Result<Self> {
        Ok(Self {
            envoy: envoy::find_or_install(workspace)?,
            python: venv::with_clients(workspace)?,
        })
    }
}

/// A minimal installation of Rust lacks some; rustup adds them.
fn require_component(workspace: &Workspace, component: &str, subcommand: &str) -> Result<()> {
    let limit = Duration::from_secs(30);
    if output(workspace.cargo().args([subcommand, "--version"]), limit).is_ok() {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    workspace.clean(&mut rustup);
    run(rustup.args(["component", "add", component]))
        .with_context(|| format!("`cargo {subcommand}` is missing: install {component}"))
}

fn format_check(workspace: &Workspace) -> Result<()> {
    require_component(workspace, "rustfmt", "fmt")?;
    run(workspace.cargo().args(["fmt", "--all", "--check"]))
        .context("`cargo fmt --all` puts it right")?;
    let targets = ["fmt", "--manifest-path", "fuzz/Cargo.toml"];
    run(workspace.cargo().args(targets).arg("--check"))
        .with_context(|| format!("`cargo {}` puts it right", targets.join(" ")))
}

fn clippy(workspace: &Workspace) -> Result<()> {
    require_component(workspace, "clippy", "clippy")?;
    run(workspace.cargo().env(FILTER_WASM, workspace.wasm()).args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))
}

/// All targets of the workspace at once: parts of it would be built with other features of the same
/// dependencies, that is, again.
fn compile(workspace: &Workspace) -> Result<()> {
    run(workspace.cargo().env(FILTER_WASM, workspace.wasm()).args([
        "build",
        "--workspace",
        "--all-targets",
    ]))
}

/// Debian's PostgreSQL and Redis, which the tests of stores start for themselves. Where they cannot
/// be had, those tests say loudly that they are left out; in CI that is a failure.
fn databases() -> Result<()> {
    let missing = packages::missing(&["postgresql", "redis-server"]);
    if missing.is_empty() || on_path("redis-server").is_some() && has_postgresql() {
        return Ok(());
    }
    let installed = packages::install(&missing);
    if std::env::var_os("CI").is_some() {
        return installed;
    }
    if let Err(error) = installed {
        eprintln!("WITHOUT POSTGRESQL AND REDIS: tests that need them are left out. {error:#}");
    }
    Ok(())
}

/// Debian keeps the server's programs out of the PATH.
fn has_postgresql() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    on_path("postgres").is_some()
        || versions
            .map(|v| v.path())
            .any(|v| v.join("bin/initdb").exists())
}

fn unit(workspace: &Workspace) -> Result<()> {
    let mut tests = runner(workspace);
    tests.args(["--lib", "--bins"]);
    select(&mut tests, workspace, |package| package != END_TO_END)?;
    run(&mut tests)
}

fn end_to_end(workspace: &Workspace, tools: &Tools) -> Result<()> {
    let mut tests = runner(workspace);
    select(&mut tests, workspace, |package| package == END_TO_END)?;
    let binary = |name| workspace.binary(Profile::Dev, name);
    run(tests
        .env("ENVOY_BIN", &tools.envoy)
        .env("DRAGOMAN_BIN", binary("dragoman"))
        .env("SCRIPTED_PROVIDER_BIN", binary("scripted-provider"))
        .env("DRAGOMAN_PYTHON", &tools.python))
}

/// Cargo's own runner: the tests of a file share an Envoy, which a process per test would start again
/// and again.
fn runner(workspace: &Workspace) -> Command {
    let mut command = workspace.cargo();
    command
        .env(FILTER_WASM, workspace.wasm())
        .args(["test", "--workspace", "--no-fail-fast"]);
    command
}

/// Names the integration tests of the packages that are `wanted`: for a selection of packages, cargo
/// would compile their dependencies with other features again.
fn select(tests: &mut Command, workspace: &Workspace, wanted: impl Fn(&str) -> bool) -> Result<()> {
    for (package, target) in integration_tests(&workspace.root, workspace)? {
        if wanted(&package) {
            tests.args(["--test", &target]);
        }
    }
    Ok(())
}

/// (package, target) of each integration test in the workspace.
fn integration_tests(root: &Path, workspace: &Workspace) -> Result<Vec<(String, String)>> {
    let mut cargo = workspace.cargo();
    cargo.args(["metadata", "--no-deps", "--format-version", "1"]);
    let text = output(&mut cargo, Duration::from_secs(60))?;
    let metadata: serde_json::Value = serde_json::from_str(&text)?;
    let packages = metadata["packages"].as_array();
    let mut found = Vec::new();
    for package in packages.into_iter().flatten() {
        for target in package["targets"].as_array().into_iter().flatten() {
            let is_test = target["kind"][0] == "test";
            let names = (package["name"].as_str(), target["name"].as_str());
            if let (true, (Some(package), Some(target))) = (is_test, names) {
                found.push((package.to_owned(), target.to_owned()));
            }
        }
    }
    if packages.is_none_or(Vec::is_empty) {
        bail!("cargo knows no packages in {}", root.display());
    }
    Ok(found)
}
