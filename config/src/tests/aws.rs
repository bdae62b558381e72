//! Deployments on AWS.

use super::with;
use crate::{AwsSigner, Config, Deployment, Origin, report};

const USER: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", "AKIAENV"),
    ("AWS_SECRET_ACCESS_KEY", "env/secret"),
    ("AWS_REGION", "eu-west-3"),
];

fn config(params: &str, variables: &[(&str, &str)]) -> Config {
    let text = format!("model_list:\n  - model_name: b\n    litellm_params: {{{params}}}\n");
    with(&text, variables).unwrap()
}

fn deployment(params: &str, variables: &[(&str, &str)]) -> Deployment {
    config(params, variables).deployments.remove(0)
}

fn address(params: &str, variables: &[(&str, &str)]) -> String {
    let deployment = deployment(params, variables);
    let region = deployment.signing.unwrap().region;
    format!("{} {region}", deployment.endpoint.unwrap())
}

/// The key's id, secret and session; what signs when there is none of these.
fn signer(params: &str, variables: &[(&str, &str)]) -> String {
    let deployment = deployment(params, variables);
    if let Some(token) = deployment.credential.header_value() {
        assert_eq!(deployment.signing, None);
        return token.expose().to_owned();
    }
    match deployment.signing.map(|signing| signing.signer) {
        None => "nobody".to_owned(),
        Some(AwsSigner::Surroundings) => "Envoy".to_owned(),
        Some(AwsSigner::Keys(keys)) => {
            let session = keys
                .session_token
                .as_ref()
                .map_or("", |token| token.expose());
            let (id, secret) = (keys.access_key_id.expose(), keys.secret_access_key.expose());
            format!("{id} {secret} {session}")
        }
    }
}

#[test]
fn the_region_tells_the_address() {
    const HOST: &str = "https://bedrock-runtime";
    const ARN: &str = "'bedrock/arn:aws:bedrock:ca-central-1:1:x/y'";
    for (params, variables, expected) in [
        (
            "model: bedrock/m",
            &[][..],
            format!("{HOST}.us-west-2.amazonaws.com us-west-2"),
        ),
        (
            "model: bedrock/m",
            &USER[..],
            format!("{HOST}.eu-west-3.amazonaws.com eu-west-3"),
        ),
        (
            "model: bedrock_converse/m, aws_region_name: cn-north-1",
            &USER,
            format!("{HOST}.cn-north-1.amazonaws.com.cn cn-north-1"),
        ),
        (
            "model: bedrock/converse/ap-south-1/m",
            &USER,
            format!("{HOST}.ap-south-1.amazonaws.com ap-south-1"),
        ),
        (
            &format!("model: {ARN}"),
            &USER,
            format!("{HOST}.ca-central-1.amazonaws.com ca-central-1"),
        ),
        (
            "model: bedrock/m, aws_bedrock_runtime_endpoint: 'https://vpce-1.example'",
            &USER,
            "https://vpce-1.example eu-west-3".to_owned(),
        ),
        (
            "model: bedrock/m, api_base: 'http://localhost:4566', aws_region_name: us-east-1",
            &USER,
            "http://localhost:4566 us-east-1".to_owned(),
        ),
        (
            "model: bedrock/m",
            &[("AWS_BEDROCK_RUNTIME_ENDPOINT", "https://proxy.example/b")],
            "https://proxy.example/b us-west-2".to_owned(),
        ),
    ] {
        assert_eq!(address(params, variables), expected, "{params}");
    }
}

