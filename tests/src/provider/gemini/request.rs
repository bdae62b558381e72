//! Reading `generateContent` as strictly as Google does, and in camel case only.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use super::{
    super::{
        check::{Checked, Invalid, Object},
        turn::{Asked, Choice, PER_IMAGE, PER_MESSAGE, PER_TOOL, Tool, count},
    },
    schema,
};

pub(super) fn read(json: &Value, model: &str) -> Checked<Asked> {
    let mut body = Object::new("", json, false)?;
    let mut asked = Asked::default();
    if let Some(mut system) = body.object("systemInstruction")? {
        system.text("role")?;
        let mut turn = Turn::default();
        turn.parts(&mut system, "user", model)?;
        asked.input_tokens += turn.tokens;
        system.finish()?;
    }
    contents(&mut body, model, &mut asked)?;
    tools(&mut body, &mut asked)?;
    tool_config(&mut body, &mut asked)?;
    if let Some(mut config) = body.object("generationConfig")? {
        generation_config(&mut config, model, &mut asked)?;
        config.finish()?;
    }
    body.skip(&["safetySettings", "cachedContent"]);
    body.finish()?;
    Ok(asked)
}

fn contents(body: &mut Object<'_>, model: &str, asked: &mut Asked) -> Checked<()> {
    let contents = body
        .list("contents")?
        .ok_or_else(|| body.missing("contents"))?;
    if contents.is_empty() {
        return Err(body.wrong("contents", "contents is not specified"));
    }
    let mut pending: Vec<String> = Vec::new();
    for (index, content) in contents.iter().enumerate() {
        let path = format!("contents[{index}]");
        let mut content = Object::new(&path, content, false)?;
        let role = content
            .one_of("role", &["user", "model"])?
            .ok_or_else(|| content.missing("role"))?;
        let mut turn = Turn::default();
        turn.parts(&mut content, role, model)?;
        content.finish()?;
        let names: Vec<&str> = turn.results.iter().map(|(name, _)| name.as_str()).collect();
        if names != pending {
            return Err(Invalid::value(
                path,
                "Please ensure that the number of function response parts is equal to the number \
                 of function call parts of the function call turn.",
            ));
        }
        pending = turn.calls;
        asked.input_tokens += turn.tokens + PER_MESSAGE;
        if role == "user" {
            asked.results = turn.results.into_iter().map(|(_, text)| text).collect();
            // Results alone ask nothing new.
            if !turn.said.is_empty() || asked.results.is_empty() {
                asked.said = turn.said;
            }
        }
    }
    if !pending.is_empty() {
        let message = "Please ensure that function call turn comes immediately before results.";
        return Err(body.wrong("contents", message));
    }
    Ok(())
}

/// What is kept of one turn.
#[derive(Default)]
struct Turn {
    said: String,
    calls: Vec<String>,
    /// Names and texts.
    results: Vec<(String, String)>,
    tokens: u64,
}

impl Turn {
    fn parts(&mut self, content: &mut Object<'_>, role: &str, model: &str) -> Checked<()> {
        let parts = content
            .list("parts")?
            .ok_or_else(|| content.missing("parts"))?;
        if parts.is_empty() {
            return Err(content.wrong("parts", "contents.parts must not be empty."));
        }
        for (index, part) in parts.iter().enumerate() {
            let at = content.at(&format!("parts[{index}]"));
            let mut part = Object::new(&at, part, false)?;
            self.part(&mut part, role, model)?;
            part.finish()?;
        }
        if !self.results.is_empty() && !self.said.is_empty() {
            let message = "function responses and text are not mixed here";
            return Err(content.wrong("parts", message));
        }
        Ok(())
    }

    fn part(&mut self, part: &mut Object<'_>, role: &str, model: &str) -> Checked<()> {
        let signature = part.text("thoughtSignature")?;
        let before = (self.calls.len(), self.results.len());
        if let Some(text) = part.text("text")? {
            if text.is_empty() && signature.is_none() {
                return Err(part.wrong("text", "must not be empty"));
            }
            self.tokens += count(text);
            if !self.said.is_empty() {
                self.said.push('\n');
            }
            self.said.push_str(text);
        } else if let Some(mut blob) = part.object("inlineData")? {
            self.tokens += PER_IMAGE;
            blob.need_text("mimeType")?;
            if BASE64_STANDARD.decode(blob.need_text("data")?).is_err() {
                return Err(blob.wrong("data", "Base64 decoding failed"));
            }
            blob.finish()?;
        } else if let Some(mut file) = part.object("fileData")? {
            self.tokens += PER_IMAGE;
            file.text("mimeType")?;
            file.need_text("fileUri")?;
            file.finish()?;
        } else if let Some(mut call) = part.object("functionCall")? {
            let first = self.calls.is_empty();
            if model.starts_with("gemini-3") && first && signature.is_none() {
                let message = "Function call is missing a thought_signature in functionCall parts.";
                return Err(call.wrong("name", message));
            }
            self.call(&mut call)?;
            call.finish()?;
        } else if let Some(mut result) = part.object("functionResponse")? {
            self.result(&mut result)?;
            result.finish()?;
        } else {
            return Err(part.missing("data"));
        }
        let added = (self.calls.len() - before.0, self.results.len() - before.1);
        match (role, added) {
            ("user", (1, _)) | ("model", (_, 1)) => {
                Err(part.wrong("data", format!("not a part of role {role}")))
            }
            _ => Ok(()),
        }
    }

