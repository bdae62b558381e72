//! The tasks through which the ends of requests reach the accounts, off the request path.

use std::sync::Arc;
use std::time::Duration;

use dragoman_policy::budget::Crossing;
use dragoman_policy::{NanoDollars, UnixMillis};
use dragoman_proto::{Admission, Usage, UsageSource};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::LedgerPast;
use super::lost::Charger;
use crate::accounts::alerts::{Alert, Alerts};
use crate::accounts::{Accounts, Settled, Settlement, UNHEARD_MS, Unsettled};
use crate::clock;
use crate::ledger::{
    Charge, Identity, Ledger, LedgerWriter, Record, RequestRow, State, Target, Timing,
};
use crate::settlement::Observer;

/// Between tries while the accounts cannot be used.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// Hands the ends of requests to the accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Settler {
    queue: mpsc::UnboundedSender<Job>,
}

/// The owner of the tasks.
#[derive(Debug)]
pub struct SettlerGuard {
    settling: JoinHandle<()>,
    charging: JoinHandle<()>,
}

#[derive(Debug)]
enum Job {
    /// A request ended.
    Ended(Ended),
    /// A request is still under way.
    UnderWay(Arc<str>, UnixMillis),
    /// Nobody said how a request ended.
    Expired(Unsettled),
}

/// A request that ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) row: Box<RequestRow>,
    pub(super) settlement: Settlement,
}

struct Worker {
    accounts: Arc<dyn Accounts>,
    ledger: LedgerWriter,
    alerts: Option<Alerts>,
    /// Where those go whose reservation is not known.
    lost: mpsc::UnboundedSender<Ended>,
}

impl Settler {
    /// Starts the tasks. `recorded` is the ledger that `ledger` writes.
    pub fn start(
        accounts: Arc<dyn Accounts>,
        past: Arc<LedgerPast>,
        recorded: Arc<dyn Ledger>,
        ledger: LedgerWriter,
        alerts: Option<Alerts>,
    ) -> (Self, SettlerGuard) {
        // unbounded, because the log of requests must not wait for accounts that are away: an entry
        // is small, and the ledger has it too
        let (queue, mut jobs) = mpsc::unbounded_channel();
        let (lost, mut losses) = mpsc::unbounded_channel();
        let charger = Charger {
            accounts: Arc::clone(&accounts),
            past,
            recorded,
            ledger: ledger.clone(),
            alerts: alerts.clone(),
        };
        let worker = Worker {
            accounts,
            ledger,
            alerts,
            lost,
        };
        let settling = tokio::spawn(async move {
            while let Some(job) = jobs.recv().await {
                worker.work(job).await;
            }
        });
        let charging = tokio::spawn(async move {
            while let Some(ended) = losses.recv().await {
                charger.charge(&ended).await;
            }
        });
        (Self { queue }, SettlerGuard { settling, charging })
    }

    /// A reservation expired.
    pub fn expired(&self, unsettled: Unsettled) {
        let _ = self.queue.send(Job::Expired(unsettled));
    }
}

impl SettlerGuard {
    /// Settles what is queued, for at most `patience`; every [`Settler`] must be gone.
    pub async fn drain(mut self, patience: Duration) {
        let ending = futures::future::join(&mut self.settling, &mut self.charging);
        if tokio::time::timeout(patience, ending).await.is_err() {
            self.settling.abort();
            self.charging.abort();
            tracing::warn!("some requests were not settled; they are after the next start");
        }
    }
}

impl Observer for Settler {
    fn request(&self, admission: &Admission, record: &Record) {
        if admission.reserved {
            let now = UnixMillis(clock::now_ms());
            let _ = self.queue.send(Job::Ended(Ended {
                row: Box::new(record.request.clone()),
                settlement: Settlement::of(&record.request, &record.attempts, now),
            }));
        }
    }

    fn under_way(&self, admission: &Admission) {
        if admission.reserved {
            let until = UnixMillis(clock::now_ms()).plus(UNHEARD_MS);
            let id = Arc::from(admission.request_id.as_str());
            let _ = self.queue.send(Job::UnderWay(id, until));
        }
    }
}

impl Worker {
    async fn work(&self, job: Job) {
        match job {
            Job::Ended(ended) => self.settle(ended).await,
            // The next news is as good, when the accounts are away.
            Job::UnderWay(id, until) => drop(self.accounts.keep(&id, until).await),
            Job::Expired(unsettled) => self.record(unsettled).await,
        }
    }

    /// Settles, and tries again as long as the accounts cannot be used.
    async fn settle(&self, ended: Ended) {
        let settled = loop {
            match self.accounts.settle(&ended.settlement).await {
                Ok(settled) => break settled,
                Err(_) => tokio::time::sleep(PAUSE).await,
            }
        };
        match settled {
            Settled::Charged(charge) => alert(self.alerts.as_ref(), charge.crossed),
            Settled::Already => {}
            // A closed queue says that the service ends; the next start finds it in the ledger.
            Settled::Unknown => drop(self.lost.send(ended)),
        }
    }

    /// Nothing vanishes: what was charged for a request that nobody reported is a row too.
    async fn record(&self, unsettled: Unsettled) {
        if let Ok(admission) = Admission::decode(unsettled.memo.as_bytes()) {
            let record = unsettled_record(&admission, unsettled.charged);
            if self.ledger.record(record).await.is_err() {
                tracing::error!("an unsettled request is not recorded");
            }
        }
        alert(self.alerts.as_ref(), unsettled.crossed);
    }
}

/// Tells of soft limits that were crossed.
pub(super) fn alert(alerts: Option<&Alerts>, crossed: Vec<Crossing>) {
    if let Some(alerts) = alerts {
        crossed
            .into_iter()
            .for_each(|crossing| alerts.send(Alert::crossed(crossing, None)));
    }
}

fn unsettled_record(admission: &Admission, charged: NanoDollars) -> Record {
    let request = RequestRow {
        request_id: admission.request_id.clone(),
        identity: Identity {
            key_id: admission.key_id.clone(),
            team_id: admission.team_id.clone(),
            user_id: admission.user_id.clone(),
            end_user: admission.end_user.clone(),
        },
        alias: admission.alias.clone(),
        operation: admission.operation,
        stream: admission.stream,
        state: State::Unsettled,
        status: None,
        error_code: Some("unsettled".to_owned()),
        target: Target::default(),
        charge: Charge {
            usage: Usage::default(),
            source: UsageSource::Unspecified,
            cost: Some(charged),
            price_version: None,
        },
        timing: Timing {
            started_ms: admission.admitted_ms,
            duration_ms: clock::now_ms().saturating_sub(admission.admitted_ms),
            first_token_ms: None,
        },
        attempts: 0,
        request_bytes: 0,
        response_bytes: 0,
        dropped: Vec::new(),
        tags: admission.tags.clone(),
    };
    Record {
        request,
        attempts: Vec::new(),
    }
}
