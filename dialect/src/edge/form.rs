//! A form, as far as its short fields and the beginning of its files tell facts.
//!
//! A form of sound whose fields come before its file, as OpenAI's clients send it, has told all that
//! matters when the file begins: with the length of the whole, what the file can last is bounded, and
//! the rest may pass while it still comes. What would change the facts may not follow then.

use dragoman_proto::{ApiError, ErrorKind, Facts, Operation, Overrides};

use super::{
    media::{self, Medium},
    tally::{MAX_NAME, Tally},
};
use crate::{
    multipart::{self, Event, PartHead, Reader},
    passage::{may_follow, misplaced},
    sound,
};

/// Forms up to this length are read whole: they are soon here, and their fields may come in any order.
const SHORT: u64 = 64 * 1024;
/// Bytes of a prompt that may follow a file that passes: what a budget has to allow for.
const LATE_PROMPT: u64 = 1024;
/// Bytes of a value with what may stand around it.
const LONGEST_VALUE: usize = 4 * MAX_NAME;
/// Fields that tell facts.
const TELLING: [&str; 4] = ["model", "user", "n", "stream"];

/// A form on its way in.
#[derive(Debug)]
pub struct Form {
    reader: Reader,
    seen: Seen,
}

/// What is known of a form.
#[derive(Debug)]
struct Seen {
    operation: Operation,
    path: String,
    /// Bytes of the whole form, where the client says so.
    length: Option<u64>,
    /// Bytes that follow a file at least.
    shortest_end: usize,
    /// The last value of each of [`TELLING`].
    told: [Option<String>; 4],
    tally: Tally,
    has_prompt: bool,
    has_input: bool,
    has_file: bool,
    open: Open,
    passage: Passage,
    /// The facts of a form that passes.
    early: Option<Facts>,
}

/// The part that is being read.
#[derive(Debug)]
enum Open {
    /// Nothing in it matters.
    Other,
    /// One of [`TELLING`].
    Telling { index: usize, value: Vec<u8> },
    /// Words for the model.
    Prompt,
    /// A file of sound.
    Sound(Sound),
}

#[derive(Debug)]
struct Sound {
    /// Its beginning, of up to [`sound::HEAD`] bytes.
    head: Vec<u8>,
    /// How many bytes were seen.
    bytes: u64,
    /// Where in the form it begins.
    start: usize,
}

/// Whether the form passes while it still comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passage {
    /// It is waited for.
    Held,
    /// As soon as enough of its file is here.
    Near,
    /// It passes; so many bytes of a prompt may still come.
    Open { prompt: u64 },
}

impl Form {
    /// A form that begins. `length` is that of all of it, where it is known beforehand.
    ///
    /// # Errors
    /// A 415, where the content type is no form's.
    pub fn new(
        operation: Operation,
        path: &str,
        content_type: &str,
        length: Option<u64>,
    ) -> Result<Self, ApiError> {
        let reader = Reader::new(content_type).map_err(|_| {
            ApiError::new(
                ErrorKind::UnsupportedMedia,
                "this endpoint takes multipart/form-data with a boundary",
            )
        })?;
        let seen = Seen {
            operation,
            path: path.to_owned(),
            length,
            shortest_end: reader.shortest_end(),
            told: [const { None }; 4],
            tally: Tally::default(),
            has_prompt: false,
            has_input: false,
            has_file: false,
            open: Open::Other,
            passage: Passage::Held,
            early: None,
        };
        Ok(Self { reader, seen })
    }

    /// Takes the form's next bytes. The error is the client's 400; after it nothing more is to be fed.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        let seen = &mut self.seen;
        self.reader.feed(bytes, &mut |event| seen.note(event))
    }

    /// The facts, once, of a form whose rest may pass while it still comes: all of it is to be fed
    /// before it goes on, because what must not follow a file is an error then.
    pub fn early(&mut self) -> Option<Facts> {
        self.seen.early.take()
    }

    /// Whether the form passes while it still comes.
    pub const fn passes(&self) -> bool {
        matches!(self.seen.passage, Passage::Open { .. })
    }

    /// The form has ended. The facts, unless they were told [`early`](Self::early).
    pub fn finish(&mut self) -> Result<Option<Facts>, ApiError> {
        self.reader.finish()?;
        let seen = &mut self.seen;
        if !seen.has_input {
            let file = seen.input();
            let message = format!("missing required parameter: {file}");
            return Err(ApiError::invalid(message)
                .param(file)
                .code("missing_required_parameter"));
        }
        match seen.passage {
            Passage::Open { .. } => Ok(seen.early.take()),
            _ => seen.facts(0, 0).map(Some),
        }
    }
}

impl Seen {
    fn note(&mut self, event: Event<'_>) -> Result<(), ApiError> {
        match event {
            Event::Begin { head, start, .. } => {
                if matches!(self.passage, Passage::Open { .. }) {
                    is_harmless(&head)?;
                }
                self.begin(&head, start)
            }
            Event::Bytes(bytes) => self.bytes(bytes),
            Event::End(_) => self.end(),
        }
    }

    fn begin(&mut self, head: &PartHead, start: usize) -> Result<(), ApiError> {
        self.open = if head.is_file {
            self.file(&head.name, start)?
        } else if let Some(index) = TELLING.iter().position(|known| *known == head.name) {
            let value = Vec::new();
            Open::Telling { index, value }
        } else if head.name == "prompt" {
            Open::Prompt
        } else {
            Open::Other
        };
        Ok(())
    }

