//! What clients speak beside OpenAI's chat: Anthropic's Messages, OpenAI's Responses and its text
//! completions.
//!
//! A deployment that has such an API itself is asked in it. For any other, the request becomes one of
//! the hub's, the provider's folder does what it does for chat, and what it answers in the hub's form
//! is told again in the client's: whole, or chunk by chunk.

mod blocks;
mod chat;
mod completions;
mod messages;
mod reply;
mod responses;
mod search;

use dragoman_proto::{Admission, ApiError, Operation, Usage};

use crate::{
    failure::Failure,
    registry::ProviderDialect,
    request::{Call, Outgoing, ResponseContext, Translated},
    sink::Sink,
};
use blocks::Blocks;
use messages::LongNames;
use reply::Reply;
use responses::Echo;
pub(crate) use responses::failure_event;

/// What a client speaks that is told from the hub's answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Client {
    /// What the dialect's folder answers with.
    Hub,
    /// Anthropic's Messages, with the names of tools that are too long for others.
    Messages(LongNames),
    /// OpenAI's text completions.
    Completions,
    /// OpenAI's Responses, whose answers repeat some of the request.
    Responses(Box<Echo>),
}

/// Turns the hub's chunks into a client's events.
pub(crate) trait ClientStream: std::fmt::Debug {
    /// Takes one chunk. What is wrong with it is the [`fault`](Self::fault).
    fn chunk(&mut self, chunk: &[u8], sink: &mut Sink<'_>);

    /// The answer is whole. Does nothing the second time.
    fn done(&mut self, sink: &mut Sink<'_>);

    /// A chunk was not what it should be.
    fn fault(&mut self) -> Option<Failure>;

    /// Writes the event that ends a broken stream; `false` where it is the client's usual one.
    fn failed(&mut self, error: &ApiError, out: &mut Vec<u8>) -> bool;
}

/// The request for `folder`'s deployment, or the answer to it.
pub(crate) fn request(folder: &dyn ProviderDialect, call: &Call<'_>) -> Result<Outgoing, ApiError> {
    let operation = call.admission.operation;
    let native = folder.serves(call.config, operation);
    let translated = match operation {
        Operation::CountTokens if !native => {
            return Ok(messages::count(call.admission.prompt_tokens));
        }
        Operation::Completions if !native => {
            through_chat(folder, call, &completions::request(call)?)?
        }
        Operation::Messages if !native => {
            through_chat(folder, call, &messages::request(folder, call)?)?
        }
        Operation::Responses if !native => {
            through_chat(folder, call, &responses::request(folder, call)?)?
        }
        _ => folder.request(call)?,
    };
    Ok(Outgoing::Request(Box::new(translated)))
}

/// A client's request as a chat request.
#[derive(Debug)]
pub(crate) struct ChatRequest {
    body: Vec<u8>,
    /// What a chat request cannot express.
    dropped: Vec<String>,
    client: Client,
}

fn through_chat(
    folder: &dyn ProviderDialect,
    call: &Call<'_>,
    chat: &ChatRequest,
) -> Result<Translated, ApiError> {
    let admission = Admission {
        operation: Operation::ChatCompletions,
        ..call.admission.clone()
    };
    let mut translated = folder.request(&Call {
        config: call.config,
        admission: &admission,
        head: call.head,
        body: &chat.body,
    })?;
    // The client's own bytes are not what the provider may see.
    translated.body.get_or_insert_with(|| chat.body.clone());
    for name in chat.dropped.iter().rev() {
        if !translated.dropped.contains(name) {
            translated.dropped.insert(0, name.clone());
        }
    }
    translated.response.client = chat.client.clone();
    Ok(translated)
}

/// Tells the hub's stream in the client's words; `None` when they are the same.
pub(crate) fn stream(context: &ResponseContext) -> Option<Box<dyn ClientStream>> {
    match &context.client {
        Client::Hub => None,
        Client::Completions => Some(Box::new(completions::TextStream::new(context))),
        Client::Messages(names) => Some(Box::new(Blocks::new(
            context,
            messages::EventWriter::new(context, names),
        ))),
        Client::Responses(echo) => Some(Box::new(Blocks::new(
            context,
            responses::EventWriter::new(context, echo),
        ))),
    }
}

/// Tells the hub's whole answer in the client's words.
pub(crate) fn answer(
    context: &ResponseContext,
    answer: Vec<u8>,
    usage: &Usage,
) -> Result<Vec<u8>, Failure> {
    match &context.client {
        Client::Hub => Ok(answer),
        Client::Completions => completions::answer(context, &answer, usage),
        Client::Messages(names) => {
            let reply = Reply::read(context, &answer)?;
            messages::answer(context, names, &reply, usage)
        }
        Client::Responses(echo) => {
            let reply = Reply::read(context, &answer)?;
            Ok(responses::answer(context, echo, &reply, usage))
        }
    }
}
