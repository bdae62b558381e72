//! What a deployment on Vertex AI needs beside a base and a key: project, location, and the
//! credentials that its access tokens are made with. Names and their order are LiteLLM's.

use std::path::{Path, PathBuf};

use dragoman_proto::Dialect;
use serde_json::Value;

use crate::section::{Given, Reader, Section, wrong};
use crate::{
    ConfigError, Credential, Endpoint, GoogleAccount, GoogleCredentials, Origin, Provider, Secret,
};

/// LiteLLM's, where nobody says.
const LOCATION: &str = "us-central1";
/// Beginnings of models that are neither Google's, nor Anthropic's, nor served as open ones.
const OTHERS: [&str; 5] = ["mistral", "codestral", "jamba", "ministral", "veo-"];
/// Where Google's machines have their metadata server.
const METADATA: &str = "metadata.google.internal";

/// Where a deployment on Vertex AI is, and who asks.
pub(super) struct Vertex {
    project: String,
    location: String,
    credentials: GoogleCredentials,
    /// Where the credentials stand.
    origin: Origin,
}

/// Credentials, where they stand, and the project that is theirs.
struct Found {
    credentials: GoogleCredentials,
    origin: Origin,
    project: Option<String>,
}

/// Reads them; `None` for another provider.
pub(super) fn read(
    params: &mut Section,
    provider: &Provider,
    model: &str,
    reader: &mut Reader<'_>,
) -> Result<Option<Vertex>, ConfigError> {
    if provider.dialect != Some(Dialect::VertexAi) {
        return Ok(None);
    }
    if OTHERS.iter().any(|start| model.starts_with(start)) {
        let consequence = "this maker's API on Vertex AI is not spoken: requests get an error";
        reader.warn(&params.at("model"), consequence);
    }
    let project = setting(params, ["vertex_project", "vertex_ai_project"], reader)?;
    let project = project.or_else(|| first(reader, &["VERTEXAI_PROJECT"]));
    let location = location(params, reader)?;
    // A key of the entry's own goes out in place of tokens.
    let has_key = params.has("api_key");
    let Found {
        mut credentials,
        origin,
        project: own,
    } = credentials(params, has_key, reader)?;
    ignore_others(params, reader);
    let Some(project) = project.or(own) else {
        let consequence = "no vertex_project, and variable VERTEXAI_PROJECT is not set: requests \
                           to this deployment get an error";
        reader.missing(params.path(), consequence);
        credentials = GoogleCredentials::Unusable(
            "no project is configured: set vertex_project or VERTEXAI_PROJECT".to_owned(),
        );
        return Ok(Some(Vertex {
            project: "-".to_owned(),
            location,
            credentials,
            origin,
        }));
    };
    for (name, value) in [("vertex_project", &project), ("vertex_location", &location)] {
        if !is_segment(value) {
            let expected = "a name of letters, digits, `-`, `.`, `:` and `_`";
            return Err(wrong(&params.at(name), expected, &Value::from("")));
        }
    }
    Ok(Some(Vertex {
        project,
        location,
        credentials,
        origin,
    }))
}

impl Vertex {
    /// The base URL of its location
    /// (<https://cloud.google.com/vertex-ai/generative-ai/docs/learn/locations>).
    pub(super) fn base(&self) -> String {
        match self.location.as_str() {
            "global" => "https://aiplatform.googleapis.com".to_owned(),
            multi @ ("us" | "eu") => format!("https://aiplatform.{multi}.rep.googleapis.com"),
            region => format!("https://{region}-aiplatform.googleapis.com"),
        }
    }

    /// `endpoint` with the path below which the project's models are, unless it is there already. A
    /// model's own path is what LiteLLM's users write for some gateways: it is cut off.
    pub(super) fn placed(
        &self,
        mut endpoint: Endpoint,
        params: &Section,
        reader: &mut Reader<'_>,
    ) -> Endpoint {
        let base = &mut endpoint.base_path;
        if let Some(at) = base.find("/publishers/") {
            base.truncate(at);
            let consequence =
                format!("what follows {base} is left out: the model's path is made from its name");
            reader.warn(&params.at("api_base"), consequence);
        }
        if base.contains("/projects/") {
            return endpoint;
        }
        if !["/v1", "/v1beta1"]
            .iter()
            .any(|version| base.ends_with(version))
        {
            base.push_str("/v1");
        }
        base.push_str(&format!(
            "/projects/{}/locations/{}",
            self.project, self.location
        ));
        endpoint
    }

    /// What tokens are made with; nothing where the entry has a key of its own.
    pub(super) fn paying(
        self,
        credential: &mut Credential,
        params: &Section,
        reader: &mut Reader<'_>,
    ) -> Option<GoogleCredentials> {
        if credential.secret.is_some() {
            let consequence = "sent as it is, in place of access tokens: it is never renewed";
            reader.warn(&params.at("api_key"), consequence);
            return None;
        }
        credential.origin = self.origin;
        Some(self.credentials)
    }
}

fn is_segment(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    !text.is_empty() && text.bytes().all(allowed)
}

/// The first of two names for a setting.
fn setting(
    params: &mut Section,
    names: [&str; 2],
    reader: &mut Reader<'_>,
) -> Result<Option<String>, ConfigError> {
    let mut found = None;
    for name in names {
        let text = params.text(name, reader)?;
        let text = text.map(|text| text.trim().to_owned());
        found = found.or(text.filter(|text| !text.is_empty()));
    }
    Ok(found)
}

