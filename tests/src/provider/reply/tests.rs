//! What is written for an answer and a behaviour.

use super::*;

fn stream() -> Answer {
    let events = vec![
        Event::data("a"),
        Event::data("b"),
        Event::data("[DONE]").last(),
    ];
    Answer::events(events, Event::named("error", "oops"))
}

fn written(answer: Answer, behaviour: &str) -> (String, Ending, bool) {
    let script = script(answer, &behaviour.parse().unwrap());
    let mut bytes = Vec::new();
    for step in &script.steps {
        if let Step::Write(part) = step {
            bytes.extend_from_slice(part);
        }
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    (text, script.ending, script.complete)
}

#[test]
fn a_stream_is_sent_event_by_event() {
    let (text, ending, complete) = written(stream(), "");
    assert!(
        text.ends_with(
            "\r\n\r\n9\r\ndata: a\n\n\r\n9\r\ndata: b\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
        ),
        "{text}"
    );
    assert_eq!((ending, complete), (Ending::KeepAlive, true));
}

#[test]
fn a_stream_that_is_reset_has_no_end() {
    let (text, ending, complete) = written(stream(), "reset-after-1");
    assert!(text.ends_with("9\r\ndata: a\n\n\r\n"), "{text}");
    assert_eq!((ending, complete), (Ending::Reset, false));
}

#[test]
fn a_stream_can_end_cleanly_without_its_terminator() {
    let (text, ending, complete) = written(stream(), "end-after-1");
    assert!(text.ends_with("data: a\n\n\r\n0\r\n\r\n"), "{text}");
    assert_eq!((ending, complete), (Ending::KeepAlive, false));
}

#[test]
fn an_error_event_comes_after_the_events_asked_for() {
    let (text, ..) = written(stream(), "error-after-0");
    assert!(text.contains("event: error\ndata: oops\n\n"), "{text}");
    assert!(!text.contains("data: a"), "{text}");
}

#[test]
fn a_body_that_breaks_off_announces_its_full_length() {
    let whole = Answer::whole(200, "text/plain", "0123456789");
    let (text, ending, _) = written(whole, "close-after-1");
    assert!(text.contains("content-length: 10\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n01234"), "{text}");
    assert_eq!(ending, Ending::Close);
}

#[test]
fn framing_follows_the_form() {
    let (text, ..) = written(stream(), "crlf tight open-end unframed");
    assert!(
        text.ends_with("\r\n\r\ndata:a\r\n\r\ndata:b\r\n\r\ndata:[DONE]\r\n"),
        "{text}"
    );
}
