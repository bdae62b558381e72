//! Where the service listens: TCP, or a Unix socket that only its own user may connect to.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use dragoman_envoy::Address;
use tokio::net::{TcpListener, UnixListener};

/// An address of the command line: `unix:PATH` or `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen(pub Address);

/// An address that does not read.
#[derive(Debug, thiserror::Error)]
#[error("expected unix:PATH or HOST:PORT")]
pub struct NoAddress;

impl FromStr for Listen {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        if let Some(path) = text.strip_prefix("unix:").filter(|path| !path.is_empty()) {
            return Ok(Self(Address::Unix(PathBuf::from(path))));
        }
        let (host, port) = text.rsplit_once(':').ok_or(NoAddress)?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.parse().map_err(|_| NoAddress)?;
        if host.is_empty() {
            Err(NoAddress)
        } else {
            Ok(Self(Address::Tcp(host.to_owned(), port)))
        }
    }
}

/// A listener of either kind.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    /// Listens at `address`; a socket file that a dead process left is replaced.
    pub(crate) async fn bind(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp(host, port) => {
                Ok(Self::Tcp(TcpListener::bind((host.as_str(), *port)).await?))
            }
            Address::Unix(path) => bind_unix(path).map(Self::Unix),
        }
    }
}

fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => {
            return Err(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another dragoman uses this state folder",
            ));
        }
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path)?;
        }
        Err(_) => {}
    }
    let listener = UnixListener::bind(path)?;
    // whoever connects may read providers' keys over SDS
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read() {
        let tcp = |host: &str, port| Listen(Address::Tcp(host.to_owned(), port));
        assert_eq!(
            "127.0.0.1:9100".parse::<Listen>().unwrap(),
            tcp("127.0.0.1", 9100)
        );
        assert_eq!("[::1]:9100".parse::<Listen>().unwrap(), tcp("::1", 9100));
        assert_eq!(
            "unix:/run/x".parse::<Listen>().unwrap(),
            Listen(Address::Unix("/run/x".into()))
        );
        for wrong in ["", "unix:", "9100", ":9100", "host:port"] {
            assert!(wrong.parse::<Listen>().is_err(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_socket_is_its_owner_s_alone_and_outlives_a_dead_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s");
        drop(bind_unix(&path).unwrap());
        let _listener = bind_unix(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            bind_unix(&path).unwrap_err().kind(),
            io::ErrorKind::AddrInUse
        );
    }
}
