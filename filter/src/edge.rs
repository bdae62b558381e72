//! The edge role: reads the client's request once, refuses what cannot be one, states the facts.

use std::rc::Rc;

use dragoman_dialect::edge;
use dragoman_proto::{ApiError, ClientDialect, EdgeConfig, ErrorKind, Facts, Operation, names};

use crate::host::find;
use crate::{Flow, Host, path};

mod form;

use form::Incoming;

/// One request at the edge.
#[derive(Debug)]
pub struct Edge {
    config: Rc<EdgeConfig>,
    request: State,
}

#[derive(Debug)]
enum State {
    /// Not an operation, or answered already: nothing to do.
    Passing,
    /// Waiting for the whole body.
    Reading(Box<Reading>),
    /// Reading a form, also while it passes.
    Form(Box<Incoming>),
}

#[derive(Debug)]
struct Reading {
    operation: Operation,
    path: String,
    /// The model that the path names.
    model: Option<String>,
    content_type: Option<String>,
    /// Bytes of the body so far.
    size: usize,
}

impl Edge {
    /// A request that has just begun.
    pub fn new(config: Rc<EdgeConfig>) -> Self {
        Self {
            config,
            request: State::Passing,
        }
    }

    /// The client's headers are here.
    pub fn on_request_headers(&mut self, host: &impl Host, end_of_stream: bool) -> Flow {
        let headers = host.request_headers();
        strip_internal(host, &headers);
        let Some(received) = find(&headers, ":path") else {
            return Flow::Continue;
        };
        let route = path::route(received, &self.config.root_path);
        if route.path != received {
            host.set_request_header(":path", Some(route.path));
        }
        let Some(operation) = route.operation else {
            return Flow::Continue;
        };
        if find(&headers, ":method") != Some("POST") {
            return Flow::Continue;
        }
        if let Err(error) = self.readable(&headers, end_of_stream) {
            return self.refuse(host, operation, &error);
        }
        let reading = Reading {
            operation,
            model: route.model.map(str::to_owned),
            content_type: find(&headers, "content-type").map(str::to_owned),
            path: received.to_owned(),
            size: 0,
        };
        if operation.is_multipart() {
            let length = find(&headers, "content-length").and_then(|length| length.parse().ok());
            match Incoming::new(reading, length) {
                Ok(form) => self.request = State::Form(Box::new(form)),
                Err(error) => return self.refuse(host, operation, &error),
            }
        } else {
            self.request = State::Reading(Box::new(reading));
        }
        Flow::Pause
    }

    /// `buffered` bytes of the body are here; of one that passes, the next ones.
    pub fn on_request_body(
        &mut self,
        host: &impl Host,
        buffered: usize,
        end_of_stream: bool,
    ) -> Flow {
        let reading = match &mut self.request {
            State::Passing => return Flow::Continue,
            State::Form(_) => return self.on_form(host, buffered, end_of_stream),
            State::Reading(reading) => reading,
        };
        reading.size = buffered;
        let operation = reading.operation;
        if buffered as u64 > self.config.max_body_bytes {
            let error = too_large(self.config.max_body_bytes);
            return self.refuse(host, operation, &error);
        }
        if end_of_stream {
            self.admit(host)
        } else {
            Flow::Pause
        }
    }

    /// The body is whole, and trailers follow it.
    pub fn on_request_trailers(&mut self, host: &impl Host) -> Flow {
        if let State::Form(form) = &self.request {
            let at_hand = form.at_hand();
            return self.on_form(host, at_hand, true);
        }
        self.admit(host)
    }

    /// Response headers on their way to the client. An upstream error that came without a body gets
    /// one here, because a body cannot be added to a response that has none.
    pub fn on_response_headers(&self, host: &impl Host, end_of_stream: bool) -> Flow {
        if !end_of_stream {
            return Flow::Continue;
        }
        let all = host.response_headers();
        let Some(body) = find(&all, names::BODILESS) else {
            return Flow::Continue;
        };
        let status = find(&all, ":status")
            .and_then(|s| s.parse().ok())
            .unwrap_or(502);
        let kept = all
            .iter()
            .filter(|(name, _)| !name.starts_with(':') && name != names::BODILESS);
        let text = |(name, value): &'_ (String, Vec<u8>)| {
            Some((name.clone(), std::str::from_utf8(value).ok()?.to_owned()))
        };
        let headers: Vec<(String, String)> = kept.filter_map(text).collect();
        let headers: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        host.reply(status, &headers, body.as_bytes());
        Flow::Pause
    }

    /// Whether the body can be read at all, as far as the headers tell.
    fn readable(&self, headers: &[(String, Vec<u8>)], end: bool) -> Result<(), ApiError> {
        if end {
            let message = "the request has no body; send a JSON object";
            return Err(ApiError::invalid(message));
        }
        let encoding = find(headers, "content-encoding");
        if encoding.is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            let message =
                "a compressed request body is not accepted; send it without content-encoding";
            return Err(ApiError::new(ErrorKind::UnsupportedMedia, message));
        }
        let length = find(headers, "content-length").and_then(|l| l.parse::<u64>().ok());
        if length.is_some_and(|length| length > self.config.max_body_bytes) {
            return Err(too_large(self.config.max_body_bytes));
        }
        Ok(())
    }

    /// Reads the whole body and states the facts.
    fn admit(&mut self, host: &impl Host) -> Flow {
        let State::Reading(reading) = std::mem::replace(&mut self.request, State::Passing) else {
            return Flow::Continue;
        };
        let body = host.request_body(0, reading.size);
        let inspected = edge::inspect(
            reading.operation,
            &reading.path,
            reading.content_type.as_deref(),
            &body,
        );
        match inspected {
            Ok(facts) => {
                let model = reading.model.or(facts.model);
                state(host, &Facts { model, ..facts });
                Flow::Continue
            }
            Err(error) => self.refuse(host, reading.operation, &error),
        }
    }

    fn refuse(&mut self, host: &impl Host, operation: Operation, error: &ApiError) -> Flow {
        self.request = State::Passing;
        reply(host, operation.client_dialect(), error);
        Flow::Pause
    }
}

/// Answers the client with `error`.
pub(crate) fn reply(host: &impl Host, dialect: ClientDialect, error: &ApiError) {
    let extra = error.headers();
    let mut headers = vec![
        ("content-type", "application/json"),
        // else a page that spoke to us could not read what it did wrong
        (names::ALLOW_ORIGIN, names::ANY_ORIGIN),
    ];
    headers.extend(extra.iter().map(|(name, value)| (*name, value.as_str())));
    host.reply(error.status(), &headers, &error.body(dialect));
}

fn state(host: &impl Host, facts: &Facts) {
    let (name, value) = facts.to_header();
    host.set_request_header(name, Some(&value));
}

fn too_large(cap: u64) -> ApiError {
    ApiError::new(
        ErrorKind::TooLarge,
        format!(
            "the request body is larger than the {} MiB that this gateway accepts",
            cap >> 20
        ),
    )
}

/// Removes headers that only this gateway may set, and those that steer Envoy's router.
fn strip_internal(host: &impl Host, headers: &[(String, Vec<u8>)]) {
    for (name, _) in headers {
        if name.starts_with(names::HEADER_PREFIX) || name.starts_with("x-envoy-") {
            host.set_request_header(name, None);
        }
    }
}

#[cfg(test)]
mod tests;
