//! Chat requests for Converse.
//!
//! Choices where the two APIs do not meet:
//! - Parameters that neither API knows are the model's: they go to `additionalModelRequestFields`.
//! - A guardrail that the configuration names holds, whatever the client asks for.
//! - A system message in the middle keeps its place, as text of the user's turn behind the label
//!   `[System message]`.
//! - `response_format: json_object` becomes a sentence in the system prompt.
//! - A parameter set to what it is without being set (`n: 1`) is no demand, and is left out without
//!   a word. So are `user` and `metadata`, which the gateway has read.

use dragoman_proto::ApiError;

use super::{
    content::Conversation,
    fields::{Fields, fields},
    model::Family,
    path,
    schema::{ConverseRequest, InferenceConfig, ServiceTier, SystemBlock},
    tools,
};
use crate::{
    anthropic,
    hub::{self, Format, Unsupported, prepare},
    json::Object,
    request::{Call, Translated},
};

/// What a JSON answer is asked for with.
const JSON_INSTRUCTION: &str = r#""Answer with one JSON object and nothing else.""#;
/// Whether an answer is looked at before anyone gets it is the operator's decision.
const GUARDRAIL: &str = "guardrailConfig";

/// What Bedrock cannot express, and the value that asks for nothing.
const UNSUPPORTED: [(&str, &str); 15] = [
    ("n", "1"),
    ("logprobs", "false"),
    ("top_logprobs", "0"),
    ("presence_penalty", "0"),
    ("frequency_penalty", "0"),
    ("seed", ""),
    ("logit_bias", "{}"),
    ("store", "false"),
    ("functions", "[]"),
    ("function_call", ""),
    ("modalities", r#"["text"]"#),
    ("audio", ""),
    ("prediction", ""),
    ("web_search_options", ""),
    ("verbosity", r#""medium""#),
];

/// Members of Converse that a client may set itself.
const BEDROCK_S: [&str; 7] = [
    GUARDRAIL,
    "performanceConfig",
    "requestMetadata",
    "promptVariables",
    "additionalModelResponseFieldPaths",
    "serviceTier",
    "outputConfig",
];

/// Parameters that are read here, besides those that every dialect reads.
const TRANSLATED: [&str; 7] = [
    "model_id",
    "temperature",
    "top_p",
    "top_k",
    "parallel_tool_calls",
    "service_tier",
    "additionalModelRequestFields",
];

/// The client's chat request for Converse or ConverseStream.
pub(super) fn translate(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = call.object()?;
    let mut unsupported = prepare(&mut request, call.config);
    if let Some(guardrail) = call.config.defaults.get(GUARDRAIL) {
        request.set(GUARDRAIL, guardrail);
    }
    refuse(&mut request, call, &mut unsupported);
    let mut rest = request.clone();
    rest.retain(|name| {
        !hub::is_read(name) && !TRANSLATED.contains(&name) && !BEDROCK_S.contains(&name)
    });
    let mut response = call.context();
    response.include_usage = hub::wants_usage(&request);
    let mut converse = converse(&request, &rest, call, &mut unsupported)?;
    response.json_tool = response_format(&request, call, &mut converse)?;
    let parallel = request.read("parallel_tool_calls");
    let family = Family::of(&call.config.model);
    tools::one_call_at_a_time(parallel, family, &mut converse, &mut unsupported);
    keep_own(&mut converse);
    let action = if call.admission.stream {
        "converse-stream"
    } else {
        "converse"
    };
    call.sends(
        path(call, action),
        vec![("content-type", "application/json".to_owned())],
        &converse,
        unsupported,
        response,
    )
}

/// Takes out what cannot be expressed.
fn refuse(request: &mut Object<'_>, call: &Call<'_>, unsupported: &mut Unsupported) {
    unsupported.refuse_demands(request, &UNSUPPORTED);
    if Family::of(&call.config.model).is_unsampled() {
        unsupported.refuse_demands(request, &anthropic::SAMPLING);
    }
    unsupported.cool(request);
    if matches!(Family::of(&call.config.model), Family::Claude(_)) {
        anthropic::reconcile(request, unsupported);
    }
    unsupported.leave_out_hints(request, &["prompt_cache_key", "prompt_cache_retention"]);
    unsupported.refuse_quirks(request, call);
}

/// Of the client's members, those that are Converse's, unless there is a word for them already.
fn keep_own(converse: &mut ConverseRequest<'_>) {
    let (tier, output) = (&converse.service_tier, &converse.output_config);
    converse.own.retain(|name| match name {
        "serviceTier" => tier.is_none(),
        "outputConfig" => output.is_none(),
        _ => BEDROCK_S.contains(&name),
    });
}

fn converse<'a>(
    request: &'a Object<'_>,
    rest: &'a Object<'_>,
    call: &'a Call<'_>,
    unsupported: &mut Unsupported,
) -> Result<ConverseRequest<'a>, ApiError> {
    let family = Family::of(&call.config.model);
    let conversation = conversation(request, family)?;
    if conversation.lost_cache {
        unsupported.leave_out("messages.cache_control");
    }
    if conversation.lost_reasoning {
        unsupported.leave_out("messages.reasoning_content");
    }
    let Fields { fields, max_tokens } = fields(request, rest, family, call, unsupported)?;
    let choice = request
        .some("tool_choice")
        .map(hub::tool_choice)
        .transpose()?;
    let tools = tools::tools(request, family, unsupported)?;
    let mut stop_sequences = hub::stop(request)?;
    stop_sequences.retain(|stop| !stop.is_empty());
    Ok(ConverseRequest {
        messages: conversation.messages,
        system: conversation.system,
        inference_config: InferenceConfig {
            max_tokens,
            temperature: request.some("temperature"),
            top_p: request.some("top_p"),
            stop_sequences,
        },
        tool_config: tools::config(tools, choice, conversation.uses_tools),
        output_config: None,
        service_tier: service_tier(request, unsupported),
        additional_model_request_fields: fields,
        own: request.clone(),
    })
}

