//! `dragoman serve`: loads, builds, serves, drains.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use arc_swap::ArcSwap;
use dragoman_config::Config;
use dragoman_envoy::{Address, FilterModule, Listeners, Services, Snapshot};
use dragoman_policy::PriceTable;
use tokio::sync::watch;

use crate::cli::Serve;
use crate::credentials::{Google, Tokens};
use crate::http::{self, Api, Probe};
use crate::listen::{Listen, Listener};
use crate::live::Live;
use crate::probe::{self, EnvoyProbe};
use crate::reload::{Reloader, Retired};
use crate::routing::Routing;
use crate::servers::{self, Parts};
use crate::state::StateFolder;
use crate::storage::Storage;
use crate::topology::{Surroundings, topology};
use crate::xds::EnvoyStatus;
use crate::{filter_module, https, prices, source};

/// Runs the service until SIGINT or SIGTERM.
pub fn run(options: &Serve) -> anyhow::Result<()> {
    crate::log::start();
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = options.threads.map_or(cores / 4, NonZeroUsize::get).max(1);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    runtime.block_on(serve(options))
}

async fn serve(options: &Serve) -> anyhow::Result<()> {
    let text = source::read(&options.config)?;
    let config = source::parse(&options.config, &text)?;
    announce(&config);
    let state = StateFolder::open(&options.state)
        .with_context(|| format!("the state folder {}", options.state.display()))?;
    let master_key = master_key(&config, &state)?;
    let filter_dir = options.filter_dir.clone().unwrap_or_else(|| state.filter());
    let filter = filter_module::install(&filter_dir)?;
    let around = surroundings(options, &state, filter)?;
    let spool = around.spool.clone();
    let bundled = Arc::new(PriceTable::bundled()?);
    let price_text = prices::text(&options.config, &config);
    let table = prices::load(&options.config, &config, &bundled)?;
    let live = Live::new(config, &table)?;
    let mut tokens = Tokens::new(Arc::new(Google::new(&options.ca_file)?));
    let board = tokens.board();
    tokens.configure(&live.config).await;
    let routing = Arc::new(Routing::new(board.clone()));
    routing.configure(&live);
    let topology = topology(&live, &around, &board);
    let (snapshot, snapshots) = watch::channel(Arc::new(Snapshot::build(&topology)));
    let live = Arc::new(ArcSwap::from_pointee(live));
    let grpc = bind(&around.services.grpc).await?;
    let http = bind(&around.services.http).await?;
    write_bootstrap(options, &state, &around.services)?;

    let (stop, stopped) = watch::channel(false);
    let reloader = Reloader {
        path: options.config.clone(),
        text,
        price_text,
        bundled,
        around,
        live: Arc::clone(&live),
        routing: Arc::clone(&routing),
        tokens,
        snapshot,
        retired: Retired::default(),
    };
    let reloading = tokio::spawn(reloader.run(stopped.clone()));
    let probe = probe(options, &master_key)?;
    let opened = Storage::open(
        &options.databases,
        &state,
        Arc::clone(&live),
        &master_key,
        stopped.clone(),
    );
    let (storage, guards) = opened.await?;
    let parts = Parts {
        api: api(live, routing, probe, &storage)?,
        storage,
        guards,
        snapshots,
        spool,
    };
    let mut serving = tokio::spawn(servers::run(parts, grpc, http, stopped));
    tracing::info!("serving");
    tokio::select! {
        ended = &mut serving => return ended?,
        signal = shutdown_signal() => signal?,
    }
    tracing::info!("stopping");
    stop.send_replace(true);
    reloading.await?;
    serving.await?
}

/// The way to ask providers how they are: through Envoy's HTTP listener.
fn probe(options: &Serve, master_key: &str) -> anyhow::Result<Option<Arc<dyn Probe>>> {
    let own = options
        .http
        .0
        .map(|at| format!("http://{}", probe::reachable(at)));
    let Some(url) = options.envoy_url.clone().or(own) else {
        return Ok(None);
    };
    Ok(Some(Arc::new(EnvoyProbe::new(
        &url,
        master_key.to_owned(),
    )?)))
}

