//! Real PostgreSQL and Redis, on free ports, for what several replicas share.
//!
//! A machine that lacks one of them skips what needs it, and says so; in CI that is an error.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use rustix::process::Signal;
use sqlx::{Connection, PgConnection};

use super::{authority::Authority, ports::free_port, process::Process, warden};

/// Where Debian's packages put PostgreSQL, a folder per version.
const POSTGRES: &str = "/usr/lib/postgresql";
/// How long a server may take to start.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A Redis that keeps nothing on disk. Stopped when dropped.
#[derive(Debug)]
pub struct Redis {
    address: SocketAddr,
    folder: tempfile::TempDir,
    process: Option<Process>,
    /// It speaks TLS alone, with these files.
    tls: Option<Tls>,
}

#[derive(Debug)]
struct Tls {
    ca: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
}

impl Tls {
    fn of(authority: &Authority) -> Self {
        Self {
            ca: authority.ca(),
            certificate: authority.certificate(),
            key: authority.key(),
        }
    }
}

impl Redis {
    /// Starts `redis-server`; `None`, with a loud line, where there is none.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        Self::start_with(None).await
    }

    /// The same, where nobody is heard but with TLS.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_with_tls(authority: &Authority) -> anyhow::Result<Option<Self>> {
        Self::start_with(Some(Tls::of(authority))).await
    }

    async fn start_with(tls: Option<Tls>) -> anyhow::Result<Option<Self>> {
        if Command::new("redis-server")
            .arg("--version")
            .output()
            .is_err()
        {
            return missing("redis-server");
        }
        let mut server = Self {
            address: free_port(),
            folder: folder("dragoman-redis-")?,
            process: None,
            tls,
        };
        server.restart().await?;
        Ok(Some(server))
    }

    /// As `REDIS_URL` wants it.
    pub fn url(&self) -> String {
        match &self.tls {
            None => format!("redis://{}", self.address),
            Some(tls) => format!(
                "rediss://{}?ssl_ca_certs={}",
                self.address,
                tls.ca.display()
            ),
        }
    }

    /// `kill -9`. What it knew is gone.
    pub fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill();
        }
    }

    /// It does nothing more until [`Redis::resume`], and forgets nothing.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// Starts it, at the same address.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new("redis-server");
        let port = self.address.port().to_string();
        match &self.tls {
            None => command.args(["--port", &port]),
            Some(tls) => command
                .args(["--port", "0", "--tls-port", &port])
                .args(["--tls-auth-clients", "no", "--tls-ca-cert-file"])
                .arg(&tls.ca)
                .arg("--tls-cert-file")
                .arg(&tls.certificate)
                .arg("--tls-key-file")
                .arg(&tls.key),
        };
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(self.folder.path());
        let log = self.folder.path().join("redis.log");
        let mut process = Process::start("Redis", &mut command, &log)?;
        let end = Instant::now() + START_LIMIT;
        while TcpStream::connect(self.address).is_err() {
            process.require_running()?;
            ensure!(Instant::now() < end, "Redis does not answer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.process = Some(process);
        Ok(())
    }
}

/// A PostgreSQL with one empty database. Stopped when dropped.
#[derive(Debug)]
pub struct Postgres {
    address: SocketAddr,
    folder: tempfile::TempDir,
    binaries: PathBuf,
    process: Option<Process>,
    /// It speaks TLS alone, with these files.
    tls: Option<Tls>,
}

