//! Requests that Envoy itself refuses, and who may read an error: all in the one shape.

use dragoman_tests::{
    harness::{Config, Setup, Shared, Stack, require_error, run},
    provider::ScriptedProvider,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const BODY: &str = r#"{"model": "m", "messages": [{"role": "user", "content": "Hello."}]}"#;

struct Fixture {
    stack: Stack,
    _provider: ScriptedProvider,
}

static FIXTURE: Shared<Fixture> = Shared::new();

async fn fixture() -> &'static Fixture {
    FIXTURE
        .get(async || {
            let provider = ScriptedProvider::start().await?;
            let config = Config::new().openai("m", &provider, "gpt-x");
            let stack = Setup::new(&config).start().await?;
            Ok(Fixture {
                stack,
                _provider: provider,
            })
        })
        .await
}

/// An answer as it came over the wire.
struct Answer {
    status: u16,
    headers: String,
    body: String,
}

impl Answer {
    /// An error that names its type, and that pages of any origin may read.
    fn is_an_error(&self, status: u16, kind: &str) {
        let Self { headers, body, .. } = self;
        assert_eq!(self.status, status, "{headers}\n{body}");
        for header in [
            "content-type: application/json",
            "access-control-allow-origin: *",
        ] {
            assert_eq!(headers.matches(header).count(), 1, "{header} in {headers}");
        }
        let body: Value = serde_json::from_str(body).expect("a JSON body");
        require_error(&body, kind);
    }
}

/// Sends bytes as they are, and reads until Envoy closes the connection.
async fn send(request: &str) -> Answer {
    let http = fixture().await.stack.http;
    let mut stream = TcpStream::connect(http).await.expect("a connection");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8(answer).expect("text");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    Answer {
        status: status.expect("a status"),
        headers: head.to_owned(),
        body: body.to_owned(),
    }
}

/// A chat request, with these header lines besides its own.
fn chat(headers: &str, body: &str) -> String {
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\
         authorization: Bearer sk-test-master\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn numbered_headers(count: usize) -> String {
    (0..count).map(|n| format!("x-{n}: 1\r\n")).collect()
}

macro_rules! refused {
    ($($name:ident: $request:expr => $status:literal $kind:literal;)*) => {$(
        #[test]
        fn $name() {
            run(async {
                send(&$request).await.is_an_error($status, $kind);
            });
        }
    )*};
}

refused! {
    a_header_that_is_too_long:
        chat(&format!("x-long: {}\r\n", "x".repeat(100_000)), BODY) => 431 "invalid_request_error";
    too_many_headers: chat(&numbered_headers(200), BODY) => 431 "invalid_request_error";
    headers_that_leave_no_room_for_those_of_admission:
        chat(&numbered_headers(92), BODY) => 431 "invalid_request_error";
    bytes_that_are_no_http: format!("HELLO\r\n\r\n{BODY}") => 400 "invalid_request_error";
    a_request_without_a_host:
        chat("", BODY).replace("host: gateway\r\n", "") => 400 "invalid_request_error";
    two_lengths: chat("content-length: 5\r\n", BODY) => 400 "invalid_request_error";
    a_length_and_chunks:
        chat("transfer-encoding: chunked\r\n", BODY) => 400 "invalid_request_error";
    a_path_with_a_nul:
        chat("", BODY).replace("/completions", "/completions%00") => 400 "invalid_request_error";
    a_websocket:
        chat("upgrade: websocket\r\n", BODY).replace("close", "upgrade") => 400 "invalid_request_error";
    a_body_that_is_no_json: chat("", "{") => 400 "invalid_request_error";
    a_compressed_body: chat("content-encoding: gzip\r\n", BODY) => 415 "invalid_request_error";
    a_key_that_is_none: chat("", BODY).replace("sk-test", "sk-no") => 401 "authentication_error";
}

#[test]
fn as_many_headers_as_a_browser_behind_proxies_sends_are_served() {
    run(async {
        let answer = send(&chat(&numbered_headers(80), BODY)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    });
}

#[test]
fn an_answer_to_a_body_that_nobody_wants_costs_the_next_request_nothing() {
    run(async {
        let stack = &fixture().await.stack;
        let body = json!({"model": "m", "query": "a body that no endpoint reads"});
        for attempt in 0..60 {
            let reply = stack.post("/v1/no-such-endpoint", &body).await;
            assert_eq!(reply.status, 404, "attempt {attempt}: {}", reply.text());
            reply.error(404, "invalid_request_error");
        }
    });
}
