//! A form at the edge: held until its facts are certain, then passed on as it comes.

use dragoman_dialect::edge::Form;
use dragoman_proto::{ApiError, AttemptReport, Facts, Outcome, names};

use super::{Edge, Reading, State, state, too_large};
use crate::form::{Announced, pieces};
use crate::upstream::error_code;
use crate::{Flow, Host};

/// A form on its way in.
#[derive(Debug)]
pub(super) struct Incoming {
    reading: Reading,
    form: Form,
    /// `content-length`.
    length: Option<usize>,
    /// Bytes that were looked at.
    seen: usize,
    /// Of these: bytes that have gone on.
    gone: usize,
    /// Whether the facts were stated.
    passes: bool,
}

impl Incoming {
    pub(super) fn new(reading: Reading, length: Option<usize>) -> Result<Self, ApiError> {
        let form = Form::new(
            reading.operation,
            &reading.path,
            reading.content_type.as_deref().unwrap_or_default(),
            length.map(|length| length as u64),
        )?;
        Ok(Self {
            reading,
            form,
            length,
            seen: 0,
            gone: 0,
            passes: false,
        })
    }

    /// Bytes that were looked at and have not gone on.
    pub(super) const fn at_hand(&self) -> usize {
        self.seen.saturating_sub(self.gone)
    }

    /// Looks at `at_hand` bytes, of which some may be known already. The facts, once they are certain.
    fn look(
        &mut self,
        host: &impl Host,
        at_hand: usize,
        end_of_stream: bool,
    ) -> Result<Option<Facts>, ApiError> {
        let known = self.at_hand();
        self.seen = self.gone.saturating_add(at_hand);
        let is_cut = end_of_stream && self.length.is_some_and(|length| length != self.seen);
        if is_cut || self.length.is_some_and(|length| length < self.seen) {
            let message = "the form is not as long as its content-length says";
            return Err(ApiError::invalid(message));
        }
        pieces(host, known, at_hand, |piece| self.form.feed(piece))?;
        if end_of_stream {
            self.form.finish()
        } else {
            Ok(self.form.early())
        }
    }
}

impl Edge {
    /// `at_hand` bytes of a form are here: all so far, or a piece once it passes.
    pub(super) fn on_form(
        &mut self,
        host: &impl Host,
        at_hand: usize,
        end_of_stream: bool,
    ) -> Flow {
        let State::Form(form) = &mut self.request else {
            return Flow::Continue;
        };
        let operation = form.reading.operation;
        if at_hand as u64 > self.config.max_body_bytes {
            let error = too_large(self.config.max_body_bytes);
            return self.refuse(host, operation, &error);
        }
        match form.look(host, at_hand, end_of_stream) {
            Ok(Some(facts)) => {
                let model = form.reading.model.take().or(facts.model);
                state(host, &Facts { model, ..facts });
                let announced = Announced {
                    content_type: form.reading.content_type.take().unwrap_or_default(),
                    passes: form.length.filter(|_| form.form.passes()),
                };
                announced.tell(host);
                form.passes = true;
            }
            Ok(None) => {}
            Err(error) => {
                if form.passes {
                    reject_attempt(host, &error);
                }
                return self.refuse(host, operation, &error);
            }
        }
        if !form.passes {
            return Flow::Pause;
        }
        form.gone = form.seen;
        if end_of_stream {
            self.request = State::Passing;
        }
        Flow::Continue
    }
}

/// What is under way is the client's to mend, and no failure of the provider that it was sent to.
fn reject_attempt(host: &impl Host, error: &ApiError) {
    let report = host.property(&[names::REPORT_PROPERTY]);
    let report = report.and_then(|wire| AttemptReport::from_text(&wire));
    if let Some(report) = report {
        let report = AttemptReport {
            outcome: Outcome::Rejected.into(),
            error_code: error_code(error),
            error_status: error.status().into(),
            ..report
        };
        host.set_property(names::REPORT_PROPERTY, report.to_text().as_bytes());
    }
}

#[cfg(test)]
mod tests;
