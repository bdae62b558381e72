//! The byte layer of streams.

use std::io::Write;

use dragoman_dialect::fuzzing;
use flate2::{
    Compression,
    write::{GzEncoder, ZlibEncoder},
};

use crate::pieces;

/// A piece of 4 KiB may become at most this much.
const MOST_PER_PIECE: usize = 8 << 20;

/// Server-sent events, whole and in pieces.
pub fn sse(data: &[u8]) {
    let whole = fuzzing::events(&[data]);
    assert_eq!(whole, fuzzing::events(&pieces(data)));
    let bytes: Vec<&[u8]> = data.chunks(1).collect();
    assert_eq!(whole, fuzzing::events(&bytes));
}

/// Lines, whole and in pieces; together they hold what is not white space at their ends.
pub fn lines(data: &[u8]) {
    let whole = fuzzing::lines(&[data]);
    assert_eq!(whole, fuzzing::lines(&pieces(data)));
    let expected: Vec<&[u8]> = data
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(whole.as_deref().unwrap_or_default(), expected);
}

/// AWS's messages, whole and in pieces: as they come, and with checksums that are right.
pub fn aws(data: &[u8]) {
    for stream in [data, &messages(data)] {
        let whole = fuzzing::messages(&[stream]);
        assert_eq!(whole, fuzzing::messages(&pieces(stream)));
    }
}

/// Each line of `data`, a type and a payload with a space between them, as one of AWS's messages
/// (<https://docs.aws.amazon.com/transcribe/latest/dg/event-stream.html>).
pub fn messages(data: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    for line in data.split(|byte| *byte == b'\n') {
        let mut halves = line.splitn(2, |byte| *byte == b' ');
        let name = halves.next().unwrap_or_default();
        let name = name.get(..name.len().min(200)).unwrap_or_default();
        let payload = halves.next().unwrap_or_default();
        let mut headers = Vec::new();
        for (key, value) in [(":message-type", &b"event"[..]), (":event-type", name)] {
            headers.push(u8::try_from(key.len()).unwrap());
            headers.extend_from_slice(key.as_bytes());
            headers.push(7);
            headers.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
            headers.extend_from_slice(value);
        }
        let length = |size: usize| u32::try_from(size).unwrap().to_be_bytes();
        let mut message = length(16 + headers.len() + payload.len()).to_vec();
        message.extend_from_slice(&length(headers.len()));
        message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
        message.extend_from_slice(&headers);
        message.extend_from_slice(payload);
        message.extend_from_slice(&crc32fast::hash(&message).to_be_bytes());
        stream.append(&mut message);
    }
    stream
}

/// Bytes as a compressed body, and bytes compressed.
pub fn inflate(data: &[u8]) {
    for encoding in ["gzip", "deflate"] {
        if let Ok(decoded) = fuzzing::inflated(encoding, &pieces(data)) {
            let most = MOST_PER_PIECE * (data.len() / 4096 + 4);
            assert!(decoded.len() <= most, "{} bytes", decoded.len());
        }
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(data).unwrap();
    zlib.write_all(data).unwrap();
    for (encoding, encoded) in [
        ("gzip", gzip.finish().unwrap()),
        ("deflate", zlib.finish().unwrap()),
    ] {
        let decoded = fuzzing::inflated(encoding, &pieces(&encoded)).unwrap();
        assert_eq!(decoded, data, "{encoding}");
    }
}
