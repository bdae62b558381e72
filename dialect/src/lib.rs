//! Translation between OpenAI's API and each provider's: bytes in, bytes out.
