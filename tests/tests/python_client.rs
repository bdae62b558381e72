//! OpenAI's own Python client as the judge; the cases are in `tests/python/openai_client.py`.

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
                .cohere("cites-cohere", &provider, "command-x!cites")
                .gemini("cites-gemini", &provider, "gemini-x!cites")
                .anthropic("thinks", &provider, "claude-x!reasoning!redacts")
                .vertex("thinks-vertex", &provider, "claude-x!reasoning!redacts")
                .bedrock(
                    "thinks-bedrock",
                    &provider,
                    "anthropic.claude-x!reasoning!redacts",
                )
                .deployment(
                    "cites-early",
                    json!({"model": "openrouter/x!cites", "api_base": provider.openai_base(),
                        "api_key": "sk-or-cites"}),
                )
                .openai("embed", &provider, "text-embedding-x")
                .openai("image", &provider, "dall-e-x")
                .openai("speech", &provider, "tts-x")
                .openai("whisper", &provider, "whisper-x")
                .openai("moderate", &provider, "omni-x")
                .openai("instruct", &provider, "instruct-x")
                .openai("limited", &provider, "x!error-429-1")
                .anthropic("unavailable", &provider, "x!error-529")
                .openai("broken", &provider, "x!error-500")
                .anthropic("long", &provider, "x!context-length")
                .anthropic("breaks-off", &provider, "x!error-after-6")
                .openai("silent", &provider, "x!stall")
                .with(json!({"timeout": 1}));
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
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/openai_client.py");
    let output = Command::new(python())
        .arg(script)
        .arg(name)
        .env("OPENAI_BASE_URL", format!("http://{}/v1", stack.http))
        .env("OPENAI_API_KEY", "sk-test-master")
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
    chat
    chat_stream
    chat_stream_with_usage
    tools
    tools_stream
    tool_round_trip
    images_in_messages
    structured_output
    citations
    citations_stream
    thinking_stream_round_trip
    raw_response
    async_client
    embeddings
    completions
    completions_through_chat
    image_edit
    image_generation
    speech
    transcription
    refused_transcription
    moderation
    responses
    responses_stream
    responses_tools
    responses_citations
    responses_without_memory
    models
    wrong_key
    unknown_model
    invalid_request
    unsupported_parameter
    rate_limit
    unavailable
    bad_gateway
    provider_timeout
    context_length
    stream_that_breaks_off
}
