//! The upstream role: one attempt, interpreted for one provider.
//!
//! Request headers are shared by attempts, so everything that an earlier attempt or the client left
//! is replaced by an allowlist; what this role needs to know comes from metadata. Response headers
//! are held until the answer's first meaningful event, so that a failure inside a 200 can still
//! become a status that the router retries.

use std::rc::Rc;

use dragoman_dialect::{Head, ResponseHead, ResponseTranslator};
use dragoman_proto::{ApiError, AttemptReport, ClientDialect, Outcome, UpstreamConfig, names};

use crate::host::find;
use crate::{Flow, Host};

mod form;
mod request;

use form::Passing;

/// Output tokens by which a running estimate must grow before it is reported again: a client that
/// leaves a stream is charged within this many tokens of what was sent to it.
const REPORT_STEP: u64 = 16;

/// Bytes of room that a stream keeps for what it writes.
const KEPT: usize = 4 * 1024;

/// One attempt.
#[derive(Debug)]
pub struct Upstream {
    config: Rc<UpstreamConfig>,
    state: State,
    /// A form that is sent on while it still comes.
    form: Option<Box<Passing>>,
    client: ClientDialect,
    released: bool,
    request_id: String,
    /// What the service has to say to the client.
    client_headers: Vec<(String, String)>,
    /// Fallback aliases before this attempt.
    fallbacks: u32,
    /// What the access log is told, with the attempts before this one.
    report: AttemptReport,
    out: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// The request is being read.
    Request { size: usize },
    /// The request went out.
    Sent(dragoman_dialect::ResponseContext),
    /// The answer is coming in.
    Response(Box<ResponseTranslator>),
    /// Nothing more to do.
    Done,
}

impl Upstream {
    /// An attempt that has just begun.
    pub fn new(config: Rc<UpstreamConfig>) -> Self {
        Self {
            config,
            state: State::Request { size: 0 },
            form: None,
            client: ClientDialect::OpenAi,
            released: false,
            request_id: String::new(),
            client_headers: Vec::new(),
            fallbacks: 0,
            report: AttemptReport::default(),
            out: Vec::new(),
        }
    }

    /// The request's headers are here, as the client or an earlier attempt left them.
    pub fn on_request_headers(&mut self, host: &impl Host, end_of_stream: bool) -> Flow {
        if end_of_stream {
            self.send(host)
        } else {
            Flow::Pause
        }
    }

    /// `buffered` bytes of the client's body are here; of one that goes out while it still comes, the
    /// next ones.
    pub fn on_request_body(
        &mut self,
        host: &impl Host,
        buffered: usize,
        end_of_stream: bool,
    ) -> Flow {
        if let State::Request { size: 0 } = self.state {
            self.form = Passing::begin(host, buffered, end_of_stream).map(Box::new);
        }
        if let Some(flow) = self.pass(host, buffered, end_of_stream) {
            return flow;
        }
        let State::Request { size } = &mut self.state else {
            return Flow::Continue;
        };
        *size = buffered;
        if end_of_stream {
            self.send(host)
        } else {
            Flow::Pause
        }
    }

    /// The body is whole, and trailers follow it.
    pub fn on_request_trailers(&mut self, host: &impl Host) -> Flow {
        let at_hand = self.form.as_ref().map_or(0, |form| form.seen());
        match self.pass(host, at_hand, true) {
            Some(flow) => flow,
            None => self.send(host),
        }
    }

    /// The provider's response headers are here.
    pub fn on_response_headers(&mut self, host: &impl Host, end_of_stream: bool) -> Flow {
        let State::Sent(context) = std::mem::replace(&mut self.state, State::Done) else {
            return Flow::Continue;
        };
        let headers = host.response_headers();
        let head = ResponseHead {
            status: find(&headers, ":status")
                .and_then(|s| s.parse().ok())
                .unwrap_or(0),
            content_type: find(&headers, "content-type"),
            content_encoding: find(&headers, "content-encoding"),
            retry_after: find(&headers, "retry-after"),
            retry_after_ms: find(&headers, "retry-after-ms"),
            error_type: find(&headers, "x-amzn-errortype"),
            input_tokens: find(&headers, "x-amzn-bedrock-input-token-count"),
        };
        self.state = State::Response(Box::new(ResponseTranslator::new(context, &head)));
        if end_of_stream {
            self.answer_without_body(host)
        } else {
            Flow::Pause
        }
    }

    /// `size` bytes of the provider's answer are here.
    pub fn on_response_body(&mut self, host: &impl Host, size: usize, end_of_stream: bool) -> Flow {
        let State::Response(translator) = &mut self.state else {
            return Flow::Continue;
        };
        self.out.clear();
        if let Some(form) = &self.form {
            translator.heard(form.heard_ms());
        }
        translator.feed(&host.response_body(size), end_of_stream, &mut self.out);
        let head = translator.head().cloned();
        self.update_report(host, end_of_stream);
        match head {
            Some(head) => {
                if !self.released {
                    self.released = true;
                    let length = end_of_stream.then_some(self.out.len());
                    self.release(host, &head, length, None);
                }
                host.replace_response_body(&self.out);
                // a burst is no reason to keep its room for as long as the stream goes on
                self.out.clear();
                self.out.shrink_to(KEPT);
                Flow::Continue
            }
            None => {
                host.replace_response_body(b"");
                Flow::Pause
            }
        }
    }

