//! A service account's assertion: a JWT that it signs with its key (RFC 7523).

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use dragoman_config::ServiceAccount;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde::Serialize;

use super::TokenError;

/// What a token is good for; the account's roles say what it may do.
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// To whom every assertion is addressed, also where the endpoint has another name for a private network.
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
/// The longest that Google takes.
const LIFETIME_SECONDS: u64 = 3600;

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'static str,
    aud: &'static str,
    iat: u64,
    exp: u64,
}

/// The assertion of `account` at `now` (seconds since the Unix epoch).
pub(super) fn signed(account: &ServiceAccount, now: u64) -> Result<String, TokenError> {
    let header = Header {
        alg: "RS256",
        typ: "JWT",
        kid: account.key_id.as_deref(),
    };
    let claims = Claims {
        iss: &account.email,
        scope: SCOPE,
        aud: AUDIENCE,
        iat: now,
        exp: now + LIFETIME_SECONDS,
    };
    let mut jwt = format!("{}.{}", encoded(&header)?, encoded(&claims)?);
    let key = key(account.private_key.expose())?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        jwt.as_bytes(),
        &mut signature,
    )
    .map_err(|_| TokenError::Key)?;
    jwt.push('.');
    jwt.push_str(&BASE64_URL_SAFE_NO_PAD.encode(signature));
    Ok(jwt)
}

fn encoded(part: &impl Serialize) -> Result<String, TokenError> {
    let json = serde_json::to_vec(part).map_err(|_| TokenError::Key)?;
    Ok(BASE64_URL_SAFE_NO_PAD.encode(json))
}

/// A key in PEM. Line ends that were written as `\n` once too often are a common accident.
fn key(pem: &str) -> Result<KeyPair, TokenError> {
    let pem = pem.replace("\\n", "\n");
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| TokenError::Key)?;
    KeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| TokenError::Key)
}

#[cfg(test)]
mod tests {
    use dragoman_config::Secret;
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use serde_json::{Value, json};

    use super::*;

    /// Of no account anywhere.
    const PEM: &str = include_str!("../../../../tests/fixtures/service-account.pem");

    fn account(pem: &str) -> ServiceAccount {
        ServiceAccount {
            email: "a@p.iam.gserviceaccount.com".into(),
            private_key: Secret::new(pem),
            key_id: Some("k1".into()),
            token_uri: "https://oauth2-private.p.googleapis.com/token".into(),
            project: None,
        }
    }

    fn decoded(part: &str) -> Value {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    }

    #[test]
    fn an_assertion_says_who_asks_for_what_and_is_signed() {
        let jwt = signed(&account(PEM), 1_000).unwrap();
        let (message, signature) = jwt.rsplit_once('.').unwrap();
        let (header, claims) = message.split_once('.').unwrap();
        assert_eq!(
            decoded(header),
            json!({"alg": "RS256", "typ": "JWT", "kid": "k1"})
        );
        assert_eq!(
            decoded(claims),
            json!({
                "iss": "a@p.iam.gserviceaccount.com", "scope": SCOPE, "iat": 1000, "exp": 4600,
                "aud": "https://oauth2.googleapis.com/token",
            })
        );
        let public = key(PEM).unwrap().public().as_ref().to_vec();
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
            .verify(message.as_bytes(), &signature)
            .unwrap();
    }

    #[test]
    fn line_ends_that_are_written_out_are_understood() {
        assert!(signed(&account(&PEM.replace('\n', "\\n")), 1_000).is_ok());
    }

    #[test]
    fn what_is_no_key_is_said_without_showing_it() {
        let error = signed(&account("-----BEGIN PRIVATE KEY-----\nc2VjcmV0"), 1).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the private key of the credentials is no RSA key in PKCS #8"
        );
    }
}
