//! Load that goes on while things break.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::task::JoinHandle;

use super::client::Client;

/// A request of the load.
#[derive(Debug, Clone)]
pub struct Asked {
    /// What it said; no other says the same.
    pub text: String,
    /// Its id, when the answer had one.
    pub id: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a request ended for its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With a whole answer.
    Complete,
    /// With an error.
    Refused(u16, String),
    /// In the middle, or without any answer.
    Broken,
}

/// Clients that ask again and again, for JSON and for streams in turn.
#[derive(Debug)]
pub struct Load {
    seen: Arc<Mutex<Vec<Asked>>>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts `clients` of them.
    pub fn start(client: &Client, model: &'static str, clients: usize) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let stop = Arc::new(AtomicBool::new(false));
        let numbers = Arc::new(AtomicUsize::new(0));
        let clients = (0..clients).map(|_| {
            let (client, seen) = (client.clone(), Arc::clone(&seen));
            let (stop, numbers) = (Arc::clone(&stop), Arc::clone(&numbers));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let asked = ask(&client, model, number).await;
                    let pause = asked.outcome != Outcome::Complete;
                    seen.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .push(asked);
                    if pause {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            })
        });
        let clients = clients.collect();
        Self {
            seen,
            stop,
            clients,
        }
    }

    /// The errors so far.
    pub fn refusals(&self) -> Vec<(u16, String)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let refusals = seen.iter().filter_map(|asked| match &asked.outcome {
            Outcome::Refused(status, text) => Some((*status, text.clone())),
            Outcome::Complete | Outcome::Broken => None,
        });
        refusals.collect()
    }

    /// Lets nobody ask anything more. What is under way goes on.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Stops, and gives all that was asked.
    ///
    /// # Panics
    /// When a client panicked.
    pub async fn finish(self) -> Vec<Asked> {
        self.stop();
        for client in self.clients {
            client.await.expect("a client ends");
        }
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut seen)
    }
}

async fn ask(client: &Client, model: &str, number: usize) -> Asked {
    let text = format!("load, number {number}.");
    let stream = number % 2 == 1;
    let body = json!({
        "model": model, "stream": stream, "messages": [{"role": "user", "content": text}],
    });
    let request = client
        .request(Method::POST, "/v1/chat/completions")
        .json(&body);
    let Ok(reply) = request.send().await else {
        return Asked {
            text,
            id: None,
            outcome: Outcome::Broken,
        };
    };
    let status = reply.status().as_u16();
    let id = reply.headers().get("x-dragoman-request-id");
    let id = id.and_then(|id| id.to_str().ok()).map(str::to_owned);
    let outcome = match reply.text().await {
        Ok(body) if status != 200 => Outcome::Refused(status, body),
        Ok(body) if !stream || body.ends_with("data: [DONE]\n\n") => Outcome::Complete,
        Ok(_) | Err(_) => Outcome::Broken,
    };
    Asked { text, id, outcome }
}
