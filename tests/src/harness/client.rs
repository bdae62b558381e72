//! A client of the gateway, and what it gets.

use std::{net::SocketAddr, time::Duration};

use futures::StreamExt;
use reqwest::{Method, RequestBuilder, Response, header::HeaderMap};
use serde_json::Value;

use super::events::{self, Ending, Event};

/// No answer takes longer in a test.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client with a key.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    key: String,
}

impl Client {
    /// One that speaks HTTP to `address` and shows `key`.
    ///
    /// # Panics
    /// When no client can be made.
    pub fn new(address: SocketAddr, key: &str) -> Self {
        let http = reqwest::Client::builder()
            .no_proxy()
            .danger_accept_invalid_certs(true)
            .timeout(PATIENCE)
            .build()
            .expect("an HTTP client");
        Self {
            http,
            base: format!("http://{address}"),
            key: key.to_owned(),
        }
    }

    /// The same over HTTPS, with any certificate.
    #[must_use]
    pub fn over_tls(mut self, address: SocketAddr) -> Self {
        self.base = format!("https://{address}");
        self
    }

    /// The same with another key.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        key.clone_into(&mut self.key);
        self
    }

    /// A request that shows no key.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// A request that shows the key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.key)
    }

    /// `GET`.
    pub async fn get(&self, path: &str) -> Reply {
        Reply::of(self.request(Method::GET, path)).await
    }

    /// `POST` of JSON.
    pub async fn post(&self, path: &str, body: &Value) -> Reply {
        Reply::of(self.request(Method::POST, path).json(body)).await
    }

    /// A chat completion.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "the value is written where it is passed"
    )]
    pub async fn chat(&self, body: Value) -> Reply {
        self.post("/v1/chat/completions", &body).await
    }

    /// A chat completion that says `hello` to `model`.
    pub async fn hello(&self, model: &str) -> Reply {
        self.chat(hello(model)).await
    }

    /// The same as a stream.
    pub async fn stream_hello(&self, model: &str) -> Streamed {
        self.stream_chat(hello(model)).await
    }

    /// A chat completion as a stream: `stream` is set.
    pub async fn stream_chat(&self, body: Value) -> Streamed {
        self.stream("/v1/chat/completions", body).await
    }

    /// `POST` of JSON with `stream` set, read to the end.
    pub async fn stream(&self, path: &str, mut body: Value) -> Streamed {
        body["stream"] = Value::Bool(true);
        Streamed::of(self.request(Method::POST, path).json(&body)).await
    }
}

fn hello(model: &str) -> Value {
    serde_json::json!({"model": model, "messages": [{"role": "user", "content": "hello"}]})
}

/// An answer, whole.
#[derive(Debug)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

impl Reply {
    /// Sends a request and reads the whole answer.
    ///
    /// # Panics
    /// When the transfer breaks.
    pub async fn of(request: RequestBuilder) -> Self {
        let (reply, ending) = read(request).await;
        assert_eq!(ending, Ending::Clean, "the transfer broke: {reply:?}");
        reply
    }

    /// A header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {} {}", self.status, self.text()))
    }

    /// The body of a 200.
    ///
    /// # Panics
    /// When it is another status.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        self.json()
    }

    /// What the model said, in a chat completion.
    ///
    /// # Panics
    /// When this is none.
    pub fn said(&self) -> String {
        let body = self.ok();
        let content = body["choices"][0]["message"]["content"].as_str();
        content
            .unwrap_or_else(|| panic!("no content: {body}"))
            .to_owned()
    }

    /// The id of the request's ledger row.
    ///
    /// # Panics
    /// When there is none.
    pub fn request_id(&self) -> String {
        let id = self.header("x-dragoman-request-id");
        assert!(
            !id.is_empty(),
            "no request id: {} {}",
            self.status,
            self.text()
        );
        id.to_owned()
    }

    /// Checks that this is an error as the contract has it, in OpenAI's shape: the status, the
    /// type, exactly the four fields, and nothing in the message that is nobody's business.
    /// Returns the error.
    ///
    /// # Panics
    /// When it is anything else.
    #[track_caller]
    pub fn error(&self, status: u16, kind: &str) -> Value {
        let text = self.text();
        assert_eq!(self.status, status, "{text}");
        assert_eq!(self.header("content-type"), "application/json", "{text}");
        let body = self.json();
        require_error(&body, kind);
        body["error"].clone()
    }
}

