//! Other programs: run to their end or kept in the background, each in a process group of its own, so
//! that a signal to us stops all of them in order and none is left behind.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// How long a program may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);
static GROUPS: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

/// The person at the keyboard, or the system, wants us to end.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

/// From now on the first SIGINT, SIGTERM or SIGHUP makes [`check_interrupted`] fail; the second
/// kills what still runs, at once.
pub(crate) fn watch_signals() -> Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])
        .context("cannot watch signals")?;
    thread::spawn(move || {
        for signal in signals.forever() {
            if INTERRUPTED.swap(true, Ordering::SeqCst) {
                kill_everything();
                leave(128 + signal);
            }
        }
    });
    Ok(())
}

/// Whether somebody asked us to end.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Fails once somebody asked us to end.
pub(crate) fn check_interrupted() -> Result<()> {
    if interrupted() {
        return Err(Interrupted.into());
    }
    Ok(())
}

/// Sleeps, but not through an interruption.
pub(crate) fn pause(time: Duration) -> Result<()> {
    let end = Instant::now() + time;
    loop {
        check_interrupted()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(POLL));
    }
}

#[allow(
    clippy::exit,
    reason = "the main thread may be waiting for what was just killed"
)]
fn leave(code: i32) -> ! {
    std::process::exit(code)
}

fn kill_everything() {
    let groups = match GROUPS.lock() {
        Ok(groups) => groups,
        Err(poisoned) => poisoned.into_inner(),
    };
    for group in groups.iter() {
        signal_group(*group, Signal::KILL);
    }
}

fn signal_group(group: i32, signal: Signal) {
    if let Some(pid) = Pid::from_raw(group) {
        // It may be gone already, which is as well.
        let _ = kill_process_group(pid, signal);
    }
}

/// A program and all that it starts.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    id: i32,
}

impl Group {
    /// Starts `command` without our standard input.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program(command)))?;
        let id = i32::try_from(child.id()).context("a process id is out of range")?;
        register(|groups| groups.insert(id));
        Ok(Self { child, id })
    }

    /// Its process id, and that of its group.
    pub(crate) fn id(&self) -> i32 {
        self.id
    }

    /// Takes the pipes that the command asked for.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// How it ended, if it did.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits for its end, at most `limit`; `None` when the time is up.
    pub(crate) fn wait(&mut self, limit: Option<Duration>) -> Result<Option<ExitStatus>> {
        let start = Instant::now();
        let mut nap = Duration::from_millis(1);
        loop {
            if let Some(status) = self.ended()? {
                return Ok(Some(status));
            }
            check_interrupted()?;
            if limit.is_some_and(|limit| start.elapsed() >= limit) {
                return Ok(None);
            }
            thread::sleep(nap);
            nap = (nap * 2).min(POLL);
        }
    }

    /// Asks it to end, waits `grace`, then kills it.
    pub(crate) fn stop(&mut self, grace: Duration) {
        if matches!(self.ended(), Ok(None)) {
            signal_group(self.id, Signal::TERM);
            let end = Instant::now() + grace;
            while matches!(self.ended(), Ok(None)) && Instant::now() < end {
                thread::sleep(POLL);
            }
        }
        // Also what the program itself left behind.
        signal_group(self.id, Signal::KILL);
        let _ = self.child.wait();
        register(|groups| groups.remove(&self.id));
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.stop(GRACE);
    }
}

fn register<T>(change: impl FnOnce(&mut BTreeSet<i32>) -> T) {
    match GROUPS.lock() {
        Ok(mut groups) => change(&mut groups),
        Err(poisoned) => change(&mut poisoned.into_inner()),
    };
}

/// Runs `command` to its end; a failure names the program.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    check_interrupted()?;
    if let Some(status) = Group::spawn(command)?.wait(None)?
        && !status.success()
    {
        bail!("`{}` failed: {status}", line(command));
    }
    Ok(())
}

/// Runs `command` and returns what it wrote to standard output; a failure carries what it wrote to
/// standard error. For programs that write little.
pub(crate) fn output(command: &mut Command, limit: Duration) -> Result<String> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut group = Group::spawn(command)?;
    let (out, err) = (group.child().stdout.take(), group.child().stderr.take());
    let out = thread::spawn(move || read(out));
    let err = thread::spawn(move || read(err));
    let status = group.wait(Some(limit))?;
    drop(group);
    let out = out.join().unwrap_or_default();
    let err = err.join().unwrap_or_default();
    match status {
        Some(status) if status.success() => Ok(out),
        Some(status) => bail!("`{}` failed: {status}\n{}", line(command), err.trim_end()),
        None => bail!("`{}` took more than {} s", line(command), limit.as_secs()),
    }
}

fn read(pipe: Option<impl io::Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        // What arrived before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn program(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// The command as a person would type it, more or less.
fn line(command: &Command) -> String {
    let mut line = program(command);
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    line
}
