//! Who calls an endpoint.

use std::sync::Arc;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use dragoman_policy::{Credential, Principal, Refusal};

use super::{Api, Failure};
use crate::authority::Authority;

/// The holder of a valid key.
#[derive(Debug, Clone)]
pub struct Caller(pub Principal);

/// The holder of the master key.
#[derive(Debug, Clone)]
pub struct Master(pub Principal);

impl FromRef<Api> for Arc<dyn Authority> {
    fn from_ref(api: &Api) -> Self {
        Self::clone(&api.authority)
    }
}

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Arc<dyn Authority>: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let credential = credential(&parts.headers)?;
        let authority = Arc::<dyn Authority>::from_ref(state);
        let principal = authority.authenticate(&credential).await?;
        principal.authorize_path(parts.uri.path())?;
        Ok(Self(principal))
    }
}

impl<S> FromRequestParts<S> for Master
where
    S: Send + Sync,
    Arc<dyn Authority>: FromRef<S>,
{
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let Caller(principal) = Caller::from_request_parts(parts, state).await?;
        if principal.is_master {
            Ok(Self(principal))
        } else {
            Err(Refusal::MasterOnly.into())
        }
    }
}

fn credential(headers: &HeaderMap) -> Result<Credential, Refusal> {
    Credential::from_headers(|name| headers.get(name)?.to_str().ok())
}
