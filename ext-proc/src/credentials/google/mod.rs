//! Tokens of Google: by a service account's key, by a person's login, from the metadata server
//! (<https://developers.google.com/identity/protocols/oauth2/service-account#httprest>,
//! <https://cloud.google.com/compute/docs/access/authenticate-workloads#applications>).

mod assertion;

use std::path::Path;
use std::time::Duration;

use dragoman_config::{
    AuthorizedUser, GoogleAccount, GoogleAccountError, GoogleCredentials, Secret, ServiceAccount,
};
use reqwest::{Certificate, Client, ClientBuilder, RequestBuilder};
use serde::Deserialize;
use tonic::async_trait;

use super::{Issued, Issuer};
use crate::clock;

/// An answer takes a fraction of a second; who takes longer is asked again.
const ANSWER: Duration = Duration::from_secs(10);
const CONNECT: Duration = Duration::from_secs(5);
/// What is shown of an answer's own words.
const MOST_WORDS: usize = 200;

/// What a service account's assertion is exchanged by.
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Where the metadata server has the tokens of the machine's own service account.
const METADATA_PATH: &str = "computeMetadata/v1/instance/service-accounts/default/token";

/// Why there is no token. Never holds a secret.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    /// The file of credentials.
    #[error("the credentials file cannot be read: {0}")]
    File(std::io::ErrorKind),
    /// What is in it.
    #[error(transparent)]
    Account(#[from] GoogleAccountError),
    /// The private key.
    #[error("the private key of the credentials is no RSA key in PKCS #8")]
    Key,
    /// None can be used.
    #[error("{0}")]
    Unusable(String),
    /// No answer.
    #[error("the token endpoint does not answer: {0}")]
    Unreachable(String),
    /// An answer that says no.
    #[error("the token endpoint answers {status}: {words}")]
    Refused {
        /// HTTP's.
        status: u16,
        /// The answer's own, when they can be told.
        words: String,
    },
    /// An answer that is none.
    #[error("the token endpoint's answer holds no token")]
    Garbage,
}

/// Asks Google.
#[derive(Debug)]
pub(crate) struct Google {
    client: Client,
    /// The metadata server is on the same machine: no proxy leads there.
    direct: Client,
}

impl Google {
    /// `ca_file` is what providers' certificates are verified against. It counts here too where it is
    /// there: besides the public authorities, because that path may be Envoy's alone.
    pub(crate) fn new(ca_file: &Path) -> reqwest::Result<Self> {
        let client = || {
            Client::builder()
                .timeout(ANSWER)
                .connect_timeout(CONNECT)
                .redirect(reqwest::redirect::Policy::none())
        };
        let file = std::fs::read(ca_file).unwrap_or_default();
        let trusting = Certificate::from_pem_bundle(&file).and_then(|authorities| {
            let add = ClientBuilder::add_root_certificate;
            authorities.into_iter().fold(client(), add).build()
        });
        let trusting = trusting.or_else(|error| {
            let file = ca_file.display();
            tracing::warn!(%file, "not trusted when access tokens are asked for: {error}");
            client().build()
        });
        Ok(Self {
            client: trusting?,
            direct: client().no_proxy().build()?,
        })
    }

    async fn by_account(&self, json: &str) -> Result<Issued, TokenError> {
        match GoogleAccount::parse(json)? {
            GoogleAccount::Service(account) => self.by_service_account(&account).await,
            GoogleAccount::User(user) => self.by_login(&user).await,
        }
    }

    async fn by_service_account(&self, account: &ServiceAccount) -> Result<Issued, TokenError> {
        let assertion = assertion::signed(account, clock::now_ms() / 1_000)?;
        let form = [("grant_type", JWT_BEARER), ("assertion", &assertion)];
        issued(self.client.post(&account.token_uri).form(&form)).await
    }

    async fn by_login(&self, user: &AuthorizedUser) -> Result<Issued, TokenError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", &user.client_id),
            ("client_secret", user.client_secret.expose()),
            ("refresh_token", user.refresh_token.expose()),
        ];
        issued(self.client.post(&user.token_uri).form(&form)).await
    }

    async fn by_metadata(&self, host: &str) -> Result<Issued, TokenError> {
        let url = format!("http://{host}/{METADATA_PATH}");
        issued(self.direct.get(url).header("metadata-flavor", "Google")).await
    }
}

#[async_trait]
impl Issuer for Google {
    async fn issue(&self, credentials: &GoogleCredentials) -> Result<Issued, TokenError> {
        match credentials {
            GoogleCredentials::Inline(json) => self.by_account(json.expose()).await,
            GoogleCredentials::File(path) => {
                let text = tokio::fs::read_to_string(path).await;
                let text = text.map_err(|error| TokenError::File(error.kind()))?;
                self.by_account(&text).await
            }
            GoogleCredentials::Metadata(host) => self.by_metadata(host).await,
            GoogleCredentials::Unusable(reason) => Err(TokenError::Unusable(reason.clone())),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: Option<String>,
    /// Seconds.
    expires_in: Option<u64>,
    token_type: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    error: String,
    error_description: String,
}

async fn issued(request: RequestBuilder) -> Result<Issued, TokenError> {
    let answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    let body = answer.bytes().await.map_err(unreachable)?;
    if !status.is_success() {
        return Err(TokenError::Refused {
            status: status.as_u16(),
            words: words(&body),
        });
    }
    let answer: Answer = serde_json::from_slice(&body).map_err(|_| TokenError::Garbage)?;
    let is_bearer = answer
        .token_type
        .is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
    // It goes into a header: what a header cannot carry is no token.
    let token = answer
        .access_token
        .filter(|token| is_bearer && !token.is_empty())
        .filter(|token| token.bytes().all(|byte| byte.is_ascii_graphic()))
        .ok_or(TokenError::Garbage)?;
    let seconds = answer.expires_in.ok_or(TokenError::Garbage)?;
    Ok(Issued {
        token: Secret::new(token),
        lifetime: Duration::from_secs(seconds.min(86_400)),
    })
}

/// The cause at the bottom: `reqwest` itself only says that a request failed, and where to.
fn unreachable(error: reqwest::Error) -> TokenError {
    if error.is_timeout() {
        return TokenError::Unreachable("it took too long".to_owned());
    }
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    TokenError::Unreachable(cause.to_string())
}

/// What an OAuth error says of itself (RFC 6749, 5.2); other answers may be anything.
fn words(body: &[u8]) -> String {
    let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
    let words = match (refusal.error.as_str(), refusal.error_description.as_str()) {
        ("", _) => "no reason is given".to_owned(),
        (error, "") => error.to_owned(),
        (error, description) => format!("{error}: {description}"),
    };
    let printable = words.chars().filter(|c| !c.is_control());
    printable.take(MOST_WORDS).collect()
}
