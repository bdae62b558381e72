//! The management endpoints over a store in SQLite, at a time that stands still.

mod given;
mod keys;
mod people;
mod regenerate;

use std::cell::Cell;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use dragoman_policy::budget::AccountWindow;
use dragoman_policy::{KeyHash, NanoDollars, Window};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tonic::async_trait;
use tower::ServiceExt;

use super::*;
use crate::store::{Database, SqlKeyStore, StoreAuthority};

thread_local! {
    /// Each test has a thread of its own, and so a clock of its own.
    static NOW: Cell<u64> = const { Cell::new(0) };
}

fn now() -> u64 {
    NOW.get()
}

fn set_clock(time: &str) {
    let time: jiff::Timestamp = time.parse().unwrap();
    NOW.set(u64::try_from(time.as_millisecond()).unwrap());
}

/// Everyone spent a cent in this window, and a dollar in all.
struct ACent;

#[async_trait]
impl Spend for ACent {
    async fn of(&self, accounts: &[AccountWindow]) -> Result<Vec<NanoDollars>, Unavailable> {
        let spent = |at: &AccountWindow| match at.window {
            Window { end: None, .. } => NanoDollars::dollars(1),
            _ => NanoDollars::new(10_000_000),
        };
        Ok(accounts.iter().map(spent).collect())
    }
}

struct Scene {
    app: Router,
    database: Database,
    _folder: tempfile::TempDir,
}

/// On a Friday, 2026-11-20 at 06:46:07.
async fn scene() -> Scene {
    set_clock("2026-11-20T06:46:07Z");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.sqlite");
    let database = Database::sqlite(&file).await.unwrap();
    let store: Arc<dyn KeyStore> = Arc::new(SqlKeyStore::new(database.clone()));
    let master = KeyHash::of("sk-master");
    let manage = Manage {
        authority: Arc::new(StoreAuthority::at(master, store.clone(), now)),
        store,
        spend: Arc::new(ACent),
        now,
    };
    Scene {
        app: routes(manage),
        database,
        _folder: folder,
    }
}

impl Scene {
    async fn ask(&self, method: Method, path: &str, key: &str, body: Body) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::AUTHORIZATION, format!("Bearer {key}"))
            .body(body)
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn try_post(&self, path: &str, body: Value) -> (StatusCode, Value) {
        let body = Body::from(body.to_string());
        self.ask(Method::POST, path, "sk-master", body).await
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let (status, reply) = self.try_post(path, body).await;
        assert_eq!(status, StatusCode::OK, "{path}: {reply}");
        reply
    }

    /// The status and the field at fault.
    async fn fault(&self, path: &str, body: Value) -> (u16, Value) {
        let (status, reply) = self.try_post(path, body).await;
        let message = &reply["error"]["message"];
        assert!(message.is_string(), "{path}: {reply}");
        (status.as_u16(), reply["error"]["param"].clone())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, reply) = self.get_with("sk-master", path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {reply}");
        reply
    }

    async fn get_with(&self, key: &str, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, key, Body::empty()).await
    }

    /// A new key, as its holder has it.
    async fn key(&self, body: Value) -> String {
        let reply = self.post("/key/generate", body).await;
        reply["key"].as_str().unwrap().to_owned()
    }

    /// What `/key/info` says of a key.
    async fn info(&self, key: &str) -> Value {
        self.get(&format!("/key/info?key={key}")).await["info"].clone()
    }

    /// Whether the key is one: its holder may always see it.
    async fn works(&self, key: &str) -> bool {
        self.get_with(key, "/key/info").await.0 == StatusCode::OK
    }
}

/// Asserts that `reply` holds all of `expected`.
fn assert_holds(reply: &Value, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&reply[name], value, "{name} in {reply}");
    }
}
