//! The configurations that people have: they start unchanged, and list their aliases.

use std::{fs, path::Path};

use dragoman_tests::{
    harness::{Reply, Setup, Stack, run},
    provider::ScriptedProvider,
};
use reqwest::Method;
use serde_json::json;

fn config(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/fixtures/seeds");
    let path = root.join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Starts with this configuration and what its author's environment had.
async fn start(name: &str, key: &str, environment: &[(&str, &str)]) -> Stack {
    let mut setup = Setup::with_text(&config(name)).key(key);
    for (name, value) in environment {
        setup = setup.env(name, value);
    }
    setup.start().await.expect("a stack")
}

async fn lists(stack: &Stack, aliases: &[&str]) {
    let list = stack.get("/v1/models").await.ok();
    let ids: Vec<&str> = list["data"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|entry| entry["id"].as_str())
        .collect();
    assert_eq!(ids, aliases);
}

const KEYS: [(&str, &str); 6] = [
    ("OPENAI_API_KEY", "sk-o"),
    ("ANTHROPIC_API_KEY", "sk-a"),
    ("GROQ_API_KEY", "gsk-g"),
    ("GEMINI_API_KEY", "AIza-g"),
    ("NEBIUS_API_KEY", "n"),
    ("OLLAMA_BASE_URL", "http://127.0.0.1:11434/v1"),
];

macro_rules! starts {
    ($($name:ident: $file:literal with $key:literal $(and $variable:literal)? lists $aliases:expr;)*) => {$(
        #[test]
        fn $name() {
            run(async {
                let environment: Vec<_> =
                    KEYS.into_iter()$(.chain([($variable, $key)]))?.collect();
                let stack = start($file, $key, &environment).await;
                lists(&stack, &$aliases).await;
            });
        }
    )*};
}

starts! {
    the_router_configuration: "000-router-config.yaml" with "sk-router" and "ROUTER_AUTH_TOKEN"
        lists ["fast-reasoning", "safety-aligned", "low-latency", "local-inference"];
    the_template: "000-template.yaml" with "sk-router" and "ROUTER_AUTH_TOKEN"
        lists ["primary", "alternative", "local"];
    two_servers_behind_one_name: "001-config.yaml" with "sk-litellm-admin"
        lists ["llm"];
    the_minimal_configuration: "002-minimal.yaml" with "<YOUR_MASTER_KEY>"
        lists ["fast-model", "smart-model"];
    the_configuration_with_fallbacks: "002-fallbacks.yaml" with "<YOUR_MASTER_KEY>"
        lists ["fast-model", "smart-model"];
    the_three_models: "003-litellm_config.yaml" with "sk-mine" and "DRAGOMAN_MASTER_KEY"
        lists ["gpt-4o", "claude-3-sonnet", "local-llama"];
    the_high_reliability_model: "003-fallbacks.yaml" with "sk-mine" and "DRAGOMAN_MASTER_KEY"
        lists ["high-reliability-model"];
    the_university_s_models: "004-config.yaml" with "sk-uni" and "AI_API_MK"
        lists [
            "gpt-4o-mini", "gpt-3.5", "claude-4", "claude-3-5-sonnet", "claude-3-5-haiku",
            "gemini-2.0-flash", "dalle3",
        ];
}

#[test]
fn the_university_s_models_are_served_under_its_root_path() {
    run(async {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let (openai, anthropic) = (provider.openai_base(), provider.anthropic_base());
        let mut environment = KEYS.to_vec();
        environment.extend([
            ("AI_API_MK", "sk-uni"),
            ("SERVER_ROOT_PATH", "/ai-api"),
            ("OPENAI_API_BASE", openai.as_str()),
            ("ANTHROPIC_API_BASE", anthropic.as_str()),
        ]);
        let stack = start("004-config.yaml", "sk-uni", &environment).await;
        for model in ["gpt-4o-mini", "claude-4"] {
            let body = json!({"model": model, "messages": [{"role": "user", "content": "hello"}]});
            let reply = stack.post("/ai-api/v1/chat/completions", &body).await;
            assert_eq!(reply.said(), "You said: hello", "{model}");
        }
        let body = json!({"model": "dalle3", "prompt": "a campus"});
        stack
            .post("/ai-api/v1/images/generations", &body)
            .await
            .ok();
        let sent = provider.request_with("a campus").json();
        assert_eq!(sent, json!({"model": "dall-e-3", "prompt": "a campus"}));
    });
}

#[test]
fn the_router_s_aliases_reach_three_providers() {
    run(async {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let (openai, anthropic) = (provider.openai_base(), provider.anthropic_base());
        let mut environment = KEYS.to_vec();
        environment.extend([
            ("ROUTER_AUTH_TOKEN", "sk-router"),
            ("OPENAI_API_BASE", openai.as_str()),
            ("ANTHROPIC_API_BASE", anthropic.as_str()),
            ("GROQ_API_BASE", openai.as_str()),
        ]);
        let stack = start("000-router-config.yaml", "sk-router", &environment).await;
        for (alias, model) in [
            ("fast-reasoning", "gpt-4o-mini"),
            ("safety-aligned", "claude-3-5-sonnet-20241022"),
            ("low-latency", "llama-3.1-70b-versatile"),
        ] {
            assert_eq!(
                stack.hello(alias).await.said(),
                "You said: hello",
                "{alias}"
            );
            assert_eq!(provider.requests_for(model).len(), 1, "{alias}");
        }
    });
}

#[test]
fn a_model_that_is_not_served_yet_says_so() {
    run(async {
        let mut environment = KEYS.to_vec();
        environment.push(("AI_API_MK", "sk-uni"));
        let stack = start("004-config.yaml", "sk-uni", &environment).await;
        let reply = stack.hello("gemini-2.0-flash").await;
        assert!((400..600).contains(&reply.status), "{}", reply.text());
        assert!(
            reply.json()["error"]["message"].is_string(),
            "{}",
            reply.text()
        );
    });
}

#[test]
fn without_a_master_key_one_is_generated_and_kept_to_oneself() {
    use std::os::unix::fs::PermissionsExt;
    run(async {
        let stack = start("003-litellm_config.yaml", "sk-none", &KEYS).await;
        let bare = stack.bare(Method::GET, "/v1/models");
        Reply::of(bare).await.error(401, "authentication_error");
        let log = stack.service_log();
        let (_, rest) = log.split_once("sk-").expect("the key is printed");
        let tail: String = rest
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_')
            .collect();
        let key = format!("sk-{tail}");
        let client = stack.client().clone().with_key(&key);
        assert_eq!(client.get("/v1/models").await.status, 200);
        let holders: Vec<_> = fs::read_dir(&stack.state)
            .expect("the state folder")
            .flatten()
            .filter(|file| {
                let name = file.file_name();
                let is_log = name.to_string_lossy().ends_with(".log");
                !is_log && fs::read_to_string(file.path()).is_ok_and(|text| text.contains(&key))
            })
            .collect();
        assert_eq!(holders.len(), 1, "one file holds the key");
        let mode = holders[0]
            .metadata()
            .expect("metadata")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", holders[0].path());
    });
}
