//! A stream as the events of Responses
//! (<https://platform.openai.com/docs/api-reference/responses-streaming>).
//!
//! The API wants each item whole at its end and all of them in the last event, so what passes is
//! kept: this is the one client's stream whose state grows with the answer.

use dragoman_proto::ApiError;
use serde_json::value::{RawValue, to_raw_value};

use super::{
    super::blocks::{Finish, Start, Writer},
    echo::Echo,
    input::{REDACTED, SIGNED},
    schema::{EventOut, ItemOut, PageOut, PartOut, ResponseOut, write_failure},
};
use crate::{
    hub::{UrlCitation, citations::MAX_KEPT},
    json::{self, Text},
    request::ResponseContext,
    sink::Sink,
};

/// The event of a page that a text cites.
const ANNOTATED: &str = "response.output_text.annotation.added";

/// Writes the events of one response.
#[derive(Debug)]
pub(in super::super) struct EventWriter {
    id: String,
    request_id: String,
    model: String,
    created: u64,
    echo: Echo,
    sequence: u64,
    output: Vec<Box<RawValue>>,
    open: Open,
    /// The last text, which may still be cited for.
    said: Option<Said>,
}

/// A text that is told.
#[derive(Debug)]
struct Said {
    id: String,
    /// Its place in the output.
    at: usize,
    /// A JSON string.
    text: Box<RawValue>,
    pages: Vec<PageOut>,
}

impl Said {
    /// As it stands in the output.
    fn item(&self) -> Option<Box<RawValue>> {
        let item = ItemOut::Message {
            id: &self.id,
            status: "completed",
            role: "assistant",
            content: vec![PartOut::text(Text::Raw(&self.text), &self.pages)],
        };
        to_raw_value(&item).ok()
    }
}

/// The open item.
#[derive(Debug, Default)]
struct Open {
    kind: Kind,
    id: String,
    call_id: String,
    name: String,
    /// The inside of a JSON string.
    text: String,
    /// What proves a thought.
    proof: Option<String>,
    /// What the text cites.
    pages: Vec<PageOut>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Kind {
    #[default]
    Message,
    Reasoning,
    Call,
}

impl Kind {
    const fn prefix(self) -> &'static str {
        match self {
            Self::Message => "msg",
            Self::Reasoning => "rs",
            Self::Call => "fc",
        }
    }
}

impl EventWriter {
    pub(in super::super) fn new(context: &ResponseContext, echo: &Echo) -> Self {
        Self {
            id: format!("resp_{}", context.request_id),
            request_id: context.request_id.clone(),
            model: context.alias.clone(),
            created: context.created,
            echo: echo.clone(),
            sequence: 0,
            output: Vec::new(),
            open: Open::default(),
            said: None,
        }
    }

