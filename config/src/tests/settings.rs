//! What single settings come to.

use std::time::Duration;

use super::{nothing, one, with};
use crate::{Config, Origin, Strategy, UnknownPrice, load};

fn loaded(text: &str) -> Config {
    load(text, &nothing).unwrap()
}

#[test]
fn what_nobody_sets_is_as_in_litellm() {
    let config = loaded(&one("", ""));
    assert_eq!(config.router.num_retries, 2);
    assert_eq!(config.router.timeout, Duration::from_secs(600));
    assert_eq!(config.router.cooldown_time, Duration::from_secs(5));
    assert_eq!(config.router.strategy, Strategy::SimpleShuffle);
    assert_eq!(config.server.max_body_bytes, 32 << 20);
    assert_eq!(config.own.unknown_price, UnknownPrice::Refuse);
    assert_eq!(config.general.master_key, None);
    assert!(!config.deployments[0].drop_params);
}

#[test]
fn limits_count_beside_litellm_params_too() {
    let config = loaded(
        "model_list:\n  - model_name: m\n    weight: 3\n    rpm: 60\n    max_parallel_requests: 4\n    \
         litellm_params: {model: gpt-4o, weight: 2, timeout: '30', stream_timeout: 2.5}\n",
    );
    let deployment = &config.deployments[0];
    assert_eq!(deployment.weight, Some(2));
    assert_eq!(deployment.rpm, Some(60));
    assert_eq!(deployment.max_parallel_requests, Some(4));
    assert_eq!(deployment.timeout, Some(Duration::from_secs(30)));
    assert_eq!(
        deployment.stream_timeout,
        Some(Duration::from_millis(2_500))
    );
    let notices: Vec<_> = config.notices.iter().map(ToString::to_string).collect();
    assert!(
        notices.contains(
            &"model_list[0].weight: model_list[0].litellm_params.weight says it already, and wins"
                .to_owned()
        )
    );
}

#[test]
fn fractions_of_weights_keep_their_proportion() {
    let config = loaded(
        "model_list:\n  - {model_name: m, litellm_params: {model: gpt-4o, weight: 0.7}}\n  \
         - {model_name: m, litellm_params: {model: gpt-4o-mini, weight: 0.3}}\n",
    );
    let weights: Vec<_> = config.deployments.iter().map(|d| d.weight).collect();
    assert_eq!(weights, [Some(700), Some(300)]);
}

#[test]
fn equal_entries_get_different_ids() {
    let entry = "  - {model_name: m, litellm_params: {model: gpt-4o, api_key: KEY}}\n";
    let text = format!(
        "model_list:\n{}{}",
        entry.replace("KEY", "a"),
        entry.replace("KEY", "b")
    );
    let config = loaded(&text);
    let first = config.deployments[0].id.to_string();
    assert_eq!(config.deployments[1].id.as_str(), format!("{first}-2"));
}

#[test]
fn fallbacks_are_read_in_every_shape() {
    for (text, stands_in) in [
        (
            "litellm_settings: {fallbacks: [{m: [b, c]}]}",
            vec!["b", "c"],
        ),
        ("router_settings: {fallbacks: {m: b}}", vec!["b"]),
        ("router_settings: {fallbacks: [{'*': [m, b]}]}", vec!["b"]),
        ("litellm_settings: {default_fallbacks: [b]}", vec!["b"]),
        (
            "litellm_settings: {fallbacks: [{m: [{model: b}]}]}",
            vec!["b"],
        ),
        (
            "litellm_settings: {default_fallbacks: [b], fallbacks: [{x: [c]}]}",
            vec!["b"],
        ),
    ] {
        let config = loaded(&one("", text));
        let found: Vec<_> = config
            .router
            .fallbacks
            .of("m")
            .map(|alias| alias.as_str())
            .collect();
        assert_eq!(found, stands_in, "{text}");
    }
}

#[test]
fn variables_of_the_file_come_before_those_of_the_environment() {
    let text = one(
        "api_key: os.environ/KEY\nmax_tokens: os.environ/LIMIT",
        "environment_variables: {KEY: from-file, LIMIT: 5, COPY: os.environ/OTHER}",
    );
    let config = with(&text, &[("KEY", "from-environment"), ("OTHER", "x")]).unwrap();
    let deployment = &config.deployments[0];
    assert_eq!(
        deployment.credential.secret.as_ref().unwrap().expose(),
        "from-file"
    );
    assert_eq!(deployment.credential.origin, Origin::Variable("KEY".into()));
}

