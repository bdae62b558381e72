//! JSON texts, one a line (NDJSON), out of raw bytes that are split anywhere.

use std::{borrow::Cow, ops::ControlFlow};

use super::{Event, FramingError, MAX_EVENT};

/// Cuts bytes into lines. What arrives whole is not copied; only the rest of a chunk is kept.
#[derive(Debug, Default)]
pub(crate) struct LineFramer {
    buffer: Vec<u8>,
}

impl LineFramer {
    /// Calls `on_event` for each line that is complete with `chunk`, until it breaks.
    pub(crate) fn feed<B>(
        &mut self,
        mut chunk: &[u8],
        mut on_event: impl FnMut(&Event<'_>) -> ControlFlow<B>,
    ) -> Result<ControlFlow<B>, FramingError> {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            let (line, rest) = chunk.split_at(end);
            chunk = rest.get(1..).unwrap_or_default();
            let flow = if self.buffer.is_empty() {
                emit(line, &mut on_event)
            } else {
                let mut whole = std::mem::take(&mut self.buffer);
                whole.extend_from_slice(line);
                emit(&whole, &mut on_event)
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        self.buffer.extend_from_slice(chunk);
        if self.buffer.len() > MAX_EVENT {
            return Err(FramingError::TooLong);
        }
        Ok(ControlFlow::Continue(()))
    }

    /// The bytes have ended: what is left is the last line.
    pub(crate) fn finish<B>(
        &mut self,
        mut on_event: impl FnMut(&Event<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let rest = std::mem::take(&mut self.buffer);
        emit(&rest, &mut on_event)
    }
}

/// A line without the white space around it; nothing for a blank one.
fn emit<B>(line: &[u8], on_event: &mut impl FnMut(&Event<'_>) -> ControlFlow<B>) -> ControlFlow<B> {
    let line = line.trim_ascii();
    if line.is_empty() {
        return ControlFlow::Continue(());
    }
    on_event(&Event {
        name: None,
        is_error: false,
        data: Cow::Borrowed(line),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]]) -> Vec<String> {
        let mut framer = LineFramer::default();
        let mut seen = Vec::new();
        let mut note = |event: &Event<'_>| {
            seen.push(String::from_utf8_lossy(&event.data).into_owned());
            ControlFlow::<()>::Continue(())
        };
        for chunk in chunks {
            let _ = framer.feed(chunk, &mut note).unwrap();
        }
        let _ = framer.finish(&mut note);
        seen
    }

    #[test]
    fn any_split_gives_the_same_lines() {
        let text = "{\"a\":\"ü\"}\r\n\n {\"b\":1}\n{\"c\":2}";
        let whole = lines(&[text.as_bytes()]);
        assert_eq!(whole, ["{\"a\":\"ü\"}", "{\"b\":1}", "{\"c\":2}"]);
        for at in 0..=text.len() {
            let (left, right) = text.as_bytes().split_at(at);
            assert_eq!(lines(&[left, right]), whole, "split at {at}");
        }
        let bytes: Vec<_> = text.as_bytes().chunks(1).collect();
        assert_eq!(lines(&bytes), whole);
    }

    #[test]
    fn a_line_without_end_is_too_long() {
        let mut framer = LineFramer::default();
        let piece = vec![b'x'; 1024 * 1024];
        let mut note = |_: &Event<'_>| ControlFlow::<()>::Continue(());
        let fed = (0..9).find(|_| framer.feed(&piece, &mut note).is_err());
        assert_eq!(fed, Some(8));
    }

    #[test]
    fn nothing_follows_a_break() {
        let mut framer = LineFramer::default();
        let mut seen = 0;
        let flow = framer.feed(b"1\n2\n", |_| {
            seen += 1;
            ControlFlow::Break(())
        });
        assert_eq!((flow, seen), (Ok(ControlFlow::Break(())), 1));
    }
}
