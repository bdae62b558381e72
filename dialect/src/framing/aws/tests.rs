//! Messages, whole, cut anywhere, and damaged.

use proptest::prelude::*;

use super::*;

/// A message with string headers.
fn message(headers: &[(&str, &str)], payload: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (name, value) in headers {
        encoded.push(u8::try_from(name.len()).unwrap());
        encoded.extend_from_slice(name.as_bytes());
        encoded.push(7);
        encoded.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        encoded.extend_from_slice(value.as_bytes());
    }
    framed(&encoded, payload)
}

fn framed(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(PRELUDE + headers.len() + payload.len() + TRAILER).unwrap();
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend_from_slice(&u32::try_from(headers.len()).unwrap().to_be_bytes());
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes.extend_from_slice(headers);
    bytes.extend_from_slice(payload);
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

fn event_message(name: &str, payload: &str) -> Vec<u8> {
    let headers = [
        (":event-type", name),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    message(&headers, payload.as_bytes())
}

/// Name, data and whether it is an error, of each event; or why there are no more.
fn read<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<(String, String, bool)>, Option<FramingError>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut framer = AwsFramer::default();
    let mut seen = Vec::new();
    for chunk in chunks {
        let result = framer.feed(chunk, |event| {
            let name = event.name.map(text).unwrap_or_default();
            seen.push((name, text(&event.data), event.is_error));
            ControlFlow::<()>::Continue(())
        });
        if let Err(error) = result {
            return (seen, Some(error));
        }
    }
    (seen, None)
}

#[test]
fn any_split_gives_the_same_messages() {
    let stream = [
        event_message("messageStart", r#"{"role":"assistant"}"#),
        event_message("contentBlockDelta", r#"{"delta":{"text":"Zürich"}}"#),
        event_message("x", ""),
    ]
    .concat();
    let (whole, error) = read([&stream[..]]);
    assert_eq!((whole.len(), error), (3, None));
    assert_eq!(whole[1].0, "contentBlockDelta");
    for at in 0..=stream.len() {
        let (left, right) = stream.split_at(at);
        assert_eq!(read([left, right]).0, whole, "split at {at}");
    }
    assert_eq!(read(stream.chunks(1)).0, whole);
}

#[test]
fn a_message_of_the_specification_is_read() {
    // `int32_header` of the event stream test vectors of the AWS SDKs.
    let bytes = hex(
        "0000002d 00000010 41c424b8 0a6576656e742d74797065 04 0000a00c 7b27666f6f273a27626172277d 36f480a0",
    );
    let (seen, error) = read([&bytes[..]]);
    assert_eq!(error, None);
    assert_eq!(seen, [(String::new(), "{'foo':'bar'}".to_owned(), false)]);
}

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

#[test]
fn exceptions_and_errors_are_told_from_events() {
    let exception = [
        (":message-type", "exception"),
        (":exception-type", "throttlingException"),
    ];
    let error = [
        (":message-type", "error"),
        (":error-code", "InternalError"),
        (":error-message", "oops"),
    ];
    let stream = [
        message(&exception, br#"{"message":"slow down"}"#),
        message(&error, b""),
    ]
    .concat();
    let (seen, _) = read([&stream[..]]);
    assert_eq!(
        seen,
        [
            (
                "throttlingException".to_owned(),
                r#"{"message":"slow down"}"#.to_owned(),
                true
            ),
            ("InternalError".to_owned(), "oops".to_owned(), true),
        ]
    );
}

#[test]
fn every_type_of_header_is_passed_over() {
    let mut headers = Vec::new();
    for (kind, value) in [
        (0, &b""[..]),
        (1, b""),
        (2, b"1"),
        (3, b"12"),
        (4, b"1234"),
        (5, b"12345678"),
        (6, b"\x00\x03abc"),
        (8, b"12345678"),
        (9, b"0123456789abcdef"),
    ] {
        headers.extend_from_slice(&[1, b'h', kind]);
        headers.extend_from_slice(value);
    }
    headers.extend_from_slice(b"\x0b:event-type\x07\x00\x01e");
    let (seen, error) = read([&framed(&headers, b"p")[..]]);
    assert_eq!(error, None);
    assert_eq!(seen[0].0, "e");
}

#[test]
fn damage_anywhere_is_noticed() {
    let good = event_message("first", "{}");
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        let (seen, error) = read([&[&bad[..], &good[..]].concat()[..]]);
        assert_eq!(seen, [], "byte {at}");
        assert_eq!(error, Some(FramingError::Corrupt), "byte {at}");
    }
}

#[test]
fn a_length_that_is_too_small_or_too_large_is_refused() {
    for (length, headers, expected) in [
        (15, 0, FramingError::Corrupt),
        (20, 5, FramingError::Corrupt),
        (u32::MAX, 0, FramingError::TooLong),
    ] {
        let mut bytes = u32::to_be_bytes(length).to_vec();
        bytes.extend_from_slice(&u32::to_be_bytes(headers));
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_be_bytes());
        assert_eq!(read([&bytes[..]]).1, Some(expected), "{length} {headers}");
    }
}

#[test]
fn headers_that_end_too_early_are_corrupt() {
    for headers in [
        &b"\x05ab"[..],
        b"\x01h",
        b"\x01h\x07\x00\x09x",
        b"\x01h\x0a",
        b"\x01h\x04\x00",
    ] {
        let (_, error) = read([&framed(headers, b"")[..]]);
        assert_eq!(error, Some(FramingError::Corrupt), "{headers:?}");
    }
}

#[test]
fn nothing_follows_a_break() {
    let mut framer = AwsFramer::default();
    let mut seen = 0;
    let stream = [event_message("a", "{}"), event_message("b", "{}")].concat();
    let flow = framer.feed(&stream, |_| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert_eq!((flow, seen), (Ok(ControlFlow::Break(())), 1));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        at in 0_usize..200,
    ) {
        let (left, right) = bytes.split_at(at.min(bytes.len()));
        let (whole, split) = (read([&bytes[..]]), read([left, right]));
        prop_assert_eq!(whole, split);
    }

    #[test]
    fn any_headers_are_read_or_refused(
        headers in proptest::collection::vec(any::<u8>(), 0..60),
        payload in proptest::collection::vec(any::<u8>(), 0..60),
    ) {
        let _ = read([&framed(&headers, &payload)[..]]);
    }

    #[test]
    fn messages_survive_any_split(
        events in proptest::collection::vec(("[a-zA-Z]{0,20}", ".{0,40}"), 0..5),
        size in 1_usize..50,
    ) {
        let stream: Vec<u8> = events.iter().flat_map(|(name, data)| event_message(name, data)).collect();
        let expected: Vec<_> = events.into_iter().map(|(name, data)| (name, data, false)).collect();
        prop_assert_eq!(read(stream.chunks(size)), (expected, None));
    }
}
