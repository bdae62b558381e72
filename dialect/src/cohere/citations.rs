//! Citations: those of documents with an address as annotations, all of them as they came
//! (<https://docs.cohere.com/docs/documents-and-citations>).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::hub::{Annotation, Page};

#[derive(Deserialize)]
struct Citation<'a> {
    #[serde(default)]
    start: u64,
    #[serde(default)]
    end: u64,
    #[serde(default)]
    sources: Vec<Source>,
    #[serde(borrow, default)]
    r#type: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(default)]
    document: Option<Document>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    title: Option<String>,
}

/// The pages that a citation is of; its characters are counted from `start` of the content on.
pub(super) fn annotations(raw: &RawValue, start: u64) -> Vec<Annotation> {
    let Ok(citation) = serde_json::from_str::<Citation<'_>>(raw.get()) else {
        return Vec::new();
    };
    if citation.r#type.is_some_and(|kind| kind != "TEXT_CONTENT") {
        return Vec::new();
    }
    let documents = citation.sources.into_iter().filter_map(|s| s.document);
    let pages = documents.filter_map(|document| {
        Some(Page {
            url: document.url?,
            title: document.title.unwrap_or_default(),
        })
    });
    let at = |place: u64| start.saturating_add(place);
    pages
        .map(|page| page.at(at(citation.start), at(citation.end)))
        .collect()
}
