//! A load generator: keep-alive HTTP/1.1, one thread per connection, bounded in time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use crate::process::interrupted;

/// An answer that takes longer is a failure.
const TIMEOUT: Duration = Duration::from_secs(10);
const READ_SIZE: usize = 64 * 1024;

/// Where requests go, and what they are.
#[derive(Debug)]
pub(crate) struct Target {
    address: SocketAddr,
    request: Vec<u8>,
}

/// What one slice of load showed.
#[derive(Debug, Default)]
pub(crate) struct Sample {
    /// How long each answer took, to its last byte.
    pub(crate) whole: Vec<Duration>,
    /// How long each answer took, to the first byte of its body.
    pub(crate) first: Vec<Duration>,
    /// How long the slice lasted.
    pub(crate) lasted: Duration,
}

impl Target {
    /// A chat request to what listens at `address`, with one header more.
    pub(crate) fn new(address: SocketAddr, key: &str, header: &str, body: &str) -> Self {
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: {address}\r\n\
             authorization: Bearer {key}\r\ncontent-type: application/json\r\n\
             {header}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        Self {
            address,
            request: request.into_bytes(),
        }
    }

    /// Keeps `connections` busy for `time`. Any answer but a 200 is an error.
    pub(crate) fn load(&self, connections: usize, time: Duration) -> Result<Sample> {
        let start = Instant::now();
        let parts = thread::scope(|scope| {
            let threads: Vec<_> = (0..connections)
                .map(|_| scope.spawn(|| self.keep_busy(start + time)))
                .collect();
            threads
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .map_err(|_| anyhow!("a connection's thread panicked"))?
                })
                .collect::<Result<Vec<Sample>>>()
        })?;
        let mut all = Sample {
            lasted: start.elapsed(),
            ..Sample::default()
        };
        for part in parts {
            all.whole.extend(part.whole);
            all.first.extend(part.first);
        }
        Ok(all)
    }

    fn keep_busy(&self, end: Instant) -> Result<Sample> {
        let mut connection = Connection::open(self.address)?;
        let mut sample = Sample::default();
        while Instant::now() < end && !interrupted() {
            let start = Instant::now();
            connection.stream.write_all(&self.request)?;
            let first = connection.answer()?;
            sample.whole.push(start.elapsed());
            sample.first.push(first.duration_since(start));
        }
        Ok(sample)
    }
}

struct Connection {
    stream: TcpStream,
    /// What was read of the current answer.
    bytes: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT)
            .with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self {
            stream,
            bytes: Vec::with_capacity(READ_SIZE),
        })
    }

    /// Reads one answer; returns when the first byte of its body arrived.
    fn answer(&mut self) -> Result<Instant> {
        self.bytes.clear();
        let head = loop {
            if let Some(at) = find(&self.bytes, b"\r\n\r\n") {
                break at + 4;
            }
            self.read_more()?;
        };
        let framing = framing(self.bytes.get(..head).unwrap_or_default());
        while self.bytes.len() <= head {
            self.read_more()?;
        }
        let first = Instant::now();
        match framing {
            Ok(Framing::Length(length)) => {
                while self.bytes.len() < head + length {
                    self.read_more()?;
                }
            }
            Ok(Framing::Chunked) => self.read_chunks(head)?,
            Err(error) => bail!("{error}: {}", String::from_utf8_lossy(&self.bytes)),
        }
        Ok(first)
    }

    fn read_chunks(&mut self, mut at: usize) -> Result<()> {
        loop {
            let rest = self.bytes.get(at..).unwrap_or_default();
            let Some(line) = find(rest, b"\r\n") else {
                self.read_more()?;
                continue;
            };
            let size = std::str::from_utf8(rest.get(..line).unwrap_or_default())?;
            let size = usize::from_str_radix(size, 16).context("a chunk's size is no number")?;
            at += line + 2 + size + 2;
            while self.bytes.len() < at {
                self.read_more()?;
            }
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn read_more(&mut self) -> Result<()> {
        let mut piece = [0; READ_SIZE];
        let count = self
            .stream
            .read(&mut piece)
            .context("the answer breaks off")?;
        if count == 0 {
            bail!("the connection was closed within an answer");
        }
        self.bytes
            .extend_from_slice(piece.get(..count).unwrap_or_default());
        Ok(())
    }
}

enum Framing {
    Length(usize),
    Chunked,
}

fn framing(head: &[u8]) -> Result<Framing> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    if !head.starts_with("http/1.1 200") {
        bail!("not a 200");
    }
    for line in head.lines() {
        match line.split_once(": ") {
            Some(("content-length", length)) => return Ok(Framing::Length(length.trim().parse()?)),
            Some(("transfer-encoding", "chunked")) => return Ok(Framing::Chunked),
            _ => {}
        }
    }
    bail!("an answer without a length")
}

fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes
        .windows(needle.len())
        .position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn answering(answer: &'static [u8]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = [0; 4096];
            while stream.read(&mut request).is_ok_and(|count| count > 0) {
                for piece in answer.chunks(7) {
                    if stream.write_all(piece).is_err() {
                        return;
                    }
                }
            }
        });
        address
    }

    #[test]
    fn answers_with_a_length_or_in_chunks_are_read_to_their_end() {
        for answer in [
            &b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"[..],
            &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"[..],
        ] {
            let target = Target::new(answering(answer), "k", "a: b", "{}");
            let sample = target.load(1, Duration::from_millis(30)).unwrap();
            assert!(sample.whole.len() > 1, "{sample:?}");
            assert_eq!(sample.whole.len(), sample.first.len());
        }
    }

    #[test]
    fn an_answer_that_is_no_200_is_an_error_that_shows_it() {
        let address = answering(b"HTTP/1.1 503 No\r\ncontent-length: 4\r\n\r\noops");
        let error = Target::new(address, "k", "a: b", "{}")
            .load(1, Duration::from_millis(30))
            .unwrap_err();
        assert!(error.to_string().contains("503"), "{error}");
    }
}
