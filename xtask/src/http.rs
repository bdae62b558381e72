//! Just enough HTTP/1.1 to ask our own processes on the loopback interface how they are.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

const TIMEOUT: Duration = Duration::from_secs(5);
const LIMIT: u64 = 1 << 20;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

/// One request without a body, on a connection of its own.
pub(crate) fn ask(address: SocketAddr, method: &str, path: &str) -> Result<Answer> {
    exchange(address, method, path, "")
}

/// A GET with `key`.
pub(crate) fn get_with_key(address: SocketAddr, path: &str, key: &str) -> Result<Answer> {
    exchange(
        address,
        "GET",
        path,
        &format!("authorization: Bearer {key}\r\n"),
    )
}

fn exchange(address: SocketAddr, method: &str, path: &str, headers: &str) -> Result<Answer> {
    let address = reachable(address);
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)
        .with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{headers}content-length: 0\r\n\
         connection: close\r\n\r\n"
    )?;
    let mut bytes = Vec::new();
    stream.take(LIMIT).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .context("the answer is not HTTP")?;
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .context("the answer has no status")?;
    Ok(Answer {
        status,
        body: body.to_owned(),
    })
}

/// Where to connect to reach what listens at `address`, which may be "everywhere".
pub(crate) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
