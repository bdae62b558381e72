//! Configurations of the field: they load unchanged, and their reports are golden.

use super::{nothing, with};
use crate::{Config, Secret, load, report};

fn read(name: &str) -> String {
    let path = format!("{}/fixtures/seeds/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

fn seed(name: &str) -> Config {
    load(&read(name), &nothing).unwrap()
}

macro_rules! golden {
    ($($test:ident: $name:literal,)*) => {
        $(
            #[test]
            fn $test() {
                insta::assert_snapshot!($name, report(&seed($name)));
            }
        )*
    };
}

golden! {
    the_report_of_a_router_configuration: "000-router-config",
    the_report_of_a_template: "000-template",
    the_report_of_a_weighted_group: "001-config",
    the_report_of_fallbacks: "002-fallbacks",
    the_report_of_a_minimal_file: "002-minimal",
    the_report_of_a_group_by_latency: "003-fallbacks",
    the_report_of_three_providers: "003-litellm_config",
    the_report_of_five_providers: "004-config",
}

#[test]
fn every_alias_is_listed_in_the_order_of_the_file() {
    let names = |config: &Config| {
        config
            .aliases
            .keys()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        names(&seed("000-router-config")),
        [
            "fast-reasoning",
            "safety-aligned",
            "low-latency",
            "local-inference"
        ]
    );
    assert_eq!(names(&seed("001-config")), ["llm"]);
    assert_eq!(seed("004-config").aliases.len(), 7);
}

#[test]
fn a_weighted_group_keeps_its_two_deployments() {
    let config = seed("001-config");
    let [server, nebius] = config.deployments.as_slice() else {
        panic!("two deployments");
    };
    assert_eq!(server.model, "gpt-oss:20b");
    assert_eq!(
        server.endpoint.as_ref().unwrap().to_string(),
        "http://10.3.0.42:11434/v1"
    );
    assert_eq!(server.credential.secret, Some(Secret::new("EMPTY")));
    assert_eq!((server.weight, nebius.weight), (Some(1), Some(2)));
    assert_eq!(nebius.model, "openai/gpt-oss-20b");
    assert_eq!(nebius.max_parallel_requests, Some(10));
    assert_eq!(nebius.defaults.get("temperature"), Some(&0.2.into()));
    // `general_settings.drop_params` counts for the deployment that says nothing.
    assert!(server.drop_params && nebius.drop_params);
    let key = config.general.master_key.unwrap();
    assert_eq!(key.secret.expose(), "sk-litellm-admin");
    let [limit] = config.general.usage_limits.as_slice() else {
        panic!("one limit");
    };
    assert_eq!(
        (limit.max_requests, limit.max_tokens),
        (Some(3), Some(1_000))
    );
}

#[test]
fn settings_under_the_wrong_section_count() {
    let config = seed("000-template");
    assert_eq!(config.router.timeout.as_secs(), 60);
    assert_eq!(config.router.num_retries, 3);
}

#[test]
fn the_v1_of_an_ollama_address_is_not_meant() {
    let variables = [("OLLAMA_BASE_URL", "http://ollama:11434/v1")];
    let config = with(&read("000-template"), &variables).unwrap();
    let local = config.deployments.last().unwrap();
    assert_eq!(
        local.endpoint.as_ref().unwrap().to_string(),
        "http://ollama:11434"
    );
}

#[test]
fn ids_are_stable_and_do_not_depend_on_keys() {
    let without = seed("000-router-config");
    let with = with(&read("000-router-config"), &[("OPENAI_API_KEY", "sk-1")]).unwrap();
    let ids = |config: &Config| {
        config
            .deployments
            .iter()
            .map(|d| d.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&without), ids(&with));
    assert_eq!(without.deployments[0].id.as_str().len(), 12);
}

#[test]
fn no_report_and_no_debug_form_shows_a_secret() {
    let secrets = [
        "OPENAI_API_KEY",
        "ANTHROPIC_API_KEY",
        "GROQ_API_KEY",
        "GEMINI_API_KEY",
    ];
    let variables: Vec<_> = secrets
        .iter()
        .chain(&[
            "ROUTER_AUTH_TOKEN",
            "AI_API_MK",
            "NEBIUS_API_KEY",
            "DRAGOMAN_ALERT_WEBHOOK",
        ])
        .map(|name| (*name, "https://top.secret"))
        .collect();
    for name in [
        "000-router-config",
        "001-config",
        "002-fallbacks",
        "004-config",
    ] {
        let config = with(&read(name), &variables).unwrap();
        let text = format!("{}\n{config:?}", report(&config));
        for secret in ["top.secret", "sk-litellm-admin", "EMPTY", "<YOUR"] {
            assert!(!text.contains(secret), "{name} shows {secret}");
        }
    }
}

#[test]
fn settings_of_providers_are_secret_too() {
    let text = "model_list:\n  - model_name: b\n    litellm_params: {model: bedrock/x, aws_secret_access_key: hunter2}\n";
    let config = load(text, &nothing).unwrap();
    assert!(!format!("{config:?}{}", report(&config)).contains("hunter2"));
}
