//! Which provider a model name means.

use crate::{ModelError, Provider};

/// The provider, and the model under the name that the provider has for it.
pub(super) fn resolve(
    model: &str,
    custom_provider: Option<&str>,
) -> Result<(&'static Provider, String), ModelError> {
    let (provider, name) = match custom_provider {
        Some(custom) => {
            let provider = Provider::named(custom)
                .ok_or_else(|| ModelError::UnknownProvider(custom.to_owned()))?;
            let prefix = format!("{custom}/");
            (provider, model.strip_prefix(&prefix).unwrap_or(model))
        }
        None => of_name(model)?,
    };
    if name.is_empty() {
        return Err(ModelError::NoName(provider.prefix.to_owned()));
    }
    Ok((provider, name.to_owned()))
}

fn of_name(model: &str) -> Result<(&'static Provider, &str), ModelError> {
    let bare = || Provider::of_bare_model(model).map(|provider| (provider, model));
    match model.split_once('/') {
        None => bare().ok_or_else(|| ModelError::NoPrefix(model.to_owned())),
        Some((prefix, rest)) => match Provider::named(prefix) {
            Some(provider) => Ok((provider, rest)),
            None => bare().ok_or_else(|| ModelError::UnknownPrefix(prefix.to_owned())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(model: &str, custom: Option<&str>) -> (&'static str, String) {
        let (provider, name) = resolve(model, custom).unwrap();
        (provider.prefix, name)
    }

    #[test]
    fn the_provider_is_what_stands_before_the_first_slash() {
        assert_eq!(
            resolved("openai/openai/gpt-oss-20b", None),
            ("openai", "openai/gpt-oss-20b".into())
        );
        assert_eq!(
            resolved("openai/gpt-oss:20b", None),
            ("openai", "gpt-oss:20b".into())
        );
        assert_eq!(
            resolved("openrouter/google/gemini", None),
            ("openrouter", "google/gemini".into())
        );
        assert_eq!(resolved("openai/*", None), ("openai", "*".into()));
    }

    #[test]
    fn a_name_without_prefix_may_tell_its_provider() {
        assert_eq!(resolved("gpt-4o", None), ("openai", "gpt-4o".into()));
        assert_eq!(
            resolved("claude-3-haiku", None),
            ("anthropic", "claude-3-haiku".into())
        );
        assert_eq!(
            resolve("llama3", None),
            Err(ModelError::NoPrefix("llama3".into()))
        );
    }

    #[test]
    fn custom_llm_provider_decides() {
        assert_eq!(
            resolved("my-model", Some("openai")),
            ("openai", "my-model".into())
        );
        assert_eq!(
            resolved("openai/my-model", Some("openai")),
            ("openai", "my-model".into())
        );
        assert_eq!(
            resolve("x", Some("nobody")),
            Err(ModelError::UnknownProvider("nobody".into()))
        );
    }

    #[test]
    fn an_unknown_prefix_is_refused() {
        assert_eq!(
            resolve("opnai/gpt-4o", None),
            Err(ModelError::UnknownPrefix("opnai".into()))
        );
        assert_eq!(
            resolve("openai/", None),
            Err(ModelError::NoName("openai".into()))
        );
    }
}
