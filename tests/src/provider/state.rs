//! What a provider remembers: scripts, requests, usage.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use serde::Serialize;

use super::{Mode, behaviour::Behaviour, connection::Request, turn::Usage, vertex::Tokens};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// Counts from 1, over all models.
    pub number: u64,
    /// The HTTP method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query, without `?`.
    pub query: String,
    /// Every header, as received, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// The model that the body names.
    pub model: Option<String>,
}

impl RecordedRequest {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

/// What an answered request used, by the provider's own count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsageRow {
    /// The request's [`RecordedRequest::number`].
    pub number: u64,
    /// The path.
    pub path: String,
    /// The model that the request named.
    pub model: String,
    /// Whether the answer is a stream.
    pub stream: bool,
    /// All input tokens, those from and to the cache included.
    pub input_tokens: u64,
    /// Of these: read from the cache.
    pub cached_tokens: u64,
    /// Of these: written to the cache.
    pub cache_write_tokens: u64,
    /// All output tokens, reasoning included.
    pub output_tokens: u64,
    /// Of these: reasoning.
    pub reasoning_tokens: u64,
    /// Whether the answer was sent to its end: neither cut by a script nor by the client.
    pub complete: bool,
}

/// What a provider remembers.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) mode: Mode,
    pub(crate) scripts: Scripts,
    /// Of Google's.
    pub(crate) tokens: Tokens,
    requests: Mutex<Vec<RecordedRequest>>,
    usage: Mutex<Vec<UsageRow>>,
    numbers: AtomicU64,
}

impl State {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            mode,
            scripts: Scripts::default(),
            tokens: Tokens::default(),
            requests: Mutex::default(),
            usage: Mutex::default(),
            numbers: AtomicU64::new(0),
        }
    }

    /// Numbers a request, and keeps it when recording.
    pub(crate) fn receive(&self, request: &Request, model: Option<&str>) -> u64 {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed) + 1;
        if self.mode == Mode::Record {
            lock(&self.requests).push(RecordedRequest {
                number,
                method: request.method.clone(),
                path: request.path.clone(),
                query: request.query.clone(),
                headers: request.headers.clone(),
                body: request.body.clone(),
                model: model.map(str::to_owned),
            });
        }
        number
    }

    /// Enters what request `number` uses, before it is answered.
    pub(crate) fn charge(&self, number: u64, path: &str, model: &str, stream: bool, usage: Usage) {
        if self.mode == Mode::Record {
            lock(&self.usage).push(UsageRow {
                number,
                path: path.to_owned(),
                model: model.to_owned(),
                stream,
                input_tokens: usage.input,
                cached_tokens: usage.cached,
                cache_write_tokens: usage.cache_write,
                output_tokens: usage.output,
                reasoning_tokens: usage.reasoning,
                complete: false,
            });
        }
    }

    /// Notes that the answer to request `number` was sent to its end.
    pub(crate) fn complete(&self, number: u64) {
        let mut usage = lock(&self.usage);
        if let Some(row) = usage.iter_mut().rev().find(|row| row.number == number) {
            row.complete = true;
        }
    }

    pub(crate) fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.requests).clone()
    }

    pub(crate) fn usage(&self) -> Vec<UsageRow> {
        lock(&self.usage).clone()
    }

    pub(crate) fn clear_requests(&self) {
        lock(&self.requests).clear();
    }

    pub(crate) fn clear_usage(&self) {
        lock(&self.usage).clear();
    }
}

/// Behaviours to come, by model.
#[derive(Debug, Default)]
pub(crate) struct Scripts(Mutex<HashMap<String, Script>>);

#[derive(Debug, Default)]
struct Script {
    queue: VecDeque<Behaviour>,
    always: Option<Behaviour>,
}

impl Scripts {
    pub(crate) fn queue(&self, model: &str, behaviour: Behaviour) {
        let mut scripts = lock(&self.0);
        let script = scripts.entry(model.to_owned()).or_default();
        script.queue.push_back(behaviour);
    }

    pub(crate) fn always(&self, model: &str, behaviour: Behaviour) {
        lock(&self.0).entry(model.to_owned()).or_default().always = Some(behaviour);
    }

    /// The behaviour for one request: the first in the queue, else the standing one.
    pub(crate) fn next(&self, model: &str) -> Option<Behaviour> {
        let mut scripts = lock(&self.0);
        let script = scripts.get_mut(model)?;
        script.queue.pop_front().or_else(|| script.always.clone())
    }

    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
