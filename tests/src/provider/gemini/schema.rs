//! The subset of JSON schema that a function's parameters may have.

use serde_json::Value;

use super::super::check::{Checked, Invalid, Object};

/// In either case.
const TYPES: [&str; 12] = [
    "string", "number", "integer", "boolean", "array", "object", "STRING", "NUMBER", "INTEGER",
    "BOOLEAN", "ARRAY", "OBJECT",
];

/// Refuses what is not in the subset.
pub(super) fn check(path: &str, schema: &Value) -> Checked<()> {
    let mut object = Object::new(path, schema, false)?;
    let kind = object.one_of("type", &TYPES)?;
    let kind = kind.map(str::to_ascii_lowercase);
    let kind = kind.as_deref();
    let alternatives = object.list("anyOf")?;
    for (index, choice) in alternatives.into_iter().flatten().enumerate() {
        check(&object.at(&format!("any_of[{index}]")), choice)?;
    }
    if kind.is_none() && alternatives.is_none() {
        return Err(object.missing("type"));
    }
    let formats: &[&str] = match kind {
        Some("string") => &["enum", "date-time"],
        Some("number") => &["float", "double"],
        Some("integer") => &["int32", "int64"],
        _ => &[],
    };
    object.one_of("format", formats)?;
    let values = object.list("enum")?;
    if values.is_some_and(|values| kind != Some("string") || !values.iter().all(Value::is_string)) {
        return Err(object.wrong("enum", "only allowed for STRING type"));
    }
    match (kind, object.any("items")) {
        (Some("array"), Some(items)) => check(&object.at("items"), items)?,
        (Some("array"), None) => return Err(object.missing("items")),
        (_, None) => {}
        (_, Some(_)) => return Err(object.wrong("items", "only allowed for ARRAY type")),
    }
    properties(&mut object)?;
    object.flag("nullable")?;
    object.text("title")?;
    object.text("description")?;
    object.text("pattern")?;
    object.skip(&["minimum", "maximum", "example", "propertyOrdering"]);
    for count in [
        "minItems",
        "maxItems",
        "minLength",
        "maxLength",
        "minProperties",
        "maxProperties",
    ] {
        object.integer(count, 0..=i64::MAX)?;
    }
    object.finish()
}

fn properties(object: &mut Object<'_>) -> Checked<()> {
    let properties = object.any("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        check(&object.at(&format!("properties[{name}]")), property)?;
    }
    for (index, name) in object.list("required")?.into_iter().flatten().enumerate() {
        let known = name
            .as_str()
            .is_some_and(|name| properties.is_some_and(|all| all.contains_key(name)));
        if !known {
            let path = object.at(&format!("required[{index}]"));
            return Err(Invalid::value(path, "property is not defined"));
        }
    }
    Ok(())
}
