//! The task through which the ends of requests reach the accounts, off the request path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use dragoman_policy::budget::Crossing;
use dragoman_policy::{AccountId, NanoDollars, Scope, UnixMillis};
use dragoman_proto::{Admission, Usage, UsageSource};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::LedgerPast;
use crate::accounts::alerts::{Alert, Alerts};
use crate::accounts::{Accounts, AccountsError, BudgetsOf, Settled, Settlement, Unsettled};
use crate::clock;
use crate::ledger::{Charge, Identity, LedgerWriter, Record, RequestRow, State, Target, Timing};
use crate::settlement::Observer;

/// Between tries while the accounts cannot be used.
const PAUSE: Duration = Duration::from_millis(500);

/// Hands the ends of requests to the accounts. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Settler {
    queue: mpsc::UnboundedSender<Job>,
}

/// The owner of the task.
#[derive(Debug)]
pub struct SettlerGuard {
    task: JoinHandle<()>,
}

#[derive(Debug)]
enum Job {
    /// A request ended.
    Ended(Box<RequestRow>, Settlement),
    /// Nobody said how a request ended.
    Expired(Unsettled),
}

struct Worker {
    accounts: Arc<dyn Accounts>,
    past: Arc<LedgerPast>,
    ledger: LedgerWriter,
    alerts: Option<Alerts>,
    /// When the accounts could last not be used.
    away_ms: AtomicU64,
}

impl Settler {
    /// Starts the task.
    pub fn start(
        accounts: Arc<dyn Accounts>,
        past: Arc<LedgerPast>,
        ledger: LedgerWriter,
        alerts: Option<Alerts>,
    ) -> (Self, SettlerGuard) {
        // unbounded, because the log of requests must not wait for accounts that are away: an entry
        // is small, and the ledger has it too
        let (queue, mut jobs) = mpsc::unbounded_channel();
        let worker = Worker {
            accounts,
            past,
            ledger,
            alerts,
            away_ms: AtomicU64::new(0),
        };
        let task = tokio::spawn(async move {
            while let Some(job) = jobs.recv().await {
                worker.work(job).await;
            }
        });
        (Self { queue }, SettlerGuard { task })
    }

    /// A reservation expired.
    pub fn expired(&self, unsettled: Unsettled) {
        let _ = self.queue.send(Job::Expired(unsettled));
    }
}

impl SettlerGuard {
    /// Settles what is queued, for at most `patience`; every [`Settler`] must be gone.
    pub async fn drain(mut self, patience: Duration) {
        if tokio::time::timeout(patience, &mut self.task)
            .await
            .is_err()
        {
            self.task.abort();
            tracing::warn!("some requests were not settled; they are after the next start");
        }
    }
}

impl Observer for Settler {
    fn request(&self, admission: &Admission, record: &Record) {
        if admission.reserved {
            let job = Job::Ended(
                Box::new(record.request.clone()),
                settlement(admission, record),
            );
            let _ = self.queue.send(job);
        }
    }
}

impl Worker {
    async fn work(&self, job: Job) {
        match job {
            Job::Ended(row, settlement) => self.settle(&row, &settlement).await,
            Job::Expired(unsettled) => self.record(unsettled).await,
        }
    }

    /// Settles, and tries again as long as the accounts cannot be used.
    async fn settle(&self, row: &RequestRow, settlement: &Settlement) {
        while self.try_settle(row, settlement).await.is_err() {
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Accounts that were away and come back without their memory begin with the ledger's sums. The
    /// ledger has what ended before that, so it is not charged again.
    async fn try_settle(
        &self,
        row: &RequestRow,
        settlement: &Settlement,
    ) -> Result<(), AccountsError> {
        let settled = self.accounts.settle(settlement).await;
        if settled.is_err() {
            self.away_ms.store(clock::now_ms(), Ordering::Relaxed);
        }
        let ended_before = settlement.now.0 <= self.away_ms.load(Ordering::Relaxed);
        let settled = match settled? {
            Settled::Unknown if ended_before => Settled::Already,
            Settled::Unknown => {
                let budgets = self.past.budgets_of(row).await.map_err(|error| {
                    tracing::error!(%error, "a request's budgets cannot be found");
                    AccountsError::Unavailable { dependency: "keys" }
                })?;
                self.accounts.charge(settlement, &budgets).await?
            }
            known => known,
        };
        if let Settled::Charged(charge) = settled {
            self.alert(charge.crossed);
        }
        Ok(())
    }

    fn alert(&self, crossed: Vec<Crossing>) {
        if let Some(alerts) = &self.alerts {
            crossed
                .into_iter()
                .for_each(|crossing| alerts.send(Alert::crossed(crossing, None)));
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
        self.alert(unsettled.crossed);
    }
}

fn settlement(admission: &Admission, record: &Record) -> Settlement {
    let row = &record.request;
    let mut shares: Vec<(AccountId, NanoDollars)> = Vec::new();
    for attempt in &record.attempts {
        let Some(cost) = attempt.charge.cost else {
            continue;
        };
        let target = &attempt.target;
        let of = [
            (Scope::Provider, &target.provider),
            (Scope::Deployment, &target.deployment),
        ];
        let accounts = of
            .into_iter()
            .filter_map(|(scope, id)| Some(AccountId::new(scope, id.as_deref()?)));
        shares.extend(accounts.map(|account| (account, cost)));
    }
    let usage = &row.charge.usage;
    Settlement {
        request_id: Arc::from(admission.request_id.as_str()),
        model: Arc::from(admission.alias.as_str()),
        cost: row.charge.cost,
        shares,
        tokens: usage.input_tokens.saturating_add(usage.output_tokens),
        output_tokens: if row.state == State::Complete {
            usage.output_tokens
        } else {
            0
        },
        recorded: false,
        now: UnixMillis(clock::now_ms()),
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
