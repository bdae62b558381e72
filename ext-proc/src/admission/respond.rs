//! The answer, in ext_proc's terms.

use std::collections::HashMap;

use dragoman_proto::{Admission, ClientDialect, names};
use envoy_types::pb::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::ext_proc::v3::processing_response::Response;
use envoy_types::pb::envoy::service::ext_proc::v3::{
    CommonResponse, HeaderMutation, HeadersResponse, ImmediateResponse, ProcessingResponse,
};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use envoy_types::util::pack_any;

use super::decide::{Admitted, Denied};

/// Lets the request go on along its plan.
pub(super) fn admit(admitted: &Admitted) -> ProcessingResponse {
    let retries = admitted.plan.retries();
    let millis = |duration: std::time::Duration| duration.as_millis().to_string();
    let mut set = vec![
        header("x-envoy-max-retries", &retries.to_string()),
        header(
            "x-envoy-upstream-rq-timeout-ms",
            &millis(admitted.total_timeout),
        ),
        header(
            "x-envoy-upstream-rq-per-try-timeout-ms",
            &millis(admitted.attempt_timeout),
        ),
    ];
    if retries > 0 && admitted.plan.is_single() {
        set.push(header(names::PACE, "one-deployment"));
    }
    // the client's credentials stay: the upstream filter lets nothing through that it does not know
    let mutation = HeaderMutation {
        set_headers: set,
        ..HeaderMutation::default()
    };
    ProcessingResponse {
        response: Some(Response::RequestHeaders(HeadersResponse {
            response: Some(CommonResponse {
                header_mutation: Some(mutation),
                clear_route_cache: true,
                ..CommonResponse::default()
            }),
        })),
        dynamic_metadata: Some(metadata(admitted)),
        typed_dynamic_metadata: HashMap::from([(
            names::PLAN_NAMESPACE.to_owned(),
            pack_any(admitted.plan.to_override()),
        )]),
        ..ProcessingResponse::default()
    }
}

/// Answers the client in place of a provider.
pub(super) fn deny(denied: &Denied) -> ProcessingResponse {
    let mut headers = vec![header("content-type", "application/json")];
    headers.extend(
        denied
            .error
            .headers()
            .iter()
            .map(|(name, value)| header(name, value)),
    );
    ProcessingResponse {
        response: Some(Response::ImmediateResponse(ImmediateResponse {
            status: Some(HttpStatus {
                code: denied.error.status().into(),
            }),
            headers: Some(HeaderMutation {
                set_headers: headers,
                ..HeaderMutation::default()
            }),
            body: denied.error.body(denied.dialect),
            details: "denied".to_owned(),
            ..ImmediateResponse::default()
        })),
        ..ProcessingResponse::default()
    }
}

fn header(name: &str, value: &str) -> HeaderValueOption {
    HeaderValueOption {
        header: Some(HeaderValue {
            key: name.to_owned(),
            raw_value: value.as_bytes().to_vec(),
            ..HeaderValue::default()
        }),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

/// The admission, for the filter and the access log.
fn metadata(admitted: &Admitted) -> Struct {
    let admission = &admitted.admission;
    let mut fields = vec![
        (Admission::FIELD, text(admission.encode())),
        (
            Admission::REQUEST_ID_FIELD,
            text(admission.request_id.clone()),
        ),
    ];
    if admission.operation.client_dialect() == ClientDialect::Anthropic {
        fields.push((
            Admission::CLIENT_FIELD,
            text(Admission::ANTHROPIC.to_owned()),
        ));
    }
    let namespace = names::ADMISSION_NAMESPACE.to_owned();
    Struct {
        fields: HashMap::from([(namespace, object(fields))]),
    }
}

fn text(text: String) -> Value {
    Value {
        kind: Some(Kind::StringValue(text)),
    }
}

fn object(fields: Vec<(&str, Value)>) -> Value {
    let fields = fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Value {
        kind: Some(Kind::StructValue(Struct { fields })),
    }
}
