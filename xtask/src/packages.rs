//! Debian's packages, for machines that lack something: installed when we are root, named when not.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::process::{output, run};
use crate::progress::step;
use crate::workspace::on_path;

/// Those of `names` that are not installed.
pub(crate) fn missing<'a>(names: &[&'a str]) -> Vec<&'a str> {
    names
        .iter()
        .copied()
        .filter(|name| {
            let mut query = Command::new("dpkg-query");
            query.args(["--show", "--showformat=${db:Status-Status}", name]);
            !output(&mut query, Duration::from_secs(30)).is_ok_and(|status| status == "installed")
        })
        .collect()
}

/// Installs `names`, or fails with the command that does.
pub(crate) fn install(names: &[&str]) -> Result<()> {
    let list = names.join(" ");
    if on_path("apt-get").is_none() {
        bail!("install what your system calls: {list}");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("run this, then try again:\n  sudo apt-get update && sudo apt-get install -y {list}");
    }
    step(&format!("installing {list}"), || {
        run(apt_get().arg("update"))?;
        run(apt_get()
            .args(["install", "-y", "--no-install-recommends"])
            .args(names))
    })
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        // A background process group may not touch the terminal.
        .args(["-q", "-o", "Dpkg::Use-Pty=0"]);
    command
}