    /// The provider's answer ended with trailers.
    pub fn on_response_trailers(&mut self, host: &impl Host) -> Flow {
        if self.released {
            self.on_response_body(host, 0, true);
            return Flow::Continue;
        }
        self.answer_without_body(host)
    }

    /// The provider's whole answer was its headers. A body cannot be added here, so the error goes
    /// to the edge in a header, past the router's retries.
    fn answer_without_body(&mut self, host: &impl Host) -> Flow {
        let State::Response(translator) = &mut self.state else {
            return Flow::Continue;
        };
        self.out.clear();
        translator.feed(&[], true, &mut self.out);
        let head = translator.head().cloned();
        self.update_report(host, true);
        self.released = true;
        if let Some(head) = head {
            let body = String::from_utf8(std::mem::take(&mut self.out)).unwrap_or_default();
            self.release(host, &head, None, Some(&body));
        }
        Flow::Continue
    }

    /// Lets the response headers go: only ours, none of the provider's.
    fn release(
        &self,
        host: &impl Host,
        head: &Head,
        length: Option<usize>,
        bodiless: Option<&str>,
    ) {
        let status = head.status.to_string();
        let length = length.map(|length| length.to_string());
        let retry_after = head.retry_after.map(|seconds| seconds.to_string());
        let dropped = self.report.dropped.join(",");
        let fallbacks = self.fallbacks.to_string();
        let retries = self.report.attempt.saturating_sub(1).to_string();
        let mut headers: Vec<(&str, &str)> = vec![
            (":status", &status),
            ("content-type", &head.content_type),
            (names::REQUEST_ID, &self.request_id),
            (names::CALL_ID, &self.request_id),
            (names::DEPLOYMENT, &self.config.deployment),
            ("x-litellm-model-id", &self.config.deployment),
            ("x-litellm-attempted-retries", &retries),
            ("x-litellm-attempted-fallbacks", &fallbacks),
        ];
        if head.content_type.starts_with("text/event-stream") {
            headers.extend([("cache-control", "no-cache"), ("x-accel-buffering", "no")]);
        }
        let told = self.client_headers.iter();
        headers.extend(told.map(|(name, value)| (name.as_str(), value.as_str())));
        headers.extend(length.as_deref().map(|value| ("content-length", value)));
        headers.extend(retry_after.as_deref().map(|value| ("retry-after", value)));
        headers.extend(bodiless.map(|value| (names::BODILESS, value)));
        if !dropped.is_empty() {
            headers.push((names::DROPPED, &dropped));
        }
        if head.retryable {
            headers.push((names::RETRY, "1"));
        }
        host.replace_response_headers(&headers);
    }

    /// Starts this attempt's report. Filter state is the request's: what the attempt before left
    /// there is kept in this one's.
    fn begin_report(&mut self, host: &impl Host) {
        let attempt = attempt(host);
        let previous = (attempt > 1)
            .then(|| host.property(&[names::REPORT_PROPERTY]))
            .flatten()
            .and_then(|wire| AttemptReport::from_text(&wire));
        self.report = AttemptReport {
            attempt,
            deployment: self.config.deployment.clone(),
            outcome: Outcome::Sent.into(),
            started_ms: host.now_ms(),
            ..previous.map(AttemptReport::following).unwrap_or_default()
        };
    }

    /// Tells the access log how far the attempt came, when that is news.
    fn update_report(&mut self, host: &impl Host, end_of_stream: bool) {
        let State::Response(translator) = &self.state else {
            return;
        };
        let now = translator.report();
        let reported = self.report.usage.map_or(0, |usage| usage.output_tokens);
        let grown = now.usage.output_tokens.abs_diff(reported) >= REPORT_STEP;
        let outcome = i32::from(now.outcome);
        if outcome == self.report.outcome && !grown && !end_of_stream {
            return;
        }
        self.report.elapsed_ms = host.now_ms().saturating_sub(self.report.started_ms);
        if self.report.first_token_ms == 0 && translator.head().is_some() {
            self.report.first_token_ms = self.report.elapsed_ms.max(1);
        }
        self.report.outcome = outcome;
        self.report.usage = Some(now.usage);
        self.report.usage_source = now.usage_source.into();
        self.report.provider_status = now.provider_status.into();
        self.report.error_code = now.error_code.to_owned();
        self.report.error_status = now.error_status.into();
        self.write_report(host);
    }

    fn write_report(&self, host: &impl Host) {
        host.set_property(names::REPORT_PROPERTY, self.report.to_text().as_bytes());
    }
}

/// The code of an error in a report.
pub(crate) fn error_code(error: &ApiError) -> String {
    error.code.clone().unwrap_or_else(|| {
        error
            .kind
            .code()
            .unwrap_or(error.kind.openai_type())
            .to_owned()
    })
}

/// Which attempt this is, from 1.
fn attempt(host: &impl Host) -> u32 {
    let bytes = host
        .property(&["upstream", "request_attempt_count"])
        .unwrap_or_default();
    bytes
        .try_into()
        .ok()
        .and_then(|bytes: [u8; 8]| u32::try_from(u64::from_le_bytes(bytes)).ok())
        .unwrap_or(1)
}

#[cfg(test)]
mod tests;
