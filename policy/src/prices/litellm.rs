//! LiteLLM's list of prices, `model_prices_and_context_window.json`: an object per model, with the
//! price settings that `model_info` has too.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::table::{Mode, Model, PriceTableError};
use super::{OverrideError, Price};

/// The entry that explains the format.
const SPECIMEN: &str = "sample_spec";

/// The members of a price table, of either form.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Listing<'a>(#[serde(borrow)] HashMap<String, &'a RawValue>);

/// What else an entry tells.
#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    litellm_provider: String,
    #[serde(default)]
    mode: Option<Value>,
}

impl Listing<'_> {
    /// Whether it is our own form.
    pub(super) fn is_ours(&self) -> bool {
        self.0.contains_key("version") && self.0.contains_key("models")
    }

    /// The models of kinds that are served here; others, such as video, are passed over.
    pub(super) fn models(&self) -> Result<HashMap<String, Model>, PriceTableError> {
        let mut models = HashMap::new();
        for (name, raw) in self.0.iter().filter(|(name, _)| *name != SPECIMEN) {
            let entry: Entry = serde_json::from_str(raw.get())?;
            let mode = match entry.mode {
                None => Mode::Chat,
                Some(mode) => match serde_json::from_value(mode) {
                    Ok(mode) => mode,
                    Err(_) => continue,
                },
            };
            let settings: Map<String, Value> = serde_json::from_str(raw.get())?;
            let model = model(entry.litellm_provider, mode, &settings).map_err(|error| {
                PriceTableError::Price {
                    model: name.clone(),
                    error,
                }
            })?;
            models.insert(name.clone(), model);
        }
        Ok(models)
    }
}

fn model(
    provider: String,
    mode: Mode,
    settings: &Map<String, Value>,
) -> Result<Model, OverrideError> {
    let size = |name: &str| settings.get(name).and_then(Value::as_u64);
    Ok(Model {
        provider,
        mode,
        price: Price::overridden(&[settings], None)?.unwrap_or_default(),
        max_input_tokens: size("max_input_tokens"),
        max_output_tokens: size("max_output_tokens").or_else(|| size("max_tokens")),
        max_image_tokens: size("max_image_tokens"),
        max_image_output_tokens: size("max_image_output_tokens"),
    })
}

/// A name of this very list, because LiteLLM gives it none.
pub(super) fn version(json: &str) -> String {
    let digest = Sha256::digest(json.as_bytes());
    let hex: String = digest
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("litellm-{hex}")
}
