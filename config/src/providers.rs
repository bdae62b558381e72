//! The providers that LiteLLM's prefixes name: one line each.
//!
//! Addresses and variables are LiteLLM's, except where a provider has moved since (DeepSeek's `/v1`,
//! Nebius's Token Factory). Adding a provider that speaks OpenAI's API is one line.

use dragoman_proto::{Dialect, Quirks};

use crate::Endpoint;

/// A provider that a model's prefix names.
#[derive(Debug, PartialEq, Eq)]
pub struct Provider {
    /// LiteLLM's prefix: `groq` of `groq/llama-3.1-8b-instant`.
    pub prefix: &'static str,
    /// What it speaks; `None` while we do not.
    pub dialect: Option<Dialect>,
    /// Where it is when `api_base` does not say.
    pub base: Option<&'static str>,
    /// Variables that hold another base, the first one set wins.
    pub base_variables: &'static [&'static str],
    /// Variables that hold its key when `api_key` does not, the first one set wins.
    pub key_variables: &'static [&'static str],
    /// Whether it answers without a key.
    pub keyless: bool,
    /// The header in which it wants its key.
    pub header: KeyHeader,
    /// What a base URL means.
    pub base_path: BasePath,
    differences: Differences,
}

/// The header in which a provider wants its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyHeader {
    /// `authorization: Bearer …`
    Bearer,
    /// `x-api-key: …`
    XApiKey,
    /// `x-goog-api-key: …`
    XGoogApiKey,
    /// `api-key: …`
    ApiKey,
}

/// What a base URL's path means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BasePath {
    /// Endpoints are appended as they are.
    AsGiven,
    /// `/v1` belongs to it, also when it is not written.
    WithV1,
    /// It is the server's root; a `/v1` at its end is not meant.
    Root,
}

/// [`Quirks`] in a form that a table can hold.
#[derive(Debug, PartialEq, Eq)]
struct Differences {
    max_tokens_field: Option<&'static str>,
    no_stream_options: bool,
    no_completions: bool,
    renamed: &'static [(&'static str, &'static str)],
    unsupported: &'static [&'static str],
}

impl KeyHeader {
    /// The header's name, in lower case.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bearer => "authorization",
            Self::XApiKey => "x-api-key",
            Self::XGoogApiKey => "x-goog-api-key",
            Self::ApiKey => "api-key",
        }
    }

    /// What stands before the key.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer ",
            Self::XApiKey | Self::XGoogApiKey | Self::ApiKey => "",
        }
    }
}

impl Provider {
    /// Looks a prefix up.
    pub fn named(prefix: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|provider| provider.prefix == prefix)
    }

    /// The provider of a model name that has no prefix.
    pub fn of_bare_model(model: &str) -> Option<&'static Self> {
        let prefix = BARE_MODELS
            .iter()
            .find(|(start, _)| model.starts_with(start))
            .map(|(_, prefix)| *prefix)?;
        Self::named(prefix)
    }

    /// Who is at `endpoint`, whatever the prefix says: people reach many by `openai/` and a base.
    pub fn at(endpoint: &Endpoint) -> Option<&'static Self> {
        let lives_there = |row: &&Self| {
            let own = row.base.and_then(|base| Endpoint::parse(base).ok());
            own.is_some_and(|own| own.host == endpoint.host)
        };
        PROVIDERS
            .iter()
            .filter(|row| !row.keyless)
            .find(lives_there)
    }

    /// All of them, in the table's order.
    pub fn all() -> &'static [Self] {
        PROVIDERS
    }

    /// How it differs from its dialect.
    pub fn quirks(&self) -> Quirks {
        Quirks {
            max_tokens_field: self.differences.max_tokens_field.map(str::to_owned),
            no_stream_options: self.differences.no_stream_options,
            no_completions: self.differences.no_completions,
            renamed: self
                .differences
                .renamed
                .iter()
                .map(|(name, own)| ((*name).to_owned(), (*own).to_owned()))
                .collect(),
            unsupported: self
                .differences
                .unsupported
                .iter()
                .map(|name| (*name).to_owned())
                .collect(),
        }
    }

    const fn keyless(mut self) -> Self {
        self.keyless = true;
        self
    }

    /// Takes the output limit only in the older field.
    const fn max_tokens(mut self) -> Self {
        self.differences.max_tokens_field = Some("max_tokens");
        self
    }

    const fn rejects(mut self, parameters: &'static [&'static str]) -> Self {
        self.differences.unsupported = parameters;
        self
    }

    /// Sends the usage of a stream unasked, and may refuse to be asked.
    const fn no_stream_options(mut self) -> Self {
        self.differences.no_stream_options = true;
        self
    }

    /// Has no text completions: they go through chat.
    const fn chat_only(mut self) -> Self {
        self.differences.no_completions = true;
        self
    }

    /// Has other names for some parameters.
    const fn calls(mut self, renamed: &'static [(&'static str, &'static str)]) -> Self {
        self.differences.renamed = renamed;
        self
    }

    const fn with_v1(mut self) -> Self {
        self.base_path = BasePath::WithV1;
        self
    }
}

