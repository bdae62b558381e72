//! One process that plays several providers: the APIs of OpenAI, Azure, Anthropic, Gemini, Vertex AI,
//! Ollama, Cohere and Bedrock, on one address.
//!
//! It checks what it is sent as strictly as the real ones do, answers deterministically, counts
//! tokens by a simple rule (see [`count`]), keeps its own ledger, records every request with all
//! headers, and misbehaves when told to (see [`Behaviour`]).
//!
//! Besides the providers' paths there is `/_control/`: see [`control`].

mod anthropic;
mod azure;
mod bedrock;
mod behaviour;
mod check;
mod cohere;
mod connection;
pub mod control;
mod fast;
mod gemini;
mod ollama;
mod openai;
mod reply;
mod serve;
mod state;
mod thinking;
mod turn;
mod vertex;

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{net::TcpListener, task::JoinHandle};

pub use bedrock::{AWS_KEY, AWS_SESSION_KEY, AwsKey};
pub use behaviour::{Behaviour, BehaviourError, Break, Fault, Form, Gzip, Point};
pub use state::{RecordedRequest, UsageRow};
pub use turn::count;
pub use vertex::{PROJECT, TOKENS};

use state::State;

/// How much a provider does beyond answering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Checks and answers.
    #[default]
    Answer,
    /// Also records requests and usage.
    Record,
    /// Prebuilt answers, nothing checked or recorded: for measuring what is in front.
    Fast,
}

/// A provider in this process. Stops when dropped.
#[derive(Debug)]
pub struct ScriptedProvider {
    address: SocketAddr,
    state: Arc<State>,
    server: JoinHandle<()>,
}

impl ScriptedProvider {
    /// Starts one that records, on a free port.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), Mode::Record).await
    }

    /// Starts one at `address` (port 0 picks a free one).
    ///
    /// # Errors
    /// When the address cannot be had.
    pub async fn start_at(address: SocketAddr, mode: Mode) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::new(mode));
        let server = tokio::spawn(serve::serve(listener, Arc::clone(&state)));
        Ok(Self {
            address,
            state,
            server,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Base URL of its OpenAI API: what `api_base` wants for `openai/…`.
    pub fn openai_base(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Base URL of its Anthropic API: what `api_base` wants for `anthropic/…`.
    pub fn anthropic_base(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Base URL of its Gemini API: what `api_base` wants for `gemini/…`.
    pub fn gemini_base(&self) -> String {
        format!("http://{}/v1beta", self.address)
    }

    /// The key file of a service account whose tokens it issues.
    pub fn service_account(&self) -> serde_json::Value {
        vertex::service_account(&self.root())
    }

    /// The file of a person's login whose tokens it issues.
    pub fn authorized_user(&self) -> serde_json::Value {
        vertex::authorized_user(&self.root())
    }

    /// How long the tokens live that it issues from now on.
    pub fn tokens_live_for(&self, lifetime: Duration) {
        self.state.tokens.live_for(lifetime);
    }

    /// Every token so far is worth nothing any more.
    pub fn revoke_tokens(&self) {
        self.state.tokens.revoke();
    }

    /// How many tokens it has issued.
    pub fn tokens_issued(&self) -> usize {
        self.state.tokens.count()
    }

    /// Base URL of its other APIs (Azure's, Ollama's, Cohere's, Vertex AI's, Bedrock's), which begin at
    /// the root.
    pub fn root(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Queues behaviours for the next requests that name `model`, one per request.
    ///
    /// # Panics
    /// When one does not parse: a test that says nonsense should fail where it says it.
    pub fn script(&self, model: &str, behaviours: &[&str]) {
        for text in behaviours {
            self.state.scripts.queue(model, parse(text));
        }
    }

    /// How every request that names `model` is treated from now on, when nothing is queued.
    ///
    /// # Panics
    /// When it does not parse.
    pub fn always(&self, model: &str, behaviour: &str) {
        self.state.scripts.always(model, parse(behaviour));
    }

    /// Every request so far, oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state.requests()
    }

    /// The requests so far that name `model`, oldest first.
    pub fn requests_for(&self, model: &str) -> Vec<RecordedRequest> {
        let mut requests = self.state.requests();
        requests.retain(|request| request.model.as_deref() == Some(model));
        requests
    }

    /// The requests so far whose body holds `text`, oldest first: a test's own, when several share
    /// the provider.
    pub fn requests_with(&self, text: &str) -> Vec<RecordedRequest> {
        let mut requests = self.state.requests();
        requests.retain(|request| memchr::memmem::find(&request.body, text.as_bytes()).is_some());
        requests
    }

    /// The one request so far whose body holds `text`.
    ///
    /// # Panics
    /// When there is none, or more than one.
    pub fn request_with(&self, text: &str) -> RecordedRequest {
        let mut requests = self.requests_with(text);
        assert_eq!(
            requests.len(),
            1,
            "requests that hold `{text}`: {requests:#?}"
        );
        requests.remove(0)
    }

    /// The provider's own count of what the one request whose body holds `text` used.
    ///
    /// # Panics
    /// When there is none, or more than one.
    pub fn usage_with(&self, text: &str) -> UsageRow {
        let number = self.request_with(text).number;
        let row = self.usage().into_iter().find(|row| row.number == number);
        row.unwrap_or_else(|| panic!("the request that holds `{text}` was not answered"))
    }

    /// The provider's own count of what each answered request used, oldest first.
    pub fn usage(&self) -> Vec<UsageRow> {
        self.state.usage()
    }

    /// The same, of the requests that name `model`.
    pub fn usage_for(&self, model: &str) -> Vec<UsageRow> {
        let mut rows = self.state.usage();
        rows.retain(|row| row.model == model);
        rows
    }
}

impl Drop for ScriptedProvider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn parse(text: &str) -> Behaviour {
    text.parse()
        .unwrap_or_else(|error| panic!("`{text}` is no behaviour: {error}"))
}
