//! One attempt's response: decoded, judged, translated, and metered while it passes.

use std::ops::ControlFlow;

use dragoman_proto::{ApiError, ClientDialect, Operation, Outcome, Usage};

use crate::{
    client::{self, ClientStream},
    failure::Failure,
    framing::{Event, Framer, Inflate},
    head::{Head, ReportState, ResponseHead},
    meter::Meter,
    registry::{self, ProviderDialect},
    request::ResponseContext,
    sink::{EventTranslator, Flow, Gate, Sink},
    sound::Speech,
};

/// The largest answer that is translated as a whole.
const MAX_ANSWER: usize = 64 * 1024 * 1024;
/// The most that is read of an error.
const MAX_ERROR: usize = 1024 * 1024;

/// Translates one attempt's response while it arrives.
///
/// [`head`](Self::head) stays `None` until it is known whether this attempt succeeds: for a stream
/// until its first meaningful event, for anything else until it is whole. From then on what
/// [`feed`](Self::feed) writes is the client's. After the end of the answer, or its one error,
/// everything else that arrives is ignored.
#[derive(Debug)]
pub struct ResponseTranslator {
    context: ResponseContext,
    provider_status: u16,
    content_type: String,
    retry_after: Option<u64>,
    /// The type of an error, as a header tells it.
    error_type: Option<String>,
    decoder: Option<Inflate>,
    mode: Mode,
    meter: Meter,
    head: Option<Head>,
    outcome: Outcome,
    error_status: u16,
    error_code: String,
}

#[derive(Debug)]
enum Mode {
    /// Wait until the body is whole.
    Collect(Vec<u8>),
    /// Translate event by event.
    Stream {
        framer: Framer,
        translator: Box<dyn EventTranslator>,
        gate: Gate,
        /// Turns the hub's chunks into the client's events.
        client: Option<Box<dyn ClientStream>>,
    },
    /// Pass the text of a transcription on.
    Pass,
    /// Pass sound on.
    Speak(Speech),
    /// A failure that the head alone tells; written when the first bytes arrive.
    Doomed(Box<Failure>),
    /// Nothing more is written.
    Over,
}

impl ResponseTranslator {
    /// A translator for a response with `head`, to the request that `context` came from.
    pub fn new(context: ResponseContext, head: &ResponseHead<'_>) -> Self {
        let content_type = head.content_type.unwrap_or_default().to_owned();
        let mut meter =
            Meter::new(context.prompt_tokens).expecting(context.characters, context.audio_ms);
        let counted = head.input_tokens.filter(|_| head.status == 200);
        if let Some(counted) = counted.and_then(|text| text.trim().parse().ok()) {
            meter.input(Usage {
                input_tokens: counted,
                ..Usage::default()
            });
        }
        let mut translator = Self {
            provider_status: head.status,
            retry_after: head.seconds_to_wait(),
            error_type: head.error_type.map(str::to_owned),
            decoder: None,
            mode: Mode::Over,
            meter,
            head: None,
            outcome: Outcome::Sent,
            error_status: 0,
            error_code: String::new(),
            content_type,
            context,
        };
        translator.mode = translator.choose_mode();
        match head.content_encoding.map(str::trim) {
            None | Some("" | "identity") => {}
            Some(encoding) => match Inflate::for_encoding(encoding) {
                Some(decoder) => translator.decoder = Some(decoder),
                None => {
                    translator.mode = Mode::Doomed(Box::new(
                        translator
                            .garbage("the answer has a content encoding that is not read here"),
                    ));
                }
            },
        }
        translator
    }

    /// Feeds provider bytes, and appends what the client gets to `out`. `end` comes with the last
    /// bytes, which may be none.
    pub fn feed(&mut self, chunk: &[u8], end: bool, out: &mut Vec<u8>) {
        if let Mode::Doomed(failure) = &mut self.mode {
            let failure = (**failure).clone();
            return self.fail(failure, out);
        }
        match self.decoder.take() {
            None => self.bytes(chunk, out),
            Some(mut decoder) => {
                self.encoded(&mut decoder, chunk, end, out);
                self.decoder = Some(decoder);
            }
        }
        if end {
            self.finish(out);
        }
    }

    /// Of the request's sound, so many milliseconds have been sent so far.
    pub const fn heard(&mut self, audio_ms: u64) {
        self.meter.hear(audio_ms);
    }

