//! What every contender of a benchmark stands on: the programs, a folder, one number of workers.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{KEY, report};
use crate::daemon::Daemon;
use crate::stack::{Provider, Setup, Stack};
use crate::workspace::{Profile, Workspace};
use crate::{build, envoy, http, ports, process, wasm};

const START_LIMIT: Duration = Duration::from_secs(30);

/// Programs that were built, and an empty folder for configurations and logs.
pub(crate) struct Ground {
    envoy: PathBuf,
    service: PathBuf,
    provider: PathBuf,
    pub(crate) home: PathBuf,
    /// Workers of each Envoy.
    workers: u32,
}

impl Ground {
    /// Builds what is measured, in release mode.
    pub(crate) fn prepare(workspace: &Workspace, workers: u32) -> Result<Self> {
        let envoy = envoy::find_or_install(workspace)?;
        wasm::build(workspace)?;
        let provider = [("dragoman-tests", "scripted-provider")];
        let service = build::service(workspace, Profile::Release, &provider)?;
        let home = workspace.target.join("bench");
        if home.exists() {
            fs::remove_dir_all(&home)
                .with_context(|| format!("cannot empty {}", home.display()))?;
        }
        fs::create_dir_all(&home)?;
        Ok(Self {
            envoy,
            service,
            provider: workspace.binary(Profile::Release, "scripted-provider"),
            home,
            workers,
        })
    }

    /// The scripted provider, with these flags.
    pub(crate) fn provider(&self, flags: &[&str]) -> Result<Provider> {
        Provider::start(&self.provider, &self.home, flags)
    }

    /// The whole chain before `model` of `provider`, and where it listens.
    pub(crate) fn chain(&self, provider: SocketAddr, model: &str) -> Result<(SocketAddr, Stack)> {
        let config = self.home.join("config.yaml");
        fs::write(&config, chain_config(provider, model))?;
        let http = ports::free()?;
        let stack = Stack::start(&Setup {
            service: &self.service,
            envoy: &self.envoy,
            config: &config,
            state: &self.home.join("chain"),
            http,
            https: ports::free()?,
            workers: Some(self.workers),
            environment: Vec::new(),
        })?;
        Ok((http, stack))
    }

    /// An Envoy with a bootstrap of ours, in which something listens at `at`.
    pub(crate) fn envoy(
        &self,
        name: &'static str,
        at: SocketAddr,
        bootstrap: &serde_json::Value,
    ) -> Result<Daemon> {
        let file = |ending| {
            self.home
                .join(format!("{}.{ending}", name.replace(' ', "-")))
        };
        fs::write(file("json"), bootstrap.to_string())?;
        let mut command = Command::new(&self.envoy);
        command
            .arg("--config-path")
            .arg(file("json"))
            .arg("--disable-hot-restart")
            .args(["--concurrency", &self.workers.to_string()]);
        let mut daemon = Daemon::start(name, &command, file("log"))?;
        let end = Instant::now() + START_LIMIT;
        while http::ask(at, "GET", "/").is_err() && Instant::now() < end {
            daemon.require_running()?;
            process::pause(Duration::from_millis(50))?;
        }
        Ok(daemon)
    }

    /// The line that says what was measured on.
    pub(crate) fn machine(&self) -> Result<String> {
        Ok(report::machine(&envoy::version(&self.envoy)?, self.workers))
    }
}

/// A model with prices, at the scripted provider.
pub(crate) fn chain_config(provider: SocketAddr, model: &str) -> String {
    format!(
        "model_list:\n  - model_name: bench\n    litellm_params:\n      model: openai/{model}\n      \
         api_base: http://{provider}/v1\n      api_key: sk-provider\n      \
         input_cost_per_token: 0.000001\n      output_cost_per_token: 0.000002\n\
         general_settings:\n  master_key: {KEY}\n"
    )
}
