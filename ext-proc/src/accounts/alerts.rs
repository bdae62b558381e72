//! Alerts about budgets, sent to a webhook off the request path.
//!
//! The message is JSON that Slack's incoming webhooks take (`text`), with the same as fields for
//! whoever wants to act on it. Each thing is said once per window of a budget; what cannot be
//! delivered is tried again a few times, then counted and dropped. A slow or dead webhook delays no
//! request: the queue is bounded, and an alert that finds it full is dropped too.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dragoman_policy::budget::{AccountWindow, Crossing, Refused};
use dragoman_policy::{NanoDollars, UnixMillis};
use metrics::counter;
use reqwest::{Client, Url};
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const QUEUE: usize = 256;
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const ANSWER: Duration = Duration::from_secs(10);
/// Things that were said; more budgets than this speak up twice rather than use more memory.
const MOST_SAID: usize = 65_536;

/// Something that a person should know of a budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// What.
    pub event: Event,
    /// Of which budget.
    pub at: AccountWindow,
    /// What people call it: a key's alias, a team's name.
    pub name: Option<String>,
    /// Spent so far.
    pub spent: NanoDollars,
    /// The limit that is crossed, reached or on trial.
    pub limit: NanoDollars,
}

/// What happened to a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// Spending reached the soft limit.
    SoftLimit,
    /// A request was refused because the budget is used up.
    Exhausted,
    /// The budget is on trial and would have refused a request.
    WouldRefuse,
    /// Requests go to a cheaper model.
    Downgrade,
}

/// Where alerts are handed in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Alerts {
    queue: mpsc::Sender<Alert>,
    said: Arc<Mutex<HashSet<(Event, AccountWindow)>>>,
}

/// The owner of the task that sends alerts.
#[derive(Debug)]
pub struct AlertsGuard {
    task: JoinHandle<()>,
}

/// A webhook that cannot be used. Says nothing of its address, which is a secret.
#[derive(Debug, thiserror::Error)]
#[error("the alert webhook is no http or https URL")]
pub struct WebhookError;

/// The message. Amounts are exact numbers of dollars.
#[derive(Serialize)]
struct Message {
    text: String,
    event: Event,
    scope: &'static str,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    spent: Box<RawValue>,
    limit: Box<RawValue>,
    window_start: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    window_end: Option<String>,
}

impl Alerts {
    /// Starts the task that sends alerts to `webhook`.
    pub fn start(webhook: &str) -> Result<(Self, AlertsGuard), WebhookError> {
        let url = Url::parse(webhook).map_err(|_| WebhookError)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(WebhookError);
        }
        let client = Client::builder().timeout(ANSWER).build();
        let client = client.map_err(|_| WebhookError)?;
        let (queue, receiver) = mpsc::channel(QUEUE);
        let task = tokio::spawn(run(client, url, receiver));
        let alerts = Self {
            queue,
            said: Arc::default(),
        };
        Ok((alerts, AlertsGuard { task }))
    }

    /// Sends an alert, unless the same was said of this budget in this window. Never waits.
    pub fn send(&self, alert: Alert) {
        let key = (alert.event, alert.at.clone());
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.len() >= MOST_SAID {
            said.clear();
        }
        if !said.insert(key) {
            return;
        }
        drop(said);
        if self.queue.try_send(alert).is_err() {
            counter!("dragoman_alerts_total", "result" => "dropped").increment(1);
        }
    }
}

impl AlertsGuard {
    /// Sends what is queued, for at most `patience`; all [`Alerts`] must be gone.
    pub async fn drain(mut self, patience: Duration) {
        if timeout(patience, &mut self.task).await.is_err() {
            self.task.abort();
            tracing::warn!("some alerts were not sent before the end");
        }
    }
}

impl Alert {
    /// A soft limit was crossed.
    pub fn crossed(crossing: Crossing, name: Option<String>) -> Self {
        Self {
            event: Event::SoftLimit,
            at: crossing.at,
            name,
            spent: crossing.spent,
            limit: crossing.soft_limit,
        }
    }

    /// A budget refused, or would have; `at` is the budget that `refused` tells of.
    pub fn refused(event: Event, at: AccountWindow, refused: &Refused) -> Self {
        Self {
            event,
            at,
            name: None,
            spent: refused.balance.spent,
            limit: refused.limit,
        }
    }

    fn message(self) -> Message {
        let account = &self.at.account;
        let who = match self.name.as_deref().unwrap_or(&account.id) {
            "" => account.scope.as_str().to_owned(),
            name => format!("{} {name}", account.scope.as_str().replace('_', " ")),
        };
        let (spent, limit) = (self.spent, self.limit);
        let said = match self.event {
            Event::SoftLimit => {
                format!("has spent ${spent} and is over its soft limit of ${limit}")
            }
            Event::Exhausted => format!("has spent ${spent} of ${limit}; requests are refused"),
            Event::WouldRefuse => format!(
                "has spent ${spent} of ${limit}; requests would be refused, but the budget is on trial"
            ),
            Event::Downgrade => {
                format!("has spent ${spent} of ${limit}; requests go to a cheaper model")
            }
        };
        let until = self.at.window.end.map(|end| format!(" (until {end})"));
        Message {
            text: format!("Budget of {who} {said}{}.", until.unwrap_or_default()),
            event: self.event,
            scope: account.scope.as_str(),
            id: account.id.to_string(),
            name: self.name,
            spent: number(spent),
            limit: number(limit),
            window_start: self.at.window.start.to_string(),
            window_end: self.at.window.end.as_ref().map(UnixMillis::to_string),
        }
    }
}

/// Dollars as an exact JSON number.
fn number(amount: NanoDollars) -> Box<RawValue> {
    RawValue::from_string(amount.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

async fn run(client: Client, url: Url, mut queue: mpsc::Receiver<Alert>) {
    while let Some(alert) = queue.recv().await {
        let event = alert.event;
        let sent = deliver(&client, &url, &alert.message()).await;
        let result = if sent { "sent" } else { "failed" };
        counter!("dragoman_alerts_total", "result" => result).increment(1);
        if !sent {
            tracing::error!(?event, "an alert could not be delivered");
        }
    }
}

/// Sends a message; `false` when the webhook does not take it.
async fn deliver(client: &Client, url: &Url, message: &Message) -> bool {
    let mut pause = FIRST_PAUSE;
    for attempt in 1..=ATTEMPTS {
        match client.post(url.clone()).json(message).send().await {
            Ok(answer) if answer.status().is_success() => return true,
            Ok(answer) => {
                let status = answer.status();
                tracing::warn!(%status, attempt, "the alert webhook does not take an alert");
                if status.is_client_error() && status.as_u16() != 429 {
                    return false;
                }
            }
            Err(error) => {
                let error = error.without_url();
                tracing::warn!(%error, attempt, "the alert webhook cannot be reached");
            }
        }
        if attempt < ATTEMPTS {
            sleep(pause).await;
            pause *= 2;
        }
    }
    false
}

#[cfg(test)]
mod tests;
