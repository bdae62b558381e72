//! Builds the service, with the filter inside, and leaves both in `target/dist/`.

use std::path::PathBuf;

use anyhow::Result;

use crate::process::run;
use crate::progress::step;
use crate::wasm;
use crate::workspace::{Profile, Workspace, copy_if_changed};

/// The variable by which the service's build finds the filter that it embeds.
pub(crate) const FILTER_WASM: &str = "DRAGOMAN_FILTER_WASM";

/// `cargo xtask build`
pub(crate) fn build(workspace: &Workspace, profile: Profile) -> Result<()> {
    wasm::build(workspace)?;
    let service = service(workspace, profile, &[])?;
    let copy = workspace.dist().join("dragoman");
    copy_if_changed(&service, &copy)?;
    println!("{}\n{}", copy.display(), workspace.wasm().display());
    Ok(())
}

/// Builds the service around the filter, which must be there, and `more` binaries of the workspace
/// as (package, binary); returns the service's path.
pub(crate) fn service(
    workspace: &Workspace,
    profile: Profile,
    more: &[(&str, &str)],
) -> Result<PathBuf> {
    step(
        &format!("building the service ({})", profile.name()),
        || {
            let mut cargo = workspace.cargo();
            cargo
                .env(FILTER_WASM, workspace.wasm())
                .args(["build", "--profile", profile.name()]);
            for (package, binary) in [("dragoman", "dragoman")].iter().chain(more) {
                cargo.args(["--package", package, "--bin", binary]);
            }
            run(&mut cargo)
        },
    )?;
    Ok(workspace.binary(profile, "dragoman"))
}
