//! A real Redis for tests, on a free port of its own.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::sleep;

/// A server that ends with the test.
pub(crate) struct RedisServer {
    child: Child,
    port: u16,
    extra: Vec<String>,
    folder: tempfile::TempDir,
}

impl RedisServer {
    /// Starts `redis-server`; `None`, with a loud line, where the machine has none. In CI that is an
    /// error.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(extra: &[&str]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let extra: Vec<String> = extra.iter().map(ToString::to_string).collect();
        match spawn(port, &folder, &extra) {
            Ok(child) => {
                let server = Self {
                    child,
                    port,
                    extra,
                    folder,
                };
                server.answers().await;
                Some(server)
            }
            Err(error) if std::env::var_os("CI").is_none() => {
                skipped(&error);
                None
            }
            Err(error) => panic!("redis-server cannot be started: {error}"),
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again, at the same port and in the same folder.
    pub(crate) async fn restart(&mut self) {
        self.child = spawn(self.port, &self.folder, &self.extra).unwrap();
        self.answers().await;
    }

    async fn answers(&self) {
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", self.port)).await.is_ok() {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("redis-server does not answer");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(port: u16, folder: &tempfile::TempDir, extra: &[String]) -> std::io::Result<Child> {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no", "--dir"])
        .arg(folder.path())
        .args(extra)
        .stdout(Stdio::null())
        .spawn()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

#[expect(
    clippy::print_stderr,
    reason = "a person must see that nothing was tested"
)]
fn skipped(error: &std::io::Error) {
    eprintln!(
        "##### NOT TESTED: redis-server cannot be started ({error}); install redis-server #####"
    );
}
