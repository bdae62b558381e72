//! The configuration file.

use std::path::Path;

use anyhow::{Context, bail};
use dragoman_config::{Config, Environment};

/// Reads the configuration at `path`; each way to fail is one clear line.
pub(crate) fn load(path: &Path) -> anyhow::Result<Config> {
    let text = read(path)?;
    parse(path, &text)
}

/// The file's text.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    if path.is_dir() {
        bail!(
            "{shown} is a directory, not a configuration file (Docker makes one when the file that \
             it should mount does not exist)"
        );
    }
    std::fs::read_to_string(path)
        .with_context(|| format!("the configuration {shown} cannot be read"))
}

/// The configuration in `text`, which stands at `path`.
pub(crate) fn parse(path: &Path, text: &str) -> anyhow::Result<Config> {
    dragoman_config::load(text, &Process).with_context(|| path.display().to_string())
}

/// The environment of this process.
struct Process;

impl Environment for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn file(&self, path: &Path) -> Option<String> {
        std::fs::read_to_string(path).ok()
    }
}
