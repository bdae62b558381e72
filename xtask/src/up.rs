//! `cargo xtask up`: everything, in the foreground, until Ctrl-C.

use std::fs::{self, File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::progress::step;
use crate::stack::{Provider, Setup, Stack, is_interruption};
use crate::workspace::{Profile, Workspace};
use crate::{build, envoy, http, ports, process, wasm};

/// The key of the demo configuration.
const DEMO_KEY: &str = "sk-demo";

/// Options of `cargo xtask up`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// A LiteLLM configuration; without it, a demo that needs no account
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where keys, ledger, certificate and logs are kept [default: state/ in the checkout]
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// Where to serve HTTP
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:4000")]
    http: SocketAddr,
    /// Where to serve HTTPS
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    https: SocketAddr,
    /// Optimise the service
    #[arg(long)]
    release: bool,
}

/// `cargo xtask up`
pub(crate) fn up(workspace: &Workspace, options: &Options) -> Result<()> {
    let config = config(workspace, options.config.as_deref())?;
    ports::require_free("--http", options.http)?;
    ports::require_free("--https", options.https)?;
    if options.http == options.https {
        bail!("--http and --https cannot both be {}", options.http);
    }
    let state = match &options.state {
        Some(state) => std::path::absolute(state)?,
        None => workspace.root.join("state"),
    };
    let _lock = claim(&state)?;

    let demo = options.config.is_none();
    let envoy = envoy::find_or_install(workspace)?;
    wasm::build(workspace)?;
    let profile = Profile::new(options.release);
    let provider: &[_] = if demo {
        &[("dragoman-tests", "scripted-provider")]
    } else {
        &[]
    };
    let service = build::service(workspace, profile, provider)?;

    let mut environment = Vec::new();
    let mut provider = None;
    if demo {
        let binary = workspace.binary(profile, "scripted-provider");
        let started = Provider::start(&binary, &state, &[])?;
        environment = demo_environment(started.address);
        provider = Some(started);
    }
    let mut stack = step("starting the service and Envoy", || {
        Stack::start(&Setup {
            service: &service,
            envoy: &envoy,
            config: &config,
            state: &state,
            http: options.http,
            https: options.https,
            workers: None,
            environment,
        })
    })?;
    announce(options, &state);
    let ended = watch(&mut stack, provider.as_mut());
    eprintln!("==> stopping");
    stack.stop();
    if let Some(provider) = provider.as_mut() {
        provider.stop();
    }
    match ended {
        Err(error) if is_interruption(&error) => Ok(()),
        other => other,
    }
}

/// Returns only when something ended, or somebody wants us to.
fn watch(stack: &mut Stack, mut provider: Option<&mut Provider>) -> Result<()> {
    loop {
        stack.require_running()?;
        if let Some(provider) = provider.as_deref_mut() {
            provider.require_running()?;
        }
        process::pause(Duration::from_millis(200))?;
    }
}

fn config(workspace: &Workspace, given: Option<&Path>) -> Result<PathBuf> {
    let Some(given) = given else {
        return Ok(workspace.root.join("deploy/demo.yaml"));
    };
    let shown = given.display();
    match fs::metadata(given) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            bail!("there is no configuration file {shown}")
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
        Ok(found) if found.is_dir() => bail!(
            "{shown} is a directory, not a configuration file (Docker creates one where a file \
             to mount does not exist); remove it and put the file there"
        ),
        Ok(_) => {}
    }
    File::open(given).with_context(|| format!("cannot read {shown}"))?;
    Ok(std::path::absolute(given)?)
}

/// Takes the state folder for ourselves, until the file is dropped.
fn claim(state: &Path) -> Result<File> {
    let shown = state.display();
    if state.exists() && !state.is_dir() {
        bail!("{shown} is a file; the state is kept in a folder (`--state DIR`)");
    }
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .with_context(|| format!("cannot create the state folder {shown}"))?;
    let lock = File::create(state.join("up.lock"))
        .with_context(|| format!("cannot write to the state folder {shown}"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            bail!("another `cargo xtask up` uses {shown}; choose another folder with `--state`")
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {shown}"))
        }
    }
}

/// How the demo configuration finds the scripted provider.
pub(crate) fn demo_environment(provider: SocketAddr) -> Vec<(String, String)> {
    vec![
        ("DEMO_OPENAI_BASE".into(), format!("http://{provider}/v1")),
        ("DEMO_ANTHROPIC_BASE".into(), format!("http://{provider}")),
    ]
}

fn announce(options: &Options, state: &Path) {
    println!(
        "ready: http://{} https://{} | key: {} | logs: {} | Ctrl-C stops",
        options.http,
        options.https,
        key_hint(options, state),
        state.join("log").display()
    );
}

/// What to send as `Authorization: Bearer …`, without showing a key that is anybody's own.
fn key_hint(options: &Options, state: &Path) -> String {
    if options.config.is_none() {
        return DEMO_KEY.to_owned();
    }
    // Made by the service when the configuration sets none; an old one may still lie there.
    let file = state.join("master_key");
    let made = fs::read_to_string(&file).unwrap_or_default();
    let opens = |key: &str| {
        http::get_with_key(options.http, "/v1/models", key).is_ok_and(|answer| answer.status == 200)
    };
    match made.trim() {
        "" => "the master key of your configuration".to_owned(),
        key if opens(key) => format!("in {}", file.display()),
        _ => "the master key of your configuration".to_owned(),
    }
}
