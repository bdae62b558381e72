//! Anthropic's own Python client as the judge; the cases are in `tests/python/anthropic_client.py`.

use std::path::Path;

use dragoman_tests::{
    harness::{Config, Setup, Shared, Stack, python, run},
    provider::ScriptedProvider,
};
use serde_json::json;
use tokio::process::Command;

struct Fixture {
    stack: Stack,
    _provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let config = Config::new()
                .openai("openai", &provider, "gpt-x")
                .anthropic("anthropic", &provider, "claude-x")
                .anthropic("cites", &provider, "claude-x!cites")
                .deployment(
                    "cites-early",
                    json!({"model": "openrouter/x!cites", "api_base": provider.openai_base(),
                        "api_key": "sk-or-cites"}),
                )
                .openai("limited", &provider, "x!error-429-1")
                .anthropic("breaks-off", &provider, "x!error-after-6")
                .openai("breaks-off-openai", &provider, "x!error-after-3");
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture {
                stack,
                _provider: provider,
            })
        })
        .await
}

/// Runs one case of the script.
async fn case(name: &str) {
    let stack = &fixture().await.stack;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/anthropic_client.py");
    let output = Command::new(python())
        .arg(script)
        .arg(name)
        .env("ANTHROPIC_BASE_URL", format!("http://{}", stack.http))
        .env("ANTHROPIC_API_KEY", "sk-test-master")
        .env("NO_PROXY", "*")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .await
        .expect("Python runs");
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

macro_rules! cases {
    ($($name:ident)*) => {$(
        #[test]
        fn $name() {
            run(case(stringify!($name)));
        }
    )*};
}

cases! {
    message
    system_blocks
    tools
    tool_round_trip
    images
    thinking
    citations
    citations_before_text
    output_limit
    count_tokens
    beta
    wrong_key
    unknown_model
    invalid_request
    unsupported
    rate_limit
    stream_that_breaks_off
}
