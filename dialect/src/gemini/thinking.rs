//! `reasoning_effort` as Gemini's thinking (<https://ai.google.dev/gemini-api/docs/thinking>).
//!
//! Models of 2.5 take a budget of tokens, later ones a level. An effort is a hint: where a model
//! cannot do without thinking, `none` is the least that it can. Thoughts count towards
//! `maxOutputTokens`, as reasoning does towards OpenAI's `max_completion_tokens`.

use super::schema::ThinkingConfig;

/// A model's version: `gemini-2.5-flash` is 2.5; `None` where the name does not tell, as in
/// `gemini-flash-latest`.
pub(super) fn version(model: &str) -> Option<(u64, u64)> {
    let name = model.get(model.find("gemini-")? + "gemini-".len()..)?;
    let number = name.split('-').next()?;
    let mut parts = number.split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next().map_or(Some(0), |minor| minor.parse().ok())?;
    Some((major, minor))
}

/// Whether a model's calls must be signed when they come back.
pub(super) fn signs_calls(model: &str) -> bool {
    version(model).is_none_or(|version| version >= (3, 0))
}

/// What an effort becomes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// The model is told.
    Config(ThinkingConfig),
    /// There is nothing to tell.
    Nothing,
    /// The model cannot think.
    Unsupported,
}

/// An effort for `model`; `None` for one that is not known.
pub(super) fn effort(effort: &str, model: &str) -> Option<Effort> {
    let known = ["none", "minimal", "low", "medium", "high", "xhigh", "max"];
    if !known.contains(&effort) {
        return None;
    }
    let thinks = effort != "none";
    Some(match version(model) {
        Some(version) if version < (2, 5) && thinks => Effort::Unsupported,
        Some(version) if version < (2, 5) => Effort::Nothing,
        Some(version) if version >= (3, 0) => Effort::Config(ThinkingConfig {
            thinking_budget: None,
            thinking_level: Some(level(effort, model)),
            include_thoughts: thinks,
        }),
        // A newer model takes a budget too, where its name does not tell what it is.
        _ => Effort::Config(budget(budget_of(effort, model))),
    })
}

/// A client's own budget for `model`; newer models take one too.
pub(super) fn tokens(tokens: u64, model: &str) -> Effort {
    match version(model) {
        Some(version) if version < (2, 5) => Effort::Unsupported,
        _ => Effort::Config(budget(tokens)),
    }
}

/// A budget of tokens; 0 is not to think.
const fn budget(tokens: u64) -> ThinkingConfig {
    ThinkingConfig {
        thinking_budget: Some(tokens),
        thinking_level: None,
        include_thoughts: tokens > 0,
    }
}

fn budget_of(effort: &str, model: &str) -> u64 {
    /// The least that 2.5 Pro thinks.
    const PRO_MINIMUM: u64 = 128;
    match effort {
        "none" if model.contains("-pro") => PRO_MINIMUM,
        "none" => 0,
        "medium" => 2048,
        "high" => 4096,
        "xhigh" | "max" => 8192,
        _ => 1024,
    }
}

/// Only Flash has `minimal`; the first 3 Pro has no `medium`.
fn level(effort: &str, model: &str) -> &'static str {
    let flash = model.contains("flash");
    match effort {
        "none" | "minimal" if flash => "minimal",
        "none" | "minimal" | "low" => "low",
        "medium" if !model.contains("gemini-3-pro") => "medium",
        _ => "high",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_names() {
        for (model, expected) in [
            ("gemini-2.0-flash", Some((2, 0))),
            ("gemini-2.5-pro-preview-05-06", Some((2, 5))),
            ("gemini-3-pro-preview", Some((3, 0))),
            ("models/gemini-3.1-pro", Some((3, 1))),
            ("gemini-flash-latest", None),
            ("gemma-3-27b-it", None),
        ] {
            assert_eq!(version(model), expected, "{model}");
        }
    }

    #[test]
    fn each_family_has_its_own_word_for_an_effort() {
        let level = |level| {
            Some(Effort::Config(ThinkingConfig {
                thinking_budget: None,
                thinking_level: Some(level),
                include_thoughts: true,
            }))
        };
        let tokens = |tokens| Some(Effort::Config(budget(tokens)));
        for (word, model, expected) in [
            ("low", "gemini-2.5-flash", tokens(1024)),
            ("high", "gemini-2.5-flash", tokens(4096)),
            ("none", "gemini-2.5-flash", tokens(0)),
            ("low", "gemini-flash-latest", tokens(1024)),
            ("minimal", "gemini-3-flash-preview", level("minimal")),
            ("medium", "gemini-3-pro-preview", level("high")),
            ("medium", "gemini-3.1-pro-preview", level("medium")),
            ("low", "gemini-2.0-flash", Some(Effort::Unsupported)),
            ("none", "gemini-2.0-flash", Some(Effort::Nothing)),
            ("huge", "gemini-2.5-flash", None),
        ] {
            assert_eq!(effort(word, model), expected, "{word} {model}");
        }
    }
}
