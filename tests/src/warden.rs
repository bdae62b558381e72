//! `test-warden`: outlives the test process that started it by just as long as it takes to kill what
//! that one left behind. However a test ends, also by a signal, no process and no folder stays.
//!
//! Reads lines from standard input: `+PID` and `-PID` say that a process group began and ended,
//! `~PATH` that a folder is to be removed. When the input ends, it acts.

use std::{
    collections::BTreeSet,
    io::BufRead,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};

/// How long a process may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(5);

fn main() {
    let mut groups = BTreeSet::new();
    let mut folders = Vec::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        if let Some(pid) = line.strip_prefix('+').and_then(parse) {
            groups.insert(pid);
        } else if let Some(pid) = line.strip_prefix('-').and_then(parse) {
            groups.remove(&pid);
        } else if let Some(path) = line.strip_prefix('~') {
            folders.push(path.to_owned());
        }
    }
    let signal = |signal| {
        for group in groups.iter().copied().filter_map(Pid::from_raw) {
            // It may have ended meanwhile, which is as well.
            let _ = kill_process_group(group, signal);
        }
    };
    signal(Signal::TERM);
    let end = Instant::now() + GRACE;
    while Instant::now() < end && groups.iter().any(|group| exists(*group)) {
        sleep(Duration::from_millis(20));
    }
    signal(Signal::KILL);
    for folder in folders {
        let _ = std::fs::remove_dir_all(Path::new(&folder));
    }
}

fn parse(text: &str) -> Option<i32> {
    text.parse().ok().filter(|pid| *pid > 1)
}

fn exists(group: i32) -> bool {
    Pid::from_raw(group).is_some_and(|group| test_kill_process_group(group).is_ok())
}
