//! Tools, tool choice, and what stands for a JSON schema.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    JSON_TOOL,
    content::point,
    fields::is_thinking,
    model::Family,
    schema::{
        ConverseRequest, InputSchema, OutputConfig, OutputTool, SchemaText, Structure, TextFormat,
        ToolChoice, ToolConfig, ToolSpec, TypedTool,
    },
};
use crate::{
    hub::{self, JsonSchema, Tool, Unsupported},
    json::Object,
};

/// A schema for a tool that says nothing of its input.
const ANY_OBJECT: &str = r#"{"type":"object","properties":{}}"#;
/// For the tool that nobody is to call.
const NOT_A_TOOL: &str = r#""Not a tool. Do not call it.""#;

/// The tools of a request.
pub(super) fn tools<'a>(
    request: &'a Object<'_>,
    family: Family,
    unsupported: &mut Unsupported,
) -> Result<Vec<OutputTool<'a>>, ApiError> {
    let raws = hub::tools(request)?;
    let mut tools = Vec::with_capacity(raws.len());
    for (at, raw) in raws.into_iter().enumerate() {
        let place = format!("tools[{at}]");
        let invalid =
            |what: &str| ApiError::invalid(format!("{place} {what}")).param(place.as_str());
        let tool: Tool<'a> =
            serde_json::from_str(raw.get()).map_err(|_| invalid("is not a tool"))?;
        let Some(function) = tool.function else {
            if !is_bedrock_s(raw) {
                return Err(invalid("is not a function, and no tool of Bedrock's"));
            }
            tools.push(OutputTool::Raw(raw));
            continue;
        };
        if function.strict == Some(true) && !family.is_strict() {
            unsupported.leave_out("tools.strict");
        }
        tools.push(OutputTool::Typed(TypedTool::ToolSpec(ToolSpec {
            name: function.name,
            description: said(function.description),
            input_schema: schema(function.parameters),
            strict: function.strict == Some(true) && family.is_strict(),
        })));
        let cache_control = tool.cache_control.or(function.cache_control);
        if cache_control.is_some() && !family.caches_tools() {
            unsupported.leave_out("tools.cache_control");
            continue;
        }
        let point = point(cache_control, family);
        tools.extend(point.map(|point| OutputTool::Typed(TypedTool::CachePoint(point))));
    }
    Ok(tools)
}

/// Whether a tool is already in Bedrock's form.
fn is_bedrock_s(raw: &RawValue) -> bool {
    Object::parse(raw.get().as_bytes()).is_ok_and(|object| {
        ["toolSpec", "systemTool", "cachePoint"]
            .iter()
            .any(|kind| object.get(kind).is_some())
    })
}

/// A text that is there.
fn said(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| !matches!(raw.get(), "null" | r#""""#))
}

/// A schema as Bedrock wants it: an object, whose type is said.
fn schema(parameters: Option<&RawValue>) -> InputSchema<'_> {
    let any = || {
        serde_json::from_str(ANY_OBJECT)
            .map(Cow::Borrowed)
            .unwrap_or(Cow::Borrowed(RawValue::NULL))
    };
    let json = match parameters.filter(|raw| raw.get() != "null") {
        None => any(),
        Some(raw) => match Object::parse(raw.get().as_bytes()) {
            Ok(object) if object.get("type").is_some() => Cow::Borrowed(raw),
            Ok(mut object) => {
                object.set("type", "object");
                to_raw_value(&object).map_or_else(|_| any(), Cow::Owned)
            }
            Err(_) => Cow::Borrowed(raw),
        },
    };
    InputSchema { json }
}

fn plain_tool<'a>(
    name: &'a str,
    description: Option<&'a RawValue>,
    input: Option<&'a RawValue>,
) -> OutputTool<'a> {
    OutputTool::Typed(TypedTool::ToolSpec(ToolSpec {
        name: Cow::Borrowed(name),
        description: said(description),
        input_schema: schema(input),
        strict: false,
    }))
}