    /// The head of the client's response; `None` while it must still be held.
    pub const fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// Where the attempt stands.
    pub fn report(&self) -> ReportState<'_> {
        ReportState {
            outcome: self.outcome,
            usage: self.meter.usage(),
            usage_source: self.meter.source(),
            provider_status: self.provider_status,
            error_status: self.error_status,
            error_code: &self.error_code,
        }
    }

    fn choose_mode(&self) -> Mode {
        let kind = self.content_type.to_ascii_lowercase();
        let json = kind.contains("json") && !kind.contains("ndjson");
        let json_or_html = json || kind.contains("html");
        if !(200..300).contains(&self.provider_status) {
            return Mode::Collect(Vec::new());
        }
        let speech = self.context.operation == Operation::AudioSpeech;
        let events = kind.contains("event-stream");
        if speech && !json_or_html && !events {
            return Mode::Speak(Speech::default());
        }
        if (self.context.stream || speech) && !json_or_html {
            return match self.folder() {
                Some(folder) => Mode::Stream {
                    framer: folder.framer(),
                    translator: folder.stream(&self.context),
                    gate: Gate::default(),
                    client: client::stream(&self.context),
                },
                None => Mode::Doomed(Box::new(
                    self.garbage("the deployment's dialect is not known"),
                )),
            };
        }
        if self.context.operation.is_multipart() && !json_or_html && !kind.is_empty() {
            return Mode::Pass;
        }
        Mode::Collect(Vec::new())
    }

    fn folder(&self) -> Option<&'static dyn ProviderDialect> {
        registry::provider(self.context.dialect).ok()
    }

    fn garbage(&self, what: &str) -> Failure {
        Failure::garbage(&self.context.provider, what)
    }

    fn encoded(&mut self, decoder: &mut Inflate, chunk: &[u8], end: bool, out: &mut Vec<u8>) {
        for piece in chunk.chunks(Inflate::PIECE) {
            if matches!(self.mode, Mode::Over) {
                return;
            }
            match decoder.decode(piece) {
                Ok(decoded) => self.bytes(&decoded, out),
                Err(_) => {
                    let failure = self.garbage("the answer's compression is broken");
                    return self.fail(failure, out);
                }
            }
        }
        if end && !matches!(self.mode, Mode::Over) {
            match decoder.finish() {
                Ok(decoded) => self.bytes(&decoded, out),
                Err(_) => {
                    let failure = self.garbage("the answer's compression is cut");
                    self.fail(failure, out);
                }
            }
        }
    }

    fn bytes(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match &mut self.mode {
            Mode::Over | Mode::Doomed(_) => {}
            Mode::Pass => {
                self.meter.output(bytes.len());
                out.extend_from_slice(bytes);
                self.begin();
            }
            Mode::Speak(speech) => {
                speech.hear(&self.content_type, bytes);
                self.meter
                    .spoken(speech.milliseconds(self.context.characters));
                out.extend_from_slice(bytes);
                self.begin();
            }
            Mode::Collect(body) => {
                let is_error = !(200..300).contains(&self.provider_status);
                let cap = if is_error { MAX_ERROR } else { MAX_ANSWER };
                let room = cap.saturating_sub(body.len());
                body.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
                if bytes.len() > room && !is_error {
                    let failure = self.garbage("the answer is larger than 64 MiB");
                    self.fail(failure, out);
                }
            }
            Mode::Stream { .. } => self.stream(Some(bytes), out),
        }
    }

    /// Runs the stream's events; `None` when the bytes have ended.
    fn stream(&mut self, bytes: Option<&[u8]>, out: &mut Vec<u8>) {
        let Mode::Stream {
            framer,
            translator,
            gate,
            client,
        } = &mut self.mode
        else {
            return;
        };
        let mut sink = Sink {
            out,
            gate,
            meter: &mut self.meter,
            client: client.as_deref_mut(),
        };
        let mut step = |event: &Event<'_>| {
            if event.data.trim_ascii().is_empty() && !event.is_error {
                return ControlFlow::Continue(());
            }
            let result = translator.event(event, &mut sink);
            if let Some(failure) = sink.client.as_mut().and_then(|client| client.fault()) {
                return ControlFlow::Break(Err(failure));
            }
            match result {
                Ok(Flow::Continue) => ControlFlow::Continue(()),
                Ok(Flow::Done) => ControlFlow::Break(Ok(())),
                Err(failure) => ControlFlow::Break(Err(failure)),
            }
        };
        let flow = match bytes {
            Some(bytes) => framer.feed(bytes, &mut step),
            None => Ok(framer.finish(&mut step)),
        };
        let result = match (flow, bytes) {
            (Ok(ControlFlow::Continue(())), Some(_)) => None,
            (Ok(ControlFlow::Continue(())), None) => Some(translator.end(&mut sink)),
            (Ok(ControlFlow::Break(result)), _) => Some(result),
            (Err(error), _) => Some(Err(Failure::garbage(
                &self.context.provider,
                error.as_str(),
            ))),
        };
        if matches!(result, Some(Ok(()))) && sink.client.is_some() {
            // Once more does no harm, and a client must have its last event.
            sink.plain(b"[DONE]");
        }
        if gate.is_open() {
            self.begin();
        }
        match result {
            None => {}
            // Without a head there would be no response at all.
            Some(Ok(())) if self.head.is_none() => {
                let failure = self.garbage("the stream has no content");
                self.fail(failure, out);
            }
            Some(Ok(())) => self.complete(),
            Some(Err(failure)) => self.fail(failure, out),
        }
    }

    fn finish(&mut self, out: &mut Vec<u8>) {
        match &mut self.mode {
            Mode::Over | Mode::Doomed(_) => {}
            Mode::Pass | Mode::Speak(_) if self.head.is_none() => {
                let failure = self.garbage("the answer is empty");
                self.fail(failure, out);
            }
            Mode::Pass | Mode::Speak(_) => self.complete(),
            Mode::Stream { .. } => self.stream(None, out),
            Mode::Collect(body) => {
                let body = std::mem::take(body);
                match self.answer(&body) {
                    Ok(answer) => {
                        if out.is_empty() {
                            *out = answer;
                        } else {
                            out.extend_from_slice(&answer);
                        }
                        self.begin();
                        self.complete();
                    }
                    Err(failure) => self.fail(failure, out),
                }
            }
        }
    }

    /// Translates a whole body.
    fn answer(&mut self, body: &[u8]) -> Result<Vec<u8>, Failure> {
        let Some(folder) = self.folder() else {
            return Err(self.garbage("the deployment's dialect is not known"));
        };
        let provider = &self.context.provider;
        if !(200..300).contains(&self.provider_status) {
            let kind = self.error_type.as_deref();
            let (status, error) = folder.refusal(self.provider_status, kind, body);
            return Err(Failure::of_provider(
                provider,
                status,
                &error,
                self.retry_after,
            ));
        }
        if body.trim_ascii().is_empty() {
            return Err(self.garbage("the answer is empty"));
        }
        let is_stream = self.context.stream;
        if is_stream && let Some(error) = folder.error(body) {
            let status = error.status.unwrap_or(502);
            return Err(Failure::of_provider(
                provider,
                status,
                &error,
                self.retry_after,
            ));
        }
        if is_stream {
            return Err(self.garbage("the answer is not the stream that was asked for"));
        }
        let answer = folder.answer(&self.context, body, &mut self.meter)?;
        client::answer(&self.context, answer, &self.meter.usage())
    }

    /// The client's response begins.
    fn begin(&mut self) {
        if self.head.is_some() {
            return;
        }
        self.outcome = Outcome::Streaming;
        let content_type = match &self.mode {
            Mode::Pass | Mode::Speak(_) => self.content_type.clone(),
            Mode::Stream { .. } => "text/event-stream; charset=utf-8".to_owned(),
            Mode::Collect(_) | Mode::Doomed(_) | Mode::Over => "application/json".to_owned(),
        };
        self.head = Some(Head {
            status: 200,
            content_type,
            retryable: false,
            retry_after: None,
        });
    }

    fn complete(&mut self) {
        self.outcome = Outcome::Complete;
        self.mode = Mode::Over;
    }

    /// Ends the response with one error: a status before the head, an event after it.
    fn fail(&mut self, failure: Failure, out: &mut Vec<u8>) {
        let Failure { error, retryable } = failure;
        let dialect = self.context.client_dialect();
        self.error_status = error.status();
        self.error_code = error
            .code
            .clone()
            .or_else(|| error.kind.code().map(str::to_owned))
            .unwrap_or_else(|| error.kind.openai_type().to_owned());
        if self.head.is_none() {
            self.outcome = if retryable {
                Outcome::Failed
            } else {
                Outcome::Rejected
            };
            out.extend_from_slice(&error.body(dialect));
            self.head = Some(Head {
                status: error.status(),
                content_type: "application/json".to_owned(),
                retryable,
                retry_after: error.retry_after,
            });
        } else {
            self.outcome = Outcome::Broken;
            if let Mode::Stream {
                translator, client, ..
            } = &mut self.mode
            {
                let written = match client {
                    Some(client) => client.failed(&error, out),
                    None => translator.failed(&error, out),
                };
                if !written {
                    write_error_event(&error, dialect, out);
                }
            }
        }
        self.mode = Mode::Over;
    }
}

fn write_error_event(error: &ApiError, dialect: ClientDialect, out: &mut Vec<u8>) {
    if dialect == ClientDialect::Anthropic {
        out.extend_from_slice(b"event: error\n");
    }
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(&error.body(dialect));
    out.extend_from_slice(b"\n\n");
}
