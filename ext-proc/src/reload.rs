//! A changed configuration: validated, swapped and pushed; a bad one leaves the old one running. And
//! a renewed access token, which is pushed too.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dragoman_envoy::Snapshot;
use dragoman_policy::PriceTable;
use tokio::sync::watch;

use crate::credentials::Tokens;
use crate::live::Live;
use crate::routing::Routing;
use crate::source;
use crate::topology::{Surroundings, topology};

/// How often the file is looked at. Polling works where notifications do not: in containers, on
/// network mounts, and when a file is replaced instead of written.
const INTERVAL: Duration = Duration::from_secs(1);

/// What follows the configuration file and the access tokens: all that Envoy is told comes from here.
pub(crate) struct Reloader {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) prices: Arc<PriceTable>,
    pub(crate) around: Surroundings,
    pub(crate) live: Arc<ArcSwap<Live>>,
    pub(crate) routing: Arc<Routing>,
    pub(crate) tokens: Tokens,
    pub(crate) snapshot: watch::Sender<Arc<Snapshot>>,
}

impl Reloader {
    /// Follows them until `shutdown`.
    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut renewed = self.tokens.changes();
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => self.look().await,
                _ = renewed.changed() => self.publish(&self.live.load()),
                _ = shutdown.changed() => return,
            }
        }
    }

    async fn look(&mut self) {
        let Ok(text) = tokio::fs::read_to_string(&self.path).await else {
            return;
        };
        if text == self.text {
            return;
        }
        self.text = text;
        let applied = self.apply().await;
        let path = self.path.display();
        match applied {
            Ok(()) => {
                metrics::counter!("dragoman_config_reloads_total", "result" => "applied")
                    .increment(1);
                tracing::info!(%path, "the changed configuration is in force");
            }
            Err(error) => {
                metrics::counter!("dragoman_config_reloads_total", "result" => "refused")
                    .increment(1);
                tracing::error!(%path, "the changed configuration is not taken over: {error:#}");
            }
        }
    }

    async fn apply(&mut self) -> anyhow::Result<()> {
        let live = Live::new(source::parse(&self.path, &self.text)?, &self.prices)?;
        self.tokens.configure(&live.config).await;
        self.routing.configure(&live);
        let live = Arc::new(live);
        self.live.store(Arc::clone(&live));
        self.publish(&live);
        Ok(())
    }

    fn publish(&self, live: &Live) {
        let topology = topology(live, &self.around, self.routing.tokens());
        self.snapshot
            .send_replace(Arc::new(Snapshot::build(&topology)));
    }
}
