//! What Google's clients of OpenAI's API say in words of Google's
//! (<https://ai.google.dev/gemini-api/docs/openai#extra-body>).

use dragoman_proto::ApiError;
use serde_json::value::RawValue;

use crate::json::Object;

/// What may stand in `extra_body.google`, and is read where a client of LiteLLM writes it.
const HOISTED: [&str; 3] = ["thinking_config", "safety_settings", "cached_content"];

/// Takes `extra_body: {google: {…}}`, or `google: {…}`, apart. What else is in there stays, and is
/// refused as a parameter that nobody knows.
pub(super) fn unwrap(request: &mut Object<'_>) {
    for wrapper in ["extra_body", "google"] {
        let Some(raw) = request.some(wrapper).map(RawValue::to_owned) else {
            continue;
        };
        let Ok(mut inner) = Object::parse(raw.get().as_bytes()) else {
            continue;
        };
        let known: &[&str] = if wrapper == "google" {
            &HOISTED
        } else {
            &["google"]
        };
        for name in known {
            if let Some(value) = inner.some(name)
                && request.some(name).is_none()
            {
                request.set(name, value);
                inner.remove(name);
            }
        }
        if inner.is_empty() {
            request.remove(wrapper);
        } else {
            request.set(wrapper, &inner);
        }
    }
}

/// A `thinking_config` with its members in the camel case of Google's JSON.
pub(super) fn camel<'a>(raw: &'a RawValue) -> Result<Object<'a>, ApiError> {
    let config = Object::parse(raw.get().as_bytes()).map_err(|_| {
        ApiError::invalid("thinking_config must be an object").param("thinking_config")
    })?;
    let mut camel = Object::default();
    for (name, value) in config.iter() {
        let name = match name {
            "thinking_budget" => "thinkingBudget",
            "thinking_level" => "thinkingLevel",
            "include_thoughts" => "includeThoughts",
            other => other,
        };
        camel.set(name, value);
    }
    Ok(camel)
}
