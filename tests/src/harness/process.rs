//! A program that a test runs, with its output in a file.

use std::{
    fs::{self, File},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::warden;

/// How long a program may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(15);
/// How much of a log explains a failure.
const LAST_LINES: usize = 40;

static LOGS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A running program. Stopped when dropped.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    status: Option<ExitStatus>,
}

impl Process {
    /// Starts `command`; what it writes is appended to `log`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(name: &'static str, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("cannot write {}", log.display()))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}: {command:?}"))?;
        warden::began(child.id());
        let mut logs = LOGS.lock().unwrap_or_else(PoisonError::into_inner);
        if !logs.iter().any(|known| known == log) {
            logs.push(log.to_owned());
        }
        Ok(Self {
            name,
            child,
            log: log.to_owned(),
            status: None,
        })
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or_default()
    }

    /// What it wrote so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How it ended, when it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
            if self.status.is_some() {
                warden::ended(self.child.id());
            }
        }
        self.status
    }

    /// Fails when it has ended.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn require_running(&mut self) -> anyhow::Result<()> {
        match self.ended() {
            None => Ok(()),
            Some(status) => {
                let (name, tail) = (self.name, tail(&self.log));
                anyhow::bail!("{name} ended ({status}):\n{tail}")
            }
        }
    }

    /// Sends a signal to the program alone, not to its group.
    pub fn signal(&self, signal: Signal) {
        if self.status.is_none()
            && let Some(pid) = Pid::from_raw(self.pid())
        {
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it takes longer than `limit`.
    pub fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            if Instant::now() > end {
                anyhow::bail!("{} did not end within {limit:?}", self.name);
            }
            sleep(Duration::from_millis(10));
        }
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.group(Signal::KILL);
        let _ = self.wait(GRACE);
    }

    /// Asks it to end, and kills it when it does not.
    pub fn stop(&mut self) {
        self.group(Signal::TERM);
        if self.wait(GRACE).is_err() {
            self.kill();
        }
    }

    fn group(&self, signal: Signal) {
        if self.status.is_none()
            && let Some(pid) = Pid::from_raw(self.pid())
        {
            // It may have ended meanwhile, which is as well.
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.stop();
        }
    }
}

/// Prints the end of every log.
#[allow(
    clippy::print_stderr,
    reason = "the test runner shows it with the failure"
)]
pub(super) fn show_logs() {
    for log in LOGS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        eprintln!("--- the end of {}\n{}", log.display(), tail(log));
    }
}

fn tail(log: &Path) -> String {
    let text = String::from_utf8_lossy(&fs::read(log).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(LAST_LINES);
    lines.get(start..).unwrap_or_default().join("\n")
}
