//! The service's command line.

use std::process::ExitCode;

use clap::Parser;
use dragoman::cli::{Cli, Command};
use dragoman::{explain, serve};

/// Admission and settlement allocate many small things and keep none of them: this allocator is
/// quicker at that than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(options) => serve::run(&options),
        Command::Check { config } => explain::check(&config),
        Command::Bootstrap(services) => explain::bootstrap(&services),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(
                clippy::print_stderr,
                reason = "the last word of a command line program"
            )]
            {
                eprintln!("dragoman: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}
