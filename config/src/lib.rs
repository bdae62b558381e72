//! LiteLLM's config.yaml, read into what Dragoman does with it.
