//! What a configuration refers to outside of its file: variables, and files of credentials.

use std::path::Path;

/// Where variables and files are looked up. A function that looks a variable up is one without files.
pub trait Environment {
    /// The variable's value.
    fn variable(&self, name: &str) -> Option<String>;

    /// The text of a file; `None` when it is not there or cannot be read.
    fn file(&self, _path: &Path) -> Option<String> {
        None
    }
}

impl<F: Fn(&str) -> Option<String>> Environment for F {
    fn variable(&self, name: &str) -> Option<String> {
        self(name)
    }
}
