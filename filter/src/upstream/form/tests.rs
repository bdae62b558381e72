//! Forms of one attempt, against a fake Envoy.

use std::rc::Rc;

use dragoman_proto::{Admission, AttemptReport, Dialect, Operation, UpstreamConfig, names};

use super::*;
use crate::testing::{FakeHost, KIND, long_form};

fn upstream(defaults: &str) -> Upstream {
    let config = format!(
        r#"{{"deployment":"d1","provider":"openai","dialect":"openai","model":"whisper-1",
            "authority":"provider.test","base_path":"/v1","defaults":{defaults}}}"#
    );
    let config: UpstreamConfig = serde_json::from_str(&config).expect("a configuration");
    assert_eq!(config.dialect, Dialect::OpenAi);
    Upstream::new(Rc::new(config))
}

/// Attempt `attempt` of a form that was announced.
fn attempt(attempt: u64, passes: Option<usize>) -> FakeHost {
    let left = [
        ("content-type", "application/json"),
        ("content-length", "7"),
    ];
    let host = FakeHost::post("/v1/audio/transcriptions", &left, "");
    let admission = Admission::decode(
        br#"{"id":"r1","at":1763600000000,"m":"llm","op":"audio_transcriptions","k":"master","pt":3}"#,
    )
    .expect("an admission");
    assert_eq!(admission.operation, Operation::AudioTranscriptions);
    let namespace = names::ADMISSION_NAMESPACE;
    let path = ["metadata", "filter_metadata", namespace, Admission::FIELD];
    host.set(&path, admission.encode().as_bytes());
    let count = ["upstream", "request_attempt_count"];
    host.set(&count, &attempt.to_le_bytes());
    let content_type = KIND.to_owned();
    Announced {
        content_type,
        passes,
    }
    .tell(&host);
    host
}

/// What goes out of the next bytes; what is held is kept with them.
fn next(upstream: &mut Upstream, host: &FakeHost, bytes: &[u8], end: bool) -> Option<Vec<u8>> {
    host.append_request_body(bytes);
    let size = host.request_body.borrow().len();
    match upstream.on_request_body(host, size, end) {
        Flow::Continue => Some(host.request_body.take()),
        Flow::Pause => None,
    }
}

fn outcome(host: &FakeHost) -> Outcome {
    let report = host.property(&[names::REPORT_PROPERTY]).expect("a report");
    AttemptReport::from_text(&report)
        .expect("it reads")
        .outcome()
}

#[test]
fn the_beginning_is_translated_and_the_rest_passes() {
    let form = long_form(b"");
    let host = attempt(1, Some(form.len()));
    let mut upstream = upstream("{}");
    upstream.on_request_headers(&host, false);
    assert_eq!(next(&mut upstream, &host, &form[..60], false), None);
    let first = next(&mut upstream, &host, &form[60..500], false).expect("it passes");
    assert_eq!(outcome(&host), Outcome::Sending);
    let second = next(&mut upstream, &host, &form[500..1000], false).expect("it passes");
    assert_eq!(second, &form[500..1000]);
    let last = next(&mut upstream, &host, &form[1000..], true).expect("it passes");
    assert_eq!(outcome(&host), Outcome::Sent);
    let sent = [first, second, last].concat();
    let expected = String::from_utf8_lossy(&form).replacen("\r\nllm\r\n", "\r\nwhisper-1\r\n", 1);
    assert!(sent == expected.as_bytes());
    let header = |name: &str| host.request_header(name);
    assert_eq!(header("content-length"), Some(sent.len().to_string()));
    assert_eq!(header("content-type").as_deref(), Some(KIND));
    assert_eq!(header(":authority").as_deref(), Some("provider.test"));
}

#[test]
fn a_later_attempt_gets_the_form_from_its_beginning() {
    let form = long_form(b"");
    let host = attempt(2, Some(form.len()));
    let mut upstream = upstream("{}");
    upstream.on_request_headers(&host, false);
    let sent = next(&mut upstream, &host, &form, true).expect("it passes");
    assert_eq!(sent.len(), form.len() + "whisper-1".len() - "llm".len());
    assert_eq!(
        host.request_header("content-length"),
        Some(sent.len().to_string())
    );
}

#[test]
fn a_form_that_is_held_has_its_content_type_in_every_attempt() {
    let form = long_form(b"");
    let host = attempt(2, None);
    let mut upstream = upstream("{}");
    upstream.on_request_headers(&host, false);
    assert_eq!(next(&mut upstream, &host, &form[..9_000], false), None);
    assert!(next(&mut upstream, &host, &form[9_000..], true).is_some());
    assert_eq!(host.request_header("content-type").as_deref(), Some(KIND));
}

#[test]
fn a_form_waits_for_its_end_where_a_default_may_be_added() {
    let late = b"--xYz\r\nContent-Disposition: form-data; name=\"language\"\r\n\r\nen\r\n";
    for (late, language) in [(&late[..], "en"), (b"", "de")] {
        let form = long_form(late);
        let host = attempt(1, Some(form.len()));
        let mut upstream = upstream(r#"{"language":"de"}"#);
        upstream.on_request_headers(&host, false);
        assert_eq!(next(&mut upstream, &host, &form[..9_000], false), None);
        let sent = next(&mut upstream, &host, &form[9_000..], true).expect("it is whole");
        let value = format!("name=\"language\"\r\n\r\n{language}\r\n");
        let sent = String::from_utf8_lossy(&sent);
        assert_eq!(sent.matches("name=\"language\"").count(), 1);
        assert!(sent.contains(&value), "{language}");
    }
}

#[test]
fn what_the_provider_is_not_to_see_stops_a_form_that_passes() {
    let late = b"--xYz\r\nContent-Disposition: form-data; name=\"api_key\"\r\n\r\nk\r\n";
    let form = long_form(late);
    let host = attempt(1, Some(form.len()));
    let mut upstream = upstream("{}");
    upstream.on_request_headers(&host, false);
    assert!(next(&mut upstream, &host, &form[..9_000], false).is_some());
    assert_eq!(next(&mut upstream, &host, &form[9_000..], true), None);
    assert_eq!(host.replied().status, 400);
    assert_eq!(outcome(&host), Outcome::Rejected);
}

#[test]
fn trailers_end_a_form_that_passes() {
    let form = long_form(b"");
    let host = attempt(1, Some(form.len()));
    let mut upstream = upstream("{}");
    upstream.on_request_headers(&host, false);
    assert!(next(&mut upstream, &host, &form, false).is_some());
    assert_eq!(upstream.on_request_trailers(&host), Flow::Continue);
    assert_eq!(outcome(&host), Outcome::Sent);
}

#[test]
fn the_sound_that_passed_is_charged_where_the_provider_counts_nothing() {
    let form = long_form(b"");
    let host = attempt(1, Some(form.len()));
    let mut upstream = upstream("{}");
    upstream.on_request_headers(&host, false);
    next(&mut upstream, &host, &form, true);
    let answer = r#"{"text":"words"}"#;
    let headers = [(":status", "200"), ("content-type", "application/json")];
    host.answer(&headers, answer);
    upstream.on_response_headers(&host, false);
    upstream.on_response_body(&host, answer.len(), true);
    let report = host.property(&[names::REPORT_PROPERTY]).unwrap();
    let usage = AttemptReport::from_text(&report).unwrap().usage.unwrap();
    // 80,000 bytes of no known kind.
    assert_eq!(usage.audio_ms, 20_000);
}
