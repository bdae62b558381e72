//! Events, however their bytes arrive.

use super::*;

fn events(chunks: &[&[u8]]) -> Vec<(Option<String>, String)> {
    let mut framer = SseFramer::default();
    let mut seen = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut note = |event: &Event<'_>| {
        seen.push((event.name.map(text), text(&event.data)));
        ControlFlow::<()>::Continue(())
    };
    for chunk in chunks {
        let _ = framer.feed(chunk, &mut note).unwrap();
    }
    let _ = framer.finish(&mut note);
    seen
}

fn data(chunks: &[&[u8]]) -> Vec<String> {
    events(chunks).into_iter().map(|(_, data)| data).collect()
}

#[test]
fn lines_may_end_in_any_of_three_ways() {
    for end in ["\n", "\r\n", "\r"] {
        let text = format!("data: a{end}{end}data: b{end}{end}").replace("\n", end);
        let text = text.replace("\r\r\n", "\r\n");
        assert_eq!(data(&[text.as_bytes()]), ["a", "b"], "{end:?}");
    }
}

#[test]
fn any_split_gives_the_same_events() {
    let text = "\u{feff}: hi\r\n\r\nevent: e\r\ndata:{\"x\":\"ü\u{1f600}\"}\r\n\r\ndata: a\rdata: b\r\r\
                data: c\n\nid: 1\n\ndata\n\nevent: last\ndata: d";
    let whole = events(&[text.as_bytes()]);
    assert_eq!(whole.len(), 5);
    for at in 0..=text.len() {
        let (left, right) = text.as_bytes().split_at(at);
        assert_eq!(events(&[left, right]), whole, "split at {at}");
    }
    let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
    assert_eq!(events(&bytes), whole);
}

#[test]
fn data_lines_are_joined() {
    assert_eq!(data(&[b"data: a\ndata:\ndata:  b\n\n"]), ["a\n\n b"]);
}

#[test]
fn an_event_over_the_cap_is_refused() {
    let mut framer = SseFramer::default();
    let chunk = vec![b'x'; 1024 * 1024];
    let mut last = Ok(ControlFlow::Continue(()));
    for _ in 0..9 {
        last = framer.feed(&chunk, |_| ControlFlow::<()>::Continue(()));
    }
    assert_eq!(last, Err(FramingError::TooLong));
}

#[test]
fn a_megabyte_event_passes() {
    let big = format!("data: {}\n\n", "y".repeat(1024 * 1024));
    let chunks: Vec<&[u8]> = big.as_bytes().chunks(1000).collect();
    assert_eq!(data(&chunks).first().map(String::len), Some(1024 * 1024));
}

#[test]
fn the_room_that_a_burst_took_is_given_back() {
    let burst = "data: {}\n\n".repeat(100_000);
    let mut framer = SseFramer::default();
    for chunk in ["data: ", "1\n\n", "da", &burst, "data"] {
        let flow = framer.feed(chunk.as_bytes(), |_| ControlFlow::<()>::Continue(()));
        assert!(flow.is_ok(), "it frames");
    }
    assert!(framer.buffer.capacity() <= super::super::KEPT);
}
