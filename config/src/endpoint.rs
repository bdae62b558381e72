//! Where a deployment is: the parsed form of `api_base`.

use std::fmt;

use url::Url;

/// Where a deployment is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Plain or TLS.
    pub scheme: Scheme,
    /// Name or address; an IPv6 address without brackets.
    pub host: String,
    /// Always known: the scheme's own when the URL names none.
    pub port: u16,
    /// Path of the URL without a trailing `/`; empty for none.
    pub base_path: String,
}

/// Plain or TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

/// Why an address cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No scheme, or another one.
    #[error("the address must begin with http:// or https://")]
    Scheme,
    /// Not a URL.
    #[error("the address is not a URL: {0}")]
    Url(url::ParseError),
    /// A user name or password in the URL.
    #[error("the address must not hold a user or a password; use api_key")]
    Credentials,
    /// Something after `?` or `#`.
    #[error("the address must end before `?` and `#`")]
    Query,
}

impl Scheme {
    /// `http` or `https`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Endpoint {
    /// Reads a base URL.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let url = match Url::parse(text.trim()) {
            Ok(url) => url,
            Err(url::ParseError::RelativeUrlWithoutBase) => return Err(EndpointError::Scheme),
            Err(error) => return Err(EndpointError::Url(error)),
        };
        let scheme = match url.scheme() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(EndpointError::Scheme),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(EndpointError::Query);
        }
        let host = url.host_str().unwrap_or_default();
        let host = host.strip_prefix('[').unwrap_or(host);
        Ok(Self {
            scheme,
            host: host.strip_suffix(']').unwrap_or(host).to_owned(),
            port: url.port().unwrap_or(scheme.default_port()),
            base_path: url.path().trim_end_matches('/').to_owned(),
        })
    }

    /// `host[:port]` as in a `Host` header: no port where it is the scheme's own.
    pub fn authority(&self) -> String {
        let brackets = self.host.contains(':');
        let host = if brackets {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == self.scheme.default_port() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.scheme.as_str();
        write!(f, "{scheme}://{}{}", self.authority(), self.base_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_written() {
        for (text, written, port) in [
            (
                "https://api.openai.com/v1/",
                "https://api.openai.com/v1",
                443,
            ),
            (
                "http://10.3.0.42:11434/v1",
                "http://10.3.0.42:11434/v1",
                11434,
            ),
            ("http://[::1]:8000", "http://[::1]:8000", 8000),
            (" HTTPS://Host:443 ", "https://host", 443),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!(
                (endpoint.to_string().as_str(), endpoint.port),
                (written, port)
            );
        }
        assert_eq!(Endpoint::parse("http://[::1]:8000").unwrap().host, "::1");
    }

    #[test]
    fn an_unusable_address_says_why() {
        for (text, why) in [
            ("localhost:11434", EndpointError::Scheme),
            ("api.openai.com/v1", EndpointError::Scheme),
            ("ftp://host", EndpointError::Scheme),
            ("https://user:pw@host", EndpointError::Credentials),
            ("https://host/?key=1", EndpointError::Query),
            ("https://", EndpointError::Url(url::ParseError::EmptyHost)),
        ] {
            assert_eq!(Endpoint::parse(text), Err(why), "{text}");
        }
    }
}
