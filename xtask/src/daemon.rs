//! Programs that run in the background, their output in a log file.

use std::env;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};

use crate::process::Group;

/// How many lines of its log explain why a program ended.
const LAST_LINES: usize = 15;

/// A program that runs until we stop it.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: &'static str,
    group: Group,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command`; what it writes goes to `log`.
    pub(crate) fn start(name: &'static str, command: &Command, log: PathBuf) -> Result<Self> {
        Self::start_with(name, command, log, None)
    }

    /// Starts `command`; what it writes for people (to standard output) goes to people, the rest to
    /// `log`.
    pub(crate) fn start_talking(
        name: &'static str,
        command: &Command,
        log: PathBuf,
    ) -> Result<Self> {
        Self::start_with(name, command, log, Some(Stdio::inherit()))
    }

    fn start_with(
        name: &'static str,
        command: &Command,
        log: PathBuf,
        output: Option<Stdio>,
    ) -> Result<Self> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut leashed = leash(command);
        let output = match output {
            Some(output) => output,
            None => file.try_clone()?.into(),
        };
        leashed.stdout(output).stderr(file);
        let group = Group::spawn(&mut leashed)?;
        Ok(Self { name, group, log })
    }

    /// What it has in memory, in KiB.
    pub(crate) fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.group.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse().ok());
        number.ok_or_else(|| anyhow!("{} does not say how large it is", self.name))
    }

    /// Fails when it has ended, and says why as far as its log does.
    pub(crate) fn require_running(&mut self) -> Result<()> {
        match self.group.ended()? {
            None => Ok(()),
            Some(status) => Err(self.obituary(status)),
        }
    }

    fn obituary(&self, status: ExitStatus) -> anyhow::Error {
        anyhow!(
            "{} ended by itself ({status}); the last lines of {}:\n{}",
            self.name,
            self.log.display(),
            self.last_lines()
        )
    }

    /// The end of its log.
    pub(crate) fn last_lines(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        let start = lines.len().saturating_sub(LAST_LINES);
        lines.get(start..).unwrap_or_default().join("\n")
    }

    /// All of its log.
    pub(crate) fn log(&self) -> Result<String> {
        let bytes =
            fs::read(&self.log).with_context(|| format!("cannot read {}", self.log.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Asks it to end, waits `grace`, then kills it.
    pub(crate) fn stop(&mut self, grace: Duration) {
        self.group.stop(grace);
    }
}

/// The same command, started through [`hold`]: it cannot outlive us, however we end.
fn leash(command: &Command) -> Command {
    let us = env::current_exe().unwrap_or_default();
    let mut leashed = if cfg!(target_os = "linux") && us.is_file() {
        let mut leashed = Command::new(us);
        leashed.arg("leash").arg(command.get_program());
        leashed
    } else {
        Command::new(command.get_program())
    };
    leashed.args(command.get_args());
    if let Some(folder) = command.get_current_dir() {
        leashed.current_dir(folder);
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => leashed.env(name, value),
            None => leashed.env_remove(name),
        };
    }
    leashed
}

/// Becomes `program`, to be ended by the system when our parent ends.
#[cfg(target_os = "linux")]
pub(crate) fn hold(program: &Path, arguments: &[std::ffi::OsString]) -> Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::TERM))?;
    if getppid() != parent {
        bail!("whoever started {} is gone", program.display());
    }
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn hold(program: &Path, arguments: &[std::ffi::OsString]) -> Result<()> {
    let error = Command::new(program).args(arguments).exec();
    Err(error).with_context(|| format!("cannot start {}", program.display()))
}