/// Checks the shape of an error in OpenAI's dialect.
///
/// # Panics
/// When it is another.
#[track_caller]
pub fn require_error(body: &Value, kind: &str) {
    let fields = |value: &Value| -> Vec<String> {
        let mut names: Vec<String> = value
            .as_object()
            .map(|object| object.keys().cloned().collect())
            .unwrap_or_default();
        names.sort();
        names
    };
    assert_eq!(fields(body), ["error"], "{body}");
    let error = &body["error"];
    assert_eq!(
        fields(error),
        ["code", "message", "param", "type"],
        "{body}"
    );
    assert_eq!(error["type"], kind, "{body}");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(message.len() > 5, "the message says nothing: {body}");
    for secret in [
        "sk-",
        "org-scripted",
        "proj_scripted",
        "5c1b7ed0",
        "127.0.0.1",
        "http://",
    ] {
        assert!(
            !message.contains(secret),
            "the message holds {secret}: {body}"
        );
    }
}

/// A streamed answer, read to its end.
#[derive(Debug)]
pub struct Streamed {
    /// Status and headers; the body as it came.
    pub reply: Reply,
    /// The events; none when the answer is no stream.
    pub events: Vec<Event>,
    /// How it ended.
    pub ending: Ending,
}

impl Streamed {
    /// Sends a request and reads the whole stream.
    pub async fn of(request: RequestBuilder) -> Self {
        let (reply, ending) = read(request).await;
        let streamed = reply
            .header("content-type")
            .starts_with("text/event-stream");
        let events = if streamed {
            events::parse(&reply.body, ending)
        } else {
            Vec::new()
        };
        Self {
            reply,
            events,
            ending,
        }
    }

    /// The chunks of a chat completion that ended well: `[DONE]` last, and nothing after it.
    ///
    /// # Panics
    /// When it did not.
    pub fn chunks(&self) -> Vec<Value> {
        let text = self.reply.text();
        assert_eq!(self.reply.status, 200, "{text}");
        assert_eq!(self.ending, Ending::Clean, "{text}");
        let (last, chunks) = self.events.split_last().expect("a stream has events");
        assert_eq!(last.data, "[DONE]", "{text}");
        chunks.iter().map(Event::json).collect()
    }

    /// What the model said.
    ///
    /// # Panics
    /// When the stream did not end well.
    pub fn said(&self) -> String {
        said(&self.chunks())
    }

    /// The chunks before the error event with which the stream ends, and the error.
    ///
    /// # Panics
    /// When it ends otherwise.
    #[track_caller]
    pub fn broken_off(&self) -> (Vec<Value>, Value) {
        let text = self.reply.text();
        assert_eq!(
            (self.reply.status, self.ending),
            (200, Ending::Clean),
            "{text}"
        );
        let mut chunks: Vec<Value> = self.events.iter().map(Event::json).collect();
        let last = chunks.pop().expect("a stream has events");
        let kind = last["error"]["type"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        require_error(&last, &kind);
        let errors = chunks.iter().filter(|chunk| chunk.get("error").is_some());
        assert_eq!(errors.count(), 0, "more than one error event: {text}");
        (chunks, last["error"].clone())
    }
}

/// The text in the chunks of a chat completion.
pub(super) fn said(chunks: &[Value]) -> String {
    let pieces = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str());
    pieces.collect()
}

async fn read(request: RequestBuilder) -> (Reply, Ending) {
    let response: Response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    let mut ending = Ending::Clean;
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => body.extend_from_slice(&piece),
            Err(error) => {
                assert!(!error.is_timeout(), "no end after {PATIENCE:?}");
                ending = Ending::Broken;
                break;
            }
        }
    }
    let reply = Reply {
        status,
        headers,
        body,
    };
    (reply, ending)
}
