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