/// The tools and the choice among them. Converse has no `none`: without tools there is nothing to
/// call. But a history with calls it takes only beside a tool, so one stands there that is none.
pub(super) fn config<'a>(
    tools: Vec<OutputTool<'a>>,
    choice: Option<hub::ToolChoice<'a>>,
    uses_tools: bool,
) -> Option<ToolConfig<'a>> {
    let called_off = choice == Some(hub::ToolChoice::None);
    if tools.is_empty() || called_off {
        return uses_tools.then(|| ToolConfig {
            tools: vec![plain_tool(
                "dummy_tool",
                serde_json::from_str(NOT_A_TOOL).ok(),
                None,
            )],
            tool_choice: None,
        });
    }
    Some(ToolConfig {
        tools,
        tool_choice: choice.and_then(|choice| match choice {
            hub::ToolChoice::Auto => Some(ToolChoice::Auto {}),
            hub::ToolChoice::Required => Some(ToolChoice::Any {}),
            hub::ToolChoice::Named(name) => Some(ToolChoice::Tool { name }),
            hub::ToolChoice::None => None,
        }),
    })
}

/// Has the model answer by `format`. A strict schema goes to the models that are held to it; for the
/// others, and for schemas that need not be strict, it is the input of a tool that must be called.
/// Tells whether it is.
pub(super) fn answer_by<'a>(
    format: &JsonSchema<'a>,
    family: Family,
    request: &mut ConverseRequest<'a>,
) -> bool {
    if format.strict == Some(true)
        && family.is_strict()
        && let Some(schema) = format.schema
    {
        request.output_config = Some(OutputConfig {
            text_format: TextFormat {
                r#type: "json_schema",
                structure: Structure {
                    json_schema: SchemaText {
                        schema: schema.get(),
                        name: said(format.name),
                        description: said(format.description),
                    },
                },
            },
        });
        return false;
    }
    let thinks = is_thinking(&request.additional_model_request_fields);
    let config = request.tool_config.get_or_insert(ToolConfig {
        tools: Vec::new(),
        tool_choice: None,
    });
    let alone = config.tools.is_empty();
    config
        .tools
        .push(plain_tool(JSON_TOOL, format.description, format.schema));
    // While thinking, Claude takes no forced choice and is left to it, as are models that know none.
    let is_free = matches!(config.tool_choice, None | Some(ToolChoice::Auto {}));
    if is_free && !thinks {
        if alone && family.takes_named_tool() {
            let name = Cow::Borrowed(JSON_TOOL);
            config.tool_choice = Some(ToolChoice::Tool { name });
        } else if family.takes_any_tool() {
            config.tool_choice = Some(ToolChoice::Any {});
        }
    }
    true
}

/// `parallel_tool_calls: false`. Claude alone knows it, in its own choice of tools, which then stands
/// for Converse's.
pub(super) fn one_call_at_a_time(
    parallel: Option<bool>,
    family: Family,
    request: &mut ConverseRequest<'_>,
    unsupported: &mut Unsupported,
) {
    #[derive(Serialize)]
    struct Choice<'a> {
        r#type: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
        disable_parallel_tool_use: bool,
    }
    let Some(config) = request
        .tool_config
        .as_mut()
        .filter(|_| parallel == Some(false))
    else {
        return;
    };
    if !matches!(family, Family::Claude(_)) {
        unsupported.refuse("parallel_tool_calls");
        return;
    }
    let choice = config.tool_choice.take();
    let (r#type, name) = match &choice {
        None | Some(ToolChoice::Auto {}) => ("auto", None),
        Some(ToolChoice::Any {}) => ("any", None),
        Some(ToolChoice::Tool { name }) => ("tool", Some(&**name)),
    };
    request.additional_model_request_fields.set(
        "tool_choice",
        &Choice {
            r#type,
            name,
            disable_parallel_tool_use: true,
        },
    );
}
