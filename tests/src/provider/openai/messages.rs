//! The conversation of a chat request.

use serde_json::Value;

use super::super::{
    check::{Checked, Invalid, Object},
    turn::{PER_IMAGE, PER_MESSAGE, count},
};

/// What is kept of a conversation.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) said: String,
    pub(super) results: Vec<String>,
    pub(super) tokens: u64,
    /// Calls that still wait for their tool message.
    pending: Vec<String>,
}

pub(super) fn read(body: &mut Object<'_>) -> Checked<Conversation> {
    let messages = body
        .list("messages")?
        .ok_or_else(|| body.missing("messages"))?;
    if messages.is_empty() {
        let message = "empty array: expected an array with minimum length 1";
        return Err(body.wrong("messages", message));
    }
    let mut conversation = Conversation::default();
    for (index, message) in messages.iter().enumerate() {
        let path = format!("messages.{index}");
        let mut message = Object::new(&path, message, true)?;
        conversation.read(&mut message, &path)?;
        message.finish()?;
        conversation.tokens += PER_MESSAGE;
    }
    conversation.no_pending("messages")?;
    Ok(conversation)
}

impl Conversation {
    fn read(&mut self, message: &mut Object<'_>, path: &str) -> Checked<()> {
        let roles = ["system", "developer", "user", "assistant", "tool"];
        let role = message
            .one_of("role", &roles)?
            .ok_or_else(|| message.missing("role"))?;
        if role != "tool" {
            self.no_pending(path)?;
        }
        message.text("name")?;
        match role {
            "assistant" => self.assistant(message),
            "tool" => self.tool(message, path),
            "user" => {
                self.said = self.content(message, role)?;
                self.results.clear();
                Ok(())
            }
            _ => self.content(message, role).map(drop),
        }
    }

    fn no_pending(&self, path: &str) -> Checked<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        Err(Invalid::value(
            path,
            format!(
                "An assistant message with 'tool_calls' must be followed by tool messages \
                 responding to each 'tool_call_id'. The following tool_call_ids did not have \
                 response messages: {}",
                self.pending.join(", ")
            ),
        ))
    }

    fn assistant(&mut self, message: &mut Object<'_>) -> Checked<()> {
        self.results.clear();
        let calls = message.list("tool_calls")?;
        if calls.is_some_and(Vec::is_empty) {
            let text = "empty array: expected an array with minimum length 1";
            return Err(message.wrong("tool_calls", text));
        }
        message.text("refusal")?;
        // What the client's own types send back from an earlier answer.
        message.skip(&["audio", "annotations", "function_call"]);
        if message.any("content").is_some() {
            self.content(message, "assistant")?;
        } else if calls.is_none() {
            return Err(message.wrong("content", "expected a string, got null"));
        }
        for (index, call) in calls.into_iter().flatten().enumerate() {
            let at = message.at(&format!("tool_calls.{index}"));
            let mut call = Object::new(&at, call, true)?;
            self.pending.push(call.need_text("id")?.to_owned());
            call.one_of("type", &["function"])?
                .ok_or_else(|| call.missing("type"))?;
            let mut function = call
                .object("function")?
                .ok_or_else(|| call.missing("function"))?;
            function.need_text("name")?;
            self.tokens += 1 + count(function.need_text("arguments")?);
            function.finish()?;
            call.finish()?;
        }
        Ok(())
    }

    fn tool(&mut self, message: &mut Object<'_>, path: &str) -> Checked<()> {
        let id = message.need_text("tool_call_id")?;
        let Some(at) = self.pending.iter().position(|pending| pending == id) else {
            return Err(Invalid::value(
                path,
                "messages with role 'tool' must be a response to a preceeding message with \
                 'tool_calls'",
            ));
        };
        self.pending.remove(at);
        let result = self.content(message, "tool")?;
        self.results.push(result);
        Ok(())
    }

    /// The text of a content, which is a string or a list of parts; counts its tokens.
    fn content(&mut self, message: &mut Object<'_>, role: &str) -> Checked<String> {
        let content = message.need("content")?;
        if let Value::String(text) = content {
            self.tokens += count(text);
            return Ok(text.clone());
        }
        let parts = message.list("content")?.into_iter().flatten();
        let mut texts = Vec::new();
        for (index, part) in parts.enumerate() {
            let at = message.at(&format!("content.{index}"));
            let mut part = Object::new(&at, part, true)?;
            if let Some(text) = self.part(&mut part, role)? {
                self.tokens += count(&text);
                texts.push(text);
            }
            part.finish()?;
        }
        if texts.is_empty() && role != "user" {
            return Err(message.wrong("content", "empty array"));
        }
        Ok(texts.join("\n"))
    }

    fn part(&mut self, part: &mut Object<'_>, role: &str) -> Checked<Option<String>> {
        let kinds: &[&str] = match role {
            "user" => &["text", "image_url", "input_audio", "file"],
            "assistant" => &["text", "refusal"],
            _ => &["text"],
        };
        let kind = part
            .one_of("type", kinds)?
            .ok_or_else(|| part.missing("type"))?;
        match kind {
            "text" => return part.need_text("text").map(|text| Some(text.to_owned())),
            "refusal" => return part.need_text("refusal").map(|text| Some(text.to_owned())),
            "image_url" => {
                let mut image = part
                    .object("image_url")?
                    .ok_or_else(|| part.missing("image_url"))?;
                let url = image.need_text("url")?;
                if !(url.starts_with("https://") || url.starts_with("http://") || is_data(url)) {
                    return Err(image.wrong("url", "expected a URL or a base64 data URL"));
                }
                image.one_of("detail", &["auto", "low", "high", "original"])?;
                image.finish()?;
            }
            "input_audio" => {
                let mut audio = part
                    .object("input_audio")?
                    .ok_or_else(|| part.missing("input_audio"))?;
                audio.need_text("data")?;
                audio.one_of("format", &["wav", "mp3"])?;
                audio.finish()?;
            }
            _ => part.skip(&["file"]),
        }
        self.tokens += PER_IMAGE;
        Ok(None)
    }
}

/// Whether a URL holds base64 data.
fn is_data(url: &str) -> bool {
    use base64::{Engine, prelude::BASE64_STANDARD};
    url.strip_prefix("data:image/")
        .and_then(|rest| rest.split_once(";base64,"))
        .is_some_and(|(_, data)| BASE64_STANDARD.decode(data).is_ok())
}