#[test]
fn the_master_key_comes_from_ours_then_the_file_then_litellms() {
    let file = one("", "general_settings: {master_key: sk-file}");
    let unset = one("", "general_settings: {master_key: os.environ/NOT_SET}");
    let ours = ("DRAGOMAN_MASTER_KEY", "sk-ours");
    let litellms = ("LITELLM_MASTER_KEY", "sk-litellms");
    for (text, variables, key) in [
        (&file, vec![ours, litellms], Some("sk-ours")),
        (&file, vec![litellms], Some("sk-file")),
        (&unset, vec![litellms], Some("sk-litellms")),
        (&unset, vec![("LITELLM_MASTER_KEY", " ")], None),
    ] {
        let config = with(text, &variables).unwrap();
        let found = config
            .general
            .master_key
            .map(|key| key.secret.expose().to_owned());
        assert_eq!(found.as_deref(), key, "{variables:?}");
    }
}

#[test]
fn the_provider_has_its_key_and_address_from_its_variables() {
    let text = one("", "");
    let variables = [
        ("OPENAI_API_KEY", "sk-1\n"),
        ("OPENAI_API_BASE", "http://proxy:8000/v1/"),
    ];
    let config = with(&text, &variables).unwrap();
    let deployment = &config.deployments[0];
    assert_eq!(
        deployment.endpoint.as_ref().unwrap().to_string(),
        "http://proxy:8000/v1"
    );
    let header = deployment.credential.header_value().unwrap();
    assert_eq!(header.expose(), "Bearer sk-1");
}

#[test]
fn anthropic_is_addressed_by_its_root_and_paid_in_its_own_header() {
    for base in [
        "https://api.anthropic.com",
        "https://api.anthropic.com/v1/",
        "https://api.anthropic.com/v1/messages",
    ] {
        let config = loaded(&format!(
            "model_list: [{{model_name: c, litellm_params: {{model: claude-3-haiku, api_key: k, api_base: '{base}'}}}}]"
        ));
        let deployment = &config.deployments[0];
        assert_eq!(
            deployment.endpoint.as_ref().unwrap().to_string(),
            "https://api.anthropic.com"
        );
        assert_eq!(deployment.credential.header.name(), "x-api-key");
        assert_eq!(deployment.credential.header_value().unwrap().expose(), "k");
    }
}

#[test]
fn a_wildcard_takes_its_model_from_the_request() {
    let config = loaded(
        "model_list:\n  - {model_name: 'any/*', litellm_params: {model: 'groq/*'}}\n  \
         - {model_name: '*', litellm_params: {model: 'openai/*'}}\n",
    );
    let (alias, group) = config.group("any/llama-3").unwrap();
    assert_eq!(alias.as_str(), "any/*");
    let deployment = config.deployment(group.deployments[0].as_str()).unwrap();
    assert!(deployment.wildcard);
    assert_eq!(
        deployment.model_for("any/llama-3").as_deref(),
        Some("llama-3")
    );
    assert_eq!(config.group("gpt-4o").unwrap().0.as_str(), "*");
}

#[test]
fn more_names_of_a_model_reach_its_deployments() {
    let config = loaded(&one(
        "",
        "router_settings: {model_group_alias: {gpt-4: m, quiet: {model: m, hidden: true}, lost: x}}",
    ));
    let group = |name: &str| config.aliases.get(name);
    assert_eq!(
        group("gpt-4").unwrap().deployments,
        group("m").unwrap().deployments
    );
    assert!(group("quiet").unwrap().hidden);
    assert_eq!(group("lost"), None);
}

#[test]
fn our_own_settings_are_read_and_overridden_by_variables() {
    let text = one(
        "",
        "dragoman:\n  root_path: ai-api/\n  max_body_bytes: 1000\n  min_output_tokens: 16\n  \
         unknown_price: allow\n  enforce_usage_limits: yes\n  \
         budgets: {dry_run: true, downgrade: {at: 0.8, to: m}, alert_webhook: 'https://hooks/x?y'}\n",
    );
    let config = loaded(&text);
    assert_eq!(config.server.root_path, "/ai-api");
    assert_eq!(config.server.max_body_bytes, 1_000);
    assert_eq!(config.own.min_output_tokens, 16);
    assert!(config.own.enforce_usage_limits && config.own.budgets.dry_run);
    assert_eq!(
        config.own.budgets.downgrade.unwrap().at.ten_thousandths(),
        8_000
    );
    let variables = [
        ("DRAGOMAN_ROOT_PATH", "/v2"),
        ("DRAGOMAN_MIN_OUTPUT_TOKENS", "8"),
    ];
    let config = with(&text, &variables).unwrap();
    assert_eq!(config.server.root_path, "/v2");
    assert_eq!(config.own.min_output_tokens, 8);
    let config = with(&one("", ""), &[("SERVER_ROOT_PATH", "/ai-api")]).unwrap();
    assert_eq!(config.server.root_path, "/ai-api");
}

