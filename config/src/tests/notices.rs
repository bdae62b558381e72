//! What a person is told about a file that loads.

use super::{nothing, one, with};
use crate::load;

fn notices(text: &str, variables: &[(&str, &str)]) -> String {
    let config = with(text, variables).unwrap();
    let lines = config.notices.iter();
    let lines = lines.map(|notice| format!("{} {notice}\n", notice.severity.as_str()));
    lines.collect()
}

const KEY: [(&str, &str); 1] = [("OPENAI_API_KEY", "sk-1")];

#[test]
fn every_key_that_is_not_honoured_is_named() {
    let text = one(
        "mock_response: hi\nfrobnicate: 3\nextra_headers: {a: b}\nseed: 1",
        "router_settings: {redis_host: x, retry_policy: {}, surprise: 1}\n\
         litellm_settings: {cache: true, callbacks: [langfuse], success_callback: []}\n\
         general_settings: {database_url: x, alerting: [slack], 'odd key': 1}\n\
         include: [other.yaml]\nsurprise: {}\n",
    );
    insta::assert_snapshot!(notices(&text, &KEY));
}

#[test]
fn names_that_lead_nowhere_are_named() {
    let text = one(
        "",
        "router_settings: {fallbacks: [{m: [gone], lost: [m]}], default_fallbacks: [nobody]}\n\
         general_settings: {completion_model: nobody}\n",
    );
    insta::assert_snapshot!(notices(&text, &KEY));
}

#[test]
fn addresses_that_are_probably_wrong_are_named() {
    let text = "model_list:\n  \
        - {model_name: a, litellm_params: {model: openai/x, api_base: 'http://vllm:8000'}}\n  \
        - {model_name: b, litellm_params: {model: openai/x, api_base: 'http://vllm:8000/v1/chat/completions', api_key: k}}\n  \
        - {model_name: c, litellm_params: {model: openai/x, api_key: os.environ/UNSET, api_base: 'http://vllm:8000/v1'}}\n";
    insta::assert_snapshot!(notices(text, &KEY));
}

#[test]
fn budgets_and_limits_that_are_enforced_need_no_notice() {
    let text = one(
        "",
        "litellm_settings: {max_budget: 5, budget_duration: 30d}\n\
         router_settings: {enable_pre_call_checks: true, provider_budget_config: {openai: {budget_limit: 5, time_period: 1d}}}\n\
         general_settings: {usage_limits: {sk-1: {max_requests: 1}}}\n\
         dragoman: {enforce_usage_limits: true, budgets: {dry_run: true}}\n",
    );
    assert_eq!(notices(&text, &KEY), "");
}

#[test]
fn a_complete_file_has_nothing_to_say() {
    assert_eq!(notices(&one("temperature: 0.2", ""), &KEY), "");
}

#[test]
fn defaults_that_no_provider_takes_are_named() {
    let text = one("temperature: hot\nlogprobs: 1\nseed: [1]", "");
    let told = notices(&text, &KEY);
    for key in ["temperature is not a number", "seed is not a number"] {
        let (key, consequence) = key.split_once(' ').unwrap();
        let line = format!("litellm_params.{key}: {consequence}: providers refuse");
        assert!(told.contains(&line), "{line} in\n{told}");
    }
    assert!(told.contains("logprobs: is not true or false"), "{told}");
}

#[test]
fn a_limit_of_zero_is_none_and_said_to_be() {
    let text = one("rpm: 0\nmax_parallel_requests: 0", "");
    let config = with(&text, &KEY).unwrap();
    let deployment = &config.deployments[0];
    assert_eq!(deployment.rpm, None);
    assert_eq!(deployment.max_parallel_requests, None);
    let told = notices(&text, &KEY);
    assert_eq!(told.matches("0 is no limit").count(), 2, "{told}");
}

#[test]
fn keys_of_clients_are_in_no_notice() {
    let text = one(
        "",
        "general_settings: {usage_limits: {sk-secret: {max_requests: 1, odd: 1}}}",
    );
    let config = load(&text, &nothing).unwrap();
    assert!(!format!("{:?}", config.notices).contains("sk-secret"));
}
