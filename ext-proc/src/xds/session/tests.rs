//! What Envoy is sent, and when.

use std::time::Duration;

use dragoman_envoy::{Address, FilterModule, Listeners, Services, Topology};
use envoy_types::pb::google::rpc::Status;

use super::*;

fn snapshot(root_path: &str) -> Snapshot {
    Snapshot::build(&Topology {
        listeners: Listeners {
            http: Some(([127, 0, 0, 1], 4000).into()),
            https: None,
        },
        services: Services {
            grpc: Address::Tcp("dragoman".into(), 9100),
            http: Address::Tcp("dragoman".into(), 9101),
        },
        filter: FilterModule {
            file: "/filter.wasm".into(),
        },
        upstreams: Vec::new(),
        root_path: root_path.into(),
        max_body_bytes: 1 << 20,
        idle_timeout: Duration::from_secs(60),
        spool: None,
        ca_file: "/ca.crt".into(),
    })
}

fn request(kind: ResourceType, names: &[&str], nonce: &str) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: kind.type_url().into(),
        resource_names: names.iter().map(ToString::to_string).collect(),
        response_nonce: nonce.into(),
        ..DiscoveryRequest::default()
    }
}

/// A session that was sent the listeners, and the nonce that came with them.
fn with_listeners(snapshot: &Snapshot) -> (Session, String) {
    let mut session = Session::default();
    let (_, response) = session.receive(request(ResourceType::Listener, &[], ""), snapshot);
    let nonce = response.expect("a first request is answered").nonce;
    (session, nonce)
}

#[test]
fn a_first_request_gets_everything_of_its_kind() {
    let snapshot = snapshot("");
    let mut session = Session::default();
    let (word, response) = session.receive(request(ResourceType::Cluster, &[], ""), &snapshot);
    assert_eq!(word, Word::Nothing);
    let response = response.unwrap();
    assert_eq!(
        response.resources.len(),
        snapshot.resources(ResourceType::Cluster).len()
    );
    assert_eq!(
        response.version_info,
        snapshot.version(ResourceType::Cluster)
    );
}

#[test]
fn an_ack_is_not_answered_until_something_changes() {
    let (mut session, nonce) = with_listeners(&snapshot(""));
    let ack = request(ResourceType::Listener, &[], &nonce);
    let (word, response) = session.receive(ack, &snapshot(""));
    assert_eq!(word, Word::Ack(ResourceType::Listener));
    assert!(response.is_none());
    assert!(session.update(&snapshot("")).is_empty());
    let updates = session.update(&snapshot("/ai-api"));
    assert_eq!(updates.len(), 1);
    assert_eq!(updates[0].type_url, ResourceType::Listener.type_url());
}

#[test]
fn what_envoy_refused_is_not_offered_again() {
    let (mut session, nonce) = with_listeners(&snapshot(""));
    let nack = DiscoveryRequest {
        error_detail: Some(Status {
            message: "no such filter".into(),
            ..Status::default()
        }),
        ..request(ResourceType::Listener, &[], &nonce)
    };
    let (word, response) = session.receive(nack, &snapshot(""));
    assert_eq!(
        word,
        Word::Nack(ResourceType::Listener, "no such filter".into())
    );
    assert!(
        response.is_none(),
        "the same version would be refused again, for ever"
    );
}

#[test]
fn a_refusal_s_reason_does_not_show_what_was_refused() {
    let (mut session, nonce) = with_listeners(&snapshot(""));
    let reason = "secret: \"s3cret\"\n: Proto constraint validation failed (X.Y: too short)";
    let nack = DiscoveryRequest {
        error_detail: Some(Status {
            message: reason.into(),
            ..Status::default()
        }),
        ..request(ResourceType::Listener, &[], &nonce)
    };
    let (word, _) = session.receive(nack, &snapshot(""));
    let told = "Proto constraint validation failed (X.Y: too short)";
    assert_eq!(word, Word::Nack(ResourceType::Listener, told.into()));
}

#[test]
fn an_answer_to_something_older_is_passed_over() {
    let (mut session, _) = with_listeners(&snapshot(""));
    let stale = request(ResourceType::Listener, &[], "0");
    assert_eq!(session.receive(stale, &snapshot("")), (Word::Nothing, None));
}

#[test]
fn only_the_names_that_are_asked_for_are_sent() {
    let snapshot = snapshot("");
    let mut session = Session::default();
    let one = request(ResourceType::Route, &["another"], "");
    let (_, response) = session.receive(one, &snapshot);
    let response = response.unwrap();
    assert!(response.resources.is_empty());
    let more = request(
        ResourceType::Route,
        &["another", "dragoman"],
        &response.nonce,
    );
    let (_, response) = session.receive(more, &snapshot);
    assert_eq!(
        response
            .expect("a wider subscription is answered")
            .resources
            .len(),
        1
    );
}
