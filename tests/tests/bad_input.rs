//! Requests that are none: each gets its error, and costs nobody else anything.

use dragoman_tests::{
    harness::{Config, Reply, Setup, Shared, Stack, run},
    provider::ScriptedProvider,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const CHAT: &str = "/v1/chat/completions";
const CAP: usize = 1 << 20;

struct Fixture {
    stack: Stack,
    provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let config = Config::new()
                .openai("m", &provider, "gpt-x")
                .openai("other", &provider, "gpt-other")
                .set("dragoman", "max_body_bytes", json!(CAP));
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture { stack, provider })
        })
        .await
}

/// Sends bytes as a chat request.
async fn send(body: impl Into<reqwest::Body>) -> Reply {
    let stack = &fixture().await.stack;
    let request = stack.request(Method::POST, CHAT);
    let request = request.header("content-type", "application/json");
    Reply::of(request.body(body)).await
}

fn chat(text: &str) -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": text}]})
}

/// A chat request in which one field is replaced; null removes it.
fn with(field: &str, value: Value) -> String {
    let mut body = chat("hello");
    if value.is_null() {
        body.as_object_mut().expect("an object").remove(field);
    } else {
        body[field] = value;
    }
    body.to_string()
}

macro_rules! refused {
    ($($name:ident: $body:expr => $status:literal $kind:literal, $param:expr;)*) => {$(
        #[test]
        fn $name() {
            run(async {
                let error = send($body).await.error($status, $kind);
                let param: Option<&str> = $param;
                assert_eq!(error["param"], json!(param), "{error}");
            });
        }
    )*};
}

refused! {
    a_body_that_is_not_json: "{\"model\": " => 400 "invalid_request_error", None;
    a_body_that_is_text: "hello" => 400 "invalid_request_error", None;
    a_body_that_is_an_array: "[1, 2]" => 400 "invalid_request_error", None;
    a_body_that_is_a_number: "7" => 400 "invalid_request_error", None;
    a_body_that_is_null: "null" => 400 "invalid_request_error", None;
    a_body_that_is_a_string: "\"hello\"" => 400 "invalid_request_error", None;
    two_bodies_in_one: format!("{}{{}}", chat("hello")) => 400 "invalid_request_error", None;
    a_body_that_is_not_utf_8: b"{\"model\": \"\xff\xfe\"}".to_vec() => 400 "invalid_request_error", None;
    a_body_that_is_nested_too_deep: "[".repeat(100_000) => 400 "invalid_request_error", None;
    messages_that_are_nested_too_deep:
        format!("{{\"model\":\"m\",\"messages\":{}{}}}", "[".repeat(50_000), "]".repeat(50_000))
        => 400 "invalid_request_error", None;
    a_missing_model: with("model", Value::Null) => 400 "invalid_request_error", Some("model");
    a_model_that_is_a_number: with("model", json!(7)) => 400 "invalid_request_error", Some("model");
    missing_messages: with("messages", Value::Null) => 400 "invalid_request_error", Some("messages");
    messages_that_are_text: with("messages", json!("hello")) => 400 "invalid_request_error", Some("messages");
    a_stream_that_is_text: with("stream", json!("yes")) => 400 "invalid_request_error", Some("stream");
    a_limit_that_is_text: with("max_tokens", json!("many")) => 400 "invalid_request_error", Some("max_tokens");
    fallbacks_that_are_text: with("fallbacks", json!("other")) => 400 "invalid_request_error", Some("fallbacks");
    a_temperature_that_is_text: with("temperature", json!("hot")) => 400 "invalid_request_error", Some("temperature");
    an_unknown_model: with("model", json!("nobody")) => 404 "invalid_request_error", Some("model");
}

#[test]
fn an_unknown_model_has_openai_s_code() {
    run(async {
        let error = send(with("model", json!("nobody")))
            .await
            .error(404, "invalid_request_error");
        assert_eq!(error["code"], "model_not_found");
    });
}

#[test]
fn a_request_without_a_body() {
    run(async {
        let request = fixture().await.stack.request(Method::POST, CHAT);
        Reply::of(request).await.error(400, "invalid_request_error");
    });
}

#[test]
fn a_body_over_the_cap() {
    run(async {
        send(chat(&"x".repeat(CAP)).to_string())
            .await
            .error(413, "invalid_request_error");
    });
}

#[test]
fn a_body_over_the_cap_that_does_not_say_its_length() {
    run(async {
        let piece = || Ok::<_, std::io::Error>("x".repeat(CAP / 8));
        let pieces = futures::stream::iter((0..16).map(move |_| piece()));
        send(reqwest::Body::wrap_stream(pieces))
            .await
            .error(413, "invalid_request_error");
    });
}

#[test]
fn a_body_just_under_the_cap_is_served() {
    run(async {
        let body = chat(&"x".repeat(CAP - 1000)).to_string();
        assert_eq!(send(body).await.status, 200);
    });
}

#[test]
fn a_compressed_body() {
    run(async {
        let request = fixture().await.stack.request(Method::POST, CHAT);
        let request = request
            .header("content-encoding", "gzip")
            .body(vec![31, 139, 8, 0]);
        Reply::of(request).await.error(415, "invalid_request_error");
    });
}

