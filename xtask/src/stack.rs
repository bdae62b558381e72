//! The running whole: the service, Envoy in front of it, and where wanted a scripted provider.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::daemon::Daemon;
use crate::http::{ask, reachable};
use crate::ports;
use crate::process::{interrupted, pause};

/// How long everything may take to be ready.
const START_LIMIT: Duration = Duration::from_secs(90);
/// How long requests in flight may take when we are asked to end.
const DRAIN: Duration = Duration::from_secs(5);
/// Envoy sends its access log at short intervals; the last one has to reach the service.
const FLUSH: Duration = Duration::from_millis(300);
const GRACE: Duration = Duration::from_secs(10);

/// What to start, and where.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub(crate) service: &'a Path,
    pub(crate) envoy: &'a Path,
    pub(crate) config: &'a Path,
    /// The folder for keys, ledger, certificate, bootstrap and logs.
    pub(crate) state: &'a Path,
    pub(crate) http: SocketAddr,
    pub(crate) https: SocketAddr,
    /// Envoy's worker threads; as many as cores when `None`.
    pub(crate) workers: Option<u32>,
    /// More environment for the service.
    pub(crate) environment: Vec<(String, String)>,
}

/// Service and Envoy. Dropping it stops both.
#[derive(Debug)]
pub(crate) struct Stack {
    service: Daemon,
    envoy: Option<Daemon>,
    http: SocketAddr,
    https: SocketAddr,
    admin: SocketAddr,
}

impl Stack {
    /// Starts all and returns once a request through Envoy succeeds.
    pub(crate) fn start(setup: &Setup<'_>) -> Result<Self> {
        let bootstrap = setup.state.join("envoy.json");
        if bootstrap.exists() {
            fs::remove_file(&bootstrap)
                .with_context(|| format!("cannot remove {}", bootstrap.display()))?;
        }
        let admin = ports::free()?;
        let mut stack = Self {
            service: start_service(setup, admin)?,
            envoy: None,
            http: setup.http,
            https: setup.https,
            admin,
        };
        let end = Instant::now() + START_LIMIT;
        while !bootstrap.is_file() {
            stack.wait_a_little(end, || {
                format!("the service did not write {}", bootstrap.display())
            })?;
        }
        stack.envoy = Some(start_envoy(setup, &bootstrap)?);
        stack.wait_until_ready(end)?;
        Ok(stack)
    }

    fn wait_until_ready(&mut self, end: Instant) -> Result<()> {
        loop {
            let state = match ask(self.http, "GET", "/health/readiness") {
                Ok(answer) if answer.status == 200 => {
                    match TcpStream::connect(reachable(self.https)) {
                        Ok(_) => return Ok(()),
                        Err(error) => format!("nothing answers at {}: {error}", self.https),
                    }
                }
                Ok(answer) => {
                    format!("readiness is {}: {}", answer.status, answer.body.trim())
                }
                Err(error) => format!("{error:#}"),
            };
            self.wait_a_little(end, || state)?;
        }
    }

    fn wait_a_little(&mut self, end: Instant, why: impl FnOnce() -> String) -> Result<()> {
        self.require_running()?;
        if Instant::now() > end {
            let envoy = self.envoy.as_ref().map(Daemon::last_lines);
            bail!(
                "not ready after {} s: {}\nthe service's log ends:\n{}\nEnvoy's log ends:\n{}",
                START_LIMIT.as_secs(),
                why(),
                self.service.last_lines(),
                envoy.unwrap_or_default()
            );
        }
        pause(Duration::from_millis(50))
    }

    /// Fails when the service or Envoy has ended.
    pub(crate) fn require_running(&mut self) -> Result<()> {
        self.service.require_running()?;
        self.envoy.as_mut().map_or(Ok(()), Daemon::require_running)
    }

