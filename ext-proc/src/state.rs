//! The state folder: what the service keeps between starts.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// Longest path of a Unix socket, less than the kernel's 108 bytes.
const MAX_SOCKET_PATH: usize = 100;

/// A folder that only the service's user may read.
#[derive(Debug, Clone)]
pub(crate) struct StateFolder(PathBuf);

impl StateFolder {
    /// Opens `path`, and makes it when it is not there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)?;
        Ok(Self(path.canonicalize()?))
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.0.join("dragoman.sqlite")
    }

    pub(crate) fn accounts(&self) -> PathBuf {
        self.0.join("accounts.sqlite")
    }

    pub(crate) fn bootstrap(&self) -> PathBuf {
        self.0.join("envoy.json")
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.0.join("https.crt")
    }

    pub(crate) fn certificate_key(&self) -> PathBuf {
        self.0.join("https.key")
    }

    pub(crate) fn filter(&self) -> PathBuf {
        self.0.join("filter")
    }

    pub(crate) fn spool(&self) -> PathBuf {
        self.0.join("spool")
    }

    pub(crate) fn master_key(&self) -> PathBuf {
        self.0.join("master_key")
    }

    /// A socket in the folder; in the system's own for such things when the path would be too long.
    pub(crate) fn socket(&self, name: &str) -> io::Result<PathBuf> {
        let here = self.0.join(name);
        if here.as_os_str().len() <= MAX_SOCKET_PATH {
            return Ok(here);
        }
        let runtime =
            std::env::var_os("XDG_RUNTIME_DIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let digest = <sha2::Sha256 as sha2::Digest>::digest(here.as_os_str().as_encoded_bytes());
        let folder = runtime.join(format!("dragoman-{}", hex::encode(&digest[..6])));
        Self::open(&folder).map(|folder| folder.0.join(name))
    }

    /// The master key that an earlier start made, or a new one; and whether it is new.
    pub(crate) fn generated_master_key(&self) -> io::Result<(String, bool)> {
        match fs::read_to_string(self.master_key()) {
            Ok(key) if !key.trim().is_empty() => return Ok((key.trim().to_owned(), false)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut random = [0_u8; 24];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let key = format!("sk-{}", hex::encode(random));
        write_secret(&self.master_key(), &key)?;
        Ok((key, true))
    }
}

/// Writes a file that only its owner may read.
pub(crate) fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_generated_master_key_is_kept_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let state = StateFolder::open(folder.path()).unwrap();
        let (key, is_new) = state.generated_master_key().unwrap();
        assert!(is_new && key.starts_with("sk-") && key.len() == 51);
        assert_eq!(state.generated_master_key().unwrap(), (key, false));
        let mode = fs::metadata(state.master_key())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_socket_s_path_is_never_too_long_for_the_kernel() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("x".repeat(120));
        let socket = StateFolder::open(&deep)
            .unwrap()
            .socket("grpc.sock")
            .unwrap();
        assert!(
            socket.as_os_str().len() <= MAX_SOCKET_PATH,
            "{}",
            socket.display()
        );
    }
}