fn conversation<'a>(request: &'a Object<'_>, family: Family) -> Result<Conversation<'a>, ApiError> {
    let mut conversation = Conversation::of(family);
    for (index, message) in hub::messages(request)?.into_iter().enumerate() {
        conversation.add(index, message)?;
    }
    if conversation.messages.is_empty() {
        let error = "Bedrock needs at least one message with content that is not a system message";
        return Err(ApiError::invalid(error).param("messages"));
    }
    Ok(conversation)
}

/// `service_tier`; the words are nearly the same.
fn service_tier(request: &Object<'_>, unsupported: &mut Unsupported) -> Option<ServiceTier> {
    let tier = request.read::<String>("service_tier");
    let r#type = match tier.as_deref() {
        None | Some("auto") => return None,
        Some("default") => "default",
        Some("flex") => "flex",
        Some("priority") => "priority",
        Some("reserved") => "reserved",
        Some(_) => {
            unsupported.refuse("service_tier");
            return None;
        }
    };
    Some(ServiceTier { r#type })
}

/// Puts `response_format` into the request; tells whether a tool stands for it.
fn response_format<'a>(
    request: &'a Object<'_>,
    call: &Call<'_>,
    converse: &mut ConverseRequest<'a>,
) -> Result<bool, ApiError> {
    match hub::format(request)? {
        None | Some(Format::Text) => Ok(false),
        Some(Format::Json) => {
            let instruction = serde_json::from_str(JSON_INSTRUCTION).ok();
            converse.system.extend(instruction.map(SystemBlock::Text));
            Ok(false)
        }
        Some(Format::Schema(schema)) => {
            let family = Family::of(&call.config.model);
            Ok(tools::answer_by(&schema, family, converse))
        }
    }
}
