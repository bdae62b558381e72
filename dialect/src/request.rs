//! One attempt's request: from the client's body to what one deployment is sent.

use dragoman_proto::{Admission, ApiError, ClientDialect, Dialect, Operation, UpstreamConfig};

use serde::Serialize;

use crate::{
    client::{self, Client},
    edge,
    head::RequestHead,
    hub::Unsupported,
    json::{self, Object},
    registry,
};

/// By how much a translated body may be longer than the client's before it has to grow.
const ROOM: usize = 512;

/// One attempt, as a dialect's folder sees it.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) config: &'a UpstreamConfig,
    pub(crate) admission: &'a Admission,
    pub(crate) head: RequestHead<'a>,
    pub(crate) body: &'a [u8],
}

/// A request in a provider's dialect. Credentials and `content-length` are not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translated {
    /// The path with the deployment's base path, such as `/v1/chat/completions`.
    pub path: String,
    /// The headers that the dialect wants, with lower-case names.
    pub headers: Vec<(&'static str, String)>,
    /// The body; `None` means that the client's bytes are sent as they came.
    pub body: Option<Vec<u8>>,
    /// Parameters that were dropped because the target cannot express them.
    pub dropped: Vec<String>,
    /// What the response translator needs.
    pub response: ResponseContext,
}

/// What becomes of a client's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// It goes to the provider.
    Request(Box<Translated>),
    /// It is answered here: no provider has to be asked.
    Answer {
        /// `content-type`.
        content_type: &'static str,
        /// The body of a 200.
        body: Vec<u8>,
    },
}

/// What the response translator needs to know of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseContext {
    pub(crate) operation: Operation,
    pub(crate) dialect: Dialect,
    pub(crate) provider: String,
    pub(crate) alias: String,
    pub(crate) request_id: String,
    /// Seconds since the epoch.
    pub(crate) created: u64,
    pub(crate) stream: bool,
    /// Whether the client asked for the usage in its stream.
    pub(crate) include_usage: bool,
    pub(crate) prompt_tokens: u64,
    /// Characters of input, where they are what is charged.
    pub(crate) characters: u64,
    /// Milliseconds of sound in the input, where they are what is charged.
    pub(crate) audio_ms: u64,
    /// Whether a forced tool stands for a JSON schema: its input is the answer's content.
    pub(crate) json_tool: bool,
    /// What the client speaks, when that is not what the dialect's folder answers with.
    pub(crate) client: Client,
    /// Whether the client wants its embeddings in base64.
    pub(crate) base64: bool,
}

impl ResponseContext {
    /// Whose error shape the client expects.
    pub(crate) const fn client_dialect(&self) -> ClientDialect {
        match self.client {
            Client::Messages(_) => ClientDialect::Anthropic,
            Client::Hub | Client::Completions | Client::Responses(_) => {
                self.operation.client_dialect()
            }
        }
    }
}

impl<'a> Call<'a> {
    /// The client's JSON.
    pub(crate) fn object(&self) -> Result<Object<'a>, ApiError> {
        Object::parse(self.body).map_err(|error| edge::invalid_json(&error))
    }

    /// What is sent: `body` as JSON, unless there is something in the request that must not be
    /// `unsupported`.
    pub(crate) fn sends<B: Serialize + ?Sized>(
        &self,
        path: String,
        headers: Vec<(&'static str, String)>,
        body: &B,
        unsupported: Unsupported,
        response: ResponseContext,
    ) -> Result<Translated, ApiError> {
        let mut bytes = Vec::with_capacity(self.body.len() + ROOM);
        json::write(&mut bytes, body);
        Ok(Translated {
            path,
            headers,
            body: Some(bytes),
            dropped: unsupported.finish()?,
            response,
        })
    }

    /// The headers of JSON that is answered with JSON or, as a stream, with the type `stream`.
    pub(crate) fn json_headers(&self, stream: &str) -> Vec<(&'static str, String)> {
        const JSON: &str = "application/json";
        let accept = if self.admission.stream { stream } else { JSON };
        vec![
            ("content-type", JSON.to_owned()),
            ("accept", accept.to_owned()),
        ]
    }
}

impl Call<'_> {
    /// The context of an answer to this call.
    pub(crate) fn context(&self) -> ResponseContext {
        ResponseContext {
            operation: self.admission.operation,
            dialect: self.config.dialect,
            provider: self.config.provider.clone(),
            alias: self.admission.alias.clone(),
            request_id: self.admission.request_id.clone(),
            created: self.admission.admitted_ms / 1000,
            stream: self.admission.stream,
            include_usage: false,
            prompt_tokens: self.admission.prompt_tokens,
            characters: 0,
            audio_ms: 0,
            json_tool: false,
            client: Client::Hub,
            base64: false,
        }
    }

    /// The error for an operation that the dialect does not have.
    pub(crate) fn no_such_operation(&self, advice: &str) -> ApiError {
        ApiError::invalid(format!(
            "{} does not serve /v1{}: {advice}",
            self.config.provider,
            self.admission.operation.path()
        ))
        .param("model")
    }
}

/// Translates the client's request for one deployment.
///
/// An error is the client's: the request is not what it should be, or it asks for what this
/// deployment cannot do and must not be dropped. Another deployment of the plan may still do it.
pub fn translate_request(
    config: &UpstreamConfig,
    admission: &Admission,
    head: &RequestHead<'_>,
    body: &[u8],
) -> Result<Outgoing, ApiError> {
    client::request(
        registry::provider(config.dialect)?,
        &Call {
            config,
            admission,
            head: *head,
            body,
        },
    )
}