/// What the endpoints stand on.
fn api(
    live: Arc<ArcSwap<Live>>,
    routing: Arc<Routing>,
    probe: Option<Arc<dyn Probe>>,
    storage: &Storage,
) -> anyhow::Result<Api> {
    Ok(Api {
        live,
        authority: Arc::clone(&storage.authority),
        routing,
        envoy: Arc::new(EnvoyStatus::default()),
        ledger: Arc::clone(&storage.ledger),
        writer: storage.writer.clone(),
        accounts: Arc::clone(&storage.accounts),
        metrics: http::install()?,
        probe,
    })
}

/// Says once what a person should know of the configuration.
fn announce(config: &Config) {
    for notice in &config.notices {
        tracing::warn!("{notice}");
    }
}

/// The master key of the configuration, or one that is made at first start and kept.
fn master_key(config: &Config, state: &StateFolder) -> anyhow::Result<String> {
    if let Some(key) = &config.general.master_key {
        return Ok(key.secret.expose().to_owned());
    }
    let (key, is_new) = state
        .generated_master_key()
        .context("the generated master key")?;
    if is_new {
        show_once(&key);
    } else {
        let path = state.master_key();
        tracing::info!(
            "no master key is configured: the one in {} holds",
            path.display()
        );
    }
    Ok(key)
}

/// The one time that a secret is printed: to the person who starts the service, never to the log.
#[expect(
    clippy::print_stdout,
    reason = "for the person at the terminal, not for the log"
)]
fn show_once(key: &str) {
    println!(
        "No master key is configured. This one was made for you and is kept in the state folder:\n\n    {key}\n"
    );
}

fn surroundings(
    options: &Serve,
    state: &StateFolder,
    filter: FilterModule,
) -> anyhow::Result<Surroundings> {
    let place = |given: &Option<Listen>, name: &str| match given {
        Some(Listen(address)) => Ok(address.clone()),
        None => state.socket(name).map(Address::Unix),
    };
    let https = options
        .https
        .0
        .map(|at| Ok::<_, anyhow::Error>((at, https::certificate(state)?)));
    Ok(Surroundings {
        listeners: Listeners {
            http: options.http.0,
            https: https.transpose()?,
        },
        services: Services {
            grpc: place(&options.services.grpc, "grpc.sock")?,
            http: place(&options.services.api, "api.sock")?,
        },
        filter,
        spool: spool(options, state)?,
        ca_file: options.ca_file.clone(),
    })
}

/// Envoy's log of requests in a file, in a folder that is there.
fn spool(options: &Serve, state: &StateFolder) -> anyhow::Result<Option<PathBuf>> {
    let folder = match &options.spool_dir {
        Some(folder) if folder.as_os_str() == "off" => return Ok(None),
        Some(folder) => folder.clone(),
        None if options.filter_dir.is_some() => return Ok(None),
        None => state.spool(),
    };
    let made = std::fs::create_dir_all(&folder).and_then(|()| folder.canonicalize());
    let folder = made.with_context(|| format!("the spool folder {}", folder.display()))?;
    Ok(Some(folder.join("requests.log")))
}

async fn bind(address: &Address) -> anyhow::Result<Listener> {
    Listener::bind(address)
        .await
        .with_context(|| match address {
            Address::Tcp(host, port) => format!("cannot listen at {host}:{port}"),
            Address::Unix(path) => format!("cannot listen at {}", path.display()),
        })
}

/// Puts the bootstrap where whoever starts Envoy looks for it.
fn write_bootstrap(
    options: &Serve,
    state: &StateFolder,
    services: &Services,
) -> anyhow::Result<()> {
    let bootstrap = dragoman_envoy::bootstrap(services, options.services.envoy_admin);
    std::fs::write(state.bootstrap(), serde_json::to_vec_pretty(&bootstrap)?)
        .context("Envoy's bootstrap cannot be written to the state folder")
}

async fn shutdown_signal() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}
