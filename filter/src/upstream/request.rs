//! What one attempt sends: the client's request, translated, and nothing else of the client's.

use std::rc::Rc;

use dragoman_dialect::{Outgoing, RequestHead, Translated};
use dragoman_proto::{
    Admission, ApiError, ClientDialect, ErrorKind, Outcome, UpstreamConfig, names,
};

use super::{State, Upstream, error_code};
use crate::form::Announced;
use crate::host::find;
use crate::{Flow, Host, edge};

/// The property in which the first attempt keeps the client's `anthropic-beta` for the others.
const BETAS_PROPERTY: &str = "dragoman.betas";

type Headers = [(String, Vec<u8>)];

impl Upstream {
    /// Translates the request and sends it on its way.
    pub(super) fn send(&mut self, host: &impl Host) -> Flow {
        let State::Request { size } = std::mem::replace(&mut self.state, State::Done) else {
            return Flow::Continue;
        };
        self.begin_report(host);
        let headers = host.request_headers();
        match self.translate(host, &headers, size) {
            Ok(Outgoing::Request(translated)) => {
                let length = translated.body.as_ref().map_or(size, Vec::len);
                self.forward(host, &headers, length, *translated);
                self.write_report(host);
                Flow::Continue
            }
            Ok(Outgoing::Answer { content_type, body }) => {
                self.report.outcome = Outcome::Complete.into();
                self.write_report(host);
                host.reply(200, &[("content-type", content_type)], &body);
                Flow::Pause
            }
            Err(error) => {
                self.reject(host, &error);
                Flow::Pause
            }
        }
    }

    fn translate(
        &mut self,
        host: &impl Host,
        headers: &Headers,
        size: usize,
    ) -> Result<Outgoing, ApiError> {
        let admission = self.admission(host)?;
        let anthropic_beta = self.betas(host, headers);
        // An earlier attempt may have sent something else.
        let form = admission.operation.is_multipart();
        let form = form.then(|| Announced::told(host)).flatten();
        let head = RequestHead {
            content_type: match &form {
                Some(form) => Some(&form.content_type),
                None => find(headers, "content-type"),
            },
            anthropic_beta: anthropic_beta.as_deref(),
        };
        let body = host.request_body(0, size);
        dragoman_dialect::translate_request(&self.config, &admission, &head, &body)
    }

    /// What the service admitted, as far as it is this attempt's.
    pub(super) fn admission(&mut self, host: &impl Host) -> Result<Admission, ApiError> {
        let metadata = [
            "metadata",
            "filter_metadata",
            names::ADMISSION_NAMESPACE,
            Admission::FIELD,
        ];
        let mut admission = host
            .property(&metadata)
            .and_then(|wire| Admission::decode(&wire).ok())
            .ok_or_else(|| ApiError::new(ErrorKind::Internal, "the request was not admitted"))?;
        self.client = admission.operation.client_dialect();
        let nth = usize::try_from(self.report.attempt.saturating_sub(1)).unwrap_or_default();
        admission.output_cap = admission.output_cap_of(nth);
        self.fallbacks = admission.fallbacks.get(nth).copied().unwrap_or_default();
        if self.config.model.contains('*') {
            // an alias's star may stand for nothing
            let captured = admission.captured.get(nth).map_or("", String::as_str);
            let mut config = UpstreamConfig::clone(&self.config);
            config.model = config.model.replacen('*', captured, 1);
            self.config = Rc::new(config);
        }
        self.request_id.clone_from(&admission.request_id);
        self.client_headers.clone_from(&admission.headers);
        Ok(admission)
    }

    /// The client's `anthropic-beta`. Headers are replaced by the first attempt, which keeps it for
    /// those that follow.
    fn betas(&self, host: &impl Host, headers: &Headers) -> Option<String> {
        if self.client != ClientDialect::Anthropic {
            return None;
        }
        if self.report.attempt > 1 {
            let kept = host.property(&[BETAS_PROPERTY])?;
            return String::from_utf8(kept).ok();
        }
        let betas = find(headers, "anthropic-beta")?;
        host.set_property(BETAS_PROPERTY, betas.as_bytes());
        Some(betas.to_owned())
    }

    /// Replaces headers and body by what this provider is to see: nothing else leaves the house. The
    /// body will be of `length` bytes.
    pub(super) fn forward(
        &mut self,
        host: &impl Host,
        headers: &Headers,
        length: usize,
        translated: Translated,
    ) {
        let scheme = find(headers, ":scheme").unwrap_or("https");
        let Translated {
            path,
            headers,
            body,
            dropped,
            response,
        } = translated;
        let length = length.to_string();
        let mut all: Vec<(&str, &str)> = vec![
            (":method", "POST"),
            (":path", &path),
            (":authority", &self.config.authority),
            (":scheme", scheme),
            (
                "user-agent",
                concat!("dragoman/", env!("CARGO_PKG_VERSION")),
            ),
            ("content-length", &length),
        ];
        all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
        host.replace_request_headers(&all);
        if let Some(body) = &body {
            host.replace_request_body(body);
        }
        self.report.dropped = dropped;
        self.state = State::Sent(response);
    }

    /// The request cannot be expressed for this provider: the client hears it at once.
    pub(super) fn reject(&mut self, host: &impl Host, error: &ApiError) {
        self.report.outcome = Outcome::Rejected.into();
        self.report.error_code = error_code(error);
        self.report.error_status = error.status().into();
        self.write_report(host);
        edge::reply(host, self.client, error);
    }
}
