//! A form that passes: sent on while the client still sends it.

use dragoman_dialect::{Passage, RequestHead};
use dragoman_proto::{ApiError, Outcome};

use super::{State, Upstream};
use crate::form::{Announced, PIECE, pieces};
use crate::{Flow, Host};

/// One attempt's form.
#[derive(Debug)]
pub(super) struct Passing {
    announced: Announced,
    /// Its bytes as the client sends them.
    length: usize,
    passage: Passage,
    /// How many of the bytes at hand were looked at.
    seen: usize,
    is_sent: bool,
}

/// How far a form is.
enum Step {
    /// Its file has not begun.
    Wait,
    /// This deployment's has to be whole.
    Whole,
    /// What is at hand goes out.
    Go,
}

impl Passing {
    /// The form of which the first bytes are `buffered`; `None` where there is none that passes. Short
    /// bodies that are whole are no such forms, and need not be asked about.
    pub(super) fn begin(host: &impl Host, buffered: usize, end_of_stream: bool) -> Option<Self> {
        if end_of_stream && buffered <= PIECE {
            return None;
        }
        let announced = Announced::told(host)?;
        Some(Self {
            length: announced.passes?,
            passage: Passage::new(&announced.content_type).ok()?,
            announced,
            seen: 0,
            is_sent: false,
        })
    }

    /// Bytes at hand that were looked at.
    pub(super) const fn seen(&self) -> usize {
        self.seen
    }

    /// Milliseconds of the sound that has passed so far.
    pub(super) fn heard_ms(&self) -> u64 {
        self.passage.heard_ms()
    }
}

impl Upstream {
    /// `buffered` bytes of a form that passes are at hand: all so far, or a piece once it goes out.
    /// `None` where it does not pass.
    pub(super) fn pass(
        &mut self,
        host: &impl Host,
        buffered: usize,
        end_of_stream: bool,
    ) -> Option<Flow> {
        let mut form = self.form.take()?;
        match self.advance(host, &mut form, buffered, end_of_stream) {
            Ok(Step::Whole) => None,
            Ok(Step::Wait) => {
                self.form = Some(form);
                Some(Flow::Pause)
            }
            Ok(Step::Go) => {
                self.form = Some(form);
                Some(Flow::Continue)
            }
            Err(error) => {
                if !form.is_sent {
                    self.begin_report(host);
                }
                self.state = State::Done;
                self.reject(host, &error);
                Some(Flow::Pause)
            }
        }
    }

    fn advance(
        &mut self,
        host: &impl Host,
        form: &mut Passing,
        buffered: usize,
        end_of_stream: bool,
    ) -> Result<Step, ApiError> {
        pieces(host, form.seen, buffered, |piece| form.passage.feed(piece))?;
        form.seen = buffered;
        if !form.is_sent {
            let Some(beginning) = form.passage.beginning() else {
                return Ok(if end_of_stream {
                    Step::Whole
                } else {
                    Step::Wait
                });
            };
            if !self.send_beginning(host, form, beginning)? {
                return Ok(Step::Whole);
            }
            form.is_sent = true;
        }
        form.seen = 0;
        if end_of_stream {
            form.passage.finish()?;
            if self.report.outcome() == Outcome::Sending {
                // What a client takes to send it is no time of the provider's.
                self.report.started_ms = host.now_ms();
                self.report.outcome = Outcome::Sent.into();
                self.write_report(host);
            }
        }
        Ok(Step::Go)
    }

    /// Translates what stands before the file, and sends that with what is at hand of it. `false`
    /// where the form has to be whole.
    fn send_beginning(
        &mut self,
        host: &impl Host,
        form: &mut Passing,
        beginning: usize,
    ) -> Result<bool, ApiError> {
        self.begin_report(host);
        let headers = host.request_headers();
        let admission = self.admission(host)?;
        let head = RequestHead {
            content_type: Some(&form.announced.content_type),
            ..RequestHead::default()
        };
        let translated = form.passage.translate(&self.config, &admission, &head)?;
        let Some(translated) = translated else {
            return Ok(false);
        };
        let rest = host.request_body(beginning, form.seen.saturating_sub(beginning));
        let is_new = translated.body.is_some();
        let begins = translated.body.as_ref().map_or(beginning, Vec::len);
        let length = form.length.saturating_sub(beginning) + begins;
        self.forward(host, &headers, length, translated);
        if is_new {
            host.append_request_body(&rest);
        }
        self.report.outcome = Outcome::Sending.into();
        self.write_report(host);
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
