//! Python: one with pip, and a virtual environment under `target/` with the clients that the tests
//! drive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::packages;
use crate::process::{output, run};
use crate::progress::step;
use crate::workspace::Workspace;

const LIMIT: Duration = Duration::from_secs(60);

/// A Python that can `-m pip`.
pub(crate) fn with_pip(workspace: &Workspace) -> Result<PathBuf> {
    let system = PathBuf::from("python3");
    if has_pip(&system) {
        return Ok(system);
    }
    create(workspace)
}

/// The Python of a virtual environment that holds what `tests/requirements.txt` lists.
pub(crate) fn with_clients(workspace: &Workspace) -> Result<PathBuf> {
    let python = create(workspace)?;
    let list = workspace.root.join("tests/requirements.txt");
    let wanted = fs::read(&list).with_context(|| format!("cannot read {}", list.display()))?;
    let stamp = home(workspace).join("installed.txt");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    step("installing the Python clients", || {
        run(Command::new(&python)
            .args([
                "-m",
                "pip",
                "install",
                "--disable-pip-version-check",
                "--quiet",
            ])
            .arg("--requirement")
            .arg(&list))
    })?;
    fs::write(&stamp, wanted)?;
    Ok(python)
}

fn home(workspace: &Workspace) -> PathBuf {
    workspace.target.join("venv")
}

fn has_pip(python: &Path) -> bool {
    output(Command::new(python).args(["-m", "pip", "--version"]), LIMIT).is_ok()
}

fn create(workspace: &Workspace) -> Result<PathBuf> {
    let home = home(workspace);
    let python = home.join("bin/python3");
    if python.is_file() && has_pip(&python) {
        return Ok(python);
    }
    step("creating a Python environment", || {
        if output(Command::new("python3").arg("--version"), LIMIT).is_err() {
            bail!("Python 3 is needed, and `python3` does not run");
        }
        let make = || {
            let mut command = Command::new("python3");
            command.args(["-m", "venv", "--clear"]).arg(&home);
            output(&mut command, LIMIT)
        };
        if let Err(error) = make() {
            // Debian ships Python without it.
            packages::install(&["python3-venv"])
                .with_context(|| format!("`python3 -m venv` does not work: {error:#}"))?;
            make()?;
        }
        Ok(())
    })?;
    Ok(python)
}
