//! `scripted-provider`: several providers in one process, for tests, the demo and the benchmark.

use std::{io::Write, net::SocketAddr};

use anyhow::Context;
use clap::Parser;
use dragoman_tests::provider::{Mode, ScriptedProvider};
use tokio::signal::unix::{SignalKind, signal};

/// Plays OpenAI's and Anthropic's APIs on one address.
#[derive(Debug, Parser)]
struct Args {
    /// Where to listen; port 0 picks a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Answer with prebuilt bytes: nothing is checked, recorded or counted.
    #[arg(long, conflicts_with = "record")]
    fast: bool,
    /// Keep every request and its usage, to be read at `/_control/requests` and `/_control/usage`.
    #[arg(long)]
    record: bool,
    /// Threads that serve.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Exit when standard input closes, so that no process outlives the one that started it.
    #[arg(long)]
    exit_with_stdin: bool,
}

impl Args {
    fn mode(&self) -> Mode {
        match (self.fast, self.record) {
            (true, _) => Mode::Fast,
            (false, true) => Mode::Record,
            (false, false) => Mode::Answer,
        }
    }
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(args.threads.max(1))
        .enable_all()
        .build()?
        .block_on(serve(&args))
}

async fn serve(args: &Args) -> anyhow::Result<()> {
    let provider = ScriptedProvider::start_at(args.listen, args.mode())
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {}", provider.address())?;
    stdout.flush()?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
        () = stdin_closed(), if args.exit_with_stdin => {}
    }
    Ok(())
}

/// Resolves when standard input closes. A thread of its own: a blocked read must not hold the exit up.
async fn stdin_closed() {
    let (closed, wait) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        let _ = closed.send(());
    });
    let _ = wait.await;
}
