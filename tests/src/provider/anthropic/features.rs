//! What a model can and what a beta lets it: the rest is refused, in the words that clients look for.

use serde_json::Value;

use super::super::check::{Checked, Invalid, Object};

/// Members, and the beta without which nobody knows them.
const PAIRS: [(&str, &str); 2] = [
    ("context_management", "context-management-2025-06-27"),
    ("diagnostics", "cache-diagnosis-2026-04-07"),
];
/// Betas that let tools be deferred.
const DEFERRING: [&str; 2] = [
    "advanced-tool-use-2025-11-20",
    "mid-conversation-tool-changes-2026-07-01",
];

/// What a request may ask for.
pub(super) struct Features<'a> {
    model: &'a str,
    betas: &'a str,
}

impl<'a> Features<'a> {
    /// Of this model, with the betas of a header.
    pub(super) fn new(model: &'a str, betas: &'a str) -> Self {
        Self { model, betas }
    }

    /// Nothing comes without its beta.
    pub(super) fn pairs(&self, body: &Object<'_>, json: &Value) -> Checked<()> {
        let lonely = |(name, beta): &&(&str, &str)| {
            json.get(*name).is_some() && !self.betas.split(',').any(|named| named == *beta)
        };
        match PAIRS.iter().find(lonely) {
            Some((name, _)) => Err(Invalid::unknown(body.at(name))),
            None => Ok(()),
        }
    }

    /// Whether tools may be deferred.
    pub(super) fn defers(&self) -> bool {
        self.betas.split(',').any(|beta| DEFERRING.contains(&beta))
    }

    /// Whether the model thinks as much as it finds right. Models without a version are the newest.
    pub(super) fn measures_itself(&self) -> bool {
        self.version().is_none_or(|version| version >= (4, 6))
    }

    /// A system message at `path`, after a turn of `last_role`: whether the model takes it, and there.
    pub(super) fn late_system(
        &self,
        path: &str,
        last_role: &str,
        next: Option<&Value>,
    ) -> Checked<()> {
        let is = |family: &str| self.model.contains(family);
        let heeds = match self.version() {
            None => true,
            Some(version) => is("fable") || is("mythos") || is("opus") && version >= (4, 8),
        };
        let next = next.map(|next| next["role"] == "user");
        match (heeds, last_role, next) {
            (false, ..) => Err(Invalid::value(
                "",
                "role 'system' is not supported on this model",
            )),
            (_, "user", None | Some(false)) => Ok(()),
            (_, "user", _) => Err(Invalid::value(
                path,
                "role 'system' must precede an 'assistant' message or end the conversation",
            )),
            _ => Err(Invalid::value(
                path,
                "role 'system' must follow a 'user' message",
            )),
        }
    }

    /// `claude-opus-4-8-20260528` is 4.8.
    fn version(&self) -> Option<(u64, u64)> {
        let numbers = self.model.split(['-', '@', '!']);
        let mut numbers = numbers.map(|part| part.parse::<u64>().ok().filter(|n| *n < 100));
        let major = numbers.by_ref().flatten().next()?;
        Some((major, numbers.next().flatten().unwrap_or_default()))
    }
}
