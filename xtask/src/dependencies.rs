//! Dependencies point one way: the pure crates must not reach the world.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::process::output;
use crate::workspace::Workspace;

/// Crates that decide and translate, and nothing else.
const PURE: [&str; 4] = [
    "dragoman-proto",
    "dragoman-dialect",
    "dragoman-policy",
    "dragoman-config",
];
/// Runtimes, servers, stores, proxies.
const WORLD: [&str; 6] = ["tokio", "tonic", "axum", "hyper", "sqlx", "proxy-wasm"];
/// The filter runs where there is no system to ask for any of this.
const NOT_IN_WASM: [&str; 6] = [
    "tokio",
    "getrandom",
    "rand",
    "mio",
    "socket2",
    "wasm-bindgen",
];

/// Fails with each dependency that points the wrong way.
pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let mut wrong = Vec::new();
    for pure in PURE {
        for reached in reached(workspace, pure, &[])? {
            if WORLD.contains(&reached.as_str()) {
                wrong.push(format!(
                    "{pure} reaches {reached}: `cargo tree -p {pure} -i {reached}`"
                ));
            }
        }
    }
    let target = ["--target", "wasm32-unknown-unknown"];
    for reached in reached(workspace, "dragoman-filter", &target)? {
        if NOT_IN_WASM.contains(&reached.as_str()) {
            wrong.push(format!(
                "dragoman-filter reaches {reached}, which wasm has no use for"
            ));
        }
    }
    if !wrong.is_empty() {
        bail!("{}", wrong.join("\n"));
    }
    Ok(())
}

fn reached(workspace: &Workspace, package: &str, more: &[&str]) -> Result<Vec<String>> {
    let mut cargo = workspace.cargo();
    cargo
        .args(["tree", "--quiet", "--package", package, "--edges", "normal"])
        .args(["--prefix", "none", "--format", "{lib}"])
        .args(more);
    let tree = output(&mut cargo, Duration::from_secs(120))?;
    let mut names: Vec<String> = tree
        .lines()
        // A repeated crate is marked with `(*)`.
        .filter_map(|line| line.split_whitespace().next())
        .map(|name| name.replace('_', "-"))
        .collect();
    names.sort();
    names.dedup();
    Ok(names)
}
