//! What leaves the house: each provider sees the headers that its API wants, with its own key, and
//! nothing of the client, of us, or of another provider.

use std::collections::BTreeSet;

use dragoman_tests::{
    harness::{Config, Reply, Setup, Shared, Stack, run},
    provider::{RecordedRequest, ScriptedProvider},
};
use reqwest::Method;
use serde_json::json;

struct Fixture {
    stack: Stack,
    openai: ScriptedProvider,
    anthropic: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let openai = ScriptedProvider::start().await?;
            let anthropic = ScriptedProvider::start().await?;
            let config = Config::new()
                .openai("o", &openai, "gpt-o")
                .anthropic("a", &anthropic, "claude-a")
                .openai("o-then-a", &openai, "gpt-o!error-500")
                .fallback("o-then-a", &["a-then-o"])
                .anthropic("a-then-o", &anthropic, "claude-a!error-529")
                .fallback("a-then-o", &["o"])
                .openai("whisper", &openai, "whisper-x");
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture {
                stack,
                openai,
                anthropic,
            })
        })
        .await
}

/// Headers that a client sends, or pretends; each value is found nowhere else.
const CLIENT_HEADERS: &[(&str, &str)] = &[
    ("x-api-key", "leak-x-api-key"),
    ("api-key", "leak-api-key"),
    ("x-goog-api-key", "leak-x-goog-api-key"),
    ("cookie", "session=leak-cookie"),
    ("x-forwarded-for", "203.0.113.9"),
    ("x-real-ip", "203.0.113.10"),
    ("forwarded", "for=203.0.113.11"),
    ("via", "1.1 leak-via"),
    ("referer", "https://leak-referer.example/"),
    ("origin", "https://leak-origin.example"),
    ("user-agent", "leak-user-agent/1.0"),
    ("x-stainless-lang", "leak-stainless"),
    ("x-dragoman-model", "leak-dragoman"),
    ("x-dragoman-anything", "leak-dragoman-anything"),
    ("x-envoy-original-path", "/leak-envoy"),
    ("x-envoy-attempt-count", "77"),
    ("x-request-id", "leak-request-id"),
    (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    ("openai-organization", "leak-organization"),
    ("openai-project", "leak-project"),
    ("anthropic-beta", "leak-beta"),
    ("anthropic-version", "1999-01-01"),
    ("anthropic-dangerous-direct-browser-access", "leak-browser"),
    ("x-litellm-tags", "leak-tags"),
    ("x-custom", "leak-custom"),
    ("accept-language", "leak-language"),
    ("proxy-authorization", "Basic leak-proxy"),
];

/// Sends a request with all of [`CLIENT_HEADERS`] to `model`.
async fn send(fixture: &Fixture, model: &str, text: &str, stream: bool) {
    let body = json!({
        "model": model, "messages": [{"role": "user", "content": text}], "stream": stream,
        "user": "somebody",
    });
    let mut request = fixture
        .stack
        .request(Method::POST, "/v1/chat/completions?leak=query");
    for (name, value) in CLIENT_HEADERS {
        request = request.header(*name, *value);
    }
    let reply = Reply::of(request.json(&body)).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn names(request: &RecordedRequest) -> BTreeSet<String> {
    let headers = request.headers.iter();
    headers.map(|(name, _)| name.to_ascii_lowercase()).collect()
}

/// Exactly these headers are there, beside what HTTP itself needs.
fn has_only(request: &RecordedRequest, own: &[&str]) {
    let http = [
        "host",
        "content-type",
        "content-length",
        "user-agent",
        "accept",
    ];
    let allowed: BTreeSet<String> = http
        .iter()
        .chain(own)
        .map(|name| (*name).to_owned())
        .collect();
    let foreign: Vec<String> = names(request).difference(&allowed).cloned().collect();
    assert!(
        foreign.is_empty(),
        "foreign headers {foreign:?} in {request:#?}"
    );
    for name in own {
        assert!(names(request).contains(*name), "no {name} in {request:#?}");
    }
    let mut seen = BTreeSet::new();
    for (name, _) in &request.headers {
        assert!(
            seen.insert(name.to_ascii_lowercase()),
            "twice: {name} in {request:#?}"
        );
    }
}

/// Nothing of the client's is in any header, or in path or query.
fn holds_nothing_of_the_client(request: &RecordedRequest) {
    let mut seen = format!("{} {}\n", request.path, request.query);
    for (name, value) in &request.headers {
        seen += &format!("{name}: {value}\n");
    }
    for foreign in [
        "leak",
        "203.0.113",
        "1999-01-01",
        "0af7651916cd43dd",
        "sk-test-master",
    ] {
        assert!(!seen.contains(foreign), "{foreign} in\n{seen}");
    }
}

fn is_openai_s(request: &RecordedRequest, alias: &str) {
    has_only(request, &["authorization"]);
    let key = format!("Bearer sk-openai-{alias}");
    assert_eq!(request.header("authorization"), Some(key.as_str()));
    holds_nothing_of_the_client(request);
}

fn is_anthropic_s(request: &RecordedRequest, alias: &str) {
    has_only(request, &["x-api-key", "anthropic-version"]);
    let key = format!("sk-ant-{alias}");
    assert_eq!(request.header("x-api-key"), Some(key.as_str()));
    assert_eq!(request.header("anthropic-version"), Some("2023-06-01"));
    holds_nothing_of_the_client(request);
}

#[test]
fn openai_sees_its_own_headers_alone() {
    run(async {
        let fixture = fixture().await;
        for stream in [false, true] {
            let text = format!("to openai alone {stream}");
            send(fixture, "o", &text, stream).await;
            is_openai_s(&fixture.openai.request_with(&text), "o");
        }
    });
}

#[test]
fn anthropic_sees_its_own_headers_alone() {
    run(async {
        let fixture = fixture().await;
        for stream in [false, true] {
            let text = format!("to anthropic alone {stream}");
            send(fixture, "a", &text, stream).await;
            is_anthropic_s(&fixture.anthropic.request_with(&text), "a");
        }
    });
}

#[test]
fn no_attempt_sees_anything_of_the_one_before() {
    run(async {
        let fixture = fixture().await;
        for stream in [false, true] {
            let text = format!("to one after another {stream}");
            send(fixture, "o-then-a", &text, stream).await;
            let openai = fixture.openai.requests_with(&text);
            let anthropic = fixture.anthropic.requests_with(&text);
            assert_eq!((openai.len(), anthropic.len()), (2, 1));
            is_openai_s(&openai[0], "o-then-a");
            is_anthropic_s(&anthropic[0], "a-then-o");
            is_openai_s(&openai[1], "o");
        }
    });
}

#[test]
fn the_path_is_the_provider_s_own() {
    run(async {
        let fixture = fixture().await;
        let text = "on the right path";
        send(fixture, "o", text, false).await;
        send(fixture, "a", text, false).await;
        let openai = fixture.openai.request_with(text);
        let anthropic = fixture.anthropic.request_with(text);
        assert_eq!(
            (openai.path.as_str(), openai.query.as_str()),
            ("/v1/chat/completions", "")
        );
        assert_eq!(
            (anthropic.path.as_str(), anthropic.query.as_str()),
            ("/v1/messages", "")
        );
    });
}

#[test]
fn the_host_is_the_provider_s_own() {
    run(async {
        let fixture = fixture().await;
        let text = "to the right host";
        send(fixture, "a", text, false).await;
        let sent = fixture.anthropic.request_with(text);
        assert_eq!(
            sent.header("host"),
            Some(fixture.anthropic.address().to_string().as_str())
        );
    });
}

#[test]
fn the_body_holds_nothing_but_the_request() {
    run(async {
        let fixture = fixture().await;
        let text = "a plain body";
        send(fixture, "o", text, false).await;
        let body = fixture.openai.request_with(text).json();
        let fields: BTreeSet<&String> = body.as_object().expect("an object").keys().collect();
        for field in fields {
            let known = ["model", "messages", "stream", "user"];
            assert!(known.contains(&field.as_str()), "{field} in {body}");
        }
    });
}

#[test]
fn a_file_upload_has_its_own_headers_alone() {
    run(async {
        let fixture = fixture().await;
        let part = reqwest::multipart::Part::bytes(b"sound of leaves".to_vec());
        let form = reqwest::multipart::Form::new()
            .text("model", "whisper")
            .part("file", part.file_name("a.wav"));
        let mut request = fixture
            .stack
            .request(Method::POST, "/v1/audio/transcriptions");
        for (name, value) in CLIENT_HEADERS {
            request = request.header(*name, *value);
        }
        let reply = Reply::of(request.multipart(form)).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let sent = fixture.openai.request_with("sound of leaves");
        is_openai_s(&sent, "whisper");
    });
}

#[test]
fn the_client_sees_no_header_of_a_provider() {
    run(async {
        let fixture = fixture().await;
        for model in ["o", "a", "o-then-a"] {
            let reply = fixture.stack.hello(model).await;
            for (name, value) in &reply.headers {
                let value = value.to_str().unwrap_or_default();
                assert!(!value.contains("scripted"), "{model}: {name}: {value}");
            }
            assert_eq!(reply.header("set-cookie"), "");
        }
    });
}

#[test]
fn envoy_s_configuration_shows_no_key() {
    run(async {
        let fixture = fixture().await;
        let dump = fixture.stack.envoy_admin("/config_dump?include_eds").await;
        assert!(dump.contains("gpt-o"), "the dump holds the deployments");
        for key in ["sk-openai-", "sk-ant-", "sk-test-master"] {
            assert!(!dump.contains(key), "{key} in Envoy's configuration dump");
        }
    });
}
