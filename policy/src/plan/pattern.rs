//! Names with a `*`: `openai/*`, `*`, `bedrock/*.claude-*`.

/// A name in which each `*` stands for any text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    parts: Vec<String>,
}

impl Pattern {
    /// Reads a pattern; `None` when the text has no `*`.
    pub fn parse(text: &str) -> Option<Self> {
        text.contains('*').then(|| Self {
            parts: text.split('*').map(str::to_owned).collect(),
        })
    }

    /// How many characters are given: the more, the more specific.
    pub fn specificity(&self) -> usize {
        self.parts.iter().map(String::len).sum()
    }

    /// Whether `name` matches.
    pub fn matches(&self, name: &str) -> bool {
        self.capture(name).is_some()
    }

    /// What the first `*` stands for, when `name` matches.
    pub fn capture<'a>(&self, name: &'a str) -> Option<&'a str> {
        let (first, rest) = self.parts.split_first()?;
        let (last, middle) = rest.split_last()?;
        let body = name
            .strip_prefix(first.as_str())?
            .strip_suffix(last.as_str())?;
        let mut from = 0;
        let mut captured_to = None;
        for part in middle {
            let at = from + body.get(from..)?.find(part.as_str())?;
            captured_to.get_or_insert(at);
            from = at + part.len();
        }
        body.get(..captured_to.unwrap_or(body.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture<'a>(pattern: &str, name: &'a str) -> Option<&'a str> {
        Pattern::parse(pattern).unwrap().capture(name)
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert_eq!(capture("openai/*", "openai/gpt-4o"), Some("gpt-4o"));
        assert_eq!(capture("*", "x"), Some("x"));
        assert_eq!(capture("a*b*c", "a1b2c"), Some("1"));
        assert_eq!(capture("openai/*", "groq/x"), None);
        assert_eq!(capture("ab*ba", "aba"), None);
        assert_eq!(capture("a*b*c", "abb"), None);
    }

    #[test]
    fn a_name_without_a_star_is_no_pattern() {
        assert_eq!(Pattern::parse("gpt-4o"), None);
    }
}
