//! The gRPC service that Envoy sends its access logs to.

use std::fmt;
use std::sync::Arc;

use dragoman_proto::names;
use envoy_types::pb::envoy::data::accesslog::v3::HttpAccessLogEntry;
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_server::{
    AccessLogService, AccessLogServiceServer,
};
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::LogEntries;
use envoy_types::pb::envoy::service::accesslog::v3::{
    StreamAccessLogsMessage, StreamAccessLogsResponse,
};
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::entry::{RequestEntry, is_under_way};
use super::measure::{self, Measure};
use super::spool::Seen;
use super::{Observer, Pricing, rows};
use crate::ledger::LedgerWriter;

/// Envoy's batches are of 16 KiB by default and grow only when the service was away.
const LARGEST_MESSAGE: usize = 64 << 20;

/// Settles what Envoy logs. Cheap to clone.
#[derive(Clone)]
pub struct Settlement {
    pub(super) ledger: LedgerWriter,
    pricing: Arc<dyn Pricing>,
    observer: Arc<dyn Observer>,
    measure: Arc<Measure>,
    /// What it settled, where a [`super::Spool`] wants to know.
    pub(super) seen: Option<Arc<Seen>>,
}

impl Settlement {
    /// Rows go to `ledger` at the prices of `pricing`, news to `observer`.
    pub fn new(
        ledger: LedgerWriter,
        pricing: Arc<dyn Pricing>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        Self {
            ledger,
            pricing,
            observer,
            measure: Arc::default(),
            seen: None,
        }
    }

    /// The service for a tonic server.
    pub fn into_service(self) -> AccessLogServiceServer<Self> {
        AccessLogServiceServer::new(self).max_decoding_message_size(LARGEST_MESSAGE)
    }

    /// Settles the entries of one message. Waits while the ledger's queue is full, so that Envoy's
    /// own buffer fills and says so in its statistics, before anything is lost.
    async fn settle(&self, log: &str, entries: Vec<HttpAccessLogEntry>) -> Result<(), Status> {
        for entry in &entries {
            match log {
                names::REQUEST_LOG => self.request(entry).await?,
                _ => measure::malformed("unknown"),
            }
        }
        Ok(())
    }

    /// Settles one request, if it was admitted.
    pub(super) async fn request(&self, entry: &HttpAccessLogEntry) -> Result<(), Status> {
        let entry = match RequestEntry::read(entry) {
            Ok(Some(entry)) => entry,
            Ok(None) => {
                if !is_under_way(entry) {
                    count_refusal(entry);
                }
                return Ok(());
            }
            Err(error) => {
                measure::malformed("requests");
                tracing::error!(%error, "a request cannot be settled");
                return Ok(());
            }
        };
        if entry.is_under_way {
            self.observer.under_way(&entry.admission);
            return Ok(());
        }
        let record = rows(&entry, &*self.pricing);
        self.measure.record(&record);
        self.observer.request(&entry.admission, &record);
        self.ledger.record(record).await.map_err(|error| {
            tracing::error!(%error, "a request was settled and not recorded");
            Status::unavailable("the ledger is closed")
        })?;
        if let Some(seen) = &self.seen {
            seen.note(&entry.admission.request_id);
        }
        Ok(())
    }
}

impl fmt::Debug for Settlement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settlement").finish_non_exhaustive()
    }
}

#[async_trait]
impl AccessLogService for Settlement {
    async fn stream_access_logs(
        &self,
        request: Request<Streaming<StreamAccessLogsMessage>>,
    ) -> Result<Response<StreamAccessLogsResponse>, Status> {
        let mut messages = request.into_inner();
        // Only the first message of a stream says which log it is.
        let mut log = String::new();
        while let Some(message) = messages.message().await? {
            if let Some(identifier) = message.identifier {
                log = identifier.log_name;
            }
            if let Some(LogEntries::HttpLogs(entries)) = message.log_entries {
                self.settle(&log, entries.log_entry).await?;
            }
        }
        Ok(Response::new(StreamAccessLogsResponse {}))
    }
}

/// Requests that Envoy answered by itself without an admission were refused; those that went to a
/// cluster are for the endpoints of the service itself.
fn count_refusal(entry: &HttpAccessLogEntry) {
    let Some(common) = &entry.common_properties else {
        return;
    };
    if common.upstream_cluster.is_empty() {
        let code = entry.response.as_ref().and_then(|r| r.response_code);
        measure::refused(code.and_then(|code| u16::try_from(code.value).ok()));
    }
}

#[cfg(test)]
mod tests;
