//! The price table of the repository, and how a deployment's model is found in it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{OverrideError, Price, litellm};

const BUNDLED: &str = include_str!("../../prices.json");

/// Prices and sizes of the models that providers list.
#[derive(Debug, Clone, Deserialize)]
pub struct PriceTable {
    version: String,
    models: HashMap<String, Model>,
    /// What models cost that this table does not know.
    #[serde(skip)]
    base: Option<Arc<PriceTable>>,
}

/// What is known of one model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// LiteLLM's name of who serves it.
    pub provider: String,
    /// What it is for.
    pub mode: Mode,
    /// Its prices.
    #[serde(flatten)]
    pub price: Price,
    /// The longest input.
    #[serde(default)]
    pub max_input_tokens: Option<u64>,
    /// The longest output.
    #[serde(default)]
    pub max_output_tokens: Option<u64>,
    /// The most tokens that an image in the prompt is counted as, where that is more than
    /// [`IMAGE_TOKENS`] or is known to be less.
    #[serde(default)]
    pub max_image_tokens: Option<u64>,
    /// The most tokens that an image is counted as which it makes.
    #[serde(default)]
    pub max_image_output_tokens: Option<u64>,
}

/// The most tokens that an image in a prompt is counted as by any model of which the table says nothing:
/// OpenAI's patches (10,000 at most, times at most 1.62) and Qwen's (16,384); Claude's 4,784, Gemini's
/// tiles and Pixtral's patches are fewer.
pub const IMAGE_TOKENS: u64 = 16_384;
/// The most tokens that a model makes an image of, where nothing is known: four times 4K at the 7,033
/// tokens that gpt-image-2 makes of a square of 1,024 pixels.
pub const IMAGE_OUTPUT_TOKENS: u64 = 57_600;

/// What a model is for, in LiteLLM's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Chat completions.
    Chat,
    /// Only the Responses API.
    Responses,
    /// Text completions.
    Completion,
    /// Embeddings.
    Embedding,
    /// Images out of text.
    ImageGeneration,
    /// Images out of images.
    ImageEdit,
    /// Speech to text.
    AudioTranscription,
    /// Text to speech.
    AudioSpeech,
    /// Moderation.
    Moderation,
    /// Ranking documents.
    Rerank,
}

/// A price and where it comes from, as the ledger records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Priced<'a> {
    /// The prices.
    pub price: Price,
    /// The table's date, or [`CONFIG_VERSION`](super::CONFIG_VERSION).
    pub version: &'a str,
}

/// A price table that does not read.
#[derive(Debug, thiserror::Error)]
pub enum PriceTableError {
    /// It is not JSON, or not a table.
    #[error("the price table does not parse: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A price in it is no amount.
    #[error("the price table: `{model}`: {error}")]
    Price {
        /// Of which model.
        model: String,
        /// What is wrong.
        error: OverrideError,
    },
    /// It has no model that is served here.
    #[error("the price table has no models")]
    Empty,
}

impl Mode {
    /// LiteLLM's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Responses => "responses",
            Self::Completion => "completion",
            Self::Embedding => "embedding",
            Self::ImageGeneration => "image_generation",
            Self::ImageEdit => "image_edit",
            Self::AudioTranscription => "audio_transcription",
            Self::AudioSpeech => "audio_speech",
            Self::Moderation => "moderation",
            Self::Rerank => "rerank",
        }
    }
}

impl PriceTable {
    /// The table of this repository.
    pub fn bundled() -> Result<Self, PriceTableError> {
        Self::parse(BUNDLED)
    }

