//! The filter, embedded: service and filter are always of one version.

use std::path::Path;
use std::{fs, io};

use anyhow::Context;
use dragoman_envoy::FilterModule;
use sha2::{Digest, Sha256};

/// The module; empty in a build without one.
static MODULE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/filter.wasm"));

/// Writes the module into `folder`, where Envoy reads it, under a name that says its content.
pub(crate) fn install(folder: &Path) -> anyhow::Result<FilterModule> {
    anyhow::ensure!(
        !MODULE.is_empty(),
        "this dragoman was built without its filter: build it with `cargo xtask build`"
    );
    write(folder, MODULE).with_context(|| {
        format!(
            "the filter cannot be written to {}, where Envoy reads it",
            folder.display()
        )
    })
}

fn write(folder: &Path, module: &[u8]) -> io::Result<FilterModule> {
    fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    let digest = hex::encode(Sha256::digest(module));
    let file = folder.join(format!(
        "dragoman-{}.wasm",
        digest.get(..16).unwrap_or(&digest)
    ));
    if fs::read(&file).ok().as_deref() != Some(module) {
        let partial = file.with_extension(format!("{}.partial", std::process::id()));
        fs::write(&partial, module)?;
        fs::rename(&partial, &file)?;
    }
    Ok(FilterModule { file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_module_is_another_file_and_a_damaged_one_is_mended() {
        let folder = tempfile::tempdir().unwrap();
        let one = write(folder.path(), b"one").unwrap().file;
        assert_ne!(one, write(folder.path(), b"two").unwrap().file);
        fs::write(&one, b"dam").unwrap();
        assert_eq!(write(folder.path(), b"one").unwrap().file, one);
        assert_eq!(fs::read(&one).unwrap(), b"one");
    }
}
