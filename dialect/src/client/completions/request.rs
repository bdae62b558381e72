//! A text completion as a chat request.
//!
//! Choices where the two APIs do not meet:
//! - One prompt is one conversation: several, or tokens in place of text, are a 400.
//! - `suffix`, `echo`, `best_of` and `logprobs` have no meaning in a chat, and count as parameters that
//!   the target cannot express.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde_json::value::RawValue;

use super::super::{
    ChatRequest, Client,
    chat::{Content, Message, invalid},
};
use crate::{hub::Unsupported, json::Object, request::Call};

/// What a chat cannot express, and the value that asks for nothing.
const UNSUPPORTED: [(&str, &str); 4] = [
    ("suffix", r#""""#),
    ("echo", "false"),
    ("best_of", "1"),
    ("logprobs", ""),
];

/// The client's request as the hub's.
pub(in super::super) fn request(call: &Call<'_>) -> Result<ChatRequest, ApiError> {
    let request = call.object()?;
    let mut unsupported = Unsupported::new(&request, call.config);
    let mut chat = request.clone();
    unsupported.refuse_demands(&mut chat, &UNSUPPORTED);
    chat.remove("prompt");
    let prompt = Content::Text(Cow::Borrowed(prompt(&request, &call.config.provider)?));
    chat.set("messages", &[Message::new("user", Some(prompt))]);
    Ok(ChatRequest {
        body: chat.to_bytes(call.body.len() + 64),
        dropped: unsupported.finish()?,
        client: Client::Completions,
    })
}

/// The one text to go on with, as a JSON string.
fn prompt<'a>(request: &'a Object<'_>, provider: &str) -> Result<&'a RawValue, ApiError> {
    const FIELD: &str = "prompt";
    let raw = request.some(FIELD).unwrap_or(RawValue::NULL);
    if raw.get().starts_with('"') {
        return Ok(raw);
    }
    let list: Vec<&'a RawValue> = serde_json::from_str(raw.get()).unwrap_or_default();
    match list.as_slice() {
        [one] if one.get().starts_with('"') => Ok(one),
        _ => {
            let what = format!(
                "must be one text: this model of {provider} is asked through chat, which takes \
                 neither tokens nor several prompts at once"
            );
            Err(invalid(FIELD, &what))
        }
    }
}
