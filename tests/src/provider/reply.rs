//! From an answer and a behaviour to the bytes that are written, and when: pure.

mod message;

use std::{io::Write, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use flate2::{Compression, write::GzEncoder};

use super::behaviour::{Behaviour, Break, Fault, Form, Gzip, Point};

const EVENTS: &str = "text/event-stream; charset=utf-8";
const LINES: &str = "application/x-ndjson";
const MESSAGES: &str = "application/vnd.amazon.eventstream";

/// A provider's answer, as if nothing went wrong.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Body,
}

/// The body of an answer.
#[derive(Debug)]
pub(crate) enum Body {
    Whole {
        content_type: &'static str,
        bytes: Bytes,
    },
    Events {
        events: Vec<Event>,
        /// What the provider sends when it fails in the middle.
        error: Event,
    },
    /// The data of events, one a line (NDJSON).
    Lines { events: Vec<Event>, error: Event },
    /// AWS's binary messages.
    Messages { events: Vec<Event>, error: Event },
}

/// A server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: Option<&'static str>,
    pub(crate) data: String,
    /// Whether it is the terminator.
    pub(crate) last: bool,
}

/// The data of an event: a text, or JSON.
#[derive(Debug)]
pub(crate) struct Data(String);

impl From<&str> for Data {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<serde_json::Value> for Data {
    fn from(json: serde_json::Value) -> Self {
        Self(json.to_string())
    }
}

impl Event {
    pub(crate) fn data(data: impl Into<Data>) -> Self {
        Self {
            name: None,
            data: data.into().0,
            last: false,
        }
    }

    pub(crate) fn named(name: &'static str, data: impl Into<Data>) -> Self {
        Self {
            name: Some(name),
            ..Self::data(data)
        }
    }

    #[must_use]
    pub(crate) fn last(mut self) -> Self {
        self.last = true;
        self
    }
}

impl Answer {
    pub(crate) fn json(status: u16, value: &serde_json::Value) -> Self {
        Self::whole(status, "application/json", value.to_string())
    }

    pub(crate) fn whole(status: u16, content_type: &'static str, bytes: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Body::Whole {
                content_type,
                bytes: bytes.into(),
            },
        }
    }

    pub(crate) fn events(events: Vec<Event>, error: Event) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: Body::Events { events, error },
        }
    }

    pub(crate) fn lines(events: Vec<Event>, error: Event) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: Body::Lines { events, error },
        }
    }

    pub(crate) fn messages(events: Vec<Event>, error: Event) -> Self {
        Self {
            status: 200,
            headers: Vec::new(),
            body: Body::Messages { events, error },
        }
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

/// What is done on the connection, in order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Write(Bytes),
    Wait(Duration),
}

/// What becomes of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    KeepAlive,
    Close,
    Reset,
    Stall,
}

/// An answer on its way.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
    pub(crate) ending: Ending,
    /// Whether this is all that the provider had to say.
    pub(crate) complete: bool,
}

/// What is written for `answer` when the provider behaves so.
pub(crate) fn script(answer: Answer, behaviour: &Behaviour) -> Script {
    let form = &behaviour.form;
    let mut steps = Vec::new();
    if !form.delay.is_zero() {
        steps.push(Step::Wait(form.delay));
    }
    if let Some(Fault::Break {
        at: Point::BeforeHeaders,
        how,
    }) = behaviour.fault
    {
        return Script {
            steps,
            ending: abrupt(how),
            complete: false,
        };
    }
    let (content_type, pieces, cut) = match answer.body {
        Body::Whole {
            content_type,
            bytes,
        } => {
            let (pieces, cut) = whole_pieces(bytes, behaviour);
            (content_type, pieces, cut)
        }
        Body::Events { events, error } => {
            let (pieces, cut) = event_pieces(events, error, behaviour, Format::Events);
            (EVENTS, pieces, cut)
        }
        Body::Lines { events, error } => {
            let (pieces, cut) = event_pieces(events, error, behaviour, Format::Lines);
            (LINES, pieces, cut)
        }
        Body::Messages { events, error } => {
            let (pieces, cut) = event_pieces(events, error, behaviour, Format::Messages);
            (MESSAGES, pieces, cut)
        }
    };
    let streamed = [EVENTS, LINES, MESSAGES].contains(&content_type);
    let (pieces, total) = encode(pieces, form);
    let framing = Framing::choose(streamed, total, behaviour);
    let head = head(answer.status, content_type, &answer.headers, &framing, form);
    let ending = match (cut, &framing) {
        (Some(how), _) => abrupt(how),
        (None, Framing::Length { lies: true, .. } | Framing::Close) => Ending::Close,
        (None, _) => Ending::KeepAlive,
    };
    let whole = ending == Ending::KeepAlive || (cut.is_none() && framing == Framing::Close);
    write_body(&mut steps, head, pieces, &framing, form, cut.is_none());
    Script {
        steps,
        ending,
        complete: whole && behaviour.fault.is_none() && answer.status == 200,
    }
}

