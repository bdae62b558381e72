//! TCP ports: whether one can be had, who has it when not, and one that is free.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result, bail};

/// Fails, in one line, when nothing can listen at `address`; `flag` is how to choose another.
pub(crate) fn require_free(flag: &str, address: SocketAddr) -> Result<()> {
    let Err(error) = TcpListener::bind(address) else {
        return Ok(());
    };
    let other = SocketAddr::new(address.ip(), address.port().checked_add(1).unwrap_or(4001));
    match error.kind() {
        ErrorKind::AddrInUse => {
            let who = holder(address.port()).map_or_else(String::new, |who| format!(" by {who}"));
            bail!("{address} is taken{who}; choose another with `{flag} {other}`")
        }
        ErrorKind::PermissionDenied => {
            bail!("{address} needs more rights; choose a port above 1023 with `{flag}`")
        }
        ErrorKind::AddrNotAvailable => {
            bail!(
                "{} is not an address of this machine; see `{flag}`",
                address.ip()
            )
        }
        _ => Err(error).with_context(|| format!("nothing can listen at {address} (`{flag}`)")),
    }
}

/// An address on the loopback interface that was free a moment ago.
pub(crate) fn free() -> Result<SocketAddr> {
    let listener =
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on 127.0.0.1")?;
    Ok(listener.local_addr()?)
}

/// Who listens on `port`, where Linux says so: `nginx (pid 12)`.
fn holder(port: u16) -> Option<String> {
    let socket = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .find_map(|table| listening_inode(&fs::read_to_string(table).ok()?, port))?;
    let link = format!("socket:[{socket}]");
    for process in fs::read_dir("/proc").ok()?.flatten() {
        // Beside `self` and much else.
        let Ok(pid) = process.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(files) = fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        let holds = files.flatten().any(|file| {
            fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == link.as_str())
        });
        if holds {
            let name = fs::read_to_string(process.path().join("comm")).ok()?;
            return Some(format!("{} (pid {pid})", name.trim()));
        }
    }
    None
}

/// The inode of the socket that listens on `port`, in a table like `/proc/net/tcp`: columns
/// `sl local_address rem_address st … inode`, addresses as `HEX:PORT`, state 0A for listening.
fn listening_inode(table: &str, port: u16) -> Option<String> {
    let suffix = format!(":{port:04X}");
    table.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let listens = columns.get(3) == Some(&"0A");
        let here = columns.get(1).is_some_and(|local| local.ends_with(&suffix));
        (listens && here)
            .then(|| columns.get(9).map(ToString::to_string))
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_the_flag_and_the_holder() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = taken.local_addr().unwrap();
        let message = require_free("--http", address).unwrap_err().to_string();
        assert!(
            message.starts_with(&format!("{address} is taken")),
            "{message}"
        );
        assert!(message.contains("--http 127.0.0.1:"), "{message}");
        if cfg!(target_os = "linux") {
            assert!(
                message.contains(&format!("(pid {})", std::process::id())),
                "{message}"
            );
        }
    }

    #[test]
    fn a_free_port_is_no_error() {
        require_free("--http", free().unwrap()).unwrap();
    }
}