    /// A table in the form of `prices.json`, or in that of LiteLLM's
    /// `model_prices_and_context_window.json`, which gets a version that tells its content.
    pub fn parse(json: &str) -> Result<Self, PriceTableError> {
        let table = match serde_json::from_str::<litellm::Listing<'_>>(json)? {
            listing if listing.is_ours() => serde_json::from_str(json)?,
            listing => Self {
                version: litellm::version(json),
                models: listing.models()?,
                base: None,
            },
        };
        if table.models.is_empty() {
            return Err(PriceTableError::Empty);
        }
        Ok(table)
    }

    /// The same, where it knows nothing what `base` says.
    #[must_use]
    pub fn over(self, base: Arc<Self>) -> Self {
        Self {
            base: Some(base),
            ..self
        }
    }

    /// A table that knows nothing.
    pub fn empty() -> Self {
        Self {
            version: "none".to_owned(),
            models: HashMap::new(),
            base: None,
        }
    }

    /// The date of the prices.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// How many models it knows.
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// Whether it knows no model.
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }

    /// The model that `provider` (LiteLLM's prefix, such as `groq`) calls `model`.
    ///
    /// LiteLLM lists most models under `provider/model`, and those of OpenAI, Anthropic, Cohere,
    /// Vertex AI and Bedrock under the bare name, which is accepted only from its own provider. A
    /// fine-tuned model (`ft:base:org::id`) costs what `ft:base` costs; a Bedrock model in a region
    /// without its own price what the model costs; an Ollama tag what its model costs. The entry
    /// `provider/*` stands for every model of a provider that charges for none.
    pub fn lookup(&self, provider: &str, model: &str) -> Option<&Model> {
        Some(self.found(provider, model)?.0)
    }

    /// The model, and the version of the table that has it.
    fn found(&self, provider: &str, model: &str) -> Option<(&Model, &str)> {
        let served = served_name(provider, model);
        let family = family(provider);
        let own = self
            .named(family, served)
            .or_else(|| self.named(family, &shortened(family, served)?))
            .or_else(|| self.models.get(&format!("{family}/*")));
        match own {
            Some(found) => Some((found, &self.version)),
            None => self.base.as_ref()?.found(provider, model),
        }
    }

    fn named(&self, family: &str, model: &str) -> Option<&Model> {
        self.models.get(&format!("{family}/{model}")).or_else(|| {
            self.models
                .get(model)
                .filter(|found| serves(family, &found.provider))
        })
    }

    /// The price of a deployment: what the configuration says, else what the table says.
    pub fn priced(
        &self,
        provider: &str,
        model: &str,
        configured: Option<Price>,
    ) -> Option<Priced<'_>> {
        if let Some(price) = configured {
            let version = super::CONFIG_VERSION;
            return Some(Priced { price, version });
        }
        let (found, version) = self.found(provider, model)?;
        let price = found.price;
        (!price.is_unknown()).then_some(Priced { price, version })
    }
}

/// The prefix under which a provider's models are listed.
fn family(provider: &str) -> &str {
    match provider {
        "ollama_chat" => "ollama",
        "cohere_chat" => "cohere",
        "vertex_ai_beta" => "vertex_ai",
        "bedrock_converse" => "bedrock",
        "text-completion-openai" => "openai",
        "azure_text" => "azure",
        other => other,
    }
}

/// Whether an entry listed under `listed` is one of `family`'s.
fn serves(family: &str, listed: &str) -> bool {
    listed == family
        || match family {
            "openai" => listed == "text-completion-openai",
            "cohere" => listed == "cohere_chat",
            "vertex_ai" => listed.starts_with("vertex_ai"),
            "bedrock" => listed == "bedrock_converse",
            _ => false,
        }
}

/// The name without parts that only say how the model is reached.
fn served_name<'a>(provider: &str, model: &'a str) -> &'a str {
    match provider {
        "bedrock" | "bedrock_converse" => ["converse/", "invoke/", "converse_like/"]
            .into_iter()
            .find_map(|prefix| model.strip_prefix(prefix))
            .unwrap_or(model),
        _ => model,
    }
}

/// A more general name of the same model.
fn shortened<'a>(family: &str, model: &'a str) -> Option<Cow<'a, str>> {
    match family {
        "openai" | "azure" => {
            let base = model.strip_prefix("ft:")?.split(':').next()?;
            Some(Cow::Owned(format!("ft:{base}")))
        }
        "ollama" => model.split_once(':').map(|(name, _)| Cow::Borrowed(name)),
        "vertex_ai" => model.split_once('@').map(|(name, _)| Cow::Borrowed(name)),
        "bedrock" => {
            let below_region = model.rsplit_once('/').map_or(model, |(_, name)| name);
            let (prefix, rest) = below_region.split_once('.')?;
            let is_region = matches!(
                prefix,
                "us" | "eu" | "apac" | "jp" | "au" | "ca" | "global" | "us-gov"
            );
            Some(Cow::Borrowed(if is_region { rest } else { below_region }))
        }
        _ => None,
    }
}