impl Postgres {
    /// Makes a cluster and starts it; `None`, with a loud line, where there is no PostgreSQL.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start() -> anyhow::Result<Option<Self>> {
        Self::start_with(None).await
    }

    /// The same, where nobody is heard but with TLS.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn start_with_tls(authority: &Authority) -> anyhow::Result<Option<Self>> {
        Self::start_with(Some(authority)).await
    }

    async fn start_with(authority: Option<&Authority>) -> anyhow::Result<Option<Self>> {
        let Some(binaries) = postgres_binaries() else {
            return missing("postgresql");
        };
        let mut server = Self {
            address: free_port(),
            folder: folder("dragoman-postgres-")?,
            binaries,
            process: None,
            tls: authority.map(Tls::of),
        };
        server.initialise()?;
        if let Some(authority) = authority {
            server.require_tls(authority)?;
        }
        server.restart().await?;
        Ok(Some(server))
    }

    /// As `DATABASE_URL` wants it.
    pub fn url(&self) -> String {
        let url = format!("postgres://postgres@{}/postgres", self.address);
        match &self.tls {
            None => url,
            Some(tls) => {
                let ca = tls.ca.display();
                format!("{url}?sslmode=verify-full&sslrootcert={ca}")
            }
        }
    }

    /// `kill -9` of the server; its children end when they notice.
    pub fn kill(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill();
        }
    }

    /// Starts it, at the same address and with the same data.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + START_LIMIT;
        self.process = None;
        loop {
            let mut process = self.spawn()?;
            loop {
                if PgConnection::connect(&self.url()).await.is_ok() {
                    self.process = Some(process);
                    return Ok(());
                }
                if let Err(ended) = process.require_running() {
                    // Children of a server that was killed may hold its data for a moment.
                    if Instant::now() > end {
                        return Err(ended);
                    }
                    break;
                }
                if Instant::now() > end {
                    bail!("PostgreSQL does not answer:\n{}", process.log());
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    fn spawn(&self) -> anyhow::Result<Process> {
        let mut command = self.command("postgres");
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.address.port().to_string()])
            .arg("-k")
            .arg(self.folder.path())
            .args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"]);
        if let Some(tls) = &self.tls {
            let option = |name, file: &Path| format!("{name}={}", file.display());
            command
                .args(["-c", "ssl=on", "-c"])
                .arg(option("ssl_cert_file", &tls.certificate))
                .arg("-c")
                .arg(option("ssl_key_file", &self.key()));
        }
        let log = self.folder.path().join("postgres.log");
        Process::start("PostgreSQL", &mut command, &log)
    }

    fn initialise(&self) -> anyhow::Result<()> {
        let mut command = self.command("initdb");
        command
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        let output = command.output().context("initdb does not start")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "initdb failed: {said}");
        Ok(())
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }

    fn require_tls(&self, authority: &Authority) -> anyhow::Result<()> {
        let user = rustix::process::geteuid().is_root().then_some("postgres");
        authority.key_for(user, &self.key())?;
        let rules = self.folder.path().join("data").join("pg_hba.conf");
        Ok(fs::write(rules, "hostssl all all 127.0.0.1/32 trust\n")?)
    }

    /// One of PostgreSQL's programs, which refuse to run as root.
    fn command(&self, program: &str) -> Command {
        let path = self.binaries.join(program);
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command
                .args(["--reuid=postgres", "--regid=postgres", "--init-groups"])
                .arg(path);
            command
        } else {
            Command::new(path)
        };
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // On SIGTERM it would wait for its clients to leave.
            process.signal(Signal::INT);
            let _ = process.wait(Duration::from_secs(5));
        }
    }
}

/// A folder that PostgreSQL's own user may write, too.
pub(super) fn folder(prefix: &str) -> anyhow::Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777))?;
    warden::remove(folder.path());
    Ok(folder)
}

/// The newest version's.
fn postgres_binaries() -> Option<PathBuf> {
    let versions = fs::read_dir(Path::new(POSTGRES)).ok()?.flatten();
    let found = versions.filter_map(|version| {
        let number: u32 = version.file_name().to_str()?.parse().ok()?;
        let binaries = version.path().join("bin");
        binaries
            .join("initdb")
            .is_file()
            .then_some((number, binaries))
    });
    found.max().map(|(_, binaries)| binaries)
}

#[allow(
    clippy::print_stderr,
    reason = "a person must see that nothing was tested"
)]
fn missing<T>(package: &str) -> anyhow::Result<Option<T>> {
    ensure!(
        std::env::var_os("CI").is_none(),
        "this machine lacks Debian's package {package}"
    );
    eprintln!("\n##### NOT TESTED: install Debian's package {package} #####\n");
    Ok(None)
}
