//! Several services behind one Envoy.
//!
//! The bootstrap that a service writes names that service alone. Here each of its clusters gets the
//! other's endpoint as well, so Envoy sends requests to both in turn, and each of its log streams to
//! one of them: what one has reserved, the other may settle.

use std::{fs, path::Path};

use anyhow::Context;
use serde_json::Value;

/// Adds the endpoints of the bootstrap `other` to those in `bootstrap`.
pub(super) fn join(bootstrap: &Path, other: &Path) -> anyhow::Result<()> {
    let (mut joined, mut other) = (read(bootstrap)?, read(other)?);
    let pairs = clusters(&mut joined)?.iter_mut().zip(clusters(&mut other)?);
    for (cluster, other) in pairs {
        let more = endpoints(other)?.clone();
        endpoints(cluster)?.extend(more);
    }
    Ok(fs::write(bootstrap, serde_json::to_vec_pretty(&joined)?)?)
}

fn read(file: &Path) -> anyhow::Result<Value> {
    Ok(serde_json::from_slice(&fs::read(file)?)?)
}

fn clusters(bootstrap: &mut Value) -> anyhow::Result<&mut Vec<Value>> {
    let clusters = bootstrap["static_resources"]["clusters"].as_array_mut();
    clusters.context("the bootstrap has no clusters")
}

fn endpoints(cluster: &mut Value) -> anyhow::Result<&mut Vec<Value>> {
    let endpoints = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"].as_array_mut();
    endpoints.context("a cluster has no endpoints")
}