fn abrupt(how: Break) -> Ending {
    match how {
        Break::Close => Ending::Close,
        Break::Reset => Ending::Reset,
        Break::Stall => Ending::Stall,
        Break::End | Break::ErrorEvent | Break::Junk => Ending::KeepAlive,
    }
}

/// The body, cut in half when it is to break off; and how it then breaks.
fn whole_pieces(bytes: Bytes, behaviour: &Behaviour) -> (Vec<Bytes>, Option<Break>) {
    match behaviour.fault {
        Some(Fault::Break { at, how }) if abrupt(how) != Ending::KeepAlive => {
            let keep = match at {
                Point::BeforeHeaders | Point::AfterEvents(0) => 0,
                Point::AfterEvents(_) => bytes.len() / 2,
            };
            // The length that is announced is the whole body's: the rest never comes.
            (vec![bytes.slice(..keep), bytes.slice(keep..)], Some(how))
        }
        _ => (vec![bytes], None),
    }
}

/// How the events of a stream are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Events,
    Lines,
    Messages,
}

/// The events as bytes, as many as are sent; and how the stream breaks off, if it does.
fn event_pieces(
    mut events: Vec<Event>,
    error: Event,
    behaviour: &Behaviour,
    format: Format,
) -> (Vec<Bytes>, Option<Break>) {
    let form = &behaviour.form;
    if form.no_done {
        events.retain(|event| !event.last);
    }
    let mut cut = None;
    if let Some(Fault::Break {
        at: Point::AfterEvents(count),
        how,
    }) = behaviour.fault
    {
        events.truncate(count);
        match how {
            Break::ErrorEvent => events.push(error),
            Break::Junk => events.push(Event::data("{\"choices\": [{\"del")),
            Break::End => {}
            Break::Close | Break::Reset | Break::Stall => cut = Some(how),
        }
    }
    let mut pieces: Vec<Bytes> = Vec::with_capacity(events.len());
    let count = events.len();
    for (index, event) in events.iter().enumerate() {
        let open = form.open_end && index + 1 == count;
        match format {
            Format::Events => {}
            Format::Lines => {
                pieces.push(line(event, form, open));
                continue;
            }
            Format::Messages => {
                pieces.push(message::encode(event));
                continue;
            }
        }
        pieces.push(wire(event, form, open));
        if form.pings {
            let end = if form.crlf { "\r\n" } else { "\n" };
            pieces.push(format!(": keep-alive{end}{end}").into());
        }
    }
    (pieces, cut)
}

fn line(event: &Event, form: &Form, open: bool) -> Bytes {
    let end = if form.crlf { "\r\n" } else { "\n" };
    format!("{}{}", event.data, if open { "" } else { end }).into()
}

fn wire(event: &Event, form: &Form, open: bool) -> Bytes {
    let end: &[u8] = if form.crlf { b"\r\n" } else { b"\n" };
    let colon: &[u8] = if form.tight { b":" } else { b": " };
    let mut bytes = BytesMut::with_capacity(event.data.len() + 64);
    if let Some(name) = event.name {
        for part in [b"event".as_slice(), colon, name.as_bytes(), end] {
            bytes.put_slice(part);
        }
    }
    for part in [b"data".as_slice(), colon, event.data.as_bytes(), end] {
        bytes.put_slice(part);
    }
    if !open {
        bytes.put_slice(end);
    }
    bytes.freeze()
}

