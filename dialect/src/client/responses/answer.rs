//! A whole answer as a response.

use dragoman_proto::Usage;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    super::reply::Reply,
    echo::Echo,
    input::{REDACTED, SIGNED},
    schema::{ItemOut, PageOut, PartOut, ResponseOut},
};
use crate::{
    hub::ThinkingIn,
    json::{self, Text},
    request::ResponseContext,
};

/// The client's response.
pub(in super::super) fn answer(
    context: &ResponseContext,
    echo: &Echo,
    reply: &Reply<'_>,
    usage: &Usage,
) -> Vec<u8> {
    let request = &context.request_id;
    let mut output: Vec<Box<RawValue>> = Vec::new();
    let mut push = |item: ItemOut<'_>| output.extend(to_raw_value(&item).ok());
    let mut index = 0;
    let mut id = |prefix: &str| {
        let id = format!("{prefix}_{request}_{index}");
        index += 1;
        id
    };
    for block in &reply.thinking {
        let proof = proof(block);
        push(ItemOut::Reasoning {
            id: &id("rs"),
            summary: block
                .thinking
                .map(|text| PartOut::SummaryText {
                    text: Text::Raw(text),
                })
                .into_iter()
                .collect(),
            encrypted_content: proof.as_deref(),
        });
    }
    let pages: Vec<PageOut> = reply.citations.iter().cloned().map(Into::into).collect();
    if let Some(text) = &reply.text {
        push(ItemOut::Message {
            id: &id("msg"),
            status: "completed",
            role: "assistant",
            content: vec![PartOut::text(Text::Raw(text), &pages)],
        });
    }
    for call in &reply.calls {
        push(ItemOut::FunctionCall {
            id: &id("fc"),
            status: "completed",
            call_id: &call.id,
            name: &call.name,
            arguments: Text::Plain(&call.arguments),
        });
    }
    let id = format!("resp_{request}");
    let response = ResponseOut {
        output: &output,
        echo: Some(echo),
        ..ResponseOut::new(&id, &context.alias, context.created)
    };
    let mut out = Vec::new();
    json::write(&mut out, &response.finished(reply.finish, usage));
    out
}

/// What proves a thought to who had it.
fn proof(block: &ThinkingIn<'_>) -> Option<String> {
    let (prefix, raw) = match (block.data, block.signature) {
        (Some(data), _) => (REDACTED, data),
        (None, Some(signature)) => (SIGNED, signature),
        (None, None) => return None,
    };
    json::string(raw)
        .filter(|text| !text.is_empty())
        .map(|text| format!("{prefix}{text}"))
}