#[test]
fn who_signs_is_what_the_file_says_and_then_what_the_environment_says() {
    let token = ("AWS_BEARER_TOKEN_BEDROCK", "env-token");
    let both = [&USER[..], &[token]].concat();
    let session = [&USER[..], &[("AWS_SESSION_TOKEN", "env-session")]].concat();
    for (params, variables, expected) in [
        ("", &[][..], "Envoy"),
        ("", &USER[..], "AKIAENV env/secret "),
        ("", &session, "AKIAENV env/secret env-session"),
        ("", &both, "Bearer env-token"),
        (", api_key: own-token", &USER, "Bearer own-token"),
        (
            ", aws_access_key_id: AKIAOWN, aws_secret_access_key: own",
            &session,
            "AKIAOWN own ",
        ),
        (
            ", aws_access_key_id: AKIAOWN, aws_secret_access_key: os.environ/AWS_SECRET_ACCESS_KEY, aws_session_token: s",
            &both,
            "AKIAOWN env/secret s",
        ),
        // Keys that are asked for and are not there are nobody else's.
        (
            ", aws_access_key_id: os.environ/GONE, aws_secret_access_key: os.environ/GONE",
            &both,
            "nobody",
        ),
        (", aws_access_key_id: AKIAOWN", &USER, "nobody"),
        (", api_key: os.environ/GONE", &USER, "nobody"),
    ] {
        let params = format!("model: bedrock/m{params}");
        assert_eq!(signer(&params, variables), expected, "{params}");
    }
}

#[test]
fn the_report_tells_who_signs_and_shows_no_key() {
    let keys = "model: bedrock/m, aws_access_key_id: AKIAOWN, aws_secret_access_key: hunter2, \
                aws_session_token: hunter3";
    for (params, variables, expected) in [
        (
            "model: bedrock/m",
            &[][..],
            "signed as whoever Envoy is on AWS",
        ),
        (
            "model: bedrock/m",
            &USER,
            "signed with the key from AWS_SECRET_ACCESS_KEY",
        ),
        (keys, &[], "signed with the key in the file"),
        ("model: bedrock/m, api_key: hunter2", &[], "key in the file"),
    ] {
        let config = config(params, variables);
        let text = report(&config);
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(joined.contains(expected), "{text}");
        let all = format!("{text}{config:?}");
        for secret in ["hunter", "env/secret", "AKIA"] {
            assert!(!all.contains(secret), "{secret} in {all}");
        }
    }
}

#[test]
fn settings_that_do_nothing_are_named() {
    let config = config(
        "model: bedrock/m, aws_region_name: eu-west-1, aws_role_name: r, aws_session_name: s, \
         aws_profile_name: p, aws_new: x",
        &[],
    );
    let told: Vec<String> = config.notices.iter().map(ToString::to_string).collect();
    for key in [
        "aws_role_name",
        "aws_session_name",
        "aws_profile_name",
        "aws_new",
    ] {
        let path = format!("model_list[0].litellm_params.{key}: ");
        assert!(
            told.iter().any(|line| line.starts_with(&path)),
            "{key}: {told:#?}"
        );
    }
    assert!(config.deployments[0].provider_settings.is_empty());
    assert!(config.deployments[0].defaults.is_empty());
}

#[test]
fn missing_halves_and_strange_regions_are_told() {
    let config = config("model: bedrock/m, aws_access_key_id: AKIAOWN", &[]);
    let told: Vec<String> = config.notices.iter().map(ToString::to_string).collect();
    assert!(
        told.iter()
            .any(|line| line.contains("one half of the access key is missing")),
        "{told:?}"
    );
    assert!(matches!(
        config.deployments[0].credential.origin,
        Origin::Nowhere
    ));
    let error = with(
        "model_list:\n  - {model_name: b, litellm_params: {model: bedrock/m, aws_region_name: 'evil.test/'}}\n",
        &[],
    );
    assert_eq!(
        error.unwrap_err().to_string(),
        "model_list[0].litellm_params.aws_region_name: expected a region such as eu-west-1, found text"
    );
}

#[test]
fn an_address_in_an_unset_variable_is_not_replaced_by_aws_s() {
    let text = "model_list:\n  - {model_name: b, litellm_params: {model: bedrock/m, aws_region_name: eu-west-1, api_base: os.environ/GONE}}\n";
    assert_eq!(
        with(text, &[]).unwrap_err().to_string(),
        "model_list[0].litellm_params.api_base: variable GONE is not set; without it the requests \
         and the key would go to https://bedrock-runtime.eu-west-1.amazonaws.com"
    );
}
