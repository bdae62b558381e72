//! Where the programs under test are.

use std::{env, path::PathBuf};

/// Envoy.
pub fn envoy() -> PathBuf {
    program("ENVOY_BIN")
}

/// The service.
pub fn dragoman() -> PathBuf {
    program("DRAGOMAN_BIN")
}

/// A Python that has the clients of `tests/requirements.txt`.
pub fn python() -> PathBuf {
    program("DRAGOMAN_PYTHON")
}

/// `cargo xtask`, built.
pub fn xtask() -> PathBuf {
    beside("xtask")
}

/// A program of this workspace, in the folder of binaries that this test was built into.
pub(crate) fn beside(name: &str) -> PathBuf {
    let folder = env::current_exe()
        .ok()
        .and_then(|test| Some(test.parent()?.parent()?.to_owned()))
        .unwrap_or_default();
    let path = folder.join(name);
    require(&path, name);
    path
}

fn program(variable: &str) -> PathBuf {
    let Some(path) = env::var_os(variable).map(PathBuf::from) else {
        panic!(
            "{variable} is not set: the end-to-end tests need programs that `cargo xtask test` \
             builds and installs; run that (`--only e2e` for these alone)"
        );
    };
    require(&path, variable);
    path
}

fn require(path: &std::path::Path, name: &str) {
    assert!(
        path.is_file(),
        "{name}: there is no file {}; run `cargo xtask test`, which builds it",
        path.display()
    );
}