type Names = &'static [&'static str];

const fn provider(
    prefix: &'static str,
    dialect: Option<Dialect>,
    base: &'static str,
    base_variables: Names,
    key_variables: Names,
) -> Provider {
    Provider {
        prefix,
        dialect,
        base: if base.is_empty() { None } else { Some(base) },
        base_variables,
        key_variables,
        keyless: false,
        header: KeyHeader::Bearer,
        base_path: BasePath::AsGiven,
        differences: Differences {
            max_tokens_field: None,
            no_stream_options: false,
            no_completions: false,
            renamed: &[],
            unsupported: &[],
        },
    }
}

/// A provider that speaks OpenAI's API.
const fn openai(prefix: &'static str, base: &'static str, bases: Names, keys: Names) -> Provider {
    provider(prefix, Some(Dialect::OpenAi), base, bases, keys)
}

/// A provider that speaks Anthropic's API.
const fn anthropic(
    prefix: &'static str,
    base: &'static str,
    bases: Names,
    keys: Names,
) -> Provider {
    let mut row = provider(prefix, Some(Dialect::Anthropic), base, bases, keys);
    row.header = KeyHeader::XApiKey;
    row.base_path = BasePath::Root;
    row
}

/// A provider whose API is not spoken yet.
const fn later(
    prefix: &'static str,
    base: &'static str,
    header: KeyHeader,
    bases: Names,
    keys: Names,
) -> Provider {
    let mut row = provider(prefix, None, base, bases, keys);
    row.header = header;
    row
}

/// Google's own API; the version belongs to the base, as LiteLLM's users write it.
const fn gemini(prefix: &'static str) -> Provider {
    let mut row = provider(
        prefix,
        Some(Dialect::Gemini),
        "https://generativelanguage.googleapis.com/v1beta",
        &["GEMINI_API_BASE"],
        &["GEMINI_API_KEY", "GOOGLE_API_KEY"],
    );
    row.header = KeyHeader::XGoogApiKey;
    row
}

/// Google's Vertex AI: its address follows from the location, and its keys are tokens that the service
/// makes.
const fn vertex_ai(prefix: &'static str) -> Provider {
    let dialect = Some(Dialect::VertexAi);
    provider(prefix, dialect, "", &["VERTEXAI_API_BASE"], &[]).keyless()
}

/// OpenAI's API on Azure, where each has an address of their own.
const fn azure(prefix: &'static str) -> Provider {
    let dialect = Some(Dialect::Azure);
    let mut row = provider(prefix, dialect, "", &["AZURE_API_BASE"], &["AZURE_API_KEY"]);
    row.header = KeyHeader::ApiKey;
    row
}

