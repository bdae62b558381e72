//! Who calls an endpoint.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use dragoman_policy::{Credential, Principal, Refusal};

use super::{Api, Failure};

/// The holder of a valid key.
#[derive(Debug, Clone)]
pub struct Caller(pub Principal);

/// The holder of the master key.
#[derive(Debug, Clone)]
pub struct Master(pub Principal);

impl FromRequestParts<Api> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let credential = credential(&parts.headers)?;
        Ok(Self(api.authority.authenticate(&credential).await?))
    }
}

impl FromRequestParts<Api> for Master {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Failure> {
        let Caller(principal) = Caller::from_request_parts(parts, api).await?;
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
