//! Citations: those of pages as annotations
//! (<https://platform.claude.com/docs/en/build-with-claude/citations>); all of them as they came.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::hub::Page;

#[derive(Deserialize)]
struct Location<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    title: Option<String>,
}

/// The page that a citation is of; `None` for a place in a document.
pub(super) fn page(raw: &RawValue) -> Option<Page> {
    let location: Location<'_> = serde_json::from_str(raw.get()).ok()?;
    let url = location
        .url
        .filter(|_| location.r#type == "web_search_result_location")?;
    Some(Page {
        url,
        title: location.title.unwrap_or_default(),
    })
}
