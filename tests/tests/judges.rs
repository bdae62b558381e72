//! Providers' own SDKs as judges: of all that we send (`tests/python/request_judges.py`), and of how the
//! scripted providers play their parts (`tests/python/provider_clients.py`).

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
};

use dragoman_tests::{
    harness::{Config, DIALECTS, Setup, python, run},
    provider::{RecordedRequest, ScriptedProvider},
};
use serde_json::{Value, json};
use tokio::process::Command;

/// Where the golden matrix is.
fn matrix() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../dialect/tests/it/snapshots")
}

async fn script(name: &str, arguments: &[&OsStr]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("python")
        .join(name);
    let output = Command::new(python())
        .arg(script)
        .args(arguments)
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

async fn judge(case: &str, judge: &str, source: &Path) {
    let arguments = [case.as_ref(), judge.as_ref(), source.as_os_str()];
    script("request_judges.py", &arguments).await;
}

macro_rules! judges {
    ($($judge:ident)*) => {$(
        mod $judge {
            use super::*;

            #[test]
            fn takes_every_request_of_the_golden_matrix() {
                run(judge("requests", stringify!($judge), &matrix()));
            }

            #[test]
            fn refuses_each_of_them_once_it_is_spoilt() {
                run(judge("spoilt", stringify!($judge), &matrix()));
            }
        }
    )*};
}

judges! { anthropic google ollama cohere openai }

fn tool() -> Value {
    let parameters = json!({"type": "object", "properties": {"city": {"type": "string"}}});
    json!({"type": "function", "function": {"name": "weather", "parameters": parameters}})
}

/// A line that the judges read.
fn line(request: &RecordedRequest) -> String {
    let query = match request.query.as_str() {
        "" => String::new(),
        query => format!("?{query}"),
    };
    let path = format!("{}{query}", request.path);
    json!({"path": path, "body": request.json()}).to_string()
}

/// What leaves Envoy, as JSON and as streams, and from the endpoints that the matrix has not.
#[test]
fn they_take_what_leaves_envoy() {
    run(async {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let config = DIALECTS.iter().fold(Config::new(), |config, dialect| {
            config.speaking(dialect, dialect, &provider, "gemini-2.5-flash")
        });
        let stack = Setup::new(&config).start().await.expect("a stack");
        for dialect in DIALECTS {
            let messages = json!([{"role": "user", "content": "use weather"}]);
            let body = json!({"model": dialect, "messages": messages, "tools": [tool()]});
            stack.chat(body.clone()).await.ok();
            stack.stream_chat(body).await.chunks();
            if matches!(dialect, "openai" | "ollama" | "cohere") {
                let body = json!({"model": dialect, "input": ["a", "b"], "dimensions": 256});
                stack.post("/v1/embeddings", &body).await.ok();
            }
        }
        let body = json!({"model": "cohere", "query": "a", "documents": ["b", "a"], "top_n": 1});
        stack.post("/v1/rerank", &body).await.ok();
        let lines: Vec<String> = provider.requests().iter().map(line).collect();
        assert_eq!(lines.len(), 2 * DIALECTS.len() + 4);
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), lines.join("\n")).expect("a file that is written");
        for name in ["anthropic", "google", "ollama", "cohere", "openai"] {
            judge("requests", name, file.path()).await;
        }
    });
}

/// The older asks at `/v1/rerank`, the newer at `/v2/rerank`.
#[test]
fn both_of_coheres_clients_read_rankings() {
    run(async {
        let provider = ScriptedProvider::start().await.expect("a provider");
        let config = Config::new().cohere("cohere", &provider, "rerank-x");
        let stack = Setup::new(&config).start().await.expect("a stack");
        let root = format!("http://{}", stack.http);
        let arguments = [root.as_ref(), "sk-test-master".as_ref()];
        script("rerank_client.py", &arguments).await;
    });
}

/// A part that is played wrongly would prove nothing of us.
async fn plays(client: &str) {
    let provider = ScriptedProvider::start().await.expect("a provider");
    let root = provider.root();
    script("provider_clients.py", &[client.as_ref(), root.as_ref()]).await;
}

macro_rules! players {
    ($($name:ident: $client:literal)*) => {$(
        #[test]
        fn $name() {
            run(plays($client));
        }
    )*};
}

players! {
    anthropic_is_played_as_its_client_expects: "claude"
    gemini_is_played_as_its_client_expects: "gemini"
    vertex_ai_is_played_as_its_clients_expect: "vertex"
    ollama_is_played_as_its_client_expects: "llama"
    cohere_is_played_as_its_client_expects: "command"
    openai_is_played_as_its_client_expects: "gpt"
}
