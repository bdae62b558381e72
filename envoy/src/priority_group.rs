//! The `priority_group` cluster specifier of Envoy 1.40, whose messages are newer than the published
//! Rust types: so its configuration goes over the wire as a `TypedStruct`, JSON by another name.

use std::collections::BTreeMap;

/// `xds.type.v3.TypedStruct`
/// (<https://github.com/cncf/xds/blob/main/xds/type/v3/typed_struct.proto>).
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TypedStruct {
    /// The type whose JSON `value` is.
    #[prost(string, tag = "1")]
    type_url: String,
    /// The message, as JSON.
    #[prost(message, optional, tag = "2")]
    value: Option<Struct>,
}

impl prost::Name for TypedStruct {
    const NAME: &'static str = "TypedStruct";
    const PACKAGE: &'static str = "xds.type.v3";

    fn type_url() -> String {
        "type.googleapis.com/xds.type.v3.TypedStruct".to_owned()
    }
}

/// `google.protobuf.Struct` with its fields in order, so that equal configurations have equal bytes
/// and so equal versions.
#[derive(Clone, PartialEq, prost::Message)]
struct Struct {
    #[prost(btree_map = "string, message", tag = "1")]
    fields: BTreeMap<String, Value>,
}

/// `google.protobuf.Value`, as far as it is used.
#[derive(Clone, PartialEq, prost::Message)]
struct Value {
    #[prost(oneof = "Kind", tags = "2, 3, 5, 6")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Kind {
    #[prost(double, tag = "2")]
    Number(f64),
    #[prost(string, tag = "3")]
    Text(String),
    #[prost(message, tag = "5")]
    Object(Struct),
    #[prost(message, tag = "6")]
    List(List),
}

/// `google.protobuf.ListValue`.
#[derive(Clone, PartialEq, prost::Message)]
struct List {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

/// A specifier that takes its groups from dynamic metadata `namespace`, and sends a request for
/// which there are none to the cluster `otherwise`.
pub(crate) fn specifier(namespace: &str, otherwise: &str) -> TypedStruct {
    let cluster = fields([
        ("cluster_name", text(otherwise)),
        ("weight", value(Kind::Number(1.0))),
    ]);
    let group = fields([("name", text("none")), ("clusters", list_of(cluster))]);
    TypedStruct {
        type_url: "type.googleapis.com/envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier".to_owned(),
        value: Some(fields([
            ("override_metadata_namespace", text(namespace)),
            ("priority_groups", list_of(group)),
        ])),
    }
}

fn value(kind: Kind) -> Value {
    Value { kind: Some(kind) }
}

fn text(text: &str) -> Value {
    value(Kind::Text(text.to_owned()))
}

fn list_of(object: Struct) -> Value {
    let values = vec![value(Kind::Object(object))];
    value(Kind::List(List { values }))
}

fn fields<const N: usize>(all: [(&str, Value); N]) -> Struct {
    let fields = all
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value));
    Struct {
        fields: fields.collect(),
    }
}
