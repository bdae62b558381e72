//! AWS's event stream out of text that a person can read: a message per line, its name and its
//! payload. `!` before a name makes it an exception, `~` a message whose checksum is wrong; a line
//! that begins with `^` is cut in its middle, and the stream with it.

/// The bytes of `text`.
pub(crate) fn encode(text: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(text).unwrap();
    let mut stream = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let kind = line.chars().next().filter(|c| "!~^".contains(*c));
        let line = line.trim_start_matches(['!', '~', '^']);
        let (name, payload) = line.split_once(' ').unwrap_or((line, ""));
        let mut bytes = message(name, kind == Some('!'), payload.as_bytes());
        let end = bytes.len();
        match kind {
            Some('~') => bytes[end - 1] ^= 1,
            Some('^') => bytes.truncate(end / 2),
            _ => {}
        }
        stream.extend(bytes);
    }
    stream
}

fn message(name: &str, exception: bool, payload: &[u8]) -> Vec<u8> {
    let (kind, named_by) = if exception {
        ("exception", ":exception-type")
    } else {
        ("event", ":event-type")
    };
    let mut headers = Vec::new();
    for (header, value) in [
        (named_by, name),
        (":content-type", "application/json"),
        (":message-type", kind),
    ] {
        headers.push(u8::try_from(header.len()).unwrap());
        headers.extend_from_slice(header.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let length = 16 + headers.len() + payload.len();
    let mut bytes = Vec::with_capacity(length);
    for number in [length, headers.len()] {
        bytes.extend_from_slice(&u32::try_from(number).unwrap().to_be_bytes());
    }
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes.extend_from_slice(&headers);
    bytes.extend_from_slice(payload);
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}
