//! The task that keeps one account's token valid.

use std::sync::Arc;

use dragoman_config::GoogleCredentials;
use metrics::counter;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::board::Slot;
use super::{Issuer, schedule};

/// One account, and the task that serves it. The task ends with this; it holds nothing that would
/// have to be written.
pub(super) struct Keeper {
    pub(super) slot: Arc<Slot>,
    task: Option<JoinHandle<()>>,
}

impl Keeper {
    /// Starts to keep a token for whom `credentials` name. `changes` hears of each answer.
    pub(super) fn start(
        credentials: GoogleCredentials,
        issuer: Arc<dyn Issuer>,
        changes: watch::Sender<()>,
    ) -> Self {
        if let GoogleCredentials::Unusable(reason) = credentials {
            return Self {
                slot: Arc::new(Slot::without(reason)),
                task: None,
            };
        }
        let slot = Arc::new(Slot::default());
        let task = tokio::spawn(keep(Arc::clone(&slot), credentials, issuer, changes));
        Self {
            slot,
            task: Some(task),
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn keep(
    slot: Arc<Slot>,
    credentials: GoogleCredentials,
    issuer: Arc<dyn Issuer>,
    changes: watch::Sender<()>,
) {
    let source = source(&credentials);
    let mut failures = 0_u32;
    loop {
        let pause = match issuer.issue(&credentials).await {
            Ok(issued) => {
                counter!("dragoman_access_tokens_total", "result" => "issued").increment(1);
                if failures > 0 {
                    tracing::info!(source, "access tokens are issued again");
                }
                failures = 0;
                let pause = schedule::renewal(issued.lifetime);
                slot.renew(issued);
                pause
            }
            Err(error) => {
                counter!("dragoman_access_tokens_total", "result" => "failed").increment(1);
                failures = failures.saturating_add(1);
                let cause = error.to_string();
                match slot.fail(cause.clone()) {
                    Some(left) => tracing::warn!(
                        source,
                        cause,
                        "no new access token; the old one is valid for another {} s",
                        left.as_secs()
                    ),
                    None => tracing::error!(
                        source,
                        cause,
                        "no access token: deployments that need it are passed over"
                    ),
                }
                schedule::pause(failures)
            }
        };
        changes.send_replace(());
        tokio::select! {
            () = sleep(pause) => {}
            () = slot.wanted.notified() => {}
        }
    }
}

/// How credentials are called in the log.
fn source(credentials: &GoogleCredentials) -> String {
    match credentials {
        GoogleCredentials::File(path) => path.display().to_string(),
        GoogleCredentials::Metadata(host) => format!("the metadata server {host}"),
        GoogleCredentials::Inline(_) | GoogleCredentials::Unusable(_) => {
            "credentials of the configuration".to_owned()
        }
    }
}
