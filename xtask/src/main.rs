//! Tasks of the workspace: `cargo xtask up`, `test`, `build`, `bench`, `tidy`.

#![allow(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a command line tool talks to the person who runs it"
)]

mod build;
mod envoy;
mod packages;
mod process;
mod progress;
mod venv;
mod wasm;
mod workspace;

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
    /// Build the service and the filter into target/dist/
    Build {
        /// Optimise
        #[arg(long)]
        release: bool,
    },
    /// Install Envoy under target/ unless it is there already, and print where it is
    Envoy,
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
    process::watch_signals()?;
    let workspace = Workspace::find()?;
    match task {
        Task::Build { release } => build::build(&workspace, Profile::new(release)),
        Task::Envoy => {
            println!("{}", envoy::find_or_install(&workspace)?.display());
            Ok(())
        }
    }
}