/// Cohere's API. Its paths begin with the version, which does not belong to the base.
const fn cohere(prefix: &'static str) -> Provider {
    let mut row = provider(
        prefix,
        Some(Dialect::Cohere),
        "https://api.cohere.com",
        &["COHERE_API_BASE"],
        &["COHERE_API_KEY", "CO_API_KEY"],
    );
    row.base_path = BasePath::Root;
    row
}

/// Bedrock's API, whose address follows from a region and whose requests are signed; a token goes
/// into a header.
const fn bedrock(prefix: &'static str) -> Provider {
    provider(
        prefix,
        Some(Dialect::Bedrock),
        "",
        &["AWS_BEDROCK_RUNTIME_ENDPOINT"],
        &["AWS_BEARER_TOKEN_BEDROCK"],
    )
}

/// Ollama's own API: a base with `/v1` means the server's root.
const fn ollama(prefix: &'static str) -> Provider {
    let mut row = provider(
        prefix,
        Some(Dialect::Ollama),
        "http://localhost:11434",
        &["OLLAMA_API_BASE"],
        &["OLLAMA_API_KEY"],
    );
    row.base_path = BasePath::Root;
    row.keyless()
}

// Rejected with 400 by Groq (console.groq.com/docs/openai, "Currently unsupported").
const GROQ: Names = &["logprobs", "top_logprobs", "logit_bias"];
// Mistral answers 422 `extra_forbidden` to what its schema does not name, `stream_options` and
// `max_completion_tokens` among it (docs.mistral.ai/api).
const MISTRAL: Names = &[
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "user",
    "store",
    "service_tier",
    "seed",
];

// docs.voyageai.com/reference: embeddings-api, reranker-api.
const VOYAGE: &[(&str, &str)] = &[("dimensions", "output_dimension"), ("top_n", "top_k")];

