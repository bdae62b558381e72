//! What `REDIS_URL` says: where Redis is, and how to speak TLS with it.

use std::io;

use redis::{ClientTlsConfig, TlsCertificates};
use reqwest::Url;

/// The scheme suffix that says that a single address is one of a cluster.
const CLUSTER: &str = "+cluster://";

/// One server or a cluster.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) urls: Vec<String>,
    pub(super) is_cluster: bool,
    /// Where they are not the system's.
    pub(super) certificates: Option<TlsCertificates>,
}

/// What is wrong with a URL. Says nothing of passwords.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// No URL, or none of Redis.
    #[error("a URL of Redis begins with redis:// or rediss://")]
    Scheme,
    /// It does not parse.
    #[error("the URL does not parse: {0}")]
    Url(String),
    /// Certificates that are not checked protect nothing.
    #[error(
        "`{0}` is not supported: certificates are always checked; name yours in `ssl_ca_certs`"
    )]
    Unchecked(String),
    /// A certificate without its key, or the other way round.
    #[error("`ssl_certfile` and `ssl_keyfile` go together")]
    HalfACertificate,
    /// A file that cannot be read.
    #[error("`{parameter}` names {file}, which cannot be read: {source}")]
    File {
        /// The parameter of the URL.
        parameter: &'static str,
        /// The file.
        file: String,
        /// Why.
        source: io::Error,
    },
}

impl Address {
    /// Reads `redis://` and `rediss://` URLs, several of a cluster separated by commas. Parameters have
    /// the names that redis-py gives them: `ssl_ca_certs`, `ssl_certfile`, `ssl_keyfile`.
    pub(super) fn parse(urls: &str) -> Result<Self, AddressError> {
        let is_cluster = urls.contains(',') || urls.contains(CLUSTER);
        let urls = urls.split(',').map(str::trim).filter(|url| !url.is_empty());
        let urls = urls.map(|url| {
            let url = url.replacen(CLUSTER, "://", 1);
            Url::parse(&url).map_err(|error| AddressError::Url(error.to_string()))
        });
        let urls = urls.collect::<Result<Vec<Url>, _>>()?;
        let known = |url: &Url| matches!(url.scheme(), "redis" | "rediss");
        if urls.is_empty() || !urls.iter().all(known) {
            return Err(AddressError::Scheme);
        }
        let mut certificates = None;
        for url in &urls {
            if let Some(of_url) = of(url)? {
                certificates.get_or_insert(of_url);
            }
        }
        Ok(Self {
            urls: urls.into_iter().map(String::from).collect(),
            is_cluster,
            certificates,
        })
    }
}

/// The certificates that a URL names.
fn of(url: &Url) -> Result<Option<TlsCertificates>, AddressError> {
    let unchecked = url.fragment().map(|fragment| format!("#{fragment}"));
    let checks = parameter(url, "ssl_cert_reqs").filter(|checks| checks != "required");
    let checks = checks.map(|checks| format!("ssl_cert_reqs={checks}"));
    if let Some(unchecked) = unchecked.or(checks) {
        return Err(AddressError::Unchecked(unchecked));
    }
    let root_cert = read(url, "ssl_ca_certs")?;
    let client_tls = match (read(url, "ssl_certfile")?, read(url, "ssl_keyfile")?) {
        (Some(client_cert), Some(client_key)) => Some(ClientTlsConfig {
            client_cert,
            client_key,
        }),
        (None, None) => None,
        _ => return Err(AddressError::HalfACertificate),
    };
    let any = root_cert.is_some() || client_tls.is_some();
    Ok(any.then_some(TlsCertificates {
        client_tls,
        root_cert,
    }))
}

fn read(url: &Url, name: &'static str) -> Result<Option<Vec<u8>>, AddressError> {
    let Some(file) = parameter(url, name) else {
        return Ok(None);
    };
    match std::fs::read(&file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(source) => Err(AddressError::File {
            parameter: name,
            file,
            source,
        }),
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    let pair = pairs.find(|(key, _)| key == name)?;
    Some(pair.1.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_server_and_a_cluster_are_told_apart() {
        let one = Address::parse("redis://:secret@localhost:6380/2").unwrap();
        assert_eq!(one.urls, ["redis://:secret@localhost:6380/2"]);
        assert!(!one.is_cluster && one.certificates.is_none());
        let one_of_many = Address::parse("rediss+cluster://a:1").unwrap();
        assert_eq!(one_of_many.urls, ["rediss://a:1"]);
        assert!(one_of_many.is_cluster);
        let many = Address::parse("redis://a:1, redis://b:2").unwrap();
        assert_eq!(many.urls, ["redis://a:1", "redis://b:2"]);
        assert!(many.is_cluster);
    }

    #[test]
    fn certificates_are_read_from_files() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "ca").unwrap();
        let path = file.path().display();
        let address = Address::parse(&format!("rediss://a:1?ssl_ca_certs={path}")).unwrap();
        let certificates = address.certificates.unwrap();
        assert_eq!(certificates.root_cert.as_deref(), Some(&b"ca"[..]));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (url, said) in [
            ("", "begins with redis://"),
            ("http://a", "begins with redis://"),
            ("redis://a:x", "does not parse"),
            ("rediss://a#insecure", "`#insecure` is not supported"),
            (
                "rediss://a?ssl_cert_reqs=none",
                "`ssl_cert_reqs=none` is not",
            ),
            ("rediss://a?ssl_ca_certs=/none", "names /none, which cannot"),
            ("rediss://a?ssl_certfile=/dev/null", "go together"),
        ] {
            let error = Address::parse(url).unwrap_err().to_string();
            assert!(error.contains(said), "{url}: {error}");
        }
    }
}
