//! Tasks of the workspace: `cargo xtask up`, `test`, `build`, `bench`, `tidy`.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command line tool talks to the person who runs it"
)]

mod bench;
mod build;
mod compose;
mod daemon;
mod dependencies;
mod envoy;
mod fuzz;
mod http;
mod packages;
mod ports;
mod process;
mod progress;
mod readme;
mod stack;
mod test;
mod tidy;
mod up;
mod venv;
mod wasm;
mod workspace;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::process::Interrupted;
use crate::workspace::{Profile, Workspace};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Tasks of the workspace"
)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Run everything in the foreground: Envoy, the service, and without --config a demo provider
    Up(up::Options),
    /// Check everything, or one part
    Test {
        /// Only this part
        part: Option<test::Part>,
    },
    /// Build the service and the filter into target/dist/
    Build {
        /// Optimise
        #[arg(long)]
        release: bool,
    },
    /// Measure the whole chain against plain Envoy
    Bench(bench::Options),
    /// Tell long files and functions, missing module docs, paths of one machine
    Tidy,
    /// Install Envoy under target/ unless it is there already, and print where it is
    Envoy,
    /// Become another program, which ends when our parent does
    #[command(hide = true)]
    Leash {
        program: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match perform(arguments.task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<Interrupted>() => ExitCode::from(130),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn perform(task: Task) -> Result<()> {
    if let Task::Leash { program, arguments } = task {
        return daemon::hold(&program, &arguments);
    }
    process::watch_signals()?;
    let workspace = Workspace::find()?;
    match task {
        Task::Up(options) => up::up(&workspace, &options),
        Task::Test { part } => test::test(&workspace, part),
        Task::Bench(options) => bench::bench(&workspace, &options),
        Task::Tidy => tidy::tidy(&workspace),
        Task::Leash { .. } => Ok(()),
        Task::Build { release } => build::build(&workspace, Profile::new(release)),
        Task::Envoy => {
            println!("{}", envoy::find_or_install(&workspace)?.display());
            Ok(())
        }
    }
}
