//! AWS's own Python library as the judge: of what is sent to Bedrock, of how it is signed, and of the
//! Bedrock that the tests play. Its cases are in `tests/python/bedrock_judge.py`.

use std::path::Path;

use dragoman_tests::{
    harness::{Config, Setup, Shared, Stack, python, run},
    provider::{AWS_KEY, AWS_SESSION_KEY, ScriptedProvider},
};
use serde_json::{Value, json};
use tokio::process::Command;

const ARN: &str =
    "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/abcdef012345";

struct Fixture {
    stack: Stack,
    provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let session = json!({
                "aws_access_key_id": AWS_SESSION_KEY.id,
                "aws_secret_access_key": AWS_SESSION_KEY.secret,
                "aws_session_token": AWS_SESSION_KEY.session,
            });
            let config = Config::new()
                .bedrock(
                    "claude",
                    &provider,
                    "us.anthropic.claude-sonnet-4-20250514-v1:0",
                )
                .bedrock("strict", &provider, "anthropic.claude-opus-4-6-v1:0")
                .bedrock("nova", &provider, "us.amazon.nova-2-lite-v1:0")
                .bedrock("session", &provider, "us.amazon.nova-2-lite-v1:0")
                .with(session)
                .bedrock("arn", &provider, &format!("anthropic/{ARN}"))
                .bedrock("titan", &provider, "amazon.titan-embed-text-v2:0");
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

/// Runs a case of `tests/python/bedrock_judge.py`.
async fn judged(case: &str) {
    let fixture = fixture().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/bedrock_judge.py");
    let output = Command::new(python())
        .arg(script)
        .arg(case)
        .env("SCRIPTED_URL", fixture.provider.root())
        .env("AWS_ACCESS_KEY_ID", AWS_KEY.id)
        .env("AWS_SECRET_ACCESS_KEY", AWS_KEY.secret)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("SESSION_KEY_ID", AWS_SESSION_KEY.id)
        .env("SESSION_SECRET", AWS_SESSION_KEY.secret)
        .env("SESSION_TOKEN", AWS_SESSION_KEY.session.unwrap_or_default())
        .env(
            "GOLDEN",
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialect/tests/it/snapshots"),
        )
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

/// Requests that use all of what there is, in their own names, so that the judge has seen them.
async fn requests_of_every_kind() {
    let tools = json!([{"type": "function", "strict": true, "cache_control": {"type": "ephemeral"},
        "function": {"name": "now", "description": "", "strict": true}}]);
    let schema = json!({"type": "json_schema", "json_schema": {"name": "n", "strict": true,
        "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}});
    let history = json!([
        {"role": "system", "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        {"role": "user", "content": "judge the history"},
        {"role": "assistant", "content": "a", "reasoning_content": "r",
         "thinking_blocks": [{"type": "thinking", "signature": "c2NyaXB0ZWQtc2lnbmF0dXJl",
                              "thinking": "The user said something, so I say it back."},
                             {"type": "redacted_thinking", "data": "c2NyaXB0ZWQtc2VjcmV0"}],
         "tool_calls": [{"id": "call|with spaces and / and a length beyond sixty-four characters, surely",
                         "type": "function", "function": {"name": "now", "arguments": ""}}]},
        {"role": "tool", "content": [{"type": "text", "text": "noon", "cache_control": {"type": "ephemeral"}}],
         "tool_call_id": "call|with spaces and / and a length beyond sixty-four characters, surely"},
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "data:image/webp;base64,AAAA"}},
            {"type": "file", "file": {"filename": "a  b.csv", "file_data": "data:text/csv;base64,YQ=="}},
            {"type": "text", "text": "go on"},
        ]},
    ]);
    for (index, (alias, more)) in [
        ("claude", json!({"messages": history})),
        (
            "claude",
            json!({"tools": tools, "tool_choice": "required", "parallel_tool_calls": false}),
        ),
        (
            "claude",
            json!({"tools": tools, "tool_choice": "none", "reasoning_effort": "high"}),
        ),
        (
            "strict",
            json!({"response_format": schema, "tools": tools, "reasoning_effort": "medium"}),
        ),
        (
            "nova",
            json!({"response_format": schema, "tools": tools, "top_k": 5}),
        ),
        (
            "nova",
            json!({"temperature": 0.5, "top_p": 1, "stop": ["x", ""], "max_tokens": 9,
            "service_tier": "flex", "performanceConfig": {"latency": "standard"},
            "requestMetadata": {"team": "a"}, "response_format": {"type": "json_object"}}),
        ),
        (
            "arn",
            json!({"stream": true, "guardrailConfig": {"guardrailIdentifier": "abc",
            "guardrailVersion": "DRAFT", "streamProcessingMode": "async"}}),
        ),
        ("session", json!({})),
    ]
    .into_iter()
    .enumerate()
    {
        let stack = &fixture().await.stack;
        let text = format!("judge number {index}");
        let mut body = json!({"model": alias, "messages": [{"role": "user", "content": text}]});
        if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
            body.extend(more);
        }
        let reply = stack.post("/v1/chat/completions", &body).await;
        assert_eq!(reply.status, 200, "{alias} {index}: {}", reply.text());
    }
    let body = json!({"model": "titan", "input": "judge the embedding"});
    fixture()
        .await
        .stack
        .post("/v1/embeddings", &body)
        .await
        .ok();
}

#[test]
fn aws_s_library_finds_every_request_right_and_rightly_signed() {
    run(async {
        requests_of_every_kind().await;
        judged("requests").await;
        judged("signatures").await;
    });
}

macro_rules! judged {
    ($($case:ident)*) => {$(
        #[test]
        fn $case() {
            run(judged(stringify!($case)));
        }
    )*};
}

judged! {
    golden
    scripted_answer
    scripted_stream
    scripted_exception
    scripted_errors
    scripted_embedding
}
