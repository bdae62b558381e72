//! What has to hold whatever bytes come: the properties that the fuzz targets check.
#![allow(clippy::missing_panics_doc, reason = "to panic is how a target tells")]

pub mod answers;
pub mod framing;
pub mod requests;
pub mod texts;

/// What the matrix writes AWS's messages with.
#[allow(dead_code, unreachable_pub, reason = "as below")]
#[path = "../../dialect/tests/it/aws.rs"]
mod aws;
/// The deployments of the golden matrix.
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the matrix needs more of it than the targets do"
)]
#[path = "../../dialect/tests/it/support.rs"]
mod support;

/// The bytes in up to four pieces. Where they are cut follows from the bytes, so that a finding can
/// be repeated.
fn pieces(data: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = data;
    let mut seed = data.iter().fold(data.len(), |seed, byte| {
        seed.wrapping_mul(31).wrapping_add(usize::from(*byte))
    });
    for _ in 0..3 {
        let (piece, after) = rest.split_at(seed % (rest.len() + 1));
        pieces.push(piece);
        rest = after;
        seed /= 7;
    }
    pieces.push(rest);
    pieces
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(bytes).is_ok()
}
