//! A provider whose every step the test takes: it reads when it is told to, and answers when it is.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::SOON;

/// It listens, on a free port.
#[derive(Debug)]
pub struct Puppet {
    listener: TcpListener,
    address: SocketAddr,
}

/// A request that it is being sent, and the answer.
#[derive(Debug)]
pub struct Conversation {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Puppet {
    /// Starts to listen.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// What `api_base` wants for `openai/…`.
    pub fn openai_base(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The next request, of which nothing is read yet.
    ///
    /// # Panics
    /// When none comes soon.
    pub async fn conversation(&self) -> Conversation {
        let accepted = timeout(SOON, self.listener.accept()).await;
        let (stream, _) = accepted.expect("a request comes").expect("a connection");
        Conversation {
            stream,
            received: Vec::new(),
        }
    }
}

impl Conversation {
    /// Reads until `bytes` have come.
    ///
    /// # Panics
    /// When they do not come soon.
    pub async fn hear(&mut self, bytes: &[u8]) {
        let heard = timeout(SOON, async {
            while memchr::memmem::find(&self.received, bytes).is_none() {
                assert!(self.read().await, "the request ends before");
            }
        });
        heard.await.expect("the bytes come");
    }

    /// Reads the whole request, by its content-length: its head and its body.
    ///
    /// # Panics
    /// When it has no content-length, or does not come soon.
    pub async fn hear_all(&mut self) -> (String, Vec<u8>) {
        self.hear(b"\r\n\r\n").await;
        let end = memchr::memmem::find(&self.received, b"\r\n\r\n").expect("a head") + 4;
        let head = String::from_utf8_lossy(&self.received[..end]).into_owned();
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length
            .and_then(|length| length.parse().ok())
            .unwrap_or_else(|| panic!("no content-length: {head}"));
        let heard = timeout(SOON, async {
            while self.received.len() < end + length {
                assert!(self.read().await, "the request ends before");
            }
        });
        heard.await.expect("the body comes");
        assert_eq!(self.received.len(), end + length, "more than a request");
        (head, self.received[end..].to_vec())
    }

    /// Reads until the other side has left: what came of the request.
    ///
    /// # Panics
    /// When it does not leave soon.
    pub async fn left(mut self) -> Vec<u8> {
        let left = timeout(SOON, async { while self.read().await {} });
        left.await.expect("the connection ends");
        self.received
    }

    /// Answers with JSON, and closes once the other side has.
    ///
    /// # Panics
    /// When the other side has left.
    pub async fn answer(mut self, status: u16, body: &str) {
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let sent = self.stream.write_all(answer.as_bytes()).await;
        sent.expect("the answer goes out");
        self.left().await;
    }

    /// Whether there was more.
    async fn read(&mut self) -> bool {
        let read = self.stream.read_buf(&mut self.received).await;
        read.is_ok_and(|count| count > 0)
    }
}