    fn response(&self) -> ResponseOut<'_> {
        ResponseOut {
            output: &self.output,
            echo: Some(&self.echo),
            ..ResponseOut::new(&self.id, &self.model, self.created)
        }
    }

    /// An event of the open item.
    fn event<'a>(&'a self, r#type: &'a str) -> EventOut<'a> {
        EventOut {
            r#type,
            item_id: Some(&self.open.id),
            output_index: Some(self.output.len()),
            content_index: (self.open.kind == Kind::Message).then_some(0),
            summary_index: (self.open.kind == Kind::Reasoning).then_some(0),
            ..EventOut::default()
        }
    }

    /// An event with the open item itself.
    fn item_event<'a>(&'a self, r#type: &'a str, item: ItemOut<'a>) -> EventOut<'a> {
        EventOut {
            r#type,
            output_index: Some(self.output.len()),
            item: Some(item),
            ..EventOut::default()
        }
    }

    /// The open item with this `text`.
    fn item<'a>(&'a self, status: &'static str, text: Option<Text<'a>>) -> ItemOut<'a> {
        let id = &self.open.id;
        match self.open.kind {
            Kind::Message => ItemOut::Message {
                id,
                status,
                role: "assistant",
                content: text
                    .map(|text| PartOut::text(text, &self.open.pages))
                    .into_iter()
                    .collect(),
            },
            Kind::Reasoning => ItemOut::Reasoning {
                id,
                summary: text
                    .map(|text| PartOut::SummaryText { text })
                    .into_iter()
                    .collect(),
                encrypted_content: self.open.proof.as_deref(),
            },
            Kind::Call => ItemOut::FunctionCall {
                id,
                status,
                call_id: &self.open.call_id,
                name: &self.open.name,
                arguments: text.unwrap_or(Text::Plain("")),
            },
        }
    }

    /// The open item's part with this `text`; a call has none.
    fn part<'a>(&'a self, text: Text<'a>) -> Option<PartOut<'a>> {
        match self.open.kind {
            Kind::Message => Some(PartOut::text(text, &self.open.pages)),
            Kind::Reasoning => Some(PartOut::SummaryText { text }),
            Kind::Call => None,
        }
    }

    /// The events that say `what` of the open item: `added`, `delta`, `done`.
    const fn names(&self) -> [&'static str; 4] {
        match self.open.kind {
            Kind::Message => [
                "response.content_part.added",
                "response.output_text.delta",
                "response.output_text.done",
                "response.content_part.done",
            ],
            Kind::Reasoning => [
                "response.reasoning_summary_part.added",
                "response.reasoning_summary_text.delta",
                "response.reasoning_summary_text.done",
                "response.reasoning_summary_part.done",
            ],
            Kind::Call => [
                "",
                "response.function_call_arguments.delta",
                "response.function_call_arguments.done",
                "",
            ],
        }
    }
}

