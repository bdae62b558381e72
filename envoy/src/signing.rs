//! Requests to AWS, signed by Envoy: the last filter before the provider, so that it signs what the
//! filters before it made of path, host, headers and body.
//!
//! The filter takes its keys in its own configuration, not over SDS. Envoy marks them as sensitive,
//! and shows `[redacted]` in their place.

use envoy_types::pb::envoy::extensions::common::aws::v3::{
    AwsCredentialProvider, InlineCredentialProvider,
};
use envoy_types::pb::envoy::extensions::filters::http::aws_request_signing::v3::AwsRequestSigning;

use crate::{Signing, filters};

pub(crate) const FILTER: &str = "envoy.filters.http.aws_request_signing";

/// Headers that a proxy on the way may rewrite; AWS's own SDKs do not sign them either.
const UNSIGNED: [&str; 1] = ["user-agent"];

/// The configuration of the filter.
pub(crate) fn config(signing: &Signing) -> AwsRequestSigning {
    let credential_provider = signing.keys.as_ref().map(|keys| AwsCredentialProvider {
        inline_credential: Some(InlineCredentialProvider {
            access_key_id: keys.access_key_id.clone(),
            secret_access_key: keys.secret_access_key.clone(),
            session_token: keys.session_token.clone(),
        }),
        ..AwsCredentialProvider::default()
    });
    AwsRequestSigning {
        service_name: signing.service.to_owned(),
        region: signing.region.clone(),
        match_excluded_headers: UNSIGNED.iter().map(filters::exactly).collect(),
        credential_provider,
        ..AwsRequestSigning::default()
    }
}
