//! Ids of calls that another provider made, in a Messages client's history: Anthropic refuses some.

use std::borrow::Cow;

use serde_json::value::{RawValue, to_raw_value};

use super::content::call_id;
use crate::json::{self, Object};

/// The messages with ids that Anthropic takes; `None` where they are so already.
pub(super) fn fitted(request: &Object<'_>) -> Option<Box<RawValue>> {
    let raw = request.some("messages")?;
    if !has_unfit(raw.get().as_bytes()) {
        return None;
    }
    let mut messages: Vec<Object<'_>> = serde_json::from_str(raw.get()).ok()?;
    for message in &mut messages {
        let content = message.some("content").map(RawValue::to_owned);
        let blocks = content
            .as_deref()
            .map(RawValue::get)
            .map(serde_json::from_str);
        let Some(Ok(mut blocks)) = blocks as Option<serde_json::Result<Vec<Object<'_>>>> else {
            continue;
        };
        blocks.iter_mut().for_each(fit);
        message.set("content", &blocks);
    }
    to_raw_value(&messages).ok()
}

/// Whether a result names a call by an id that does not fit. Every call has a result, and inside of
/// texts the quotes of a member's name are escaped.
fn has_unfit(messages: &[u8]) -> bool {
    const MEMBER: &[u8] = br#""tool_use_id""#;
    memchr::memmem::find_iter(messages, MEMBER).any(|at| {
        let rest = messages.get(at + MEMBER.len()..).unwrap_or_default();
        let mut id = rest
            .iter()
            .skip_while(|b| b.is_ascii_whitespace() || **b == b':');
        let fits = |b: &u8| b.is_ascii_alphanumeric() || b"_-".contains(b);
        id.next() == Some(&b'"') && id.find(|b| !fits(b)) != Some(&b'"')
    })
}

fn fit(block: &mut Object<'_>) {
    let member = match block.read::<String>("type").as_deref() {
        Some("tool_use") => "id",
        Some("tool_result") => "tool_use_id",
        _ => return,
    };
    let id = block.some(member).and_then(json::string);
    let Some(id) = id.map(Cow::into_owned) else {
        return;
    };
    block.set(member, &call_id(Cow::Owned(id)));
}
