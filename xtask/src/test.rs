//! `cargo xtask test`: all that has to hold before a change goes in.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use crate::build::FILTER_WASM;
use crate::process::{output, run};
use crate::progress::seconds;
use crate::workspace::{Profile, Workspace};
use crate::{compose, dependencies, envoy, readme, tidy, venv, wasm};

/// The crate of the end-to-end tests.
const END_TO_END: &str = "dragoman-tests";

/// A part of the tests that can run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Formatting, clippy, tidiness, the direction of dependencies
    Lint,
    /// Unit and golden tests
    Unit,
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
    if wanted(Part::Unit) {
        phases.run("unit and golden tests", || unit(workspace))?;
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
        .context("`cargo fmt --all` puts it right")
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

fn unit(workspace: &Workspace) -> Result<()> {
    let mut runner = Runner::new(workspace);
    if runner.nextest {
        let filter = format!("not package({END_TO_END}) or kind(lib) or kind(bin)");
        runner.command.args(["--filterset", &filter]);
    } else {
        runner.command.args(["--lib", "--bins"]);
        runner.targets(|package| package != END_TO_END)?;
    }
    run(&mut runner.command)
}

fn end_to_end(workspace: &Workspace, tools: &Tools) -> Result<()> {
    let mut runner = Runner::new(workspace);
    if runner.nextest {
        let filter = format!("package({END_TO_END}) and kind(test)");
        runner
            .command
            .args(["--filterset", &filter, "--no-tests", "fail"]);
    } else {
        runner.targets(|package| package == END_TO_END)?;
    }
    let binary = |name| workspace.binary(Profile::Dev, name);
    run(runner
        .command
        .env("ENVOY_BIN", &tools.envoy)
        .env("DRAGOMAN_BIN", binary("dragoman"))
        .env("SCRIPTED_PROVIDER_BIN", binary("scripted-provider"))
        .env("DRAGOMAN_PYTHON", &tools.python))
}

/// cargo-nextest where there is one, else cargo's own.
struct Runner<'a> {
    workspace: &'a Workspace,
    nextest: bool,
    command: Command,
}

impl<'a> Runner<'a> {
    fn new(workspace: &'a Workspace) -> Self {
        let mut probe = workspace.cargo();
        probe.args(["nextest", "--version"]);
        let nextest = output(&mut probe, Duration::from_secs(30)).is_ok();
        let mut command = workspace.cargo();
        command.env(FILTER_WASM, workspace.wasm());
        if nextest {
            command.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
        } else {
            command.args(["test", "--workspace", "--no-fail-fast"]);
        }
        Self {
            workspace,
            nextest,
            command,
        }
    }

    /// Names the integration tests of the packages that are `wanted`, for cargo's own runner: it
    /// would compile other features for a selection of packages.
    fn targets(&mut self, wanted: impl Fn(&str) -> bool) -> Result<()> {
        for (package, target) in integration_tests(&self.workspace.root, self.workspace)? {
            if wanted(&package) {
                self.command.args(["--test", &target]);
            }
        }
        Ok(())
    }
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
