//! Errors on their way to a client: the one place where they become HTTP.

use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use dragoman_policy::Refusal;
use dragoman_proto::{ApiError, ClientDialect, ErrorKind, Operation};

use crate::authority::AuthorityError;
use crate::ledger::LedgerError;

/// An error as a response, in OpenAI's shape unless the endpoint is Anthropic's.
#[derive(Debug)]
pub struct Failure {
    error: ApiError,
    dialect: ClientDialect,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let dialect = ClientDialect::OpenAi;
        Self { error, dialect }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        ApiError::from(refusal).into()
    }
}

impl From<AuthorityError> for Failure {
    fn from(error: AuthorityError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<LedgerError> for Failure {
    /// The reason is for the log: it may name files of the machine.
    fn from(error: LedgerError) -> Self {
        tracing::error!(%error, "the ledger cannot be read");
        ApiError::new(
            ErrorKind::Unavailable,
            "the ledger cannot be read at the moment",
        )
        .retry_after(5)
        .into()
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.error.status());
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, self.error.body(self.dialect)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.error.headers() {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

/// A path that is no endpoint; or one of an operation, which Envoy sends here when the method is
/// not `POST`.
pub(super) async fn not_found(method: Method, uri: Uri) -> Response {
    match Operation::at(uri.path()) {
        Some(operation) if method != Method::POST => {
            let mut response = wrong_method(&method, operation.client_dialect()).into_response();
            let allowed = HeaderValue::from_static("POST");
            response.headers_mut().insert(ALLOW, allowed);
            response
        }
        operation => Failure {
            error: ApiError::new(ErrorKind::NotFound, "there is no such endpoint"),
            dialect: operation.map_or(ClientDialect::OpenAi, Operation::client_dialect),
        }
        .into_response(),
    }
}

/// An endpoint of ours, asked in a way that it does not know. The router adds `allow`.
pub(super) async fn method_not_allowed(method: Method) -> Failure {
    wrong_method(&method, ClientDialect::OpenAi)
}

fn wrong_method(method: &Method, dialect: ClientDialect) -> Failure {
    let message = format!("{method} is not allowed here");
    Failure {
        error: ApiError::new(ErrorKind::MethodNotAllowed, message),
        dialect,
    }
}
