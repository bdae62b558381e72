//! A certificate authority of a test's own, and a certificate of it for servers on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::ensure;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// An authority, with a certificate for `127.0.0.1`.
#[derive(Debug)]
pub struct Authority {
    folder: tempfile::TempDir,
}

impl Authority {
    /// Makes both.
    ///
    /// # Errors
    /// When they cannot be made or written.
    pub fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Envoy takes a certificate whose issuer has its own name for one that signed itself.
        params
            .distinguished_name
            .push(DnType::CommonName, "a test's authority");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()])?;
        let certificate = params.signed_by(&key, &authority)?;
        let folder = super::servers::folder("dragoman-authority-")?;
        fs::write(folder.path().join("ca.pem"), authority.pem())?;
        fs::write(folder.path().join("server.pem"), certificate.pem())?;
        fs::write(folder.path().join("server.key"), key.serialize_pem())?;
        Ok(Self { folder })
    }

    /// The file of the authority's own certificate.
    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The file of the server's certificate.
    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    /// The file of the server's key.
    pub(super) fn key(&self) -> PathBuf {
        self.folder.path().join("server.key")
    }

    /// The same, at `place`, where none but `user` may read it: PostgreSQL insists.
    pub(super) fn key_for(&self, user: Option<&str>, place: &Path) -> anyhow::Result<()> {
        let mut install = Command::new("install");
        install.args(["-m", "600"]);
        if let Some(user) = user {
            install.args(["-o", user]);
        }
        let status = install.arg(self.key()).arg(place).status()?;
        ensure!(status.success(), "the key cannot be installed");
        Ok(())
    }
}
