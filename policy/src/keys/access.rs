//! Which models a key, a team or a user may use.

use std::collections::BTreeSet;

use crate::plan::Pattern;

/// Which models may be used, read from LiteLLM's `models` list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelAccess {
    /// Every model.
    All,
    /// These only.
    Only {
        /// By name.
        exact: BTreeSet<String>,
        /// By wildcard, such as `openai/*`.
        patterns: Vec<Pattern>,
    },
    /// What both allow: a key's models and its team's.
    Both(Box<(ModelAccess, ModelAccess)>),
}

impl ModelAccess {
    /// Reads a `models` list. An empty list, `all-proxy-models` and `*` mean every model;
    /// `no-default-models` adds none, so alone it means none. `all-team-models` means `team`'s.
    pub fn from_list<S: AsRef<str>>(models: &[S], team: &Self) -> Self {
        if models.is_empty() {
            return Self::All;
        }
        let mut exact = BTreeSet::new();
        let mut patterns = Vec::new();
        for model in models.iter().map(AsRef::as_ref) {
            match model {
                "all-proxy-models" | "*" => return Self::All,
                "no-default-models" => {}
                "all-team-models" => match team {
                    Self::All => return Self::All,
                    // the list of a team is read without another's, so it is none of these
                    Self::Both(_) => {}
                    Self::Only {
                        exact: names,
                        patterns: wildcards,
                    } => {
                        exact.extend(names.iter().cloned());
                        patterns.extend(wildcards.iter().cloned());
                    }
                },
                model => match Pattern::parse(model) {
                    Some(pattern) => patterns.push(pattern),
                    None => {
                        exact.insert(model.to_owned());
                    }
                },
            }
        }
        Self::Only { exact, patterns }
    }

    /// What this and `other` allow.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All, access) | (access, Self::All) => access,
            (one, other) if one == other => one,
            both => Self::Both(Box::new(both)),
        }
    }

    /// Whether `model`, as the client writes it, may be used.
    pub fn allows(&self, model: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only { exact, patterns } => {
                exact.contains(model) || patterns.iter().any(|p| p.matches(model))
            }
            Self::Both(both) => both.0.allows(model) && both.1.allows(model),
        }
    }
}
