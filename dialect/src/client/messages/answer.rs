//! A whole answer as a message.

use dragoman_proto::Usage;

use super::{
    super::{blocks::Finish, reply::Reply},
    names::LongNames,
    schema::{BlockOut, MessageOut, UsageOut, stop_reason},
};
use crate::{
    failure::Failure,
    json::{self, Text},
    request::ResponseContext,
};

/// The client's message.
pub(in super::super) fn answer(
    context: &ResponseContext,
    names: &LongNames,
    reply: &Reply<'_>,
    usage: &Usage,
) -> Result<Vec<u8>, Failure> {
    let mut content = Vec::new();
    for block in &reply.thinking {
        content.push(match block.data {
            Some(data) => BlockOut::RedactedThinking {
                data: Text::Raw(data),
            },
            None => BlockOut::Thinking {
                thinking: block.thinking.map_or(Text::Plain(""), Text::Raw),
                signature: block.signature.map_or(Text::Plain(""), Text::Raw),
            },
        });
    }
    if let Some(text) = &reply.text {
        content.push(BlockOut::Text {
            text: Text::Raw(text),
            citations: reply.citations.iter().cloned().map(Into::into).collect(),
        });
    }
    for call in &reply.calls {
        match call.object() {
            Some(input) => content.push(BlockOut::ToolUse {
                id: &call.id,
                name: names.whole(&call.name),
                input,
            }),
            // What the output limit has cut is no call.
            None if reply.finish == Finish::Length => {}
            None => {
                let what = "a tool call's arguments are not a JSON object";
                return Err(Failure::garbage(&context.provider, what));
            }
        }
    }
    let id = format!("msg_{}", context.request_id);
    let message = MessageOut {
        id: &id,
        r#type: "message",
        role: "assistant",
        model: &context.alias,
        content,
        stop_reason: Some(stop_reason(reply.finish)),
        stop_sequence: None,
        usage: UsageOut::new(usage),
    };
    let mut out = Vec::new();
    json::write(&mut out, &message);
    Ok(out)
}
