//! Tools and tool choice.

use dragoman_proto::ApiError;
use serde_json::{Value, value::RawValue};

use super::{
    schema::{Empty, FunctionCallingConfig, FunctionDeclaration, OutputTool, ToolConfig},
    subset::{self, Ordering},
};
use crate::{
    hub::{self, Function, Tool, Unsupported},
    json::Object,
};

/// Google's own tools, which pass as the client wrote them.
const OWN: [&str; 12] = [
    "googleSearch",
    "google_search",
    "googleSearchRetrieval",
    "google_search_retrieval",
    "codeExecution",
    "code_execution",
    "urlContext",
    "url_context",
    "googleMaps",
    "google_maps",
    "enterpriseWebSearch",
    "enterprise_web_search",
];

/// The tools of a request.
pub(super) fn tools<'a>(
    request: &'a Object<'_>,
    unsupported: &mut Unsupported,
) -> Result<Vec<OutputTool<'a>>, ApiError> {
    let mut tools = Vec::new();
    if let Some(raw) = request.some("web_search_options") {
        // Google chooses how much to search, and knows no place.
        let options = Object::parse(raw.get().as_bytes()).unwrap_or_default();
        for name in options.names() {
            unsupported.leave_out(&format!("web_search_options.{name}"));
        }
        tools.push(OutputTool::Search {
            google_search: Empty {},
        });
    }
    let mut functions = Vec::new();
    for (at, raw) in hub::tools(request)?.into_iter().enumerate() {
        let invalid = |what: &str| {
            ApiError::invalid(format!("tools[{at}] {what}")).param(format!("tools[{at}]"))
        };
        let tool: Tool<'a> =
            serde_json::from_str(raw.get()).map_err(|_| invalid("is not a tool"))?;
        match tool.function {
            Some(function) => {
                if function.strict == Some(true) {
                    unsupported.leave_out("tools.strict");
                }
                functions.push(declaration(function).map_err(invalid)?);
            }
            None if is_own(raw) => tools.push(OutputTool::Raw(raw)),
            None if tool.r#type == "function" => return Err(invalid("has no function")),
            None => return Err(invalid("is of a type that Gemini does not have")),
        }
    }
    if !functions.is_empty() {
        tools.push(OutputTool::Functions {
            function_declarations: functions,
        });
    }
    Ok(tools)
}

fn is_own(raw: &RawValue) -> bool {
    Object::parse(raw.get().as_bytes())
        .is_ok_and(|object| object.names().any(|name| OWN.contains(&name)))
}

fn declaration(function: Function<'_>) -> Result<FunctionDeclaration<'_>, &'static str> {
    let parameters = function
        .parameters
        .and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok())
        .map(|schema| subset::convert(&schema, Ordering::Unstated))
        .transpose()
        .map_err(|subset::TooLarge| "has a schema whose references make it too large")?
        // Gemini refuses an object without properties here.
        .filter(|schema| !is_empty(schema));
    Ok(FunctionDeclaration {
        name: function.name,
        description: function.description.filter(|raw| raw.get() != "null"),
        parameters,
    })
}

fn is_empty(schema: &Value) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    schema.get("anyOf").is_none() && properties.is_none_or(serde_json::Map::is_empty)
}

/// `tool_choice`, for a request that has functions.
pub(super) fn config(raw: Option<&RawValue>) -> Result<Option<ToolConfig<'_>>, ApiError> {
    let Some(raw) = raw else { return Ok(None) };
    let (mode, name) = match hub::tool_choice(raw)? {
        hub::ToolChoice::Auto => ("AUTO", None),
        hub::ToolChoice::None => ("NONE", None),
        hub::ToolChoice::Required => ("ANY", None),
        hub::ToolChoice::Named(name) => ("ANY", Some(name)),
    };
    Ok(Some(ToolConfig {
        function_calling_config: FunctionCallingConfig {
            mode,
            allowed_function_names: name.into_iter().collect(),
        },
    }))
}
