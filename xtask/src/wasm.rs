//! Builds the filter to `target/dist/dragoman.wasm`.
//!
//! Two toolchains can: rustup's, when it has (or can fetch) the `wasm32-unknown-unknown` target, and
//! Debian's packages. `DRAGOMAN_WASM_TOOLCHAIN=rustup` or `=debian` forces one.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::packages;
use crate::process::{Group, output, run};
use crate::progress::step;
use crate::workspace::{Workspace, copy_if_changed, on_path};

const TARGET: &str = "wasm32-unknown-unknown";
const LINKER: &str = "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER";
/// Rust for wasm as Debian packages it: the compiler and cargo beside the distribution's own, the
/// sources of the standard library, and a linker.
const DEBIAN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-22"];
const DEBIAN_LINKER: &str = "/usr/bin/wasm-ld-22";
/// rustup retries for minutes where its server cannot be reached.
const DOWNLOAD_LIMIT: Duration = Duration::from_secs(90);

enum Toolchain {
    /// The one that builds the workspace, with another linker where its own is missing.
    Active {
        linker: Option<PathBuf>,
    },
    Debian,
}

/// Builds the filter; returns the module's path.
pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let toolchain = choose(workspace)?;
    let name = match toolchain {
        Toolchain::Active { .. } => "the active toolchain",
        Toolchain::Debian => "Debian's toolchain",
    };
    step(&format!("building the filter with {name}"), || {
        let built = match &toolchain {
            Toolchain::Active { linker } => build_active(workspace, linker.as_deref())?,
            Toolchain::Debian => build_debian(workspace)?,
        };
        copy_if_changed(&built, &workspace.wasm())?;
        Ok(workspace.wasm())
    })
}

fn choose(workspace: &Workspace) -> Result<Toolchain> {
    let forced = env::var("DRAGOMAN_WASM_TOOLCHAIN").unwrap_or_default();
    match forced.as_str() {
        "" => {}
        "rustup" => {
            return active(workspace)?.with_context(|| {
                format!("the active toolchain lacks {TARGET} or a linker for it")
            });
        }
        "debian" => return debian(),
        other => bail!("DRAGOMAN_WASM_TOOLCHAIN is `{other}`; it can be `rustup` or `debian`"),
    }
    if let Some(toolchain) = active(workspace)? {
        return Ok(toolchain);
    }
    debian().with_context(|| {
        format!("the filter needs a Rust that compiles to {TARGET}: `rustup target add {TARGET}`, or Debian's")
    })
}

/// The active toolchain, when it has the target, or rustup can add it.
fn active(workspace: &Workspace) -> Result<Option<Toolchain>> {
    let Some(sysroot) = sysroot(workspace)? else {
        return Ok(None);
    };
    let libraries = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    if !libraries.is_dir() && !add_target(workspace)? {
        return Ok(None);
    }
    if has_own_linker(&sysroot) {
        return Ok(Some(Toolchain::Active { linker: None }));
    }
    let linker = ["rust-lld", "wasm-ld", "wasm-ld-22"]
        .into_iter()
        .find_map(on_path);
    Ok(linker.map(|linker| Toolchain::Active {
        linker: Some(linker),
    }))
}

fn sysroot(workspace: &Workspace) -> Result<Option<PathBuf>> {
    let mut rustc = Command::new("rustc");
    workspace.clean(&mut rustc);
    crate::process::check_interrupted()?;
    let said = output(rustc.args(["--print", "sysroot"]), Duration::from_secs(60));
    Ok(said.ok().map(|path| PathBuf::from(path.trim())))
}

fn has_own_linker(sysroot: &Path) -> bool {
    let Ok(hosts) = sysroot.join("lib/rustlib").read_dir() else {
        return false;
    };
    hosts
        .flatten()
        .any(|host| host.path().join("bin/rust-lld").is_file())
}

fn add_target(workspace: &Workspace) -> Result<bool> {
    if on_path("rustup").is_none() {
        return Ok(false);
    }
    step(&format!("adding {TARGET} with rustup"), || {
        let mut rustup = Command::new("rustup");
        workspace.clean(&mut rustup);
        rustup.env_remove("RUST_BACKTRACE");
        let status =
            Group::spawn(rustup.args(["target", "add", TARGET]))?.wait(Some(DOWNLOAD_LIMIT))?;
        let added = status.is_some_and(|status| status.success());
        if !added {
            eprintln!("    rustup could not add it");
        }
        Ok(added)
    })
}

fn debian() -> Result<Toolchain> {
    let missing = packages::missing(&DEBIAN);
    if !missing.is_empty() {
        packages::install(&DEBIAN)?;
    }
    Ok(Toolchain::Debian)
}

fn build_active(workspace: &Workspace, linker: Option<&Path>) -> Result<PathBuf> {
    let target = workspace.target.join("wasm");
    let mut cargo = workspace.cargo();
    if let Some(linker) = linker {
        cargo.env(LINKER, linker);
    }
    arguments(&mut cargo, &target);
    run(&mut cargo)?;
    Ok(module(&target))
}

/// Debian packages no library compiled for the target, but its sources: cargo builds it first.
fn build_debian(workspace: &Workspace) -> Result<PathBuf> {
    let target = workspace.target.join("wasm-debian");
    let mut cargo = Command::new("/usr/bin/cargo");
    workspace.clean(&mut cargo);
    for name in ["RUSTUP_TOOLCHAIN", "RUSTC_WRAPPER", "RUSTFLAGS"] {
        cargo.env_remove(name);
    }
    cargo
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTC", "/usr/bin/rustc")
        .env(LINKER, DEBIAN_LINKER);
    arguments(&mut cargo, &target);
    run(cargo.arg("-Zbuild-std=std,panic_abort"))?;
    Ok(module(&target))
}

fn arguments(cargo: &mut Command, target: &Path) {
    cargo
        .args(["build", "--package", "dragoman-filter", "--lib"])
        .args(["--profile", "wasm", "--target", TARGET, "--target-dir"])
        .arg(target);
}

fn module(target: &Path) -> PathBuf {
    target.join(TARGET).join("wasm/dragoman_filter.wasm")
}
