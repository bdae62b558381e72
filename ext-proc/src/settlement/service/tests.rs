//! The service, given messages as Envoy sends them over a real connection.

use std::sync::Mutex;
use std::time::Duration;

use dragoman_proto::{Admission, Outcome};
use envoy_types::pb::envoy::data::accesslog::v3::AccessLogType;
use envoy_types::pb::envoy::service::accesslog::v3::access_log_service_client::AccessLogServiceClient;
use envoy_types::pb::envoy::service::accesslog::v3::stream_access_logs_message::{
    HttpAccessLogEntries, Identifier,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;

use super::*;
use crate::ledger::{Ledger, Record, SqlLedger, State, WriterGuard, WriterOptions};
use crate::settlement::fixture::{
    Prices, admission, common, entry, report, unadmitted, with_report, with_usage,
};

/// Remembers what it was told.
#[derive(Default)]
struct Told {
    requests: Mutex<Vec<(String, State)>>,
    under_way: Mutex<Vec<String>>,
}

impl Observer for Told {
    fn request(&self, admission: &Admission, record: &Record) {
        let told = (admission.request_id.clone(), record.request.state);
        self.requests.lock().unwrap().push(told);
    }

    fn under_way(&self, admission: &Admission) {
        let id = admission.request_id.clone();
        self.under_way.lock().unwrap().push(id);
    }
}

struct Scene {
    ledger: Arc<SqlLedger>,
    guard: WriterGuard,
    told: Arc<Told>,
    settlement: Settlement,
    _folder: tempfile::TempDir,
}

async fn scene() -> Scene {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dragoman.db");
    let ledger = Arc::new(SqlLedger::open(&file).await.unwrap());
    let (writer, guard) = LedgerWriter::start(ledger.clone(), WriterOptions::default());
    let told = Arc::new(Told::default());
    let settlement = Settlement::new(writer, Arc::new(Prices), told.clone());
    Scene {
        ledger,
        guard,
        told,
        settlement,
        _folder: folder,
    }
}

fn message(log: Option<&str>, entries: Vec<HttpAccessLogEntry>) -> StreamAccessLogsMessage {
    StreamAccessLogsMessage {
        identifier: log.map(|log| Identifier {
            log_name: log.to_owned(),
            ..Identifier::default()
        }),
        log_entries: Some(LogEntries::HttpLogs(HttpAccessLogEntries {
            log_entry: entries,
        })),
    }
}

fn complete(id: &str) -> HttpAccessLogEntry {
    let admission = Admission {
        request_id: id.to_owned(),
        ..admission(false)
    };
    with_report(
        entry(&admission),
        &with_usage(report(Outcome::Complete), 20, 10),
    )
}

/// Sends `messages` as one stream, and waits until the service has read it to its end.
async fn send(settlement: Settlement, messages: Vec<StreamAccessLogsMessage>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder()
        .add_service(settlement.into_service())
        .serve_with_incoming(TcpListenerStream::new(listener));
    let server = tokio::spawn(server);
    let mut client = AccessLogServiceClient::connect(format!("http://{address}"))
        .await
        .unwrap();
    let stream = tokio_stream::iter(messages);
    client.stream_access_logs(stream).await.unwrap();
    server.abort();
}

#[tokio::test]
async fn a_stream_s_requests_reach_ledger_and_observer() {
    let scene = scene().await;
    let messages = vec![
        message(
            Some(names::REQUEST_LOG),
            vec![complete("a"), unadmitted(401)],
        ),
        message(None, vec![complete("b")]),
    ];
    send(scene.settlement, messages).await;
    scene.guard.drain(Duration::from_secs(10)).await.unwrap();
    for id in ["a", "b"] {
        let row = scene.ledger.request(id).await.unwrap().unwrap();
        assert_eq!(row.charge.cost.map(|cost| cost.nanos()), Some(120));
        assert_eq!(scene.ledger.attempts(id).await.unwrap().len(), 1);
    }
    let expected = ["a", "b"].map(|id| (id.to_owned(), State::Complete));
    assert_eq!(*scene.told.requests.lock().unwrap(), expected);
}

#[tokio::test]
async fn one_unreadable_entry_costs_the_others_nothing() {
    let scene = scene().await;
    let mut garbled = complete("garbled");
    common(&mut garbled)
        .filter_state_objects
        .values_mut()
        .for_each(|state| state.value = vec![0xff; 9]);
    let log = message(Some(names::REQUEST_LOG), vec![garbled, complete("b")]);
    send(scene.settlement, vec![log]).await;
    scene.guard.drain(Duration::from_secs(10)).await.unwrap();
    assert!(scene.ledger.request("b").await.unwrap().is_some());
}

#[tokio::test]
async fn a_request_that_is_under_way_is_told_and_not_recorded() {
    let scene = scene().await;
    let mut under_way = complete("a");
    common(&mut under_way).set_access_log_type(AccessLogType::DownstreamPeriodic);
    let log = message(Some(names::REQUEST_LOG), vec![under_way]);
    send(scene.settlement, vec![log]).await;
    scene.guard.drain(Duration::from_secs(10)).await.unwrap();
    assert!(scene.ledger.request("a").await.unwrap().is_none());
    assert_eq!(*scene.told.under_way.lock().unwrap(), ["a"]);
    assert!(scene.told.requests.lock().unwrap().is_empty());
}