fn first(reader: &Reader<'_>, variables: &[&str]) -> Option<String> {
    reader.first_variable(variables).map(|(_, value)| value)
}

fn location(params: &mut Section, reader: &mut Reader<'_>) -> Result<String, ConfigError> {
    let given = setting(params, ["vertex_location", "vertex_ai_location"], reader)?;
    let given = given.or_else(|| first(reader, &["VERTEXAI_LOCATION", "VERTEX_LOCATION"]));
    Ok(given.unwrap_or_else(|| {
        let consequence = format!("no vertex_location: requests go to {LOCATION}, as in LiteLLM");
        reader.warn(params.path(), consequence);
        LOCATION.to_owned()
    }))
}

/// Other settings of LiteLLM's for this provider.
fn ignore_others(params: &mut Section, reader: &mut Reader<'_>) {
    let keys = params.entries().keys();
    let keys: Vec<String> = keys.filter(|k| k.starts_with("vertex_")).cloned().collect();
    for key in keys {
        if params.take(&key).is_some() {
            reader.ignored(&params.at(&key), "not a setting of Vertex AI that is read");
        }
    }
}

fn credentials(
    params: &mut Section,
    has_key: bool,
    reader: &mut Reader<'_>,
) -> Result<Found, ConfigError> {
    for name in ["vertex_credentials", "vertex_ai_credentials"] {
        let path = params.at(name);
        let given = match params.entries().get(name) {
            Some(map @ Value::Object(_)) => {
                let text = map.to_string();
                params.take(name);
                Some(Given::Literal(text))
            }
            _ => params.given(name, reader)?,
        };
        match given {
            Some(Given::Literal(text)) if !text.trim().is_empty() => {
                return Ok(of_text(&text, &path, Origin::File, reader));
            }
            Some(Given::Variable {
                name,
                value: Some(text),
            }) => return Ok(of_text(&text, &path, Origin::Variable(name), reader)),
            Some(Given::Variable { name, value: None }) => {
                let consequence =
                    format!("variable {name} is not set: as if the key were not there");
                reader.missing(&path, consequence);
            }
            Some(Given::Literal(_)) | None => {}
        }
    }
    if let Some((name, text)) = reader.first_variable(&["VERTEXAI_CREDENTIALS"]) {
        return Ok(of_text(
            &text,
            params.path(),
            Origin::Variable(name),
            reader,
        ));
    }
    Ok(default_credentials(params.path(), has_key, reader))
}

/// JSON, or the path of a file that holds it.
fn of_text(text: &str, path: &str, origin: Origin, reader: &mut Reader<'_>) -> Found {
    let text = text.trim();
    if text.starts_with('{') {
        let project = account_s_project(text, path, reader);
        return Found {
            credentials: GoogleCredentials::Inline(Secret::new(text)),
            origin,
            project,
        };
    }
    Found {
        project: file_s_project(Path::new(text), path, reader),
        credentials: GoogleCredentials::File(PathBuf::from(text)),
        origin,
    }
}

/// Google's Application Default Credentials: the file that a variable names, the one that `gcloud`
/// leaves, the metadata server.
fn default_credentials(path: &str, has_key: bool, reader: &mut Reader<'_>) -> Found {
    let project = first(reader, &["GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT"]);
    let named = reader.first_variable(&["GOOGLE_APPLICATION_CREDENTIALS"]);
    let left = || {
        let folder = first(reader, &["CLOUDSDK_CONFIG"]);
        let folder = folder.or_else(|| Some(first(reader, &["HOME"])? + "/.config/gcloud"));
        let file = folder? + "/application_default_credentials.json";
        reader.file(Path::new(&file))?;
        Some(("HOME".to_owned(), file))
    };
    if let Some((variable, file)) = named.or_else(left) {
        let own = file_s_project(Path::new(&file), path, reader);
        return Found {
            credentials: GoogleCredentials::File(PathBuf::from(file)),
            origin: Origin::Variable(variable),
            project: project.or(own),
        };
    }
    let host = first(reader, &["GCE_METADATA_HOST", "GCE_METADATA_IP"]);
    if host.is_none() && !has_key {
        let consequence = format!(
            "no vertex_credentials, and neither VERTEXAI_CREDENTIALS nor \
             GOOGLE_APPLICATION_CREDENTIALS is set: tokens are asked of {METADATA}, which only \
             Google's own machines have"
        );
        reader.missing(path, consequence);
    }
    Found {
        credentials: GoogleCredentials::Metadata(host.unwrap_or_else(|| METADATA.to_owned())),
        origin: Origin::Nowhere,
        project,
    }
}

fn file_s_project(file: &Path, path: &str, reader: &mut Reader<'_>) -> Option<String> {
    match reader.file(file) {
        Some(text) => account_s_project(&text, path, reader),
        None => {
            let file = file.display();
            let consequence = format!(
                "the credentials file {file} cannot be read: requests to this deployment get an \
                 error until it can"
            );
            reader.missing(path, consequence);
            None
        }
    }
}

fn account_s_project(json: &str, path: &str, reader: &mut Reader<'_>) -> Option<String> {
    match GoogleAccount::parse(json) {
        Ok(account) => account.project().map(str::to_owned),
        Err(reason) => {
            let consequence = format!("{reason}: requests to this deployment get an error");
            reader.missing(path, consequence);
            None
        }
    }
}