#[rustfmt::skip]
static PROVIDERS: &[Provider] = &[
    openai("openai", "https://api.openai.com/v1", &["OPENAI_BASE_URL", "OPENAI_API_BASE"], &["OPENAI_API_KEY"]),
    openai("text-completion-openai", "https://api.openai.com/v1", &["OPENAI_BASE_URL", "OPENAI_API_BASE"], &["OPENAI_API_KEY"]),
    openai("custom_openai", "", &["OPENAI_BASE_URL", "OPENAI_API_BASE"], &["OPENAI_API_KEY"]),
    openai("openai_like", "", &["OPENAI_LIKE_API_BASE"], &["OPENAI_LIKE_API_KEY"]).keyless(),
    anthropic("anthropic", "https://api.anthropic.com", &["ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"], &["ANTHROPIC_API_KEY"]),
    openai("groq", "https://api.groq.com/openai/v1", &["GROQ_API_BASE"], &["GROQ_API_KEY"]).rejects(GROQ).chat_only(),
    openai("nebius", "https://api.tokenfactory.nebius.com/v1", &["NEBIUS_API_BASE"], &["NEBIUS_API_KEY"]),
    openai("deepseek", "https://api.deepseek.com/v1", &["DEEPSEEK_API_BASE"], &["DEEPSEEK_API_KEY"]).max_tokens(),
    openai("mistral", "https://api.mistral.ai/v1", &["MISTRAL_API_BASE", "MISTRAL_AZURE_API_BASE"], &["MISTRAL_API_KEY", "MISTRAL_AZURE_API_KEY"]).with_v1().max_tokens().no_stream_options().rejects(MISTRAL).chat_only(),
    openai("codestral", "https://codestral.mistral.ai/v1", &["CODESTRAL_API_BASE"], &["CODESTRAL_API_KEY"]).max_tokens().no_stream_options().rejects(MISTRAL).chat_only(),
    openai("together_ai", "https://api.together.xyz/v1", &["TOGETHER_AI_API_BASE"], &["TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN"]).max_tokens(),
    openai("fireworks_ai", "https://api.fireworks.ai/inference/v1", &["FIREWORKS_API_BASE"], &["FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN"]).max_tokens(),
    openai("openrouter", "https://openrouter.ai/api/v1", &["OPENROUTER_API_BASE"], &["OPENROUTER_API_KEY", "OR_API_KEY"]),
    openai("xai", "https://api.x.ai/v1", &["XAI_API_BASE"], &["XAI_API_KEY"]),
    openai("perplexity", "https://api.perplexity.ai", &["PERPLEXITY_API_BASE"], &["PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"]).max_tokens().chat_only(),
    openai("hosted_vllm", "", &["HOSTED_VLLM_API_BASE"], &["HOSTED_VLLM_API_KEY"]).keyless(),
    openai("vllm", "", &["VLLM_API_BASE", "HOSTED_VLLM_API_BASE"], &["VLLM_API_KEY", "HOSTED_VLLM_API_KEY"]).keyless(),
    openai("lm_studio", "http://localhost:1234/v1", &["LM_STUDIO_API_BASE"], &["LM_STUDIO_API_KEY"]).keyless().max_tokens(),
    openai("llamafile", "http://127.0.0.1:8080/v1", &["LLAMAFILE_API_BASE"], &["LLAMAFILE_API_KEY"]).keyless().max_tokens(),
    openai("xinference", "http://127.0.0.1:9997/v1", &["XINFERENCE_API_BASE"], &["XINFERENCE_API_KEY"]).keyless().max_tokens(),
    openai("docker_model_runner", "http://localhost:12434/engines/v1", &["DOCKER_MODEL_RUNNER_API_BASE"], &["DOCKER_MODEL_RUNNER_API_KEY"]).keyless().max_tokens(),
    openai("litellm_proxy", "", &["LITELLM_PROXY_API_BASE"], &["LITELLM_PROXY_API_KEY"]),
    openai("nvidia_nim", "https://integrate.api.nvidia.com/v1", &["NVIDIA_NIM_API_BASE"], &["NVIDIA_NIM_API_KEY"]).max_tokens(),
    openai("cerebras", "https://api.cerebras.ai/v1", &["CEREBRAS_API_BASE"], &["CEREBRAS_API_KEY"]),
    openai("sambanova", "https://api.sambanova.ai/v1", &["SAMBANOVA_API_BASE"], &["SAMBANOVA_API_KEY"]).max_tokens(),
    openai("deepinfra", "https://api.deepinfra.com/v1/openai", &["DEEPINFRA_API_BASE"], &["DEEPINFRA_API_KEY"]).max_tokens(),
    openai("anyscale", "https://api.endpoints.anyscale.com/v1", &["ANYSCALE_API_BASE"], &["ANYSCALE_API_KEY"]).max_tokens(),
    openai("friendliai", "https://api.friendli.ai/serverless/v1", &["FRIENDLI_API_BASE"], &["FRIENDLIAI_API_KEY", "FRIENDLI_TOKEN"]).max_tokens(),
    openai("github", "https://models.inference.ai.azure.com", &["GITHUB_API_BASE"], &["GITHUB_API_KEY"]).chat_only(),
    openai("novita", "https://api.novita.ai/v3/openai", &["NOVITA_API_BASE"], &["NOVITA_API_KEY"]).max_tokens(),
    openai("hyperbolic", "https://api.hyperbolic.xyz/v1", &["HYPERBOLIC_API_BASE"], &["HYPERBOLIC_API_KEY"]).max_tokens(),
    openai("featherless_ai", "https://api.featherless.ai/v1", &["FEATHERLESS_API_BASE"], &["FEATHERLESS_API_KEY", "FEATHERLESS_AI_API_KEY"]).max_tokens(),
    openai("moonshot", "https://api.moonshot.ai/v1", &["MOONSHOT_API_BASE"], &["MOONSHOT_API_KEY"]).max_tokens().chat_only(),
    openai("dashscope", "https://dashscope.aliyuncs.com/compatible-mode/v1", &["DASHSCOPE_API_BASE"], &["DASHSCOPE_API_KEY"]).max_tokens(),
    openai("volcengine", "https://ark.cn-beijing.volces.com/api/v3", &["VOLCENGINE_API_BASE"], &["VOLCENGINE_API_KEY", "ARK_API_KEY"]).max_tokens().chat_only(),
    openai("zai", "https://api.z.ai/api/paas/v4", &["ZAI_API_BASE"], &["ZAI_API_KEY"]).max_tokens().chat_only(),
    openai("meta_llama", "https://api.llama.com/compat/v1", &["LLAMA_API_BASE"], &["LLAMA_API_KEY"]).chat_only(),
    openai("nscale", "https://inference.api.nscale.com/v1", &["NSCALE_API_BASE"], &["NSCALE_API_KEY"]),
    openai("wandb", "https://api.inference.wandb.ai/v1", &["WANDB_API_BASE"], &["WANDB_API_KEY"]),
    openai("baseten", "https://inference.baseten.co/v1", &["BASETEN_API_BASE"], &["BASETEN_API_KEY"]),
    openai("ai21_chat", "https://api.ai21.com/studio/v1", &["AI21_API_BASE"], &["AI21_API_KEY"]).max_tokens().chat_only(),
    openai("ai21", "https://api.ai21.com/studio/v1", &["AI21_API_BASE"], &["AI21_API_KEY"]).max_tokens().chat_only(),
    openai("galadriel", "https://api.galadriel.com/v1", &["GALADRIEL_API_BASE"], &["GALADRIEL_API_KEY"]).max_tokens().chat_only(),
    openai("empower", "https://app.empower.dev/api/v1", &["EMPOWER_API_BASE"], &["EMPOWER_API_KEY"]).max_tokens().chat_only(),
    openai("publicai", "https://api.publicai.co/v1", &["PUBLICAI_API_BASE"], &["PUBLICAI_API_KEY"]).max_tokens(),
    openai("veniceai", "https://api.venice.ai/api/v1", &[], &["VENICE_AI_API_KEY"]),
    openai("scaleway", "https://api.scaleway.ai/v1", &[], &["SCW_SECRET_KEY"]),
    openai("synthetic", "https://api.synthetic.new/openai/v1", &[], &["SYNTHETIC_API_KEY"]).max_tokens(),
    openai("nano-gpt", "https://nano-gpt.com/api/v1", &[], &["NANOGPT_API_KEY"]).max_tokens(),
    openai("poe", "https://api.poe.com/v1", &[], &["POE_API_KEY"]).max_tokens().chat_only(),
    openai("chutes", "https://llm.chutes.ai/v1", &[], &["CHUTES_API_KEY"]).max_tokens(),
    openai("xiaomi_mimo", "https://api.xiaomimimo.com/v1", &[], &["XIAOMI_MIMO_API_KEY"]).max_tokens().chat_only(),
    openai("aihubmix", "https://aihubmix.com/v1", &["AIHUBMIX_API_BASE"], &["AIHUBMIX_API_KEY"]),
    openai("infinity", "", &["INFINITY_API_BASE"], &["INFINITY_API_KEY"]).keyless(),
    openai("voyage", "https://api.voyageai.com/v1", &["VOYAGE_API_BASE"], &["VOYAGE_API_KEY", "VOYAGE_AI_API_KEY"]).calls(VOYAGE).chat_only(),
    openai("jina_ai", "https://api.jina.ai/v1", &["JINA_AI_API_BASE"], &["JINA_AI_API_KEY"]).chat_only(),
    ollama("ollama"),
    ollama("ollama_chat"),
    gemini("gemini"),
    vertex_ai("vertex_ai"),
    vertex_ai("vertex_ai_beta"),
    bedrock("bedrock"),
    bedrock("bedrock_converse"),
    later("sagemaker", "", KeyHeader::Bearer, &[], &[]).keyless(),
    later("sagemaker_chat", "", KeyHeader::Bearer, &[], &[]).keyless(),
    azure("azure"),
    azure("azure_text"),
    later("azure_ai", "", KeyHeader::ApiKey, &["AZURE_AI_API_BASE"], &["AZURE_AI_API_KEY"]),
    cohere("cohere"),
    cohere("cohere_chat"),
    later("huggingface", "https://router.huggingface.co", KeyHeader::Bearer, &["HF_API_BASE"], &["HF_TOKEN", "HUGGINGFACE_API_KEY"]),
    later("replicate", "https://api.replicate.com", KeyHeader::Bearer, &["REPLICATE_API_BASE"], &["REPLICATE_API_KEY", "REPLICATE_API_TOKEN"]),
    later("watsonx", "", KeyHeader::Bearer, &["WATSONX_API_BASE", "WATSONX_URL"], &["WATSONX_APIKEY", "WATSONX_API_KEY"]),
    later("databricks", "", KeyHeader::Bearer, &["DATABRICKS_API_BASE"], &["DATABRICKS_API_KEY"]),
    later("cloudflare", "", KeyHeader::Bearer, &["CLOUDFLARE_API_BASE"], &["CLOUDFLARE_API_KEY"]),
    later("snowflake", "", KeyHeader::Bearer, &["SNOWFLAKE_API_BASE"], &["SNOWFLAKE_JWT"]),
    later("deepgram", "https://api.deepgram.com/v1", KeyHeader::Bearer, &["DEEPGRAM_API_BASE"], &["DEEPGRAM_API_KEY"]),
    later("elevenlabs", "https://api.elevenlabs.io", KeyHeader::Bearer, &["ELEVENLABS_API_BASE"], &["ELEVENLABS_API_KEY"]),
    later("text-completion-codestral", "https://codestral.mistral.ai/v1", KeyHeader::Bearer, &[], &["CODESTRAL_API_KEY"]),
    later("triton", "", KeyHeader::Bearer, &[], &[]).keyless(),
    later("predibase", "https://serving.app.predibase.com", KeyHeader::Bearer, &[], &["PREDIBASE_API_KEY"]),
    later("github_copilot", "https://api.githubcopilot.com", KeyHeader::Bearer, &[], &[]).keyless(),
];

