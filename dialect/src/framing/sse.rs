//! Server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>) out of raw
//! bytes that are split anywhere.

use std::{borrow::Cow, ops::ControlFlow};

use memchr::memchr2;

use super::{FramingError, MAX_EVENT, forget};

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// The value of `event:`, or what else the framing has for a name.
    pub(crate) name: Option<&'a [u8]>,
    /// The values of `data:`, joined by line feeds; or the payload.
    pub(crate) data: Cow<'a, [u8]>,
    /// Whether the framing itself calls it an error.
    pub(crate) is_error: bool,
}

/// Cuts bytes into events. What arrives whole is not copied; only the rest of a chunk is kept.
#[derive(Debug, Default)]
pub(crate) struct SseFramer {
    buffer: Vec<u8>,
    /// Where the search goes on in `buffer`.
    scan: Scan,
    /// The last event ended in a carriage return: a line feed may belong to it.
    skip_line_feed: bool,
    started: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Scan {
    /// Where the current line begins.
    line: usize,
    /// Up to where there is no line end.
    searched: usize,
}

impl SseFramer {
    /// Calls `on_event` for each event that is complete with `chunk`, until it breaks.
    pub(crate) fn feed<B>(
        &mut self,
        chunk: &[u8],
        mut on_event: impl FnMut(&Event<'_>) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, FramingError> {
        let mut buffer = std::mem::take(&mut self.buffer);
        if buffer.is_empty() {
            let (used, flow) = self.scan(chunk, &mut on_event);
            buffer.extend_from_slice(chunk.get(used..).unwrap_or_default());
            self.buffer = buffer;
            self.check(flow)
        } else {
            buffer.extend_from_slice(chunk);
            let (used, flow) = self.scan(&buffer, &mut on_event);
            forget(&mut buffer, used);
            self.buffer = buffer;
            self.check(flow)
        }
    }

    fn check<B>(&self, flow: ControlFlow<B>) -> Result<ControlFlow<B>, FramingError> {
        if flow.is_continue() && self.buffer.len() > MAX_EVENT {
            return Err(FramingError::TooLong);
        }
        Ok(flow)
    }

    /// The bytes have ended: what is left is the last event, even without its blank line.
    pub(crate) fn finish<B>(
        &mut self,
        mut on_event: impl FnMut(&Event<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let mut buffer = std::mem::take(&mut self.buffer);
        self.scan = Scan::default();
        buffer.extend_from_slice(b"\n\n");
        self.scan(&buffer, &mut on_event).1
    }

    /// Returns how many bytes are used up.
    fn scan<B>(
        &mut self,
        bytes: &[u8],
        on_event: &mut impl FnMut(&Event<'_>) -> ControlFlow<B>,
    ) -> (usize, ControlFlow<B>) {
        let Some(mut start) = self.skip_to_content(bytes) else {
            return (0, ControlFlow::Continue(()));
        };
        loop {
            let rest = bytes.get(start..).unwrap_or_default();
            let Some(length) = self.find_end(rest) else {
                return (start, ControlFlow::Continue(()));
            };
            let block = rest.get(..length).unwrap_or_default();
            start += length;
            self.skip_line_feed = start == bytes.len() && block.ends_with(b"\r");
            if let Some(event) = parse(block)
                && let ControlFlow::Break(value) = on_event(&event)
            {
                return (start, ControlFlow::Break(value));
            }
        }
    }

    /// Passes over a byte order mark, and over the line feed of a carriage return that came before.
    /// `None` while the bytes may still become a mark.
    fn skip_to_content(&mut self, bytes: &[u8]) -> Option<usize> {
        const MARK: &[u8] = b"\xef\xbb\xbf";
        if bytes.is_empty() || (!self.started && bytes != MARK && MARK.starts_with(bytes)) {
            return None;
        }
        if !std::mem::replace(&mut self.started, true) && bytes.starts_with(MARK) {
            return Some(MARK.len());
        }
        let skip = std::mem::take(&mut self.skip_line_feed) && bytes.starts_with(b"\n");
        Some(usize::from(skip))
    }

    /// The length of the first event in `bytes`, its blank line included.
    fn find_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut scan = std::mem::take(&mut self.scan);
        loop {
            let Some(found) = memchr2(b'\n', b'\r', bytes.get(scan.searched..).unwrap_or_default())
            else {
                scan.searched = bytes.len();
                break;
            };
            let at = scan.searched + found;
            let is_blank = at == scan.line;
            let next = match (bytes.get(at), bytes.get(at + 1)) {
                (Some(b'\r'), Some(b'\n')) => at + 2,
                // Whether a line feed follows is not known yet; on a blank line it does not matter.
                (Some(b'\r'), None) if !is_blank => {
                    scan.searched = at;
                    break;
                }
                _ => at + 1,
            };
            if is_blank {
                return Some(next);
            }
            scan = Scan {
                line: next,
                searched: next,
            };
        }
        self.scan = scan;
        None
    }
}

/// The event of a block of lines; `None` for comments and blocks without data.
fn parse(block: &[u8]) -> Option<Event<'_>> {
    let mut name = None;
    let mut data: Option<Cow<'_, [u8]>> = None;
    for line in block.split(|b| matches!(b, b'\n' | b'\r')) {
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (line.get(..colon)?, line.get(colon + 1..)?),
            None => (line, &b""[..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => name = Some(value),
            b"data" => match &mut data {
                None => data = Some(Cow::Borrowed(value)),
                Some(data) => {
                    let data = data.to_mut();
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            _ => {}
        }
    }
    Some(Event {
        name,
        data: data?,
        is_error: false,
    })
}

#[cfg(test)]
mod tests;
