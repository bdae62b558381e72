//! Tools, tool choice, and the tool that stands for a JSON schema.

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    JSON_TOOL,
    schema::{OutputTool, ToolChoice},
};
use crate::{
    hub::{self, JsonSchema, Tool, Unsupported},
    json::Object,
};

/// A schema for a tool that says nothing of its input.
const ANY_OBJECT: &str = r#"{"type":"object","properties":{}}"#;

/// The tools of a request.
pub(super) fn tools<'a>(
    request: &'a Object<'_>,
    unsupported: &mut Unsupported,
) -> Result<Vec<OutputTool<'a>>, ApiError> {
    hub::tools(request)?
        .into_iter()
        .enumerate()
        .map(|(at, raw)| tool(raw, at, unsupported))
        .collect()
}

fn tool<'a>(
    raw: &'a RawValue,
    at: usize,
    unsupported: &mut Unsupported,
) -> Result<OutputTool<'a>, ApiError> {
    let invalid =
        |what: &str| ApiError::invalid(format!("tools[{at}] {what}")).param(format!("tools[{at}]"));
    let tool: Tool<'a> = serde_json::from_str(raw.get()).map_err(|_| invalid("is not a tool"))?;
    let Some(function) = tool.function else {
        // Anthropic's own tools (`web_search_…`, or with an `input_schema`) are passed through.
        return match &*tool.r#type {
            "function" => Err(invalid("has no function")),
            "custom"
                if Object::parse(raw.get().as_bytes())
                    .is_ok_and(|object| object.get("input_schema").is_none()) =>
            {
                Err(invalid("is a custom tool, which Anthropic does not have"))
            }
            _ => Ok(OutputTool::Raw(raw)),
        };
    };
    if function.strict == Some(true) {
        unsupported.leave_out("tools.strict");
    }
    Ok(OutputTool::Function {
        name: function.name,
        description: function.description.filter(|raw| raw.get() != "null"),
        input_schema: schema(function.parameters),
        cache_control: tool.cache_control.or(function.cache_control),
    })
}

/// A schema as Anthropic wants it: an object, whose type is said.
fn schema(parameters: Option<&RawValue>) -> Cow<'_, RawValue> {
    let any = || {
        serde_json::from_str(ANY_OBJECT)
            .map(Cow::Borrowed)
            .unwrap_or(Cow::Borrowed(RawValue::NULL))
    };
    let Some(raw) = parameters.filter(|raw| raw.get() != "null") else {
        return any();
    };
    match Object::parse(raw.get().as_bytes()) {
        Ok(object) if object.get("type").is_some() => Cow::Borrowed(raw),
        Ok(mut object) => {
            object.set("type", "object");
            to_raw_value(&object).map_or_else(|_| any(), Cow::Owned)
        }
        Err(_) => Cow::Borrowed(raw),
    }
}

/// What the history needs when it has calls of tools and the request has none.
pub(super) fn dummy_tool<'a>() -> OutputTool<'a> {
    OutputTool::Function {
        name: Cow::Borrowed("dummy_tool"),
        description: None,
        input_schema: schema(None),
        cache_control: None,
    }
}

/// The tool whose input is the answer that the schema describes.
pub(super) fn json_tool<'a>(format: &JsonSchema<'a>) -> OutputTool<'a> {
    OutputTool::Function {
        name: Cow::Borrowed(JSON_TOOL),
        description: format.description.filter(|raw| raw.get() != "null"),
        input_schema: schema(format.schema),
        cache_control: None,
    }
}

/// `tool_choice` and `parallel_tool_calls`, for a request that has tools.
pub(super) fn choice<'a>(
    raw: Option<&'a RawValue>,
    parallel: Option<bool>,
) -> Result<Option<ToolChoice<'a>>, ApiError> {
    let mut choice = raw.map(named_choice).transpose()?;
    if parallel == Some(false) {
        let choice = choice.get_or_insert(ToolChoice {
            r#type: "auto",
            name: None,
            disable_parallel_tool_use: None,
        });
        if choice.r#type != "none" {
            choice.disable_parallel_tool_use = Some(true);
        }
    }
    Ok(choice)
}

fn named_choice(raw: &RawValue) -> Result<ToolChoice<'_>, ApiError> {
    let (r#type, name) = match hub::tool_choice(raw)? {
        hub::ToolChoice::Auto => ("auto", None),
        hub::ToolChoice::Required => ("any", None),
        hub::ToolChoice::None => ("none", None),
        hub::ToolChoice::Named(name) => ("tool", Some(name)),
    };
    Ok(ToolChoice {
        r#type,
        name,
        disable_parallel_tool_use: None,
    })
}
