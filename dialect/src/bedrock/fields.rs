//! `additionalModelRequestFields`: what a model's makers gave it beyond what Converse knows.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde::Serialize;
use serde_json::value::RawValue;

use super::model::Family;
use crate::{
    anthropic,
    hub::{self, Unsupported},
    json::{self, Object},
    request::Call,
};

const EFFORT: &str = "reasoning_effort";
/// The limit for a Claude that thinks, when the client sets none: the budget must be below it.
const DEFAULT_MAX_TOKENS: u64 = 4096;

/// Names under which models take another limit, or several answers: a client could get by them past
/// the cap that is reserved for its request.
const LIMITS: [&str; 13] = [
    "inferenceConfig",
    "max_completion_tokens",
    "max_gen_len",
    "max_new_tokens",
    "max_tokens",
    "max_tokens_to_sample",
    "maxTokenCount",
    "maxTokens",
    "n",
    "num_generations",
    "num_return_sequences",
    "numResults",
    "textGenerationConfig",
];

/// The fields, and the limit that goes with them.
pub(super) struct Fields<'a> {
    pub(super) fields: Object<'a>,
    /// `maxTokens`; `None` where the model's own limit holds.
    pub(super) max_tokens: Option<u64>,
}

/// The fields of a request: those in `rest`, which nobody has read, and those that its other
/// parameters become.
pub(super) fn fields<'a>(
    request: &'a Object<'_>,
    rest: &'a Object<'_>,
    family: Family,
    call: &Call<'_>,
    unsupported: &mut Unsupported,
) -> Result<Fields<'a>, ApiError> {
    let mut fields = own(request)?;
    for (name, value) in rest.iter() {
        fields.push(Cow::Borrowed(name), value);
    }
    let cap = call.admission.output_cap;
    if cap.is_some() {
        for name in LIMITS {
            if fields.remove(name) {
                unsupported.leave_out(name);
            }
        }
    }
    top_k(request, family, &mut fields, unsupported);
    let mut out = Fields {
        fields,
        max_tokens: hub::output_limit(request),
    };
    reasoning(request, family, call, unsupported, &mut out)?;
    if let Some(cap) = cap {
        out.max_tokens = Some(out.max_tokens.map_or(cap, |asked| asked.min(cap)));
    }
    Ok(out)
}

/// The client's own.
fn own<'a>(request: &'a Object<'_>) -> Result<Object<'a>, ApiError> {
    const FIELD: &str = "additionalModelRequestFields";
    let Some(raw) = request.some(FIELD) else {
        return Ok(Object::default());
    };
    Object::parse(raw.get().as_bytes())
        .map_err(|_| ApiError::invalid(format!("{FIELD} must be an object")).param(FIELD))
}

/// Whether they ask the model to think.
pub(super) fn is_thinking(fields: &Object<'_>) -> bool {
    let kind = |name| {
        let config: Option<Object<'_>> = fields
            .some(name)
            .and_then(|raw| serde_json::from_str(raw.get()).ok());
        config.and_then(|config| config.read::<String>("type"))
    };
    [kind("thinking"), kind("reasoningConfig")]
        .iter()
        .flatten()
        .any(|kind| kind != "disabled")
}

fn top_k(
    request: &Object<'_>,
    family: Family,
    fields: &mut Object<'_>,
    unsupported: &mut Unsupported,
) {
    #[derive(Serialize)]
    struct Nova<'a> {
        #[serde(rename = "topK")]
        top_k: &'a RawValue,
    }
    let Some(top_k) = request.some("top_k") else {
        return;
    };
    match family {
        Family::Claude(_) | Family::Mistral => fields.set("top_k", top_k),
        Family::Nova | Family::Nova2 => fields.set("inferenceConfig", &Nova { top_k }),
        _ if unsupported.is_allowed("top_k") => fields.set("top_k", top_k),
        _ => unsupported.refuse("top_k"),
    }
}

/// `reasoning_effort`, unless the client says it in the model's own words.
fn reasoning(
    request: &Object<'_>,
    family: Family,
    call: &Call<'_>,
    unsupported: &mut Unsupported,
    out: &mut Fields<'_>,
) -> Result<(), ApiError> {
    let (Some(raw), false) = (request.some(EFFORT), is_thinking(&out.fields)) else {
        return Ok(());
    };
    let word = json::string(raw).unwrap_or_default();
    let level = match &*word {
        "none" => None,
        "minimal" | "low" => Some("low"),
        "medium" => Some("medium"),
        "high" | "xhigh" | "max" => Some("high"),
        _ => {
            let error = "reasoning_effort must be none, minimal, low, medium, high or xhigh";
            return Err(ApiError::invalid(error).param(EFFORT));
        }
    };
    match (family, level) {
        (Family::Claude(_), Some(_)) => claude(&word, call, unsupported, out),
        (Family::Nova2, Some(level)) => nova(level, out),
        // It cannot be told not to.
        (Family::GptOss, level) => out.fields.set(EFFORT, level.unwrap_or("low")),
        (_, None) => {}
        (_, Some(_)) if unsupported.is_allowed(EFFORT) => out.fields.set(EFFORT, raw),
        (_, Some(_)) => unsupported.refuse(EFFORT),
    }
    Ok(())
}

fn claude(word: &str, call: &Call<'_>, unsupported: &mut Unsupported, out: &mut Fields<'_>) {
    let wanted = out.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS);
    let cap = call.admission.output_cap;
    let Some(effort) = anthropic::effort(word, &call.config.model, wanted, cap) else {
        return;
    };
    if effort.squeezed {
        unsupported.leave_out(EFFORT);
        return;
    }
    if let Some(thinking) = &effort.thinking {
        out.fields.set("thinking", thinking);
        out.max_tokens = Some(effort.max_tokens);
    }
    if let Some(config) = &effort.output_config {
        out.fields.set("output_config", config);
    }
}

/// <https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html>
fn nova(level: &str, out: &mut Fields<'_>) {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Reasoning<'a> {
        r#type: &'a str,
        max_reasoning_effort: &'a str,
    }
    out.fields.set(
        "reasoningConfig",
        &Reasoning {
            r#type: "enabled",
            max_reasoning_effort: level,
        },
    );
}
