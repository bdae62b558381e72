//! The prices in force: those that are built in, and before them a file of the operator's.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use dragoman_config::Config;
use dragoman_policy::PriceTable;

/// The prices that `config`, which stands at `at`, asks for.
pub(crate) fn load(
    at: &Path,
    config: &Config,
    bundled: &Arc<PriceTable>,
) -> anyhow::Result<Arc<PriceTable>> {
    let Some(path) = path(at, config) else {
        return Ok(Arc::clone(bundled));
    };
    let shown = path.display();
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("the price table {shown} cannot be read"))?;
    let table = PriceTable::parse(&text).with_context(|| path.display().to_string())?;
    tracing::info!(path = %shown, version = table.version(), models = table.len(), "prices");
    Ok(Arc::new(table.over(Arc::clone(bundled))))
}

/// What stands in the file now; `None` where it cannot be read, or none is asked for.
pub(crate) fn text(at: &Path, config: &Config) -> Option<String> {
    std::fs::read_to_string(path(at, config)?).ok()
}

/// Where the file is: a relative path begins at the configuration file's folder.
fn path(at: &Path, config: &Config) -> Option<PathBuf> {
    let given = config.own.prices.as_ref()?;
    let folder = at.parent().unwrap_or(Path::new(""));
    Some(folder.join(given))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "
model_list:
  - {model_name: m, litellm_params: {model: openai/mine, api_key: k}}
dragoman: {prices: prices.json}
";

    fn written(prices: &str) -> (tempfile::TempDir, PathBuf, Config) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("prices.json"), prices).unwrap();
        let at = folder.path().join("config.yaml");
        let config = dragoman_config::load(CONFIG, &|_: &str| None).unwrap();
        (folder, at, config)
    }

    #[test]
    fn a_file_beside_the_configuration_comes_before_what_is_built_in() {
        let listed = r#"{"mine": {"litellm_provider": "openai", "input_cost_per_token": 1e-6,
            "output_cost_per_token": 2e-6, "mode": "chat"}}"#;
        let (_folder, at, config) = written(listed);
        let bundled = Arc::new(PriceTable::bundled().unwrap());
        let table = load(&at, &config, &bundled).unwrap();
        let mine = table.priced("openai", "mine", None).unwrap();
        assert!(mine.version.starts_with("litellm-"), "{}", mine.version);
        let known = table.priced("openai", "gpt-4o", None).unwrap();
        assert_eq!(known.version, bundled.version());
    }

    #[test]
    fn a_file_that_does_not_read_is_named() {
        let bundled = Arc::new(PriceTable::empty());
        let negative = r#"{"mine": {"litellm_provider": "openai", "input_cost_per_token": -1}}"#;
        for (text, wrong) in [
            ("[]", "does not parse"),
            ("{}", "has no models"),
            (negative, "`mine`: input_cost_per_token: a negative amount"),
        ] {
            let (_folder, at, config) = written(text);
            let error = format!("{:#}", load(&at, &config, &bundled).unwrap_err());
            assert!(
                error.contains(wrong) && error.contains("prices.json"),
                "{error}"
            );
        }
        let (folder, at, config) = written("{}");
        std::fs::remove_file(folder.path().join("prices.json")).unwrap();
        let error = load(&at, &config, &bundled).unwrap_err().to_string();
        assert!(error.contains("cannot be read"), "{error}");
    }
}
