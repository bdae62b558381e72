//! What an answer repeats of its request.

use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use crate::json::Object;

/// What is larger is not repeated: an answer has it several times, and a stream keeps it.
const MAX_MEMBER: usize = 32 * 1024;

/// What an answer has where its request says nothing.
const MEMBERS: [(&str, &str); 12] = [
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("temperature", "1"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_p", "1"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

/// The members of a request that its answer repeats, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Echo(Vec<(&'static str, String)>);

impl Echo {
    /// Takes them from a request.
    pub(super) fn new(request: &Object<'_>) -> Self {
        let member = |name: &'static str| {
            let raw = request.some(name)?.get();
            (raw.len() <= MAX_MEMBER).then(|| (name, raw.to_owned()))
        };
        Self(
            MEMBERS
                .iter()
                .filter_map(|(name, _)| member(name))
                .collect(),
        )
    }
}

impl Serialize for Echo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(MEMBERS.len()))?;
        for (name, default) in MEMBERS {
            let given = self.0.iter().find(|(known, _)| *known == name);
            let text = given.map_or(default, |(_, text)| text);
            let raw: Option<&RawValue> = serde_json::from_str(text).ok();
            map.serialize_entry(name, &raw)?;
        }
        map.end()
    }
}
