//! Deployments on Vertex AI: where they are, and what their tokens are made with.

use std::path::{Path, PathBuf};

use crate::{Config, Deployment, Environment, GoogleCredentials, Severity, load, report};

const KEY: &str = r#"{"type": "service_account", "project_id": "from-key", "private_key": "secret-pem",
    "client_email": "a@from-key.iam.gserviceaccount.com"}"#;

/// Variables and files.
struct Machine<'a>(&'a [(&'a str, &'a str)]);

impl Environment for Machine<'_> {
    fn variable(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    }

    fn file(&self, path: &Path) -> Option<String> {
        match path.to_str()? {
            "/keys/sa.json" => Some(KEY.to_owned()),
            "/keys/federated.json" => Some(r#"{"type": "external_account"}"#.to_owned()),
            _ => None,
        }
    }
}

/// A file with one deployment with these parameters (flow YAML).
fn read(params: &str, variables: &[(&str, &str)]) -> Config {
    let text = format!(
        "model_list: [{{model_name: m, litellm_params: {{model: vertex_ai/gemini-2.5-pro, {params}}}}}]"
    );
    load(&text, &Machine(variables)).unwrap()
}

fn one(params: &str, variables: &[(&str, &str)]) -> Deployment {
    read(params, variables).deployments.remove(0)
}

fn address(params: &str, variables: &[(&str, &str)]) -> String {
    one(params, variables).endpoint.unwrap().to_string()
}

fn notices(config: &Config, severity: Severity) -> Vec<String> {
    let notices = config.notices.iter();
    let notices = notices.filter(|notice| notice.severity == severity);
    notices.map(ToString::to_string).collect()
}

