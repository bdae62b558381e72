//! Whole files: those of the field load, those that are wrong say what is wrong.

mod aws;
mod notices;
mod seeds;
mod settings;
mod vertex;
mod wrong;

use crate::{Config, ConfigError, load};

/// No variable is set.
fn nothing(_: &str) -> Option<String> {
    None
}

/// Reads `text` with these variables set.
fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    load(text, &|name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

/// One deployment of OpenAI's, with `params` (one per line) and the rest of the file below it.
fn one(params: &str, rest: &str) -> String {
    let params: String = params
        .lines()
        .map(|line| format!("      {line}\n"))
        .collect();
    format!(
        "model_list:\n  - model_name: m\n    litellm_params:\n      model: openai/gpt-4o\n{params}{rest}"
    )
}