#[test]
fn json_that_is_declared_as_text_is_served() {
    run(async {
        let request = fixture().await.stack.request(Method::POST, CHAT);
        let request = request.header("content-type", "text/plain");
        let reply = Reply::of(request.body(chat("hello").to_string())).await;
        assert_eq!(reply.said(), "You said: hello");
    });
}

#[test]
fn a_get_of_a_path_that_wants_post() {
    run(async {
        let reply = fixture().await.stack.get(CHAT).await;
        reply.error(405, "invalid_request_error");
    });
}

#[test]
fn an_unknown_path() {
    run(async {
        let stack = &fixture().await.stack;
        stack
            .get("/v1/nothing")
            .await
            .error(404, "invalid_request_error");
        stack
            .post("/v1/nothing", &chat("hello"))
            .await
            .error(404, "invalid_request_error");
    });
}

#[test]
fn a_request_without_a_key() {
    run(async {
        let request = fixture()
            .await
            .stack
            .bare(Method::POST, CHAT)
            .json(&chat("hello"));
        let error = Reply::of(request).await.error(401, "authentication_error");
        assert_eq!(error["code"], "invalid_api_key");
    });
}

#[test]
fn a_request_with_a_wrong_key() {
    run(async {
        let client = fixture().await.stack.client().clone().with_key("sk-wrong");
        client.hello("m").await.error(401, "authentication_error");
    });
}

#[test]
fn a_key_may_be_in_any_of_the_usual_headers() {
    run(async {
        let stack = &fixture().await.stack;
        for header in [
            "x-api-key",
            "api-key",
            "x-goog-api-key",
            "x-litellm-api-key",
        ] {
            let request = stack.bare(Method::POST, CHAT).json(&chat("hello"));
            let reply = Reply::of(request.header(header, "sk-test-master")).await;
            assert_eq!(reply.status, 200, "{header}: {}", reply.text());
        }
    });
}

#[test]
fn headers_that_pose_as_internal_have_no_effect() {
    run(async {
        let fixture = fixture().await;
        let text = "posing as internal";
        let mut request = fixture.stack.request(Method::POST, CHAT).json(&chat(text));
        for (name, value) in [
            ("x-dragoman-model", "other"),
            ("x-dragoman-operation", "embeddings"),
            ("x-dragoman-stream", "true"),
            ("x-dragoman-prompt-tokens", "0"),
            ("x-dragoman-pace", "1"),
            ("x-envoy-max-retries", "9"),
            ("x-envoy-upstream-rq-timeout-ms", "1"),
            ("x-envoy-upstream-rq-per-try-timeout-ms", "1"),
            ("x-envoy-original-path", "/v1/embeddings"),
            ("x-envoy-retry-on", "5xx"),
        ] {
            request = request.header(name, value);
        }
        let reply = Reply::of(request).await;
        assert_eq!(reply.said(), format!("You said: {text}"));
        assert_eq!(
            fixture.provider.request_with(text).model.as_deref(),
            Some("gpt-x")
        );
    });
}

#[test]
fn internal_headers_do_not_open_the_service_s_own_paths() {
    run(async {
        let request = fixture().await.stack.bare(Method::GET, "/v1/models");
        let request = request
            .header("x-dragoman-operation", "chat_completions")
            .header("x-dragoman-model", "m");
        Reply::of(request).await.error(401, "authentication_error");
    });
}

#[test]
fn bytes_that_are_no_http() {
    run(async {
        let fixture = fixture().await;
        let mut stream = TcpStream::connect(fixture.stack.http)
            .await
            .expect("a connection");
        stream
            .write_all(b"\x16\x03\x01 what is this\r\n\r\n")
            .await
            .expect("sent");
        let mut answer = Vec::new();
        // Envoy may also reset the connection: both are an answer.
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{answer}"
        );
        assert_eq!(fixture.stack.hello("m").await.status, 200);
    });
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_body_harms_nobody() {
    run(async {
        let fixture = fixture().await;
        for _ in 0..10 {
            let mut stream = TcpStream::connect(fixture.stack.http)
                .await
                .expect("a connection");
            let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\
                        authorization: Bearer sk-test-master\r\n\r\n{\"model\":";
            stream.write_all(head.as_bytes()).await.expect("sent");
        }
        assert_eq!(fixture.stack.hello("m").await.status, 200);
    });
}

#[test]
fn none_of_it_harms_the_filter() {
    run(async {
        let fixture = fixture().await;
        let deep = "{\"a\":".repeat(100_000);
        let wide = format!(
            "{{\"model\":\"m\",\"messages\":[{}]}}",
            "7,".repeat(100_000)
        );
        for body in [
            "",
            "{",
            "\u{0}",
            "{\"model\":\"\\ud800\"}",
            "[[[[",
            &deep,
            &wide,
        ] {
            let status = send(body.to_owned()).await.status;
            assert!((400..500).contains(&status), "{status}: {body:.40}");
        }
        assert_eq!(fixture.stack.hello("m").await.status, 200);
        let log = fixture.stack.envoy_log();
        for trap in [
            "Uncaught RuntimeError",
            "panicked at",
            "VM failed",
            "vm is failed",
        ] {
            assert!(!log.contains(trap), "`{trap}` in Envoy's log");
        }
    });
}
