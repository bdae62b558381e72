//! AWS's event stream (<https://smithy.io/2.0/aws/amazon-eventstream.html>): an event as a message.

use bytes::{BufMut, Bytes, BytesMut};

use super::Event;

/// Prelude and checksums.
const FRAME: usize = 16;
/// The type of a header that is a string.
const STRING: u8 = 7;

/// The message of an event. One whose name ends so is an exception; one without a name was damaged
/// on the way: its checksum is another's.
pub(super) fn encode(event: &Event) -> Bytes {
    let name = event.name.unwrap_or("contentBlockDelta");
    let (kind, named_by) = if name.ends_with("Exception") {
        ("exception", ":exception-type")
    } else {
        ("event", ":event-type")
    };
    let mut headers = BytesMut::new();
    for (header, value) in [
        (named_by, name),
        (":content-type", "application/json"),
        (":message-type", kind),
    ] {
        headers.put_u8(u8::try_from(header.len()).unwrap_or(u8::MAX));
        headers.put_slice(header.as_bytes());
        headers.put_u8(STRING);
        headers.put_u16(u16::try_from(value.len()).unwrap_or(u16::MAX));
        headers.put_slice(value.as_bytes());
    }
    let length = FRAME + headers.len() + event.data.len();
    let mut bytes = BytesMut::with_capacity(length);
    bytes.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    bytes.put_u32(u32::try_from(headers.len()).unwrap_or(u32::MAX));
    let checksum = crc32fast::hash(&bytes);
    bytes.put_u32(checksum);
    bytes.put_slice(&headers);
    bytes.put_slice(event.data.as_bytes());
    let checksum = crc32fast::hash(&bytes);
    bytes.put_u32(if event.name.is_some() {
        checksum
    } else {
        !checksum
    });
    bytes.freeze()
}
