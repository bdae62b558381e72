//! Managing keys, as an operator does.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Client, Reply};

/// A virtual key as it was handed out.
#[derive(Debug, Clone)]
pub struct Key {
    /// What its holder shows.
    pub secret: String,
    /// What the ledger calls it.
    pub id: String,
}

impl Client {
    /// A new key with these fields.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn new_key(&self, fields: Value) -> Key {
        let made = self.manage("/key/generate", fields).await;
        let text = |field: &str| made[field].as_str().unwrap_or_default().to_owned();
        Key {
            secret: text("key"),
            id: text("token_id"),
        }
    }

    /// `POST` to an endpoint of management.
    ///
    /// # Panics
    /// When it is refused.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "the value is written where it is passed"
    )]
    pub async fn manage(&self, path: &str, body: Value) -> Value {
        self.post(path, &body).await.ok()
    }

    /// The same client with another key.
    #[must_use]
    pub fn holding(&self, key: &Key) -> Self {
        self.clone().with_key(&key.secret)
    }

    /// What is left of a budget when this client has sent one small request, in dollars as the
    /// response says it: all but what is spent, what is reserved, and that request's reservation.
    ///
    /// # Panics
    /// When the request is refused.
    pub async fn left_after_probe(&self, model: &str) -> String {
        let body = json!({
            "model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "probe"}],
        });
        let reply = Reply::of(
            self.request(Method::POST, "/v1/chat/completions")
                .json(&body),
        )
        .await;
        reply.ok();
        let left = reply.header("x-dragoman-key-budget-left");
        assert_ne!(left, "", "the answer does not say what is left");
        left.to_owned()
    }
}
