//! Bodies that an endpoint has no use for.
//!
//! Whoever answers without having read a request's body has the connection closed, behind Envoy's back:
//! the next request that Envoy sends on it, anybody's, would be lost.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::CONNECTION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use dragoman_proto::{ApiError, ErrorKind};

use super::Failure;

/// The longest body that any endpoint has a use for, in bytes.
const MAX_BODY: usize = 2 * 1024 * 1024;

/// Reads a request's body before anybody answers it.
pub(crate) async fn whole(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match to_bytes(body, MAX_BODY).await {
        Ok(bytes) => {
            next.run(Request::from_parts(parts, Body::from(bytes)))
                .await
        }
        Err(_) => {
            let error = ApiError::new(
                ErrorKind::TooLarge,
                "the body is longer than 2 MiB, or broke off",
            );
            let mut response = Failure::from(error).into_response();
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
            response
        }
    }
}
