//! JSON schemas in the subset that Gemini's `Schema` has
//! (<https://ai.google.dev/api/caching#Schema>), which refuses every other keyword.
//!
//! - `$ref` is resolved where it stands. A schema that contains itself becomes a plain object where
//!   it would begin anew.
//! - `null` among the types or alternatives becomes `nullable`; several types become `anyOf`; `oneOf`
//!   becomes `anyOf`; the parts of an `allOf` are merged; `const` becomes an `enum` of one.
//! - An `enum` of anything but strings, which Gemini does not have, moves into the description.
//! - Left out, as they only narrow what is described: `additionalProperties`, `patternProperties`,
//!   `not`, `if`, `uniqueItems`, `exclusiveMinimum`, `multipleOf`, `default`, `examples`, formats that
//!   Gemini does not know, `required` names without a property, and what is no keyword at all.
//! - What may be anything is an object, because Gemini wants a type.

use serde_json::{Map, Value, json};

/// Nesting beyond which a schema is cut short.
const MAX_DEPTH: usize = 40;
/// Schemas that one schema may grow to, since references multiply.
const MAX_SCHEMAS: usize = 20_000;

/// Keywords that pass as they are.
const KEPT: [&str; 6] = [
    "title",
    "description",
    "minimum",
    "maximum",
    "pattern",
    "example",
];
/// Keywords that are counts.
const COUNTS: [&str; 6] = [
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "minProperties",
    "maxProperties",
];
const FORMATS: [&str; 6] = ["date-time", "enum", "float", "double", "int32", "int64"];

/// A schema that is too large once its references are resolved.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

/// Whether properties keep their order, which older models do not keep by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ordering {
    Stated,
    Unstated,
}

/// `schema` in Gemini's subset.
pub(super) fn convert(schema: &Value, ordering: Ordering) -> Result<Value, TooLarge> {
    let mut conversion = Conversion {
        root: schema,
        ordering,
        open: Vec::new(),
        schemas: 0,
    };
    conversion.schema(schema, 0).map(Value::Object)
}

struct Conversion<'a> {
    root: &'a Value,
    ordering: Ordering,
    /// The references that are being resolved.
    open: Vec<&'a str>,
    schemas: usize,
}

fn any() -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), Value::from("object"))])
}

impl<'a> Conversion<'a> {
    fn schema(&mut self, schema: &'a Value, depth: usize) -> Result<Map<String, Value>, TooLarge> {
        self.schemas += 1;
        if self.schemas > MAX_SCHEMAS {
            return Err(TooLarge);
        }
        let Value::Object(schema) = schema else {
            return Ok(any());
        };
        let mut out = if depth > MAX_DEPTH {
            Map::new()
        } else {
            self.composed(schema, depth)?
        };
        self.plain(schema, &mut out, depth)?;
        if !out.contains_key("type") && !out.contains_key("anyOf") {
            let kind = match () {
                () if out.contains_key("enum") => "string",
                () if out.contains_key("items") => "array",
                () => "object",
            };
            out.insert("type".to_owned(), kind.into());
        }
        if out.get("type").is_some_and(|kind| kind == "array") && !out.contains_key("items") {
            out.insert("items".to_owned(), Value::Object(any()));
        }
        Ok(out)
    }

