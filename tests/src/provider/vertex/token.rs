//! Where tokens are issued: `/token` for a service account's signed assertion or a person's refresh
//! token, `/computeMetadata/…` as on a Google machine.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use ring::{
    rsa::KeyPair,
    signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey},
};
use serde_json::{Value, json};

use super::super::{connection::Request, reply::Answer, serve::Call};

/// The project that is here.
pub const PROJECT: &str = "scripted-project";
/// The name by which requests for tokens are scripted, as if it were a model's.
pub const TOKENS: &str = "google-tokens";

const EMAIL: &str = "gateway@scripted-project.iam.gserviceaccount.com";
const KEY_ID: &str = "scripted-key";
const SCOPE: &str = "https://www.googleapis.com/auth/cloud-platform";
/// What Google wants there, wherever the endpoint is.
const AUDIENCE: &str = "https://oauth2.googleapis.com/token";
const REFRESH_TOKEN: &str = "1//scripted-refresh-token";
const METADATA: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
/// The account's key, which is of no use anywhere else.
const PEM: &str = include_str!("../../../fixtures/service-account.pem");

/// The tokens that were issued.
#[derive(Debug)]
pub(crate) struct Tokens(Mutex<Issued>);

#[derive(Debug)]
struct Issued {
    expiry: HashMap<String, Instant>,
    lifetime: Duration,
}

impl Default for Tokens {
    fn default() -> Self {
        Self(Mutex::new(Issued {
            expiry: HashMap::new(),
            lifetime: Duration::from_secs(3599),
        }))
    }
}

impl Tokens {
    /// Whether a token was issued here and has not expired.
    pub(super) fn knows(&self, token: &str) -> bool {
        let issued = self.lock();
        let expiry = issued.expiry.get(token);
        expiry.is_some_and(|expiry| Instant::now() < *expiry)
    }

    /// How long those live that are issued from now on.
    pub(crate) fn live_for(&self, lifetime: Duration) {
        self.lock().lifetime = lifetime;
    }

    /// Those that were issued are worth nothing any more.
    pub(crate) fn revoke(&self) {
        let now = Instant::now();
        self.lock().expiry.values_mut().for_each(|end| *end = now);
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().expiry.len()
    }

    fn issue(&self) -> Answer {
        let mut issued = self.lock();
        let token = format!("ya29.scripted-{}", issued.expiry.len() + 1);
        let lifetime = issued.lifetime;
        issued
            .expiry
            .insert(token.clone(), Instant::now() + lifetime);
        Answer::json(
            200,
            &json!({
                "access_token": token, "expires_in": lifetime.as_secs(), "token_type": "Bearer",
            }),
        )
    }

    fn lock(&self) -> MutexGuard<'_, Issued> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a path is one of these.
pub(super) fn speaks(path: &str) -> bool {
    path == "/token" || path == METADATA
}

/// The key file of the account that is known here; its tokens are issued by the provider at `root`.
pub(crate) fn service_account(root: &str) -> Value {
    json!({
        "type": "service_account", "project_id": PROJECT, "private_key_id": KEY_ID,
        "private_key": PEM, "client_email": EMAIL, "token_uri": format!("{root}/token"),
    })
}

/// The file that a person's login leaves.
pub(crate) fn authorized_user(root: &str) -> Value {
    json!({
        "type": "authorized_user", "client_id": "scripted.apps.googleusercontent.com",
        "client_secret": "scripted-client-secret", "refresh_token": REFRESH_TOKEN,
        "quota_project_id": PROJECT, "token_uri": format!("{root}/token"),
    })
}

pub(super) fn answer(call: &Call<'_>) -> Answer {
    let request = call.request;
    let allowed = if request.path == METADATA {
        let is_asked = request.method == "GET";
        let is_meant = request.header("metadata-flavor") == Some("Google");
        if is_asked && is_meant {
            Ok(())
        } else {
            Err("Missing Metadata-Flavor:Google header.".to_owned())
        }
    } else {
        granted(request)
    };
    match allowed {
        Ok(()) => call.state.tokens.issue(),
        Err(description) => refused(&description),
    }
}

/// A refusal as OAuth wants it.
fn refused(description: &str) -> Answer {
    let body = json!({"error": "invalid_grant", "error_description": description});
    Answer::json(400, &body)
}

/// The error that goes with a status.
pub(crate) fn failure(status: u16) -> Answer {
    match status {
        400 | 401 => refused("Invalid grant: account not found"),
        _ => Answer::whole(status, "text/html", "<html>Error</html>"),
    }
}

fn granted(request: &Request) -> Result<(), String> {
    let content_type = request.header("content-type").unwrap_or_default();
    if request.method != "POST" || content_type != "application/x-www-form-urlencoded" {
        return Err("not a form".to_owned());
    }
    let fields = form(&request.body);
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    match field("grant_type") {
        "urn:ietf:params:oauth:grant-type:jwt-bearer" => verified(field("assertion")),
        "refresh_token" if field("refresh_token") != REFRESH_TOKEN => {
            Err("Token has been expired or revoked.".to_owned())
        }
        "refresh_token" if field("client_secret") != "scripted-client-secret" => {
            Err("The OAuth client was not found.".to_owned())
        }
        "refresh_token" => Ok(()),
        other => Err(format!("Invalid grant_type: {other}")),
    }
}

fn form(body: &[u8]) -> HashMap<String, String> {
    let text = String::from_utf8_lossy(body).replace('+', " ");
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let decoded = |text: &str| super::gemini::decoded(text);
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// Checks an assertion as Google does: who, for what, until when, and the signature.
fn verified(jwt: &str) -> Result<(), String> {
    let bad = |what: &str| format!("Invalid JWT: {what}");
    let decoded = |part: &str| -> Result<Value, String> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(part);
        let bytes = bytes.map_err(|_| bad("must be base64url"))?;
        serde_json::from_slice(&bytes).map_err(|_| bad("must be JSON"))
    };
    let (message, signature) = jwt.rsplit_once('.').ok_or_else(|| bad("three parts"))?;
    let (header, claims) = message.split_once('.').ok_or_else(|| bad("three parts"))?;
    let (header, claims) = (decoded(header)?, decoded(claims)?);
    if header != json!({"alg": "RS256", "typ": "JWT", "kid": KEY_ID}) {
        return Err(bad("header"));
    }
    for (name, expected) in [("iss", EMAIL), ("scope", SCOPE), ("aud", AUDIENCE)] {
        if claims[name] != expected {
            return Err(bad(name));
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_secs();
    let (issued, expires) = (claims["iat"].as_u64(), claims["exp"].as_u64());
    let (issued, expires) = (issued.unwrap_or_default(), expires.unwrap_or_default());
    if issued > now + 5 || issued + 300 < now || expires <= now || expires > issued + 3600 {
        return Err(bad("Token must be a short-lived token (60 minutes)"));
    }
    let signature = BASE64_URL_SAFE_NO_PAD.decode(signature);
    let signature = signature.map_err(|_| bad("must be base64url"))?;
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key())
        .verify(message.as_bytes(), &signature)
        .map_err(|_| "Invalid JWT Signature.".to_owned())
}

fn public_key() -> Vec<u8> {
    let base64: String = PEM.lines().filter(|line| !line.starts_with('-')).collect();
    let der = BASE64_STANDARD.decode(base64).expect("PEM holds base64");
    let key = KeyPair::from_pkcs8(&der).expect("an RSA key");
    key.public().as_ref().to_vec()
}
