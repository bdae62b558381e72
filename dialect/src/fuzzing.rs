//! The byte layer as the fuzz targets see it: `fuzz/` is built with `--cfg fuzzing`, and nothing else is.

use std::{io, ops::ControlFlow};

use crate::framing::{AwsFramer, Event, Framer, Inflate, LineFramer};

/// The events of a stream that arrives in `pieces`, as (name, data); `None` when one is too long.
pub fn events(pieces: &[&[u8]]) -> Option<Vec<(Option<Vec<u8>>, Vec<u8>)>> {
    framed(Framer::default(), pieces)
}

/// The lines of a stream that arrives in `pieces`; `None` when one is too long.
pub fn lines(pieces: &[&[u8]]) -> Option<Vec<Vec<u8>>> {
    let lines = framed(Framer::Lines(LineFramer::default()), pieces)?;
    Some(lines.into_iter().map(|(_, line)| line).collect())
}

/// AWS's messages of a stream that arrives in `pieces`, as (type, payload); `None` when one is too long
/// or corrupt.
pub fn messages(pieces: &[&[u8]]) -> Option<Vec<(Option<Vec<u8>>, Vec<u8>)>> {
    framed(Framer::Aws(AwsFramer::default()), pieces)
}

fn framed(mut framer: Framer, pieces: &[&[u8]]) -> Option<Vec<(Option<Vec<u8>>, Vec<u8>)>> {
    let mut seen = Vec::new();
    let mut note = |event: &Event<'_>| {
        seen.push((event.name.map(<[u8]>::to_vec), event.data.to_vec()));
        ControlFlow::<()>::Continue(())
    };
    for piece in pieces {
        let _: ControlFlow<()> = framer.feed(piece, &mut note).ok()?;
    }
    let _: ControlFlow<()> = framer.finish(&mut note);
    Some(seen)
}

/// A compressed body that arrives in `pieces`, decoded; nothing for an encoding that is not known.
pub fn inflated(encoding: &str, pieces: &[&[u8]]) -> io::Result<Vec<u8>> {
    let mut whole = Vec::new();
    let Some(mut decoder) = Inflate::for_encoding(encoding) else {
        return Ok(whole);
    };
    for piece in pieces.iter().flat_map(|piece| piece.chunks(Inflate::PIECE)) {
        whole.append(&mut decoder.decode(piece)?);
    }
    whole.append(&mut decoder.finish()?);
    Ok(whole)
}
