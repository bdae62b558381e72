//! Secrets that cannot be printed by accident.

use std::fmt;

/// A key, token or webhook address. `Debug` and `Display` never show it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself, for the one place that has to send or compare it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether this is what a document tells people to replace: `<YOUR_KEY>`, `your-api-key`.
    pub fn looks_like_placeholder(&self) -> bool {
        let text = self.0.to_ascii_lowercase();
        (text.starts_with('<') && text.ends_with('>'))
            || (text.starts_with("${") && text.ends_with('}'))
            || text.contains("your-api-key")
            || text.contains("your_api_key")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new("sk-abc");
        assert_eq!(format!("{secret} {secret:?}"), "(hidden) Secret(hidden)");
        assert_eq!(secret.expose(), "sk-abc");
    }

    #[test]
    fn what_documents_write_in_place_of_a_key_is_recognised() {
        assert!(Secret::new("<YOUR_PROVIDER_KEY>").looks_like_placeholder());
        assert!(Secret::new("sk-your-api-key-here").looks_like_placeholder());
        assert!(!Secret::new("EMPTY").looks_like_placeholder());
    }
}
