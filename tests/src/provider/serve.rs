//! Connections and requests: who answers, and sending it.

use std::{io, sync::Arc};

use tokio::{net::TcpListener, task::JoinSet};

use super::{
    Mode, anthropic, azure, bedrock,
    behaviour::Behaviour,
    cohere,
    connection::{Connection, Request},
    control, fast, gemini, ollama, openai,
    reply::{self, Answer, Ending, Script, Step},
    state::State,
    vertex,
};

/// Whose API a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    OpenAi,
    Azure,
    Anthropic,
    Gemini,
    VertexAi,
    Ollama,
    Cohere,
    Bedrock,
}

impl Vendor {
    fn of(path: &str) -> Self {
        if vertex::speaks(path) {
            Self::VertexAi
        } else if path.ends_with("/messages") || path.ends_with("/messages/count_tokens") {
            Self::Anthropic
        } else if gemini::speaks(path) {
            Self::Gemini
        } else if path == "/api/chat" || path == "/api/embed" {
            Self::Ollama
        } else if cohere::speaks(path) {
            Self::Cohere
        } else if bedrock::serves(path) {
            Self::Bedrock
        } else if azure::serves(path) {
            Self::Azure
        } else {
            Self::OpenAi
        }
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) request: &'a Request,
    /// The body, where it is JSON.
    pub(crate) json: serde_json::Value,
    pub(crate) behaviour: &'a Behaviour,
    pub(crate) number: u64,
    pub(crate) state: &'a State,
}

/// Accepts connections until it is dropped.
pub(crate) async fn serve(listener: TcpListener, state: Arc<State>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let state = Arc::clone(&state);
                    connections.spawn(async move {
                        // A client that breaks off is none of our business.
                        let _ = converse(Connection::new(stream), &state).await;
                    });
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(mut connection: Connection, state: &State) -> io::Result<()> {
    while let Some(request) = connection.request().await? {
        if state.mode == Mode::Fast
            && let Some(bytes) = fast::answer(&request)
        {
            connection.write(bytes).await?;
            continue;
        }
        let (number, script) = respond(&request, state);
        if !send(&mut connection, &script.steps).await? {
            return Ok(());
        }
        if script.complete {
            state.complete(number);
        }
        match script.ending {
            Ending::KeepAlive => {}
            Ending::Close => {
                connection.close().await;
                return Ok(());
            }
            Ending::Reset => {
                connection.reset();
                return Ok(());
            }
            Ending::Stall => {
                connection.gone().await;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Writes; false when the client left.
async fn send(connection: &mut Connection, steps: &[Step]) -> io::Result<bool> {
    for step in steps {
        match step {
            Step::Write(bytes) => connection.write(bytes).await?,
            Step::Wait(duration) => {
                tokio::select! {
                    () = tokio::time::sleep(*duration) => {}
                    () = connection.gone() => return Ok(false),
                }
            }
        }
    }
    Ok(true)
}

fn respond(request: &Request, state: &State) -> (u64, Script) {
    if let Some(answer) = control::answer(request, state) {
        return (0, reply::script(answer, &Behaviour::default()));
    }
    let json: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let model = json
        .get("model")
        .and_then(|model| model.as_str().map(str::to_owned))
        .or_else(|| gemini::model(request))
        .or_else(|| vertex::model(request))
        .or_else(|| bedrock::model(request))
        .or_else(|| openai::multipart_model(request));
    let number = state.receive(request, model.as_deref());
    let vendor = Vendor::of(&request.path);
    let behaviour = match behaviour(request, model.as_deref(), state) {
        Ok(behaviour) => behaviour,
        Err(error) => {
            let answer = vendor.error(400, &format!("x-scripted: {error}"));
            return (number, reply::script(answer, &Behaviour::default()));
        }
    };
    let call = Call {
        request,
        json,
        behaviour: &behaviour,
        number,
        state,
    };
    let answer = vendor.fault(&call).unwrap_or_else(|| vendor.answer(&call));
    (number, reply::script(answer, &behaviour))
}

fn behaviour(
    request: &Request,
    model: Option<&str>,
    state: &State,
) -> Result<Behaviour, super::BehaviourError> {
    if let Some(text) = request.header("x-scripted") {
        return text.parse();
    }
    let model = model.unwrap_or_default();
    match state.scripts.next(model) {
        Some(behaviour) => Ok(behaviour),
        None => Behaviour::of_model(model),
    }
}

impl Vendor {
    fn answer(self, call: &Call<'_>) -> Answer {
        match self {
            Self::OpenAi => openai::answer(call),
            Self::Azure => azure::answer(call),
            Self::Anthropic => anthropic::answer(call),
            Self::Gemini => gemini::answer(call),
            Self::VertexAi => vertex::answer(call),
            Self::Ollama => ollama::answer(call),
            Self::Cohere => cohere::answer(call),
            Self::Bedrock => bedrock::answer(call),
        }
    }

    fn error(self, status: u16, message: &str) -> Answer {
        match self {
            Self::OpenAi | Self::Azure => openai::error(status, message),
            Self::Anthropic => anthropic::error(status, message),
            Self::Gemini | Self::VertexAi => gemini::error(status, message),
            Self::Ollama => ollama::error(status, message),
            Self::Cohere => cohere::error(status, message),
            Self::Bedrock => bedrock::error(status, "ValidationException", message),
        }
    }

    /// The answer that a fault puts in place of the model's.
    fn fault(self, call: &Call<'_>) -> Option<Answer> {
        use super::behaviour::Fault;
        match call.behaviour.fault.as_ref()? {
            Fault::Error {
                status,
                retry_after,
            } => {
                let mut answer = match self {
                    Self::OpenAi | Self::Azure => openai::failure(*status),
                    Self::Anthropic => anthropic::failure(*status),
                    Self::Gemini => gemini::failure(*status),
                    Self::VertexAi => vertex::failure_at(&call.request.path, *status),
                    Self::Ollama => ollama::failure(*status),
                    Self::Cohere => cohere::failure(*status),
                    Self::Bedrock => bedrock::failure(*status),
                };
                if let Some(seconds) = retry_after {
                    answer = answer.header("retry-after", seconds);
                }
                Some(answer)
            }
            Fault::ContextLength => Some(match self {
                Self::OpenAi | Self::Azure => openai::context_length(),
                Self::Anthropic => anthropic::context_length(),
                Self::Gemini | Self::VertexAi => gemini::context_length(),
                Self::Ollama => ollama::context_length(),
                Self::Cohere => cohere::context_length(),
                Self::Bedrock => bedrock::context_length(),
            }),
            Fault::ContentPolicy => Some(match self {
                Self::OpenAi | Self::Azure => openai::content_policy(),
                Self::Anthropic => anthropic::content_policy(),
                Self::Gemini | Self::VertexAi => gemini::content_policy(call),
                Self::Ollama => ollama::content_policy(),
                Self::Cohere => cohere::content_policy(call),
                Self::Bedrock => bedrock::content_policy(),
            }),
            Fault::Html => Some(Answer::whole(
                200,
                "text/html; charset=utf-8",
                "<!doctype html><title>Sign in</title><p>Please sign in to the network.",
            )),
            Fault::BrokenJson => Some(Answer::whole(
                200,
                "application/json",
                r#"{"id":"x","object":"chat.completion","choices":[{"index":0,"mess"#,
            )),
            Fault::Empty => Some(Answer::whole(200, "application/json", "")),
            Fault::WrongLength(_) | Fault::Break { .. } => None,
        }
    }
}
