//! `cargo xtask bench --streams N`: what an open stream costs in memory, behind a plain Envoy and behind
//! the whole chain.
//!
//! Each stream has brought two thousand events when it is weighed, which were read at once, and goes on:
//! whatever were kept of what has passed would show.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::ground::Ground;
use super::{KEY, bootstrap};
use crate::progress::step;
use crate::workspace::Workspace;
use crate::{ports, process};

/// Two thousand events, and then nothing for as long as somebody listens.
const MODEL: &str = "x!words-5000!stall-after-2000";
/// So many events have arrived when a stream counts as open: all but what is on its way.
const ARRIVED: usize = 1_950;
/// An event is not that long in coming.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Opens `streams` through each, one after the other, and prints what each of them weighs.
pub(crate) fn bench(workspace: &Workspace, streams: usize, workers: u32) -> Result<()> {
    let ground = Ground::prepare(workspace, workers)?;
    let mut provider = ground.provider(&[])?;
    let plain_at = ports::free()?;
    let bootstrap = bootstrap::plain(plain_at, provider.address);
    let mut plain = ground.envoy("plain Envoy", plain_at, &bootstrap)?;
    let (chain_at, mut chain) = ground.chain(provider.address, MODEL)?;

    let of_plain = step("a plain Envoy", || {
        weigh(streams, plain_at, MODEL, || Ok([plain.resident_kib()?, 0]))
    })?;
    let of_chain = step("the whole chain", || {
        weigh(streams, chain_at, "bench", || chain.resident_kib())
    })?;
    chain.stop();
    plain.stop(Duration::from_secs(5));
    provider.stop();
    println!("{}", ground.machine()?);
    println!("| memory of an open stream, of {streams} | plain Envoy | whole chain |");
    println!("|---|---:|---:|");
    println!("| Envoy | {} KiB | {} KiB |", of_plain[0], of_chain[0]);
    println!("| service | | {} KiB |", of_chain[1]);
    Ok(())
}

/// What each of `streams` adds to what is resident, in KiB. One is opened and closed before, for what
/// is made once.
fn weigh(
    streams: usize,
    at: SocketAddr,
    model: &str,
    resident: impl Fn() -> Result<[u64; 2]>,
) -> Result<[u64; 2]> {
    drop(open(at, model)?);
    let before = resident()?;
    let mut all = Vec::with_capacity(streams);
    for _ in 0..streams {
        process::check_interrupted()?;
        all.push(open(at, model)?);
    }
    let after = resident()?;
    let count = u64::try_from(streams)?.max(1);
    Ok([0, 1].map(|which| after[which].saturating_sub(before[which]) / count))
}

/// A stream of which [`ARRIVED`] events are here.
fn open(at: SocketAddr, model: &str) -> Result<TcpStream> {
    let body = json!({
        "model": model,
        "stream": true,
        "messages": [{"role": "user", "content": "Tell me a long story."}],
    })
    .to_string();
    let mut stream = TcpStream::connect(at).with_context(|| format!("cannot connect to {at}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: {at}\r\nauthorization: Bearer {KEY}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut piece = vec![0; 64 * 1024];
    let mut arrived = 0;
    while arrived < ARRIVED {
        let count = stream
            .read(&mut piece)
            .context("the stream does not go on")?;
        let text = piece.get(..count).unwrap_or_default();
        if count == 0 || text.starts_with(b"HTTP/1.1 ") && !text.starts_with(b"HTTP/1.1 200") {
            bail!("no stream: {}", String::from_utf8_lossy(text));
        }
        arrived += text.windows(6).filter(|bytes| bytes == b"data: ").count();
    }
    Ok(stream)
}
