//! Secrets: providers' keys and the HTTPS certificate. They travel over SDS alone, so that Envoy's
//! configuration dump shows none.

use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{
    GenericSecret, Secret, TlsCertificate as EnvoyCertificate, secret::Type,
};

use crate::{TlsCertificate, Topology, Upstream};

/// The secret of the HTTPS listener.
pub(crate) const HTTPS_CERTIFICATE: &str = "dragoman/https";

/// The secret of a deployment.
pub(crate) fn credential_name(deployment: &str) -> String {
    format!("dragoman/{deployment}")
}

/// All secrets of the topology.
pub(crate) fn secrets(topology: &Topology) -> Vec<Secret> {
    let certificate = topology
        .listeners
        .https
        .iter()
        .map(|(_, certificate)| https(certificate));
    certificate
        .chain(topology.upstreams.iter().filter_map(credential))
        .collect()
}

fn credential(upstream: &Upstream) -> Option<Secret> {
    let credential = upstream.credential.as_ref()?;
    Some(Secret {
        name: credential_name(&upstream.config.deployment),
        r#type: Some(Type::GenericSecret(GenericSecret {
            secret: Some(inline(&credential.value)),
            ..GenericSecret::default()
        })),
    })
}

fn https(certificate: &TlsCertificate) -> Secret {
    Secret {
        name: HTTPS_CERTIFICATE.to_owned(),
        r#type: Some(Type::TlsCertificate(EnvoyCertificate {
            certificate_chain: Some(inline(&certificate.chain_pem)),
            private_key: Some(inline(&certificate.key_pem)),
            ..EnvoyCertificate::default()
        })),
    }
}

fn inline(text: &str) -> DataSource {
    DataSource {
        specifier: Some(Specifier::InlineString(text.to_owned())),
        ..DataSource::default()
    }
}
