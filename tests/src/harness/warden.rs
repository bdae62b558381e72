//! This side of `test-warden`, which cleans up after us however we end.

use std::{
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{LazyLock, Mutex, PoisonError},
};

use super::binaries;

static WARDEN: LazyLock<Mutex<Child>> = LazyLock::new(|| {
    use std::os::unix::process::CommandExt;
    let warden = Command::new(binaries::beside("test-warden"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C at the terminal must not end it before it has done its work.
        .process_group(0)
        .spawn()
        .expect("test-warden starts");
    Mutex::new(warden)
});

/// The process group `pid` has begun.
pub(super) fn began(pid: u32) {
    tell(&format!("+{pid}"));
}

/// The process group `pid` has ended.
pub(super) fn ended(pid: u32) {
    tell(&format!("-{pid}"));
}

/// The folder is to go when this process does.
pub(super) fn remove(folder: &Path) {
    tell(&format!("~{}", folder.display()));
}

fn tell(line: &str) {
    let mut warden = WARDEN.lock().unwrap_or_else(PoisonError::into_inner);
    let input = warden.stdin.as_mut().expect("its standard input is a pipe");
    writeln!(input, "{line}").expect("test-warden listens");
}
