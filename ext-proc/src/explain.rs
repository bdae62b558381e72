//! Commands that print and end.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};

use dragoman_policy::PriceTable;

use crate::cli::Services;
use crate::{prices, source};

/// Prints what was understood of a configuration.
#[expect(clippy::print_stdout, reason = "printing is what the command is for")]
pub fn check(path: &Path) -> anyhow::Result<()> {
    let config = source::load(path)?;
    print!("{}", dragoman_config::report(&config));
    let bundled = Arc::new(PriceTable::bundled()?);
    let table = prices::load(path, &config, &bundled)?;
    if let Some(file) = &config.own.prices {
        let (models, version) = (table.len(), table.version());
        println!("\nprices  {file}: {models} models, version {version}");
    }
    Ok(())
}

/// Prints Envoy's bootstrap.
#[expect(clippy::print_stdout, reason = "printing is what the command is for")]
pub fn bootstrap(services: &Services) -> anyhow::Result<()> {
    let (Some(grpc), Some(api)) = (&services.grpc, &services.api) else {
        bail!("--grpc and --api say where this Envoy will reach the service; give both");
    };
    let addresses = dragoman_envoy::Services {
        grpc: grpc.0.clone(),
        http: api.0.clone(),
    };
    let bootstrap = dragoman_envoy::bootstrap(&addresses, services.envoy_admin);
    println!(
        "{}",
        serde_json::to_string_pretty(&bootstrap).context("the bootstrap")?
    );
    Ok(())
}
