//! Where an answer has from what it says: `annotations`, as far as OpenAI's have a word for it, and the
//! provider's own citations as they came, in the place where LiteLLM's clients look for them:
//! `provider_specific_fields`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::json;

/// The most citations that are kept while the text that they belong to is not whole.
pub(crate) const MAX_KEPT: usize = 256;

/// An entry of `annotations`: <https://platform.openai.com/docs/api-reference/chat/object>.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Annotation {
    /// A page of the web.
    UrlCitation { url_citation: UrlCitation },
}

/// A page, and which characters of the message's content are from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UrlCitation {
    #[serde(default)]
    pub(crate) start_index: u64,
    #[serde(default)]
    pub(crate) end_index: u64,
    #[serde(default)]
    pub(crate) title: String,
    pub(crate) url: String,
}

/// A page that is cited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) url: String,
    pub(crate) title: String,
}

impl Page {
    /// The page for these characters of the content.
    pub(crate) fn at(self, start_index: u64, end_index: u64) -> Annotation {
        Annotation::UrlCitation {
            url_citation: UrlCitation {
                start_index,
                end_index,
                title: self.title,
                url: self.url,
            },
        }
    }
}

/// `provider_specific_fields` of a message or a delta.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ProviderFields<'a> {
    /// Of a message: Anthropic's by block of text, Cohere's one by one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) citations: Vec<&'a RawValue>,
    /// The one of a delta, when it is Anthropic's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) citation: Option<&'a RawValue>,
    /// Google's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) grounding_metadata: Option<&'a RawValue>,
}

impl<'a> ProviderFields<'a> {
    /// With these citations; `None` when there are none.
    pub(crate) fn cited(citations: Vec<&'a RawValue>) -> Option<Self> {
        (!citations.is_empty()).then(|| Self {
            citations,
            ..Self::default()
        })
    }

    /// With one citation of a stream.
    pub(crate) fn one(citation: &'a RawValue) -> Self {
        Self {
            citation: Some(citation),
            ..Self::default()
        }
    }

    /// With Google's metadata; `None` when there is none.
    pub(crate) fn grounded(metadata: Option<&'a RawValue>) -> Option<Self> {
        metadata.map(|raw| Self {
            grounding_metadata: Some(raw),
            ..Self::default()
        })
    }
}

/// How many characters a JSON string has.
pub(crate) fn characters(raw: &RawValue) -> u64 {
    json::string(raw).map_or(0, |text| text.chars().count() as u64)
}

/// The values of a list; nothing when it is none.
pub(crate) fn list(raw: Option<&RawValue>) -> Vec<&RawValue> {
    raw.and_then(|raw| serde_json::from_str(raw.get()).ok())
        .unwrap_or_default()
}

/// The citations in a delta's or a message's `annotations`; those that are not readable are not ours.
pub(crate) fn annotations(raw: Option<&RawValue>) -> Vec<UrlCitation> {
    let entries = list(raw).into_iter();
    entries
        .filter_map(|raw| serde_json::from_str(raw.get()).ok())
        .map(|Annotation::UrlCitation { url_citation }| url_citation)
        .collect()
}
