//! What a person should know about a configuration that loads.

use std::fmt;

/// One thing to know, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How it is to be taken.
    pub severity: Severity,
    /// Where in the file: `model_list[2].litellm_params.foo`.
    pub path: String,
    /// What it means for the running service. Never holds a secret.
    pub consequence: String,
}

/// How a [`Notice`] is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something that the file counts on is not there: an environment variable.
    Missing,
    /// Understood, and probably not what its author wants.
    Warning,
    /// Not honoured.
    Ignored,
}

impl Severity {
    /// For logs and reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Warning => "warning",
            Self::Ignored => "ignored",
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.consequence)
    }
}
