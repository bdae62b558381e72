//! The `priority_group` cluster specifier of Envoy 1.40, whose messages are newer than the published
//! Rust types: so its configuration goes over the wire as a `TypedStruct`, JSON by another name.

use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{ListValue, Struct, Value};

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

/// A specifier that takes its groups from dynamic metadata `namespace`, and sends a request for
/// which there are none to the cluster `otherwise`.
pub(crate) fn specifier(namespace: &str, otherwise: &str) -> TypedStruct {
    let weight = Value {
        kind: Some(Kind::NumberValue(1.0)),
    };
    let cluster = object([("cluster_name", text(otherwise)), ("weight", weight)]);
    let group = object([("name", text("none")), ("clusters", list(cluster))]);
    TypedStruct {
        type_url: "type.googleapis.com/envoy.extensions.router.cluster_specifiers.priority_group.v3.PriorityGroupClusterSpecifier".to_owned(),
        value: Some(fields([
            ("override_metadata_namespace", text(namespace)),
            ("priority_groups", list(group)),
        ])),
    }
}

fn text(text: &str) -> Value {
    Value {
        kind: Some(Kind::StringValue(text.to_owned())),
    }
}

fn list(value: Value) -> Value {
    Value {
        kind: Some(Kind::ListValue(ListValue {
            values: vec![value],
        })),
    }
}

fn object<const N: usize>(all: [(&str, Value); N]) -> Value {
    Value {
        kind: Some(Kind::StructValue(fields(all))),
    }
}

fn fields<const N: usize>(all: [(&str, Value); N]) -> Struct {
    Struct {
        fields: all
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    }
}