    fn file(&mut self, name: &str, start: usize) -> Result<Open, ApiError> {
        if multipart::plain(name) == "model" {
            let message = "model must be a field of the form, not a file";
            return Err(ApiError::invalid(message).param("model"));
        }
        let is_input = name.strip_suffix("[]").unwrap_or(name) == self.input();
        let is_first = !std::mem::replace(&mut self.has_file, true);
        self.has_input |= is_input;
        if self.is_of_images() {
            self.tally.medium(Medium::Image);
            return Ok(Open::Other);
        }
        let is_long = self.length.is_some_and(|length| length > SHORT);
        let [model, ..] = &self.told;
        if name == "file" && is_first && is_long && model.is_some() {
            self.passage = Passage::Near;
        }
        Ok(Open::Sound(Sound {
            head: Vec::new(),
            bytes: 0,
            start,
        }))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        match &mut self.open {
            Open::Other => {}
            Open::Telling { index, value } => {
                value.extend_from_slice(bytes);
                if value.len() > LONGEST_VALUE {
                    return Err(too_long(*index));
                }
            }
            Open::Prompt => match &mut self.passage {
                Passage::Open { prompt } => {
                    *prompt = prompt
                        .checked_sub(bytes.len() as u64)
                        .ok_or_else(|| misplaced("a prompt of more than 1 KiB", "prompt"))?;
                }
                _ => {
                    self.has_prompt = true;
                    self.tally.text(bytes.len());
                }
            },
            Open::Sound(sound) => {
                let room = sound::HEAD.saturating_sub(sound.head.len());
                let head = bytes.get(..room.min(bytes.len())).unwrap_or_default();
                sound.head.extend_from_slice(head);
                sound.bytes = sound.bytes.saturating_add(bytes.len() as u64);
                if self.passage == Passage::Near && sound.head.len() == sound::HEAD {
                    let rest = self.length.unwrap_or_default();
                    let rest = rest.saturating_sub((sound.start + self.shortest_end) as u64);
                    let ms = longest_ms(rest, &sound.head);
                    self.pass(ms)?;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), ApiError> {
        match std::mem::replace(&mut self.open, Open::Other) {
            Open::Other | Open::Prompt => {}
            Open::Telling { index, value } => {
                let text = std::str::from_utf8(&value).ok().map(str::trim);
                let text = text.filter(|text| !text.is_empty()).map(str::to_owned);
                if let Some(told) = self.told.get_mut(index) {
                    *told = text;
                }
            }
            Open::Sound(sound) => {
                let ms = longest_ms(sound.bytes, &sound.head);
                self.tally.medium(Medium::Sound(ms));
                if self.passage == Passage::Near {
                    self.pass(0)?;
                }
            }
        }
        Ok(())
    }

    /// Lets the form pass, with a file that lasts at most so long.
    fn pass(&mut self, sound_ms: u64) -> Result<(), ApiError> {
        let prompt = if self.has_prompt { 0 } else { LATE_PROMPT };
        self.early = Some(Facts {
            arriving: true,
            ..self.facts(sound_ms, prompt)?
        });
        self.passage = Passage::Open { prompt };
        Ok(())
    }

    /// The facts, with so much sound and so many bytes of a prompt besides what was counted.
    fn facts(&self, sound_ms: u64, prompt: u64) -> Result<Facts, ApiError> {
        let [model, user, n, stream] = &self.told;
        for (index, name) in [model, user].into_iter().enumerate() {
            if name.as_ref().is_some_and(|name| name.len() > MAX_NAME) {
                return Err(too_long(index));
            }
        }
        let mut tally = self.tally.clone();
        if sound_ms > 0 {
            tally.medium(Medium::Sound(sound_ms));
        }
        Ok(Facts {
            model: model.clone(),
            operation: self.operation,
            stream: stream
                .as_ref()
                .is_some_and(|text| text.eq_ignore_ascii_case("true")),
            prompt_tokens: tally.estimate(),
            prompt_bound: tally.bound().saturating_add(prompt),
            extent: tally.into_extent(),
            max_tokens: None,
            choices: n.as_deref().map_or(Ok(1), choices)?,
            user: user.clone(),
            demands: Vec::new(),
            path: self.path.clone(),
            arriving: false,
            overrides: Overrides::default(),
        })
    }

    const fn is_of_images(&self) -> bool {
        matches!(
            self.operation,
            Operation::ImagesEdits | Operation::ImagesVariations
        )
    }

    /// The file that must be there. Several images come as `image[]`.
    const fn input(&self) -> &'static str {
        if self.is_of_images() { "image" } else { "file" }
    }
}

/// The most that a file of up to `bytes` can last. What it says of itself counts where the provider
/// counts nothing.
fn longest_ms(bytes: u64, head: &[u8]) -> u64 {
    media::longest_ms(bytes, head).max(sound::longest(bytes, head))
}

/// Whether a part may follow a file that passes: it changes nothing that was said, and a provider may
/// see it as it is.
fn is_harmless(head: &PartHead) -> Result<(), ApiError> {
    let name = multipart::plain(&head.name);
    if TELLING.contains(&name) {
        return Err(misplaced(name, name));
    }
    may_follow(name, head.is_file)
}

fn too_long(index: usize) -> ApiError {
    let name = TELLING.get(index).copied().unwrap_or_default();
    ApiError::invalid(format!("{name} is longer than {MAX_NAME} bytes")).param(name)
}

fn choices(text: &str) -> Result<u32, ApiError> {
    text.parse()
        .ok()
        .filter(|n| (1..=128).contains(n))
        .ok_or_else(|| ApiError::invalid("n must be an integer from 1 to 128").param("n"))
}
