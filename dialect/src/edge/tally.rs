//! How many tokens a request is: an estimate for routing, and a bound that a budget can rely on.

use std::{borrow::Cow, fmt};

use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};

use dragoman_proto::Extent;

use super::{
    media::{self, Medium},
    seen::Seen,
    tools::ToolSeen,
};
use crate::meter;

/// What an image usually is.
const IMAGE_ESTIMATE: u64 = 1000;
/// Special tokens around a message, a name, a call.
const MESSAGE_BOUND: u64 = 16;
const MESSAGE_ESTIMATE: u64 = 4;
/// What a provider writes around tools: Anthropic's prompt for them is below 600 tokens.
const TOOLS_BOUND: u64 = 1024;
/// Special tokens around everything.
const REQUEST_BOUND: u64 = 64;
/// Quotes, colon, comma around a member; the digits of a number.
const MEMBER_BOUND: u64 = 6;
const NUMBER_BOUND: u64 = 24;
/// PDF pages become text and image: at most two tokens for each byte of base64, as pages of text
/// compress to no less than about 2 KB and are below 5,000 tokens.
const DOCUMENT_BOUND_PER_BYTE: u64 = 2;

/// What a second of sound usually is.
const SOUND_ESTIMATE: u64 = 25;

/// The longest name: facts travel in headers.
pub(super) const MAX_NAME: usize = 512;
/// The most names in a list, for the same reason.
pub(super) const MAX_TEXTS: usize = 16;

/// Counts while a body is read.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    /// Bytes of text: with byte-level encodings no token is less than a byte.
    text: u64,
    structure: u64,
    numbers: u64,
    documents: u64,
    messages: u64,
    has_tools: bool,
    /// What is no text.
    extent: Extent,
    /// What not every provider takes.
    seen: Seen,
}

impl Tally {
    pub(super) fn estimate(&self) -> u64 {
        meter::estimate(self.text + self.structure / 4)
            .saturating_add(self.numbers)
            .saturating_add(self.extent.images.saturating_mul(IMAGE_ESTIMATE))
            .saturating_add((self.extent.audio_ms / 1000).saturating_mul(SOUND_ESTIMATE))
            .saturating_add(self.documents / 16)
            .saturating_add(self.messages.saturating_mul(MESSAGE_ESTIMATE))
            .max(1)
    }

    pub(super) fn bound(&self) -> u64 {
        self.text
            .saturating_add(self.structure)
            .saturating_add(self.numbers.saturating_mul(NUMBER_BOUND))
            .saturating_add(self.documents.saturating_mul(DOCUMENT_BOUND_PER_BYTE))
            .saturating_add(self.messages.saturating_mul(MESSAGE_BOUND))
            .saturating_add(if self.has_tools { TOOLS_BOUND } else { 0 })
            .saturating_add(REQUEST_BOUND)
    }

    pub(super) fn text(&mut self, bytes: usize) {
        self.text = self.text.saturating_add(bytes as u64);
    }

    /// Counts what is no text.
    pub(super) fn medium(&mut self, medium: Medium) {
        let extent = &mut self.extent;
        match medium {
            Medium::Image => extent.images = extent.images.saturating_add(1),
            Medium::Sound(ms) => extent.audio_ms = extent.audio_ms.saturating_add(ms),
            Medium::Document(bytes) => {
                self.documents = self.documents.saturating_add(bytes as u64);
            }
            Medium::Elsewhere => extent.unseen = true,
        }
    }

    /// Something lets the provider charge what cannot be told beforehand; the first is named.
    pub(super) fn unbounded(&mut self, member: String) {
        self.extent.unbounded.get_or_insert(member);
    }

    /// Output that no cap covers: what is predicted is charged as output where it is wrong.
    pub(super) fn predicted(&mut self, others: &Self) {
        self.extent.output_tokens = self.extent.output_tokens.saturating_add(others.text);
        self.text(usize::try_from(others.text).unwrap_or(usize::MAX));
    }

    /// What was counted and is no text.
    pub(super) fn into_extent(self) -> Extent {
        self.extent
    }

    /// What not every provider takes.
    pub(super) const fn seen(&mut self) -> &mut Seen {
        &mut self.seen
    }

    pub(super) fn messages(&mut self, number: usize) {
        self.messages = self.messages.saturating_add(number as u64);
    }

    pub(super) fn tools(&mut self) {
        self.has_tools = true;
    }
}

/// What a value was.
#[derive(Debug, PartialEq)]
pub(super) enum Shape<'de> {
    Null,
    Bool(bool),
    /// A whole number, as near as it comes.
    Whole(i64),
    Number(f64),
    Text(Cow<'de, str>),
    /// A string that is too long to be a name.
    LongText,
    List {
        length: usize,
        /// Whether all elements are strings.
        of_strings: bool,
        /// Whether all elements are objects.
        of_objects: bool,
        /// Whether all elements are lists.
        of_lists: bool,
        /// The first element that is not an object with a `role`.
        roleless: Option<usize>,
    },
    Object {
        /// Whether it has a `role` that is a string.
        has_role: bool,
        /// Whether it says where on the web a file is.
        has_url: bool,
        /// Whether it has no members.
        is_empty: bool,
    },
}

impl Shape<'_> {
    /// Whether it is a text, a list or an object with nothing in it.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) => text.is_empty(),
            Self::List { length, .. } => *length == 0,
            Self::Object { is_empty, .. } => *is_empty,
            _ => false,
        }
    }
}

/// Where a value stands, which decides what a string in it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    Image,
    Audio,
    Document,
    /// A file of which only the address is here.
    Remote,
    /// What says where a file is, with Messages.
    Source,
    /// A tool.
    Tool,
}