#[test]
fn prices_are_kept_as_written_and_taken_from_both_maps() {
    let config = loaded(
        "model_list:\n  - model_name: m\n    litellm_params: {model: gpt-4o, input_cost_per_token: 0.00000015}\n    \
         model_info: {input_cost_per_token: 1, output_cost_per_token: '6e-7', mode: chat}\n",
    );
    let deployment = &config.deployments[0];
    let price = |key: &str| deployment.prices.get(key).map(ToString::to_string);
    assert_eq!(price("input_cost_per_token").as_deref(), Some("1.5e-7"));
    assert_eq!(price("output_cost_per_token").as_deref(), Some("6e-7"));
    assert!(deployment.defaults.is_empty());
    assert_eq!(deployment.model_info.len(), 1);
}

#[test]
fn yaml_is_read_with_anchors_merges_and_yaml_1_1_truth() {
    let config = loaded(
        "x: &shared\n  api_key: k\n  drop_params: on\nmodel_list:\n  - model_name: 4\n    litellm_params:\n      \
         <<: *shared\n      model: gpt-4o\nrouter_settings: {disable_cooldowns: True, num_retries: '1'}\n",
    );
    assert_eq!(config.deployments[0].alias.as_str(), "4");
    assert!(config.deployments[0].drop_params);
    assert!(config.router.cooldowns_disabled);
    assert_eq!(config.router.num_retries, 1);
}

#[test]
fn a_provider_s_differences_count_under_the_openai_prefix_too() {
    let quirks = |model: &str, base: &str| {
        let text = format!(
            "model_list: [{{model_name: m, litellm_params: {{model: {model}, api_base: '{base}', api_key: k}}}}]"
        );
        loaded(&text).deployments[0].quirks.clone()
    };
    let mistral = quirks("mistral/mistral-small", "https://api.mistral.ai/v1");
    assert!(mistral.no_stream_options);
    assert_eq!(mistral.max_tokens_field.as_deref(), Some("max_tokens"));
    assert_eq!(
        quirks("openai/mistral-small", "https://api.mistral.ai/v1"),
        mistral
    );
    assert_eq!(quirks("mistral/mistral-small", "https://proxy/v1"), mistral);
    assert_eq!(
        quirks("openai/mistral-small", "https://proxy/v1"),
        Default::default()
    );
}

#[test]
fn a_known_provider_that_is_not_served_loads() {
    let config = loaded(
        "model_list:\n  - model_name: b\n    litellm_params:\n      model: sagemaker/anthropic.claude-3\n      \
         aws_region_name: eu-west-1\n      aws_secret_access_key: s\n",
    );
    let deployment = &config.deployments[0];
    assert_eq!(deployment.upstream(), None);
    assert_eq!(deployment.provider_settings.len(), 2);
    assert!(deployment.defaults.is_empty());
}

#[test]
fn azure_s_version_is_the_deployment_s_else_the_variable_s() {
    let text = "model_list:\n  - model_name: m\n    litellm_params: {model: azure/my-gpt, api_key: k, \
                api_base: 'https://a.openai.azure.com/'";
    let variables = [("AZURE_API_VERSION", "2024-06-01")];
    for (more, variables, expected) in [
        ("", &variables[..], Some("2024-06-01")),
        (", api_version: 2024-10-21", &variables, Some("2024-10-21")),
        ("", &[], None),
    ] {
        let config = with(&format!("{text}{more}}}\n"), variables).unwrap();
        let deployment = &config.deployments[0];
        assert_eq!(deployment.api_version.as_deref(), expected);
        assert_eq!(deployment.credential.header.name(), "api-key");
        assert_eq!(deployment.defaults.get("api_version"), None);
    }
}

#[test]
fn requests_are_kept_for_ever_unless_it_says_for_how_many_days() {
    assert_eq!(loaded(&one("", "")).own.retention_days, None);
    let text = one("", "dragoman: {ledger: {retention_days: 30}}");
    assert_eq!(loaded(&text).own.retention_days, Some(30));
    let config = with(&text, &[("DRAGOMAN_RETENTION_DAYS", "7")]).unwrap();
    assert_eq!(config.own.retention_days, Some(7));
    assert!(crate::report(&config).contains("7 days; sums for ever"));
}

#[test]
fn defaults_out_of_variables_are_the_numbers_that_they_mean() {
    let text = one(
        "temperature: os.environ/HEAT\nmax_tokens: \"100\"\nstore: 'true'\nuser: \"7\"",
        "",
    );
    let variables = [("OPENAI_API_KEY", "sk-1"), ("HEAT", "0.3")];
    let config = with(&text, &variables).unwrap();
    let defaults = &config.deployments[0].defaults;
    let expected = serde_json::json!({
        "temperature": 0.3, "max_tokens": 100, "store": true, "user": "7",
    });
    assert_eq!(&serde_json::Value::Object(defaults.clone()), &expected);
}