/// Compresses the pieces, each with a flush, so that a stream stays one; and the total length.
fn encode(pieces: Vec<Bytes>, form: &Form) -> (Vec<Bytes>, usize) {
    let pieces = match form.gzip {
        Gzip::No => pieces,
        Gzip::Declared | Gzip::Hidden => gzip(&pieces),
    };
    let total = pieces.iter().map(Bytes::len).sum();
    (pieces, total)
}

fn gzip(pieces: &[Bytes]) -> Vec<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let mut encoded = Vec::with_capacity(pieces.len() + 1);
    for piece in pieces {
        // Writing to a vector does not fail.
        let _ = encoder.write_all(piece).and_then(|()| encoder.flush());
        encoded.push(std::mem::take(encoder.get_mut()).into());
    }
    encoded.push(encoder.finish().unwrap_or_default().into());
    encoded
}

/// How the end of the body is told.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Length {
        announced: i64,
        /// Whether it is another length than the body's.
        lies: bool,
    },
    Chunks,
    Close,
}

impl Framing {
    fn choose(streamed: bool, total: usize, behaviour: &Behaviour) -> Self {
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        match behaviour.fault {
            Some(Fault::WrongLength(delta)) => Self::Length {
                announced: (total + delta).max(0),
                lies: true,
            },
            _ if behaviour.form.unframed => Self::Close,
            _ if streamed => Self::Chunks,
            _ => Self::Length {
                announced: total,
                lies: false,
            },
        }
    }
}

fn head(
    status: u16,
    content_type: &str,
    headers: &[(&'static str, String)],
    framing: &Framing,
    form: &Form,
) -> Bytes {
    use std::fmt::Write;
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    let mut put = |name: &str, value: &str| {
        let _ = write!(head, "{name}: {value}\r\n");
    };
    put("content-type", content_type);
    for (name, value) in headers {
        put(name, value);
    }
    if form.gzip == Gzip::Declared {
        put("content-encoding", "gzip");
    }
    match framing {
        Framing::Length { announced, .. } => put("content-length", &announced.to_string()),
        Framing::Chunks => put("transfer-encoding", "chunked"),
        Framing::Close => put("connection", "close"),
    }
    head.push_str("\r\n");
    head.into()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400..=499 => "Client Error",
        500..=599 => "Server Error",
        _ => "Status",
    }
}

fn write_body(
    steps: &mut Vec<Step>,
    head: Bytes,
    mut pieces: Vec<Bytes>,
    framing: &Framing,
    form: &Form,
    to_the_end: bool,
) {
    if !to_the_end && *framing != Framing::Chunks && pieces.len() > 1 {
        pieces.truncate(1);
    }
    if let Some(size) = form.split {
        pieces = split(&pieces, size);
    }
    pieces.retain(|piece| !piece.is_empty());
    let chunked = *framing == Framing::Chunks;
    let mut joined = BytesMut::new();
    if form.joined {
        joined.put(head);
    } else {
        steps.push(Step::Write(head));
    }
    for piece in pieces {
        let bytes = if chunked { chunk(&piece) } else { piece };
        if form.joined {
            joined.put(bytes);
            continue;
        }
        if !form.event_delay.is_zero() {
            steps.push(Step::Wait(form.event_delay));
        }
        steps.push(Step::Write(bytes));
    }
    if chunked && to_the_end {
        joined.put_slice(b"0\r\n\r\n");
    }
    if !joined.is_empty() {
        steps.push(Step::Write(joined.freeze()));
    }
}

pub(crate) fn chunk(piece: &Bytes) -> Bytes {
    let mut bytes = BytesMut::with_capacity(piece.len() + 16);
    bytes.put_slice(format!("{:x}\r\n", piece.len()).as_bytes());
    bytes.put_slice(piece);
    bytes.put_slice(b"\r\n");
    bytes.freeze()
}

fn split(pieces: &[Bytes], size: usize) -> Vec<Bytes> {
    let mut all = Bytes::from(pieces.concat());
    let mut parts = Vec::with_capacity(all.len() / size + 1);
    while all.len() > size {
        parts.push(all.split_to(size));
    }
    parts.push(all);
    parts
}

#[cfg(test)]
mod tests;
