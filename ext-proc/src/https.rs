//! The certificate of the HTTPS listener: an own one, or self-signed and kept.

use std::{fs, io};

use dragoman_envoy::TlsCertificate;

use crate::state::{StateFolder, write_secret};

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    /// A file cannot be read or written.
    #[error("the HTTPS certificate cannot be kept in the state folder: {0}")]
    File(#[from] io::Error),
    /// The certificate cannot be made.
    #[error("the HTTPS certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
}

/// The certificate in the state folder; made there at first start. To use another one, put it there.
pub(crate) fn certificate(state: &StateFolder) -> Result<TlsCertificate, CertificateError> {
    let (chain, key) = (state.certificate(), state.certificate_key());
    if !chain.exists() || !key.exists() {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let made = rcgen::generate_simple_self_signed(names)?;
        write_secret(&key, &made.signing_key.serialize_pem())?;
        fs::write(&chain, made.cert.pem())?;
    }
    Ok(TlsCertificate {
        chain_pem: fs::read_to_string(chain)?,
        key_pem: fs::read_to_string(key)?,
    })
}
