//! Where things are kept: keys, ledger and accounts, in the state folder or in the databases that the
//! environment names.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use dragoman_policy::KeyHash;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::accounting::{LedgerPast, Settler, SettlerGuard};
use crate::accounts::alerts::{Alerts, AlertsGuard};
use crate::accounts::{
    self, Accounts, InProcess, JournalGuard, NAMESPACE, Reconciler, RedisAccounts, WaitOptions,
};
use crate::authority::Authority;
use crate::ledger::{self, KeepRule, Ledger, LedgerWriter, SqlLedger, WriterGuard, WriterOptions};
use crate::live::Live;
use crate::state::StateFolder;
use crate::store::{Database, KeyStore, SqlKeyStore, StoreAuthority};

/// How long the ledger may take to write what it was handed.
const LEDGER_DRAIN: Duration = Duration::from_secs(10);
/// How long accounts and alerts may take to end.
const DRAIN: Duration = Duration::from_secs(3);

/// Between attempts at a database that is not there yet; doubled after each.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
const KEYS_AND_LEDGER: &str = "the database of keys and ledger";

/// Databases that several replicas share; the state folder where none is named.
#[derive(Debug, clap::Args)]
pub struct Databases {
    /// PostgreSQL for keys and ledger: `postgres://…`.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Redis for budgets and limits: `redis://…`, `rediss://…`.
    #[arg(long, value_name = "URL", env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
}

/// What is kept, ready for use.
pub(crate) struct Storage {
    pub(crate) authority: Arc<dyn Authority>,
    pub(crate) keys: Arc<dyn KeyStore>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) writer: LedgerWriter,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) settler: Settler,
}

/// The owners of its tasks.
pub(crate) struct StorageGuards {
    /// Waits for a database that was not there.
    coming: Option<JoinHandle<()>>,
    ledger: WriterGuard,
    settler: SettlerGuard,
    sweep: JoinHandle<()>,
    retention: JoinHandle<()>,
    journal: Option<JournalGuard>,
    alerts: Option<AlertsGuard>,
}

impl Storage {
    /// Opens everything, and settles what an earlier process left open. PostgreSQL and Redis may come
    /// later: until then requests are refused, as they are when one of them goes away.
    pub(crate) async fn open(
        databases: &Databases,
        state: &StateFolder,
        live: Arc<ArcSwap<Live>>,
        master_key: &str,
        stopped: watch::Receiver<bool>,
    ) -> anyhow::Result<(Self, StorageGuards)> {
        let url = databases.database_url.as_deref();
        let database = Database::open(url, &state.ledger()).await;
        let database = database.context(KEYS_AND_LEDGER)?;
        let coming = coming(&database, stopped.clone()).await?;
        let keys: Arc<dyn KeyStore> = Arc::new(SqlKeyStore::new(database.clone()));
        let authority = StoreAuthority::new(KeyHash::of(master_key), Arc::clone(&keys));
        let authority: Arc<dyn Authority> = Arc::new(authority);
        let ledger: Arc<dyn Ledger> = Arc::new(SqlLedger::new(database));
        let writing = WriterOptions {
            keep: KeepRule::following(Arc::clone(&live)),
            ..WriterOptions::default()
        };
        let (writer, ledger_guard) = LedgerWriter::start(Arc::clone(&ledger), writing);
        let past = LedgerPast::new(
            Arc::clone(&ledger),
            Arc::clone(&authority),
            Arc::clone(&live),
        );
        let past = Arc::new(past);
        let (accounts, journal) = accounts(databases, state, &past).await?;
        let (alerts, alerts_guard) = alerts(&live.load())?.unzip();
        let reconciler = Reconciler::new(
            Arc::clone(&accounts),
            Arc::clone(&ledger),
            Arc::clone(&past) as _,
            writer.clone(),
        );
        if let Err(error) = reconciler.remind().await {
            tracing::warn!(%error, "budgets are compared with the ledger as soon as both are there");
        }
        let (settler, settler_guard) = Settler::start(
            Arc::clone(&accounts),
            past,
            Arc::clone(&ledger),
            writer.clone(),
            alerts,
        );
        let expired = settler.clone();
        let sweep = accounts::sweep(
            reconciler,
            move |unsettled| expired.expired(unsettled),
            stopped.clone(),
        );
        let retention = ledger::retain(
            Arc::clone(&ledger),
            move || live.load().config.own.retention_days,
            stopped,
        );
        let guards = StorageGuards {
            coming,
            ledger: ledger_guard,
            settler: settler_guard,
            sweep: tokio::spawn(sweep),
            retention: tokio::spawn(retention),
            journal,
            alerts: alerts_guard,
        };
        Ok((
            Self {
                authority,
                keys,
                ledger,
                writer,
                accounts,
                settler,
            },
            guards,
        ))
    }
}

impl StorageGuards {
    /// Writes what was handed in, and ends; every user of the storage must be gone.
    pub(crate) async fn drain(self) -> anyhow::Result<()> {
        if let Some(coming) = self.coming {
            coming.await?;
        }
        self.sweep.await?;
        self.retention.await?;
        self.settler.drain(DRAIN).await;
        if let Some(journal) = self.journal {
            journal.drain().await;
        }
        if let Some(alerts) = self.alerts {
            alerts.drain(DRAIN).await;
        }
        Ok(self.ledger.drain(LEDGER_DRAIN).await?)
    }
}

/// Prepares `database`, or waits for it in a task when it is not there yet. What waiting does not mend
/// is an error.
async fn coming(
    database: &Database,
    stopped: watch::Receiver<bool>,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    match database.prepare().await {
        Ok(()) => Ok(None),
        Err(error) if error.may_pass() => {
            tracing::error!(%error, "requests are refused until it is there");
            Ok(Some(tokio::spawn(wait_for(database.clone(), stopped))))
        }
        Err(error) => Err(error).context(KEYS_AND_LEDGER),
    }
}

/// Prepares `database` however often it takes. A person may still put right by then what is wrong with
/// it, so nothing ends here.
async fn wait_for(database: Database, mut stopped: watch::Receiver<bool>) {
    let mut pause = FIRST_PAUSE;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        match database.prepare().await {
            Ok(()) => {
                tracing::info!("{} is there now", database.name());
                return;
            }
            Err(error) => tracing::error!(%error, "requests are refused until it is there"),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn accounts(
    databases: &Databases,
    state: &StateFolder,
    past: &Arc<LedgerPast>,
) -> anyhow::Result<(Arc<dyn Accounts>, Option<JournalGuard>)> {
    let options = WaitOptions::default();
    if let Some(urls) = &databases.redis_url {
        let redis = RedisAccounts::open(urls, NAMESPACE, options, Arc::clone(past) as _);
        let redis = redis.context("REDIS_URL")?;
        redis.check().await.context("REDIS_URL")?;
        return Ok((Arc::new(redis), None));
    }
    let (memory, journal) =
        InProcess::journaled(options, Arc::clone(past) as _, &state.accounts()).await?;
    Ok((Arc::new(memory), Some(journal)))
}

fn alerts(live: &Live) -> anyhow::Result<Option<(Alerts, AlertsGuard)>> {
    let webhook = live.config.own.budgets.alert_webhook.as_ref();
    let started = webhook.map(|webhook| Alerts::start(webhook.expose()));
    started
        .transpose()
        .context("dragoman.budgets.alert_webhook")
}