    /// What references and alternatives say.
    fn composed(
        &mut self,
        schema: &'a Map<String, Value>,
        depth: usize,
    ) -> Result<Map<String, Value>, TooLarge> {
        let mut out = Map::new();
        if let Some(Value::String(reference)) = schema.get("$ref")
            && !self.open.contains(&reference.as_str())
            && let Some(target) = self.resolve(reference)
        {
            self.open.push(reference);
            let resolved = self.schema(target, depth + 1);
            self.open.pop();
            out = resolved?;
        }
        if let Some(Value::Array(parts)) = schema.get("allOf") {
            for part in parts {
                let part = self.schema(part, depth + 1)?;
                merge(&mut out, part);
            }
        }
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Value::Array(choices)) = schema.get(keyword) {
                self.alternatives(choices, &mut out, depth)?;
            }
        }
        if let Some(Value::Array(types)) = schema.get("type") {
            self.types(schema, types, &mut out, depth)?;
        }
        Ok(out)
    }

    fn resolve(&self, reference: &str) -> Option<&'a Value> {
        let pointer = reference.strip_prefix('#')?;
        self.root.pointer(pointer)
    }

    fn alternatives(
        &mut self,
        choices: &'a [Value],
        out: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), TooLarge> {
        let mut rest = Vec::new();
        for choice in choices {
            if choice.get("type").is_some_and(|kind| kind == "null") {
                out.insert("nullable".to_owned(), true.into());
            } else {
                rest.push(self.schema(choice, depth + 1)?);
            }
        }
        match rest.len() {
            0 => {}
            1 => rest.into_iter().for_each(|only| merge(out, only)),
            _ => {
                let rest = rest.into_iter().map(Value::Object).collect();
                out.insert("anyOf".to_owned(), rest);
            }
        }
        Ok(())
    }

    /// `"type": ["string", "null"]`
    fn types(
        &mut self,
        schema: &'a Map<String, Value>,
        types: &'a [Value],
        out: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), TooLarge> {
        let mut names: Vec<&str> = types.iter().filter_map(Value::as_str).collect();
        if names.contains(&"null") {
            out.insert("nullable".to_owned(), true.into());
            names.retain(|name| *name != "null");
        }
        if let [only] = names.as_slice() {
            out.insert("type".to_owned(), (*only).into());
        } else if names.len() > 1 {
            let mut choices = Vec::new();
            for name in names {
                let mut choice = Map::from_iter([("type".to_owned(), Value::from(name))]);
                if name == "array" {
                    self.items(schema, &mut choice, depth)?;
                    choice
                        .entry("items")
                        .or_insert_with(|| Value::Object(any()));
                } else if name == "object" {
                    self.properties(schema, &mut choice, depth)?;
                }
                choices.push(Value::Object(choice));
            }
            out.insert("anyOf".to_owned(), choices.into());
        }
        Ok(())
    }

    /// Keywords that need no other schema's.
    fn plain(
        &mut self,
        schema: &'a Map<String, Value>,
        out: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), TooLarge> {
        if let Some(kind @ Value::String(name)) = schema.get("type") {
            if name == "null" {
                out.insert("nullable".to_owned(), true.into());
            } else {
                out.insert("type".to_owned(), kind.clone());
            }
        }
        for keyword in KEPT {
            if let Some(value) = schema.get(keyword) {
                out.insert(keyword.to_owned(), value.clone());
            }
        }
        for keyword in COUNTS {
            if let Some(count) = schema.get(keyword).filter(|count| count.is_u64()) {
                out.insert(keyword.to_owned(), count.clone());
            }
        }
        if schema.get("nullable").is_some_and(|value| value == true) {
            out.insert("nullable".to_owned(), true.into());
        }
        if let Some(format) = schema.get("format").and_then(Value::as_str)
            && FORMATS.contains(&format)
        {
            out.insert("format".to_owned(), format.into());
        }
        enumeration(schema, out);
        if !out.contains_key("anyOf") && depth <= MAX_DEPTH {
            self.items(schema, out, depth)?;
            self.properties(schema, out, depth)?;
        }
        Ok(())
    }

    fn items(
        &mut self,
        schema: &'a Map<String, Value>,
        out: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), TooLarge> {
        let items = match (schema.get("items"), schema.get("prefixItems")) {
            (Some(Value::Array(tuple)), _) | (_, Some(Value::Array(tuple))) => {
                let mut all = Map::new();
                self.alternatives(tuple, &mut all, depth)?;
                if all.is_empty() { any() } else { all }
            }
            (Some(one @ Value::Object(_)), _) => self.schema(one, depth + 1)?,
            _ => return Ok(()),
        };
        out.insert("items".to_owned(), Value::Object(items));
        Ok(())
    }

    fn properties(
        &mut self,
        schema: &'a Map<String, Value>,
        out: &mut Map<String, Value>,
        depth: usize,
    ) -> Result<(), TooLarge> {
        let Some(Value::Object(properties)) = schema.get("properties") else {
            return Ok(());
        };
        let mut converted = Map::new();
        for (name, property) in properties {
            converted.insert(name.clone(), self.schema(property, depth + 1)?.into());
        }
        let required = schema.get("required").and_then(Value::as_array);
        let required: Vec<Value> = required
            .into_iter()
            .flatten()
            .filter(|name| {
                name.as_str()
                    .is_some_and(|name| properties.contains_key(name))
            })
            .cloned()
            .collect();
        let mut object = Map::new();
        if self.ordering == Ordering::Stated && !converted.is_empty() {
            let names: Vec<&String> = converted.keys().collect();
            object.insert("propertyOrdering".to_owned(), json!(names));
        }
        object.insert("properties".to_owned(), converted.into());
        if !required.is_empty() {
            object.insert("required".to_owned(), required.into());
        }
        merge(out, object);
        Ok(())
    }
}

/// `enum` and `const`.
fn enumeration(schema: &Map<String, Value>, out: &mut Map<String, Value>) {
    let values: Vec<&Value> = match (schema.get("enum"), schema.get("const")) {
        (Some(Value::Array(values)), _) => values.iter().collect(),
        (_, Some(value)) => vec![value],
        _ => return,
    };
    let (nulls, values): (Vec<&Value>, Vec<&Value>) =
        values.into_iter().partition(|value| value.is_null());
    if !nulls.is_empty() {
        out.insert("nullable".to_owned(), true.into());
    }
    if values.is_empty() {
        return;
    }
    if values.iter().all(|value| value.is_string()) {
        let values: Vec<Value> = values.into_iter().cloned().collect();
        out.insert("enum".to_owned(), values.into());
        out.entry("type").or_insert_with(|| "string".into());
        return;
    }
    let list: Vec<String> = values.iter().map(ToString::to_string).collect();
    let list = format!("One of: {}.", list.join(", "));
    let description = match out.get("description").and_then(Value::as_str) {
        Some(text) if !text.is_empty() => format!("{text} {list}"),
        _ => list,
    };
    out.insert("description".to_owned(), description.into());
    if !out.contains_key("type") {
        let kind = match values.first() {
            Some(value) if value.is_i64() || value.is_u64() => "integer",
            Some(Value::Number(_)) => "number",
            Some(Value::Bool(_)) => "boolean",
            _ => "string",
        };
        out.insert("type".to_owned(), kind.into());
    }
}

/// Adds `more` to `out`: properties and required names together, of anything else the later.
fn merge(out: &mut Map<String, Value>, more: Map<String, Value>) {
    for (keyword, value) in more {
        match (out.get_mut(&keyword), value) {
            (Some(Value::Object(have)), Value::Object(value)) if keyword == "properties" => {
                have.extend(value);
            }
            (Some(Value::Array(have)), Value::Array(value))
                if matches!(keyword.as_str(), "required" | "propertyOrdering") =>
            {
                for name in value {
                    if !have.contains(&name) {
                        have.push(name);
                    }
                }
            }
            (_, value) => {
                out.insert(keyword, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
