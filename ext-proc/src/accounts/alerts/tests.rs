//! Alerts, received by a webhook that has bad days.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use dragoman_policy::{AccountId, Scope, Window};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::*;

/// Receives alerts; the first `failures` of them badly.
struct Webhook {
    url: String,
    received: mpsc::UnboundedReceiver<Value>,
}

#[derive(Clone)]
struct Receiver {
    failures: Arc<AtomicUsize>,
    status: StatusCode,
    received: mpsc::UnboundedSender<Value>,
}

async fn receive(State(receiver): State<Receiver>, Json(alert): Json<Value>) -> StatusCode {
    let fails = |left: usize| left.checked_sub(1);
    let failures = &receiver.failures;
    if failures
        .fetch_update(Ordering::SeqCst, Ordering::SeqCst, fails)
        .is_ok()
    {
        return receiver.status;
    }
    receiver.received.send(alert).unwrap();
    StatusCode::OK
}

async fn webhook(failures: usize, status: StatusCode) -> Webhook {
    let (sender, received) = mpsc::unbounded_channel();
    let receiver = Receiver {
        failures: Arc::new(AtomicUsize::new(failures)),
        status,
        received: sender,
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/secret", listener.local_addr().unwrap());
    let app = Router::new()
        .route("/secret", post(receive))
        .with_state(receiver);
    tokio::spawn(async move { axum::serve(listener, app).await });
    Webhook { url, received }
}

fn alert(id: &str) -> Alert {
    Alert {
        event: Event::SoftLimit,
        at: AccountWindow {
            account: AccountId::new(Scope::Key, id),
            window: Window {
                start: UnixMillis(0),
                end: Some(UnixMillis(86_400_000)),
            },
        },
        name: Some("ci".to_owned()),
        spent: "4.05".parse().unwrap(),
        limit: NanoDollars::dollars(4),
    }
}

#[tokio::test]
async fn an_alert_is_readable_in_slack_and_by_programs_and_sent_once() {
    let mut webhook = webhook(0, StatusCode::OK).await;
    let (alerts, guard) = Alerts::start(&webhook.url).unwrap();
    alerts.send(alert("abc"));
    alerts.send(alert("abc"));
    alerts.send(alert("other"));
    drop(alerts);
    guard.drain(Duration::from_secs(5)).await;
    assert_eq!(
        webhook.received.recv().await.unwrap(),
        json!({
            "text": "Budget of key ci has spent $4.05 and is over its soft limit of $4 \
                     (until 1970-01-02T00:00:00Z).",
            "event": "soft_limit",
            "scope": "key",
            "id": "abc",
            "name": "ci",
            "spent": 4.05,
            "limit": 4,
            "window_start": "1970-01-01T00:00:00Z",
            "window_end": "1970-01-02T00:00:00Z",
        })
    );
    assert_eq!(webhook.received.recv().await.unwrap()["id"], "other");
    assert!(webhook.received.try_recv().is_err());
}

#[tokio::test]
async fn an_alert_is_tried_again_when_the_webhook_fails() {
    let mut webhook = webhook(1, StatusCode::BAD_GATEWAY).await;
    let (alerts, _guard) = Alerts::start(&webhook.url).unwrap();
    alerts.send(alert("abc"));
    assert_eq!(webhook.received.recv().await.unwrap()["id"], "abc");
}

#[tokio::test]
async fn an_alert_that_the_webhook_finds_invalid_does_not_hold_the_next_up() {
    let mut webhook = webhook(1, StatusCode::BAD_REQUEST).await;
    let (alerts, _guard) = Alerts::start(&webhook.url).unwrap();
    alerts.send(alert("abc"));
    alerts.send(alert("next"));
    assert_eq!(webhook.received.recv().await.unwrap()["id"], "next");
}

#[tokio::test]
async fn a_full_queue_never_blocks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let (alerts, _guard) = Alerts::start(&silent).unwrap();
    for n in 0..10 * QUEUE {
        alerts.send(alert(&n.to_string()));
    }
}

#[tokio::test]
async fn an_address_that_is_none_is_not_shown() {
    for address in ["ftp://secret", "secret"] {
        let error = Alerts::start(address).unwrap_err().to_string();
        assert!(!error.contains("secret"));
    }
}