/// Reads any value, counts it, and says what it was. It recurses no deeper than serde_json allows.
pub(super) struct Measure<'t> {
    tally: &'t mut Tally,
    place: Place,
    texts: Option<&'t mut Vec<String>>,
}

impl<'t> Measure<'t> {
    pub(super) fn new(tally: &'t mut Tally) -> Self {
        Self {
            tally,
            place: Place::Text,
            texts: None,
        }
    }

    /// For a list of tools.
    pub(super) fn tools(tally: &'t mut Tally) -> Self {
        Self {
            place: Place::Tool,
            ..Self::new(tally)
        }
    }

    /// Also keeps the strings of a list, or of an object's `tags`.
    pub(super) fn collecting(tally: &'t mut Tally, texts: &'t mut Vec<String>) -> Self {
        Self {
            texts: Some(texts),
            ..Self::new(tally)
        }
    }

    fn string(&mut self, text: &str) {
        let medium = match self.place {
            Place::Text | Place::Source | Place::Tool => return self.tally.text(text.len()),
            Place::Remote => Medium::Elsewhere,
            Place::Image => {
                self.tally.seen.picture(text);
                media::at_image_url(text)
            }
            Place::Audio => media::sound(text),
            Place::Document => media::of_file(text),
        };
        self.tally.medium(medium);
    }
}

impl Place {
    /// The place of the member `name`: media are no text.
    fn within(self, name: &str) -> Self {
        match (self, name) {
            (_, "image_url") | (Self::Image | Self::Source, "url") => Self::Image,
            (_, "source") => Self::Source,
            (_, "file_url" | "file_id") => Self::Remote,
            (_, "input_audio") | (Self::Audio, "data") => Self::Audio,
            (_, "file_data" | "data" | "b64_json" | "video_url" | "file_uri" | "fileUri")
            | (Self::Document, "url") => Self::Document,
            _ => Self::Text,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Measure<'_> {
    type Value = Shape<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Measure<'_> {
    type Value = Shape<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Shape<'de>, E> {
        Ok(Shape::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Shape<'de>, E> {
        self.tally.numbers += 1;
        Ok(Shape::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Shape<'de>, E> {
        self.tally.numbers += 1;
        Ok(Shape::Whole(i64::try_from(value).unwrap_or(i64::MAX)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Shape<'de>, E> {
        self.tally.numbers += 1;
        Ok(Shape::Whole(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Shape<'de>, E> {
        self.tally.numbers += 1;
        Ok(Shape::Number(value))
    }

    fn visit_borrowed_str<E>(mut self, text: &'de str) -> Result<Shape<'de>, E> {
        self.string(text);
        Ok(if text.len() <= MAX_NAME {
            Shape::Text(Cow::Borrowed(text))
        } else {
            Shape::LongText
        })
    }

    fn visit_str<E>(mut self, text: &str) -> Result<Shape<'de>, E> {
        // What had escapes is copied as long as it may be a name; texts are only counted.
        self.string(text);
        Ok(if text.len() <= MAX_NAME {
            Shape::Text(Cow::Owned(text.to_owned()))
        } else {
            Shape::LongText
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Shape<'de>, A::Error> {
        let Self {
            tally,
            place,
            mut texts,
        } = self;
        let (mut length, mut roleless) = (0, None);
        let (mut of_strings, mut of_objects, mut of_lists) = (true, true, true);
        while let Some(shape) = seq.next_element_seed(Measure {
            tally: &mut *tally,
            place,
            texts: None,
        })? {
            of_strings &= matches!(shape, Shape::Text(_) | Shape::LongText);
            of_objects &= matches!(shape, Shape::Object { .. });
            of_lists &= matches!(shape, Shape::List { .. });
            if !matches!(shape, Shape::Object { has_role: true, .. }) {
                roleless = roleless.or(Some(length));
            }
            if let (Some(texts), Shape::Text(text)) = (&mut texts, shape)
                && texts.len() < MAX_TEXTS
            {
                texts.push(text.into_owned());
            }
            length += 1;
            tally.structure += 1;
        }
        Ok(Shape::List {
            length,
            of_strings,
            of_objects,
            of_lists,
            roleless,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Shape<'de>, A::Error> {
        let (mut has_role, mut has_url, mut is_empty) = (false, false, true);
        let (mut is_document, mut is_remote) = (false, false);
        let mut tool = ToolSeen::default();
        let Self {
            tally,
            place,
            mut texts,
        } = self;
        while let Some(crate::json::Name(name)) = map.next_key()? {
            tally.structure += name.len() as u64 + MEMBER_BOUND;
            is_empty = false;
            tally.seen.member(&name);
            let shape = map.next_value_seed(Measure {
                tally: &mut *tally,
                place: place.within(&name),
                texts: texts.as_deref_mut().filter(|_| name == "tags"),
            })?;
            let is_text = matches!(shape, Shape::Text(_) | Shape::LongText);
            if place == Place::Tool {
                tool.member(&name, &shape);
            }
            match &*name {
                "role" => has_role = is_text,
                "url" => has_url = is_text && place == Place::Source,
                "type" => is_document = matches!(&shape, Shape::Text(kind) if kind == "document"),
                "source" => is_remote = matches!(shape, Shape::Object { has_url: true, .. }),
                _ => {}
            }
        }
        if is_document && is_remote {
            tally.medium(Medium::Elsewhere);
        }
        if place == Place::Tool {
            tally.seen.tool(&tool);
            if let Some(name) = tool.of_the_provider() {
                tally.unbounded(format!("tools.{name}"));
            }
        }
        Ok(Shape::Object {
            has_role,
            has_url,
            is_empty,
        })
    }
}