#[test]
fn the_location_tells_the_host() {
    for (location, host) in [
        ("europe-west1", "europe-west1-aiplatform.googleapis.com"),
        ("global", "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
    ] {
        let params = format!("vertex_project: p, vertex_location: {location}");
        assert_eq!(
            address(&params, &[]),
            format!("https://{host}/v1/projects/p/locations/{location}")
        );
    }
}

#[test]
fn another_address_keeps_the_project_s_path() {
    for (base, expected) in [
        ("http://127.0.0.1:9", "/v1/projects/p/locations/global"),
        ("http://127.0.0.1:9/v1", "/v1/projects/p/locations/global"),
        (
            "http://127.0.0.1:9/g/v1beta1",
            "/g/v1beta1/projects/p/locations/global",
        ),
        (
            "http://127.0.0.1:9/v1/projects/x/locations/y",
            "/v1/projects/x/locations/y",
        ),
        (
            "http://127.0.0.1:9/v1/projects/x/locations/y/publishers/google/models/g",
            "/v1/projects/x/locations/y",
        ),
    ] {
        let params = format!("vertex_project: p, vertex_location: global, api_base: '{base}'");
        assert_eq!(
            address(&params, &[]),
            format!("http://127.0.0.1:9{expected}"),
            "{base}"
        );
    }
}

#[test]
fn project_and_location_come_from_variables_and_the_key() {
    let variables = [("VERTEXAI_PROJECT", "v"), ("VERTEXAI_LOCATION", "us-east5")];
    assert!(address("", &variables).ends_with("/projects/v/locations/us-east5"));
    let by_key = address("vertex_credentials: /keys/sa.json", &[]);
    assert!(by_key.ends_with("/projects/from-key/locations/us-central1"));
    let default = [
        ("GOOGLE_APPLICATION_CREDENTIALS", "/keys/sa.json"),
        ("GOOGLE_CLOUD_PROJECT", "cloud"),
    ];
    assert!(address("", &default).contains("/projects/cloud/"));
}

#[test]
fn credentials_are_found_where_litellm_finds_them() {
    let file = GoogleCredentials::File(PathBuf::from("/keys/sa.json"));
    for (params, variables) in [
        ("vertex_credentials: /keys/sa.json", &[][..]),
        (
            "vertex_credentials: os.environ/SA",
            &[("SA", "/keys/sa.json")],
        ),
        ("", &[("VERTEXAI_CREDENTIALS", "/keys/sa.json")]),
        ("", &[("GOOGLE_APPLICATION_CREDENTIALS", "/keys/sa.json")]),
    ] {
        assert_eq!(
            one(params, variables).google.as_ref(),
            Some(&file),
            "{params}"
        );
    }
    let inline = one("vertex_credentials: os.environ/SA", &[("SA", KEY)]);
    assert!(matches!(inline.google, Some(GoogleCredentials::Inline(_))));
    let map = one(
        &format!("vertex_credentials: {}", KEY.replace('\n', " ")),
        &[],
    );
    assert!(matches!(map.google, Some(GoogleCredentials::Inline(_))));
    let metadata = one("vertex_project: p", &[("GCE_METADATA_HOST", "127.0.0.1:8")]);
    let expected = GoogleCredentials::Metadata("127.0.0.1:8".to_owned());
    assert_eq!(metadata.google, Some(expected));
}

#[test]
fn what_is_missing_is_said_with_its_consequence() {
    for (params, said) in [
        (
            "vertex_credentials: /keys/gone.json, vertex_project: p",
            "the credentials file /keys/gone.json cannot be read: requests to this deployment get \
             an error until it can",
        ),
        (
            "vertex_credentials: /keys/federated.json, vertex_project: p",
            "the credentials are of type `external_account`; only service_account and \
             authorized_user are served: requests to this deployment get an error",
        ),
        (
            "vertex_project: p",
            "tokens are asked of metadata.google.internal",
        ),
        (
            "",
            "no vertex_project, and variable VERTEXAI_PROJECT is not set",
        ),
    ] {
        let missing = notices(&read(params, &[]), Severity::Missing);
        assert!(
            missing.iter().any(|notice| notice.contains(said)),
            "{missing:?}"
        );
    }
}

#[test]
fn without_a_project_no_token_is_asked_for() {
    let deployment = one("vertex_location: global", &[]);
    assert!(matches!(
        deployment.google,
        Some(GoogleCredentials::Unusable(_))
    ));
}

#[test]
fn a_key_of_the_entry_s_own_is_sent_in_place_of_tokens() {
    let config = read(
        "vertex_project: p, vertex_location: global, api_key: k",
        &[],
    );
    assert_eq!(config.deployments[0].google, None);
    let warnings = notices(&config, Severity::Warning);
    assert_eq!(
        warnings,
        [
            "model_list[0].litellm_params.api_key: sent as it is, in place of access tokens: it is \
          never renewed"
        ]
    );
    assert_eq!(notices(&config, Severity::Missing), [""; 0]);
}

#[test]
fn a_maker_whose_api_is_not_spoken_is_named() {
    let text = "model_list: [{model_name: m, litellm_params: {model: vertex_ai/mistral-large@2411, \
                vertex_project: p, vertex_location: global, api_key: k}}]";
    let warnings = notices(&load(text, &Machine(&[])).unwrap(), Severity::Warning);
    let said = "this maker's API on Vertex AI is not spoken: requests get an error";
    assert!(warnings[0].ends_with(said), "{warnings:?}");
}

#[test]
fn a_project_that_no_path_can_hold_is_refused() {
    let text = "model_list: [{model_name: m, litellm_params: {model: vertex_ai/gemini-2.5-pro, \
                vertex_project: 'a/b'}}]";
    let error = load(text, &Machine(&[])).unwrap_err().to_string();
    assert!(
        error.starts_with("model_list[0].litellm_params.vertex_project:"),
        "{error}"
    );
}

#[test]
fn a_key_in_the_file_does_not_make_the_deployment_s_id() {
    let of = |key: &str| one(&format!("vertex_credentials: '{key}'"), &[]).id;
    let rotated = KEY.replace("secret-pem", "another-pem");
    assert_eq!(of(&KEY.replace('\n', " ")), of(&rotated.replace('\n', " ")));
    assert_ne!(of("/keys/sa.json"), of("/keys/other.json"));
}

#[test]
fn the_report_tells_where_tokens_come_from_and_no_key() {
    let config = read(
        "vertex_credentials: os.environ/SA, vertex_location: global",
        &[("SA", KEY)],
    );
    let page = report(&config);
    let page = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(page.contains("tokens made with SA"), "{page}");
    assert!(!format!("{page} {config:?}").contains("secret-pem"));
}
