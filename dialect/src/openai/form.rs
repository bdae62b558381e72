//! Forms towards OpenAI-compatible providers: files pass as they are, fields change as members of an
//! object would.

use dragoman_proto::{ApiError, Operation};
use serde_json::Value;

use super::request::translated;
use crate::{
    hub::{FormFields, Unsupported},
    multipart::{self, Edit, Part, plain},
    request::{Call, Translated},
    sound,
};

/// The client's request for this deployment.
pub(super) fn translate(call: &Call<'_>) -> Result<Translated, ApiError> {
    let content_type = call.head.content_type.unwrap_or_default();
    let parts = multipart::parts(content_type, call.body)?;
    let mut translated = edit(call, &parts, &more(call, &parts))?;
    translated.response.audio_ms = heard(call, &parts);
    Ok(translated)
}

/// The same of a form that passes: `call.body` is its beginning, and `parts` those in it, the last of
/// which is the file. `None` where fields are to be added that may still follow.
pub(super) fn translate_beginning(
    call: &Call<'_>,
    parts: &[Part],
) -> Result<Option<Translated>, ApiError> {
    if !more(call, parts).is_empty() {
        return Ok(None);
    }
    edit(call, parts, &[]).map(Some)
}

fn edit(
    call: &Call<'_>,
    parts: &[Part],
    more: &[(String, String)],
) -> Result<Translated, ApiError> {
    let content_type = call.head.content_type.unwrap_or_default();
    let fields = FormFields::new(call.body, parts);
    let mut unsupported = Unsupported::of_form(&fields, call.config);
    for part in parts.iter().filter(|part| !part.is_file) {
        let name = plain(&part.name);
        let rejected = &call.config.quirks.unsupported;
        if rejected.iter().any(|rejected| rejected == name) && !unsupported.is_allowed(name) {
            unsupported.refuse(name);
        }
    }
    let more: Vec<(&str, &str)> = more.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let body = multipart::edited(content_type, call.body, parts, &more, |part| {
        let name = plain(&part.name);
        match name {
            _ if part.is_file => Edit::Keep,
            "model" => Edit::Replace(call.config.model.as_bytes()),
            _ if unsupported.leaves_out(name) => Edit::Drop,
            _ => Edit::Keep,
        }
    });
    let dropped = unsupported.finish()?;
    Ok(translated(
        call,
        content_type.to_owned(),
        body,
        dropped,
        call.context(),
    ))
}

/// What the client leaves out: the model, and the deployment's defaults.
fn more(call: &Call<'_>, parts: &[Part]) -> Vec<(String, String)> {
    let has = |name: &str| parts.iter().any(|part| plain(&part.name) == name);
    let mut more = Vec::new();
    if !has("model") {
        more.push(("model".to_owned(), call.config.model.clone()));
    }
    let defaults = call.config.defaults.iter();
    for (name, value) in defaults.filter(|(name, _)| !has(name)) {
        match value {
            Value::Array(values) => {
                let list = format!("{name}[]");
                more.extend(values.iter().map(|value| (list.clone(), text(value))));
            }
            value => more.push((name.clone(), text(value))),
        }
    }
    more
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// How long the sound lasts that is to be heard.
fn heard(call: &Call<'_>, parts: &[Part]) -> u64 {
    let hears = matches!(
        call.admission.operation,
        Operation::AudioTranscriptions | Operation::AudioTranslations
    );
    let file = parts
        .iter()
        .find(|part| part.is_file && part.name == "file");
    file.filter(|_| hears)
        .and_then(|part| call.body.get(part.range.clone()))
        .map_or(0, sound::milliseconds)
}