    fn call(&mut self, call: &mut Object<'_>) -> Checked<()> {
        self.calls.push(call.need_text("name")?.to_owned());
        call.object("args")?;
        let args = call.any("args").map_or(0, |args| count(&args.to_string()));
        self.tokens += 1 + args;
        Ok(())
    }

    fn result(&mut self, result: &mut Object<'_>) -> Checked<()> {
        let name = result.need_text("name")?.to_owned();
        result
            .object("response")?
            .ok_or_else(|| result.missing("response"))?;
        let response = result.any("response").cloned().unwrap_or_default();
        let text = match response.get("content") {
            Some(Value::String(text)) => text.clone(),
            _ => response.to_string(),
        };
        self.tokens += count(&text);
        self.results.push((name, text));
        Ok(())
    }
}

fn tools(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    for (index, tool) in body.list("tools")?.into_iter().flatten().enumerate() {
        let mut tool = Object::new(&format!("tools[{index}]"), tool, false)?;
        let declarations = tool.list("functionDeclarations")?.into_iter().flatten();
        for (at, function) in declarations.enumerate() {
            let path = tool.at(&format!("functionDeclarations[{at}]"));
            let mut function = Object::new(&path, function, false)?;
            let name = function.need_text("name")?;
            function.text("description")?;
            let parameters = function.any("parameters");
            if let Some(parameters) = parameters {
                schema::check(&function.at("parameters"), parameters)?;
            }
            asked.tools.push(Tool {
                name: name.to_owned(),
                schema: parameters.cloned().unwrap_or_default(),
            });
            asked.input_tokens += PER_TOOL;
            function.finish()?;
        }
        tool.skip(&["googleSearch", "codeExecution", "urlContext"]);
        tool.finish()?;
    }
    Ok(())
}

fn tool_config(body: &mut Object<'_>, asked: &mut Asked) -> Checked<()> {
    let Some(mut config) = body.object("toolConfig")? else {
        return Ok(());
    };
    if asked.tools.is_empty() {
        let message = "Function calling config is set without function_declarations.";
        return Err(body.wrong("toolConfig", message));
    }
    if let Some(mut calling) = config.object("functionCallingConfig")? {
        let mode = calling.one_of("mode", &["AUTO", "ANY", "NONE"])?;
        calling.list("allowedFunctionNames")?;
        let allowed = calling.texts("allowedFunctionNames", 128)?;
        if mode != Some("ANY") && !allowed.is_empty() {
            let message = "allowed_function_names is only set when mode is ANY";
            return Err(calling.wrong("allowedFunctionNames", message));
        }
        asked.choice = match (mode, allowed.into_iter().next()) {
            (Some("ANY"), Some(name)) => Choice::Named(name),
            (Some("ANY"), None) => Choice::Any,
            (Some("NONE"), _) => Choice::None,
            _ => Choice::Auto,
        };
        calling.finish()?;
    }
    config.finish()
}

fn generation_config(config: &mut Object<'_>, model: &str, asked: &mut Asked) -> Checked<()> {
    let max_tokens = config.integer("maxOutputTokens", 1..=i64::from(i32::MAX))?;
    asked.max_tokens = max_tokens.and_then(|max| u64::try_from(max).ok());
    config.number("temperature", 0.0..=2.0)?;
    config.number("topP", 0.0..=1.0)?;
    config.integer("topK", 1..=1000)?;
    config.integer("candidateCount", 1..=1)?;
    config.integer("seed", i64::from(i32::MIN)..=i64::from(i32::MAX))?;
    config.number("presencePenalty", -2.0..=2.0)?;
    config.number("frequencyPenalty", -2.0..=2.0)?;
    config.flag("responseLogprobs")?;
    config.integer("logprobs", 0..=20)?;
    config.list("stopSequences")?;
    asked.stop = config.texts("stopSequences", 5)?;
    config.list("responseModalities")?;
    let mime_type = config.one_of("responseMimeType", &["text/plain", "application/json"])?;
    let json_schema = config.any("responseJsonSchema");
    let subset = config.any("responseSchema");
    if let Some(subset) = subset {
        schema::check(&config.at("responseSchema"), subset)?;
    }
    if mime_type == Some("application/json") {
        asked.json = Some(json_schema.or(subset).cloned().unwrap_or(Value::Null));
    } else if json_schema.or(subset).is_some() {
        let message = "response schema needs the mime type application/json";
        return Err(config.wrong("responseMimeType", message));
    }
    if let Some(mut thinking) = config.object("thinkingConfig")? {
        let budget = thinking.integer("thinkingBudget", -1..=32_768)?;
        let level = thinking.one_of("thinkingLevel", &["minimal", "low", "medium", "high"])?;
        if level.is_some() && !model.starts_with("gemini-3") {
            let message = "Thinking level is not supported for this model.";
            return Err(thinking.wrong("thinkingLevel", message));
        }
        let shown = thinking.flag("includeThoughts")?.unwrap_or(false);
        asked.reasoning = shown && budget != Some(0);
        thinking.finish()?;
    }
    Ok(())
}
