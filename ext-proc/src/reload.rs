//! A changed configuration: validated, swapped and pushed; a bad one leaves the old one running. And
//! a renewed access token, which is pushed too.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use dragoman_envoy::{Snapshot, Topology, Upstream};
use dragoman_policy::PriceTable;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::credentials::Tokens;
use crate::live::Live;
use crate::routing::Routing;
use crate::topology::{Surroundings, topology};
use crate::{prices, source};

/// How often the file is looked at. Polling works where notifications do not: in containers, on
/// network mounts, and when a file is replaced instead of written.
const INTERVAL: Duration = Duration::from_secs(1);

/// What Envoy gets to be ready for deployments that are new, before a plan names one: it sets their
/// filters up, fetches their secrets and resolves their names.
const WARMING: Duration = Duration::from_secs(1);
/// How long Envoy keeps deployments that are gone, for requests whose plans name them.
const FAREWELL: Duration = Duration::from_secs(60);

/// Deployments that are gone from the configuration, but not from Envoy.
#[derive(Default)]
pub(crate) struct Retired {
    upstreams: Vec<Upstream>,
    until: Option<Instant>,
}

/// What follows the configuration file and the access tokens: all that Envoy is told comes from here.
pub(crate) struct Reloader {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    /// What stood in the file of prices that it names.
    pub(crate) price_text: Option<String>,
    pub(crate) bundled: Arc<PriceTable>,
    pub(crate) around: Surroundings,
    pub(crate) live: Arc<ArcSwap<Live>>,
    pub(crate) routing: Arc<Routing>,
    pub(crate) tokens: Tokens,
    pub(crate) snapshot: watch::Sender<Arc<Snapshot>>,
    pub(crate) retired: Retired,
}

impl Reloader {
    /// Follows them until `shutdown`.
    pub(crate) async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut renewed = self.tokens.changes();
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let farewell = self.retired.until;
            tokio::select! {
                _ = ticks.tick() => self.look().await,
                _ = renewed.changed() => self.publish(&self.live.load()),
                () = at(farewell) => {
                    self.retired = Retired::default();
                    self.publish(&self.live.load());
                }
                _ = shutdown.changed() => return,
            }
        }
    }

    /// Takes over what changed: the configuration, or the prices that it names.
    async fn look(&mut self) {
        let Ok(text) = tokio::fs::read_to_string(&self.path).await else {
            return;
        };
        let price_text = prices::text(&self.path, &self.live.load().config);
        if text == self.text && price_text == self.price_text {
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
        // Of the file that the configuration in force names, which may be another than before.
        self.price_text = prices::text(&self.path, &self.live.load().config);
    }

    async fn apply(&mut self) -> anyhow::Result<()> {
        let config = source::parse(&self.path, &self.text)?;
        let table = prices::load(&self.path, &config, &self.bundled)?;
        let live = Arc::new(Live::new(config, &table)?);
        let mut before = topology(&self.live.load(), &self.around, self.routing.tokens());
        keep(&mut before, &self.retired.upstreams);
        self.tokens.configure(&live.config).await;
        self.retired.upstreams = before.upstreams;
        self.publish(&live);
        tokio::time::sleep(WARMING).await;
        self.routing.configure(&live);
        self.live.store(live);
        self.retired.until = Some(Instant::now() + FAREWELL);
        Ok(())
    }

    /// Tells Envoy of the deployments of `live`, and of those that it shall still know.
    fn publish(&self, live: &Live) {
        let mut topology = topology(live, &self.around, self.routing.tokens());
        keep(&mut topology, &self.retired.upstreams);
        self.snapshot
            .send_replace(Arc::new(Snapshot::build(&topology)));
    }
}

/// Leaves the clusters of `retired` in `topology`.
fn keep(topology: &mut Topology, retired: &[Upstream]) {
    for old in retired {
        let id = &old.config.deployment;
        let mut known = topology.upstreams.iter_mut();
        match known.find(|upstream| upstream.config.deployment == *id) {
            // a cluster that bounds attempts, which plans may still name
            Some(same) => same.timeout = same.timeout.or(old.timeout),
            None => topology.upstreams.push(old.clone()),
        }
    }
}

/// Returns at that moment; never when there is none.
async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
