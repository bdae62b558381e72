//! What a schema becomes for Gemini.

use serde_json::json;

use super::*;

fn converted(schema: &Value) -> Value {
    convert(schema, Ordering::Unstated).unwrap()
}

#[test]
fn references_are_resolved_where_they_stand() {
    let schema = json!({
        "$defs": {"City": {"type": "string", "description": "A city"}},
        "type": "object",
        "properties": {
            "from": {"$ref": "#/$defs/City"},
            "to": {"$ref": "#/$defs/City", "description": "Where to"},
        },
        "required": ["from", "nowhere"],
        "additionalProperties": false,
    });
    assert_eq!(
        converted(&schema),
        json!({
            "type": "object",
            "properties": {
                "from": {"type": "string", "description": "A city"},
                "to": {"type": "string", "description": "Where to"},
            },
            "required": ["from"],
        })
    );
}

#[test]
fn a_schema_that_contains_itself_ends() {
    let schema = json!({
        "$defs": {"Node": {"type": "object", "properties": {
            "next": {"$ref": "#/$defs/Node"}, "name": {"type": "string"},
        }}},
        "$ref": "#/$defs/Node",
    });
    assert_eq!(
        converted(&schema),
        json!({"type": "object", "properties": {
            "next": {"type": "object"}, "name": {"type": "string"},
        }})
    );
    let endless = json!({"type": "array", "items": {"$ref": "#"}});
    assert!(converted(&endless).to_string().len() < 200);
}

#[test]
fn references_that_multiply_are_refused() {
    let mut definitions = Map::new();
    for level in 0..30 {
        let next = json!({"$ref": format!("#/$defs/l{}", level + 1)});
        let both = json!({"type": "object", "properties": {"a": next, "b": next}});
        definitions.insert(format!("l{level}"), both);
    }
    let schema = json!({"$defs": definitions, "$ref": "#/$defs/l0"});
    assert_eq!(convert(&schema, Ordering::Unstated), Err(TooLarge));
}

#[test]
fn null_becomes_nullable() {
    for schema in [
        json!({"type": ["string", "null"]}),
        json!({"anyOf": [{"type": "string"}, {"type": "null"}]}),
        json!({"oneOf": [{"type": "null"}, {"type": "string"}]}),
    ] {
        let expected = json!({"type": "string", "nullable": true});
        assert_eq!(converted(&schema), expected, "{schema}");
    }
    assert_eq!(
        converted(&json!({"enum": ["a", null]})),
        json!({"type": "string", "nullable": true, "enum": ["a"]})
    );
}

#[test]
fn several_types_become_alternatives() {
    assert_eq!(
        converted(&json!({"type": ["integer", "array", "null"], "items": {"type": "string"}})),
        json!({"nullable": true, "anyOf": [
            {"type": "integer"}, {"type": "array", "items": {"type": "string"}},
        ]})
    );
}

#[test]
fn parts_are_merged() {
    let schema = json!({"allOf": [
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        {"properties": {"b": {"type": "integer"}}, "required": ["b"]},
    ]});
    assert_eq!(
        converted(&schema),
        json!({"type": "object", "required": ["a", "b"], "properties": {
            "a": {"type": "string"}, "b": {"type": "integer"},
        }})
    );
}

#[test]
fn what_gemini_cannot_express_is_described_or_left_out() {
    assert_eq!(
        converted(&json!({"type": "integer", "enum": [1, 2], "description": "How many."})),
        json!({"type": "integer", "description": "How many. One of: 1, 2."})
    );
    assert_eq!(
        converted(&json!({"const": "x"})),
        json!({"type": "string", "enum": ["x"]})
    );
    assert_eq!(
        converted(
            &json!({"type": "string", "format": "uri", "default": "x", "x-own": 1, "minLength": 2})
        ),
        json!({"type": "string", "minLength": 2})
    );
    assert_eq!(
        converted(&json!({"type": "array"})),
        json!({"type": "array", "items": {"type": "object"}})
    );
    assert_eq!(
        converted(
            &json!({"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}]})
        ),
        json!({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "integer"}]}})
    );
    assert_eq!(converted(&json!(true)), json!({"type": "object"}));
}

#[test]
fn the_order_of_properties_can_be_stated() {
    let schema = json!({"type": "object", "properties": {"b": {}, "a": {}}});
    let ordered = convert(&schema, Ordering::Stated).unwrap();
    assert!(ordered.get("propertyOrdering").is_some());
}
