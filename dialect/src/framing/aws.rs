//! AWS's event stream (<https://smithy.io/2.0/aws/amazon-eventstream.html>) out of raw bytes that are
//! split anywhere: binary messages with a prelude, headers, a payload and two checksums.

use std::{borrow::Cow, ops::ControlFlow};

use super::{Event, FramingError, MAX_EVENT, forget};

/// Length of the message, length of the headers, checksum of both.
const PRELUDE: usize = 12;
/// The checksum at the end.
const TRAILER: usize = 4;

/// Cuts bytes into messages. What arrives whole is not copied; only the rest of a chunk is kept. A
/// length is believed only when its checksum fits.
#[derive(Debug, Default)]
pub(crate) struct AwsFramer {
    buffer: Vec<u8>,
}

impl AwsFramer {
    /// Calls `on_event` for each message that is complete with `chunk`, until it breaks.
    pub(crate) fn feed<B>(
        &mut self,
        chunk: &[u8],
        mut on_event: impl FnMut(&Event<'_>) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, FramingError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.is_empty() {
            let (used, flow) = scan(chunk, &mut on_event)?;
            buffer.extend_from_slice(chunk.get(used..).unwrap_or_default());
            self.buffer = buffer;
            Ok(flow)
        } else {
            buffer.extend_from_slice(chunk);
            let (used, flow) = scan(&buffer, &mut on_event)?;
            forget(&mut buffer, used);
            self.buffer = buffer;
            Ok(flow)
        }
    }
}

/// Returns how many bytes are used up.
fn scan<B>(
    bytes: &[u8],
    on_event: &mut impl FnMut(&Event<'_>) -> ControlFlow<B>,
) -> Result<(usize, ControlFlow<B>), FramingError> {
    let mut used = 0;
    loop {
        let rest = bytes.get(used..).unwrap_or_default();
        let Some(message) = first(rest)? else {
            return Ok((used, ControlFlow::Continue(())));
        };
        used += message.length;
        if let flow @ ControlFlow::Break(_) = on_event(&event(&message)?) {
            return Ok((used, flow));
        }
    }
}

/// A message whose checksums fit.
struct Message<'a> {
    length: usize,
    headers: &'a [u8],
    payload: &'a [u8],
}

/// The first message in `bytes`; `None` while it is not whole.
fn first(bytes: &[u8]) -> Result<Option<Message<'_>>, FramingError> {
    let Some((prelude, _)) = bytes.split_at_checked(PRELUDE) else {
        return Ok(None);
    };
    let (lengths, checksum) = prelude.split_at(PRELUDE - TRAILER);
    if number(checksum) != Some(crc32fast::hash(lengths)) {
        return Err(FramingError::Corrupt);
    }
    let (length, headers) = lengths.split_at(4);
    let length = size(length)?;
    let headers = size(headers)?;
    if length > MAX_EVENT {
        return Err(FramingError::TooLong);
    }
    if length < PRELUDE + TRAILER || headers > length - PRELUDE - TRAILER {
        return Err(FramingError::Corrupt);
    }
    let Some(message) = bytes.get(..length) else {
        return Ok(None);
    };
    let (content, checksum) = message.split_at(length - TRAILER);
    if number(checksum) != Some(crc32fast::hash(content)) {
        return Err(FramingError::Corrupt);
    }
    let body = content.get(PRELUDE..).unwrap_or_default();
    let (headers, payload) = body.split_at(headers);
    Ok(Some(Message {
        length,
        headers,
        payload,
    }))
}

/// What a message says: an event by its type; an exception or an error by theirs.
fn event<'a>(message: &Message<'a>) -> Result<Event<'a>, FramingError> {
    let mut headers = message.headers;
    let mut kind: &[u8] = b"event";
    let mut name = None;
    let mut text: &[u8] = b"";
    while !headers.is_empty() {
        let (header, value) = header(&mut headers).ok_or(FramingError::Corrupt)?;
        match header {
            b":message-type" => kind = value,
            b":event-type" | b":exception-type" | b":error-code" => name = Some(value),
            b":error-message" => text = value,
            _ => {}
        }
    }
    Ok(Event {
        name,
        data: Cow::Borrowed(if message.payload.is_empty() {
            text
        } else {
            message.payload
        }),
        is_error: kind != b"event",
    })
}

/// Takes a header off: its name, and its value as bytes whatever its type.
fn header<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let length = take(bytes, 1)?.first().copied()?;
    let name = take(bytes, length.into())?;
    let kind = take(bytes, 1)?.first().copied()?;
    let length = match kind {
        // true, false
        0 | 1 => 0,
        // byte, short, integer, long, timestamp, UUID
        2 => 1,
        3 => 2,
        4 => 4,
        5 | 8 => 8,
        9 => 16,
        // bytes, string
        6 | 7 => u16::from_be_bytes(take(bytes, 2)?.try_into().ok()?).into(),
        _ => return None,
    };
    Some((name, take(bytes, length)?))
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_be_bytes)
}

fn size(bytes: &[u8]) -> Result<usize, FramingError> {
    number(bytes)
        .and_then(|number| usize::try_from(number).ok())
        .ok_or(FramingError::Corrupt)
}

#[cfg(test)]
mod tests;
