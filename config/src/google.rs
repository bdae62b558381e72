//! Google's credentials: where they are, and the accounts that they name
//! (<https://cloud.google.com/docs/authentication/application-default-credentials>).

use std::path::PathBuf;

use serde::Deserialize;

use crate::Secret;

/// Where Google issues access tokens.
const TOKEN_URI: &str = "https://oauth2.googleapis.com/token";

/// Where the credentials are that a deployment's access tokens are made with. Deployments with equal
/// ones share a token.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum GoogleCredentials {
    /// JSON in the configuration or in a variable.
    Inline(Secret),
    /// A file of such JSON. It is read again for each token, because keys are rotated by replacing it.
    File(PathBuf),
    /// The metadata server of the Google machine that the service runs on: its `host[:port]`.
    Metadata(String),
    /// None that would be of use, and why.
    Unusable(String),
}

/// Who asks for access tokens: what a JSON file of credentials holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GoogleAccount {
    /// A service account with its key.
    Service(ServiceAccount),
    /// A person, as `gcloud auth application-default login` leaves it.
    User(AuthorizedUser),
}

/// A service account's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    /// Its name, which is an e-mail address.
    pub email: String,
    /// The private key, PKCS #8 in PEM.
    pub private_key: Secret,
    /// Which of the account's keys it is.
    pub key_id: Option<String>,
    /// Where its tokens are issued.
    pub token_uri: String,
    /// The project that it belongs to.
    pub project: Option<String>,
}

/// A person's credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedUser {
    /// The application that the person logged in with.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Secret,
    /// What is exchanged for access tokens.
    pub refresh_token: Secret,
    /// Where tokens are issued.
    pub token_uri: String,
    /// The project that pays.
    pub project: Option<String>,
}

/// Why a text is no account's. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GoogleAccountError {
    /// No JSON object.
    #[error("the credentials are not a JSON object")]
    Json,
    /// A member is missing.
    #[error("the credentials have no `{0}`")]
    Missing(&'static str),
    /// A kind of credentials that tokens are not made of here.
    #[error(
        "the credentials are of type `{0}`; only service_account and authorized_user are served"
    )]
    Type(String),
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "type")]
    kind: Option<String>,
    client_email: Option<String>,
    private_key: Option<String>,
    private_key_id: Option<String>,
    project_id: Option<String>,
    quota_project_id: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    token_uri: Option<String>,
}

impl GoogleAccount {
    /// Reads the JSON of a credentials file.
    pub fn parse(json: &str) -> Result<Self, GoogleAccountError> {
        let raw: Raw = serde_json::from_str(json).map_err(|_| GoogleAccountError::Json)?;
        let token_uri = raw.token_uri.unwrap_or_else(|| TOKEN_URI.to_owned());
        match raw.kind.as_deref() {
            Some("service_account") => Ok(Self::Service(ServiceAccount {
                email: given(raw.client_email, "client_email")?,
                private_key: Secret::new(given(raw.private_key, "private_key")?),
                key_id: raw.private_key_id,
                token_uri,
                project: raw.project_id,
            })),
            Some("authorized_user") => Ok(Self::User(AuthorizedUser {
                client_id: given(raw.client_id, "client_id")?,
                client_secret: Secret::new(given(raw.client_secret, "client_secret")?),
                refresh_token: Secret::new(given(raw.refresh_token, "refresh_token")?),
                token_uri,
                project: raw.quota_project_id,
            })),
            Some(other) => Err(GoogleAccountError::Type(shortened(other))),
            None => Err(GoogleAccountError::Missing("type")),
        }
    }

    /// The project that it belongs to.
    pub fn project(&self) -> Option<&str> {
        match self {
            Self::Service(account) => account.project.as_deref(),
            Self::User(user) => user.project.as_deref(),
        }
    }
}

fn given(member: Option<String>, name: &'static str) -> Result<String, GoogleAccountError> {
    let text = member.filter(|text| !text.trim().is_empty());
    text.ok_or(GoogleAccountError::Missing(name))
}

/// What is shown of a type: whoever puts a key there should not find it in the log.
fn shortened(kind: &str) -> String {
    kind.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: &str = r#"{"type": "service_account", "project_id": "p", "private_key_id": "k1",
        "private_key": "-----BEGIN PRIVATE KEY-----\nx\n", "client_email": "a@p.iam.gserviceaccount.com"}"#;

    #[test]
    fn a_service_account_is_read() {
        let GoogleAccount::Service(account) = GoogleAccount::parse(SERVICE).unwrap() else {
            panic!("a service account");
        };
        assert_eq!(account.email, "a@p.iam.gserviceaccount.com");
        assert_eq!(account.key_id.as_deref(), Some("k1"));
        assert_eq!(account.token_uri, TOKEN_URI);
        assert_eq!(account.project.as_deref(), Some("p"));
    }

    #[test]
    fn a_person_s_login_is_read() {
        let json = r#"{"type": "authorized_user", "client_id": "c", "client_secret": "s",
            "refresh_token": "r", "quota_project_id": "q", "token_uri": "http://t"}"#;
        let account = GoogleAccount::parse(json).unwrap();
        assert_eq!(account.project(), Some("q"));
        assert!(matches!(account, GoogleAccount::User(user) if user.token_uri == "http://t"));
    }

    #[test]
    fn what_is_no_account_says_why() {
        for (json, why) in [
            ("x", "the credentials are not a JSON object"),
            ("{}", "the credentials have no `type`"),
            (
                r#"{"type": "service_account", "client_email": "a"}"#,
                "the credentials have no `private_key`",
            ),
            (
                r#"{"type": "external_account"}"#,
                "the credentials are of type `external_account`; only service_account and \
                 authorized_user are served",
            ),
        ] {
            assert_eq!(GoogleAccount::parse(json).unwrap_err().to_string(), why);
        }
    }

    #[test]
    fn an_account_is_printed_without_its_key() {
        let account = GoogleAccount::parse(SERVICE).unwrap();
        assert!(!format!("{account:?}").contains("BEGIN"));
    }
}
