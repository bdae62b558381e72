//! Forms at the edge, against a fake Envoy.

use std::rc::Rc;

use dragoman_proto::EdgeConfig;

use super::*;
use crate::testing::{FakeHost, KIND, long_form};

fn edge() -> Edge {
    Edge::new(Rc::new(EdgeConfig {
        root_path: String::new(),
        max_body_bytes: 1 << 20,
    }))
}

/// A client that says its form is so long.
fn client(length: Option<usize>) -> FakeHost {
    let length = length.map(|length| length.to_string());
    let mut headers = vec![("content-type", KIND)];
    headers.extend(length.as_deref().map(|length| ("content-length", length)));
    FakeHost::post("/v1/audio/transcriptions", &headers, "")
}

fn facts(host: &FakeHost) -> Option<Facts> {
    let value = host.request_header(names::FACTS)?;
    Facts::from_headers(|_| Some(&value)).ok()
}

/// The next bytes, as Envoy has them once what was before them has gone on.
fn next(edge: &mut Edge, host: &FakeHost, bytes: &[u8], end_of_stream: bool) -> Flow {
    *host.request_body.borrow_mut() = bytes.to_vec();
    edge.on_request_body(host, bytes.len(), end_of_stream)
}

#[test]
fn a_form_goes_on_as_soon_as_its_facts_are_certain() {
    let form = long_form(b"");
    let host = client(Some(form.len()));
    let mut edge = edge();
    assert_eq!(edge.on_request_headers(&host, false), Flow::Pause);
    assert_eq!(next(&mut edge, &host, &form[..100], false), Flow::Pause);
    assert_eq!(facts(&host), None);
    // Envoy has buffered both.
    assert_eq!(
        next(&mut edge, &host, &form[..6_000], false),
        Flow::Continue
    );
    let facts = facts(&host).expect("facts");
    assert_eq!(facts.model.as_deref(), Some("llm"));
    assert!(facts.extent.audio_ms > 0);
    let told = Announced::told(&host).expect("the attempts are told");
    assert_eq!(told.content_type, KIND);
    assert_eq!(told.passes, Some(form.len()));
    let rest = &form[6_000..];
    assert_eq!(next(&mut edge, &host, &rest[..9], false), Flow::Continue);
    assert_eq!(next(&mut edge, &host, &rest[9..], true), Flow::Continue);
    assert!(host.reply.borrow().is_none());
}

#[test]
fn a_form_without_a_length_is_held() {
    let form = long_form(b"");
    let host = client(None);
    let mut edge = edge();
    edge.on_request_headers(&host, false);
    assert_eq!(next(&mut edge, &host, &form[..6_000], false), Flow::Pause);
    assert_eq!(next(&mut edge, &host, &form, true), Flow::Continue);
    assert!(facts(&host).is_some());
    assert_eq!(Announced::told(&host).unwrap().passes, None);
}

#[test]
fn a_form_over_the_cap_is_refused_while_it_is_held() {
    let host = client(None);
    let mut edge = edge();
    edge.on_request_headers(&host, false);
    let over = long_form(&vec![b'x'; 1 << 20]);
    assert_eq!(next(&mut edge, &host, &over, false), Flow::Pause);
    assert_eq!(host.replied().status, 413);
}

/// What the client hears, and how the attempt under way is reported, when a form that passes ends so.
fn ended_with(form: &[u8], length: usize) -> (u16, Outcome) {
    let host = client(Some(length));
    let mut edge = edge();
    edge.on_request_headers(&host, false);
    assert_eq!(
        next(&mut edge, &host, &form[..6_000], false),
        Flow::Continue
    );
    let under_way = AttemptReport {
        attempt: 1,
        outcome: Outcome::Sending.into(),
        ..AttemptReport::default()
    };
    host.set_property(names::REPORT_PROPERTY, under_way.to_text().as_bytes());
    assert_eq!(next(&mut edge, &host, &form[6_000..], true), Flow::Pause);
    let report = host.property(&[names::REPORT_PROPERTY]).unwrap();
    let report = AttemptReport::from_text(&report).unwrap();
    assert!(!report.error_code.is_empty());
    (host.replied().status, report.outcome())
}

#[test]
fn a_form_that_turns_out_bad_is_the_client_s_fault_and_not_the_provider_s() {
    let second = b"--xYz\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ndear\r\n";
    let form = long_form(second);
    assert_eq!(ended_with(&form, form.len()), (400, Outcome::Rejected));
    let form = long_form(b"");
    let cut = &form[..form.len() - 8];
    assert_eq!(ended_with(cut, cut.len()), (400, Outcome::Rejected));
}

#[test]
fn a_form_that_is_not_as_long_as_it_says_is_refused() {
    let form = long_form(b"");
    for length in [form.len() - 1, form.len() + 1] {
        assert_eq!(ended_with(&form, length), (400, Outcome::Rejected));
    }
}

#[test]
fn trailers_end_a_form_too() {
    let form = long_form(b"");
    for length in [None, Some(form.len())] {
        let host = client(length);
        let mut edge = edge();
        edge.on_request_headers(&host, false);
        next(&mut edge, &host, &form, false);
        assert_eq!(edge.on_request_trailers(&host), Flow::Continue);
        assert!(facts(&host).is_some());
    }
}