/// Beginnings of model names that tell the provider without a prefix.
const BARE_MODELS: &[(&str, &str)] = &[
    ("gpt-", "openai"),
    ("chatgpt", "openai"),
    ("ft:gpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("text-embedding-", "openai"),
    ("text-moderation", "openai"),
    ("omni-moderation", "openai"),
    ("dall-e", "openai"),
    ("whisper", "openai"),
    ("tts-", "openai"),
    ("*", "openai"),
    ("claude-", "anthropic"),
    ("gemini-", "vertex_ai"),
    ("command-", "cohere_chat"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_prefix_is_there_twice() {
        let mut prefixes: Vec<_> = PROVIDERS.iter().map(|row| row.prefix).collect();
        prefixes.sort_unstable();
        let all = prefixes.len();
        prefixes.dedup();
        assert_eq!(prefixes.len(), all);
    }

    #[test]
    fn every_default_address_parses_and_is_safe() {
        for row in PROVIDERS {
            let Some(base) = row.base else { continue };
            let endpoint = Endpoint::parse(base).unwrap();
            assert_eq!(endpoint.to_string(), base, "{}", row.prefix);
            assert!(
                base.starts_with("https://") || row.keyless,
                "{}",
                row.prefix
            );
        }
    }

    #[test]
    fn a_bare_name_tells_its_provider() {
        for (model, prefix) in [
            ("gpt-4o", "openai"),
            ("o3-mini", "openai"),
            ("claude-3-opus", "anthropic"),
            ("gemini-2.0-flash", "vertex_ai"),
        ] {
            assert_eq!(
                Provider::of_bare_model(model).map(|row| row.prefix),
                Some(prefix)
            );
        }
        assert_eq!(Provider::of_bare_model("llama3"), None);
    }
}
