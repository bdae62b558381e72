//! Names of tools that are too long for others: Anthropic takes 128 characters
//! (<https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use>); OpenAI, Google and
//! AWS take 64. A longer one is cut and told apart by a number made from all of it, and the client gets its
//! own name back.

use std::borrow::Cow;

/// The longest name that everybody takes.
const MAX: usize = 64;
/// What is kept of a longer one, in front of `_` and eight digits.
const KEPT: usize = MAX - 9;

/// Those of a request's tools whose names were cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LongNames(Vec<(String, String)>);

impl LongNames {
    /// Notes the name of a tool that the model may call.
    pub(super) fn note(&mut self, name: &str) {
        if let Cow::Owned(cut) = short(Cow::Borrowed(name)) {
            self.0.push((cut, name.to_owned()));
        }
    }

    /// The client's name for a tool that the provider calls `name`.
    pub(super) fn whole<'a>(&'a self, name: &'a str) -> &'a str {
        let found = self.0.iter().find(|(cut, _)| cut == name);
        found.map_or(name, |(_, whole)| whole)
    }
}

/// The name by which others know a tool.
pub(super) fn short(name: Cow<'_, str>) -> Cow<'_, str> {
    if name.len() <= MAX {
        return name;
    }
    let kept = name
        .get(..name.floor_char_boundary(KEPT))
        .unwrap_or_default();
    Cow::Owned(format!("{kept}_{:08x}", hash(&name)))
}

/// FNV-1a (<http://www.isthe.com/chongo/tech/comp/fnv/>): the same wherever and whenever it is made.
fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_everybody_takes_stays() {
        let name = "x".repeat(MAX);
        assert_eq!(short(Cow::Borrowed(&name)), name);
    }

    #[test]
    fn a_longer_name_is_cut_and_found_again() {
        let (one, other) = ("x".repeat(100) + "one", "x".repeat(100) + "other");
        let mut names = LongNames::default();
        names.note("plain");
        names.note(&one);
        names.note(&other);
        let cut = short(Cow::Borrowed(&one));
        assert_eq!(cut.len(), MAX);
        assert_ne!(cut, short(Cow::Borrowed(&other)));
        assert_eq!(names.whole(&cut), one);
        assert_eq!(names.whole("plain"), "plain");
    }
}