/// Writes an event with its place in the stream, and says which is next. The start of a response
/// waits for content, or for its end.
fn write(mut event: EventOut<'_>, sequence: u64, sink: &mut Sink<'_>) -> u64 {
    let starts = matches!(event.r#type, "response.created" | "response.in_progress");
    event.sequence_number = sequence;
    sink.event(!starts, Some(event.r#type), &event);
    sequence + 1
}

impl Writer for EventWriter {
    fn begin(&mut self, sink: &mut Sink<'_>) {
        for r#type in ["response.created", "response.in_progress"] {
            let event = EventOut {
                r#type,
                response: Some(self.response()),
                ..EventOut::default()
            };
            self.sequence = write(event, self.sequence, sink);
        }
    }

    fn start(&mut self, block: Start<'_>, sink: &mut Sink<'_>) {
        let mut open = match block {
            Start::Text => Open::default(),
            Start::Thinking => Open {
                kind: Kind::Reasoning,
                ..Open::default()
            },
            Start::Redacted(data) => Open {
                kind: Kind::Reasoning,
                proof: plain(data).map(|data| format!("{REDACTED}{data}")),
                ..Open::default()
            },
            Start::Call { id, name } => Open {
                kind: Kind::Call,
                call_id: id.to_owned(),
                name: name.to_owned(),
                ..Open::default()
            },
        };
        let at = self.output.len();
        open.id = format!("{}_{}_{at}", open.kind.prefix(), self.request_id);
        self.open = open;
        let item = self.item("in_progress", None);
        let event = self.item_event("response.output_item.added", item);
        self.sequence = write(event, self.sequence, sink);
        if let Some(part) = self.part(Text::Plain("")) {
            let [added, ..] = self.names();
            let event = EventOut {
                part: Some(part),
                ..self.event(added)
            };
            self.sequence = write(event, self.sequence, sink);
        }
    }

    fn delta(&mut self, text: Text<'_>, sink: &mut Sink<'_>) {
        match text {
            Text::Raw(raw) => self.open.text.push_str(json::inner(raw)),
            Text::Plain(plain) => {
                if let Ok(raw) = to_raw_value(plain) {
                    self.open.text.push_str(json::inner(&raw));
                }
            }
            Text::Number(_) => {}
        }
        let [_, delta, ..] = self.names();
        let event = EventOut {
            delta: Some(text),
            logprobs: (self.open.kind == Kind::Message).then_some([]),
            ..self.event(delta)
        };
        self.sequence = write(event, self.sequence, sink);
    }

    fn signature(&mut self, signature: Text<'_>, _: &mut Sink<'_>) {
        self.open.proof = plain(signature).map(|signature| format!("{SIGNED}{signature}"));
    }

    fn citation(&mut self, citation: UrlCitation, sink: &mut Sink<'_>) {
        let place = self.open.pages.len();
        if place < MAX_KEPT {
            let page = PageOut::from(citation);
            let event = EventOut {
                annotation_index: Some(place),
                annotation: Some(&page),
                ..self.event(ANNOTATED)
            };
            self.sequence = write(event, self.sequence, sink);
            self.open.pages.push(page);
        }
    }

    /// The event that ended the item could not have it; the last one of all has.
    fn late_citation(&mut self, citation: UrlCitation, sink: &mut Sink<'_>) -> bool {
        let Some(said) = &mut self.said else {
            return false;
        };
        let place = said.pages.len();
        if place < MAX_KEPT {
            let page = PageOut::from(citation);
            let event = EventOut {
                r#type: ANNOTATED,
                item_id: Some(&said.id),
                output_index: Some(said.at),
                content_index: Some(0),
                annotation_index: Some(place),
                annotation: Some(&page),
                ..EventOut::default()
            };
            self.sequence = write(event, self.sequence, sink);
            said.pages.push(page);
            if let (Some(item), Some(kept)) = (self.output.get_mut(said.at), said.item()) {
                *item = kept;
            }
        }
        true
    }

    fn stop(&mut self, sink: &mut Sink<'_>) {
        let quoted = format!("\"{}\"", std::mem::take(&mut self.open.text));
        let whole = RawValue::from_string(quoted).ok();
        let text = whole.as_deref().map_or(Text::Plain(""), Text::Raw);
        let is_call = self.open.kind == Kind::Call;
        let [_, _, done, part_done] = self.names();
        let event = EventOut {
            text: (!is_call).then_some(text),
            name: is_call.then_some(&self.open.name),
            arguments: is_call.then_some(text),
            logprobs: (self.open.kind == Kind::Message).then_some([]),
            ..self.event(done)
        };
        self.sequence = write(event, self.sequence, sink);
        if let Some(part) = self.part(text) {
            let event = EventOut {
                part: Some(part),
                ..self.event(part_done)
            };
            self.sequence = write(event, self.sequence, sink);
        }
        let item = self.item("completed", Some(text));
        let kept = to_raw_value(&item).ok();
        let event = self.item_event("response.output_item.done", item);
        self.sequence = write(event, self.sequence, sink);
        if self.open.kind == Kind::Message {
            self.said = whole.map(|text| Said {
                id: self.open.id.clone(),
                at: self.output.len(),
                text,
                pages: std::mem::take(&mut self.open.pages),
            });
        }
        self.output.extend(kept);
    }

    fn end(&mut self, finish: Finish, sink: &mut Sink<'_>) {
        let response = self.response().finished(finish, &sink.meter.usage());
        let event = EventOut {
            r#type: if response.status == "completed" {
                "response.completed"
            } else {
                "response.incomplete"
            },
            response: Some(response),
            ..EventOut::default()
        };
        self.sequence = write(event, self.sequence, sink);
    }

    fn failed(&mut self, error: &ApiError, out: &mut Vec<u8>) -> bool {
        write_failure(self.response().failed(error), self.sequence, out);
        true
    }
}

/// A text without its escapes.
fn plain(text: Text<'_>) -> Option<String> {
    match text {
        Text::Raw(raw) => json::string(raw).map(std::borrow::Cow::into_owned),
        Text::Plain(plain) => Some(plain.to_owned()),
        Text::Number(_) => None,
    }
}