    /// What Envoy and the service have in memory, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<[u64; 2]> {
        let envoy = self.envoy.as_ref().map_or(Ok(0), Daemon::resident_kib)?;
        Ok([envoy, self.service.resident_kib()?])
    }

    /// Stops Envoy once its requests are done, then the service once it has heard of them.
    pub(crate) fn stop(&mut self) {
        if let Some(envoy) = self.envoy.as_mut() {
            if envoy.require_running().is_ok() {
                drain(self.admin);
            }
            envoy.stop(GRACE);
        }
        self.service.stop(GRACE);
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.stop();
    }
}

fn log_file(state: &Path, name: &str) -> PathBuf {
    state.join("log").join(name)
}

fn start_service(setup: &Setup<'_>, admin: SocketAddr) -> Result<Daemon> {
    let mut command = Command::new(setup.service);
    command
        .arg("serve")
        .arg("--config")
        .arg(setup.config)
        .arg("--state")
        .arg(setup.state)
        .args(["--http", &setup.http.to_string()])
        .args(["--https", &setup.https.to_string()])
        .args(["--envoy-admin", &admin.to_string()])
        .envs(setup.environment.iter().cloned());
    Daemon::start_talking(
        "the service",
        &command,
        log_file(setup.state, "dragoman.log"),
    )
}

fn start_envoy(setup: &Setup<'_>, bootstrap: &Path) -> Result<Daemon> {
    let mut command = Command::new(setup.envoy);
    command
        .arg("--config-path")
        .arg(bootstrap)
        // Several may run on one machine.
        .arg("--disable-hot-restart")
        // Its log in a file is for a service that was away: soon is enough.
        .args(["--file-flush-interval-msec", "100"]);
    if let Some(workers) = setup.workers {
        command.args(["--concurrency", &workers.to_string()]);
    }
    Daemon::start("Envoy", &command, log_file(setup.state, "envoy.log"))
}

/// Lets Envoy finish what it began: no new connections, then wait for the requests in flight.
fn drain(admin: SocketAddr) {
    if ask(admin, "POST", "/drain_listeners").is_err() {
        return;
    }
    let end = Instant::now() + DRAIN;
    while Instant::now() < end && requests_in_flight(admin) > 0 {
        thread::sleep(Duration::from_millis(50));
    }
    thread::sleep(FLUSH);
}

fn requests_in_flight(admin: SocketAddr) -> u64 {
    let Ok(answer) = ask(admin, "GET", "/stats?filter=downstream_rq_active$") else {
        return 0;
    };
    // http.<prefix>.downstream_rq_active: 2
    answer
        .body
        .lines()
        .filter(|line| line.starts_with("http.") && !line.starts_with("http.admin."))
        .filter_map(|line| line.rsplit_once(": ")?.1.trim().parse::<u64>().ok())
        .sum()
}

/// A scripted provider on a free port.
#[derive(Debug)]
pub(crate) struct Provider {
    daemon: Daemon,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Provider {
    /// Starts `binary` and returns once it says where it listens.
    pub(crate) fn start(binary: &Path, state: &Path, arguments: &[&str]) -> Result<Self> {
        let mut command = Command::new(binary);
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        let mut daemon = Daemon::start(
            "the scripted provider",
            &command,
            log_file(state, "provider.log"),
        )?;
        let end = Instant::now() + START_LIMIT;
        loop {
            daemon.require_running()?;
            let said = daemon.log()?;
            let address = said
                .lines()
                .find_map(|line| line.strip_prefix("listening on ")?.trim().parse().ok());
            if let Some(address) = address {
                return Ok(Self { daemon, address });
            }
            if Instant::now() > end {
                bail!("the scripted provider does not say where it listens");
            }
            pause(Duration::from_millis(20))?;
        }
    }

    /// Fails when it has ended.
    pub(crate) fn require_running(&mut self) -> Result<()> {
        self.daemon.require_running()
    }

    /// Stops it.
    pub(crate) fn stop(&mut self) {
        self.daemon.stop(GRACE);
    }
}

/// Whether a failure is only that we were asked to end.
pub(crate) fn is_interruption(error: &anyhow::Error) -> bool {
    interrupted() && error.is::<crate::process::Interrupted>()
}
