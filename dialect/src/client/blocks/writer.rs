//! Who tells the blocks of an answer: a client's event stream.

use dragoman_proto::ApiError;

use crate::{hub::UrlCitation, json::Text, sink::Sink};

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Finish {
    /// It was whole.
    Stop,
    /// The output limit was reached.
    Length,
    /// Tools are called.
    Calls,
    /// The content was refused.
    Filter,
}

impl Finish {
    /// The meaning of a `finish_reason`, of an answer with or without `calls`: imitators say `stop`
    /// with calls as well.
    pub(in super::super) fn read(reason: &str, calls: bool) -> Self {
        match reason {
            "length" => Self::Length,
            "content_filter" => Self::Filter,
            _ if calls => Self::Calls,
            _ => Self::Stop,
        }
    }
}

/// The beginning of a block.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Start<'a> {
    Text,
    Thinking,
    /// Thinking that only its provider can read; it has no more than this.
    Redacted(Text<'a>),
    Call {
        id: &'a str,
        name: &'a str,
    },
}

/// Writes a client's events. Calls come in order: `begin` once, then for each block `start`, any
/// number of `delta`, `stop`; then `end`.
pub(in super::super) trait Writer: std::fmt::Debug {
    fn begin(&mut self, sink: &mut Sink<'_>);
    fn start(&mut self, block: Start<'_>, sink: &mut Sink<'_>);
    fn delta(&mut self, text: Text<'_>, sink: &mut Sink<'_>);
    /// The signature of the thinking that is open.
    fn signature(&mut self, signature: Text<'_>, sink: &mut Sink<'_>);
    /// A page that the text that is open cites; the characters are that text's.
    fn citation(&mut self, citation: UrlCitation, sink: &mut Sink<'_>);
    /// The same of the last text that was open. `false` where a block that stopped is told for good.
    fn late_citation(&mut self, citation: UrlCitation, sink: &mut Sink<'_>) -> bool;
    fn stop(&mut self, sink: &mut Sink<'_>);
    fn end(&mut self, finish: Finish, sink: &mut Sink<'_>);
    /// See [`ClientStream::failed`](super::ClientStream::failed).
    fn failed(&mut self, error: &ApiError, out: &mut Vec<u8>) -> bool;
}
