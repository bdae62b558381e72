//! OpenAI's Responses (<https://platform.openai.com/docs/api-reference/responses>) for deployments
//! without it.

use dragoman_proto::{ApiError, Usage};

use super::{
    ChatRequest,
    blocks::{Finish, Start, Writer},
    reply::Reply,
};
use crate::{
    json::Text,
    registry::ProviderDialect,
    request::{Call, ResponseContext},
    sink::Sink,
};

/// What an answer repeats of its request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Echo;

#[derive(Debug)]
pub(super) struct EventWriter;

impl EventWriter {
    pub(super) fn new(_: &ResponseContext, _: &Echo) -> Self {
        Self
    }
}

pub(super) fn request(_: &dyn ProviderDialect, call: &Call<'_>) -> Result<ChatRequest, ApiError> {
    Err(call.no_such_operation("use /v1/chat/completions with this model"))
}

pub(super) fn answer(_: &ResponseContext, _: &Echo, _: &Reply<'_>, _: &Usage) -> Vec<u8> {
    Vec::new()
}

impl Writer for EventWriter {
    fn begin(&mut self, _: &mut Sink<'_>) {}
    fn start(&mut self, _: Start<'_>, _: &mut Sink<'_>) {}
    fn delta(&mut self, _: Text<'_>, _: &mut Sink<'_>) {}
    fn signature(&mut self, _: Text<'_>, _: &mut Sink<'_>) {}
    fn stop(&mut self, _: &mut Sink<'_>) {}
    fn end(&mut self, _: Finish, _: &mut Sink<'_>) {}
    fn failed(&mut self, _: &ApiError, _: &mut Vec<u8>) -> bool {
        false
    }
}
