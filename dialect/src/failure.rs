//! What a provider's failure means to the client, and whether another deployment may do better.

use dragoman_proto::{ApiError, ErrorKind};

/// The longest text of a provider that is passed on.
const MAX_MESSAGE: usize = 2000;

/// A provider's error, taken out of its own shape.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct ProviderError {
    /// The status that the error claims, where it has one of its own.
    pub(crate) status: Option<u16>,
    /// The provider's text.
    pub(crate) message: Option<String>,
    /// OpenAI's `code`.
    pub(crate) code: Option<String>,
    /// OpenAI's `param`.
    pub(crate) param: Option<String>,
    /// Seconds to wait, where the error says so in its body.
    pub(crate) retry_after: Option<u64>,
    /// The gateway's own account is refused, whatever the status says.
    pub(crate) refused: bool,
}

/// An attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What the client would get.
    pub(crate) error: ApiError,
    /// Whether another deployment may succeed.
    pub(crate) retryable: bool,
}

impl Failure {
    /// The provider's answer is not what it should be.
    pub(crate) fn garbage(provider: &str, what: &str) -> Self {
        Self {
            error: ApiError::new(ErrorKind::BadGateway, format!("{provider}: {what}")),
            retryable: true,
        }
    }

    /// An answer that is not readable: it is the provider's `error`, or else `what` is wrong with it.
    pub(crate) fn unreadable(provider: &str, error: Option<&ProviderError>, what: &str) -> Self {
        match error {
            Some(error) => Self::of_provider(provider, error.status.unwrap_or(502), error, None),
            None => Self::garbage(provider, what),
        }
    }

    /// An event of the provider's stream is not what it should be.
    pub(crate) fn unreadable_event(provider: &str) -> Self {
        Self::garbage(provider, "an event of the stream is not readable")
    }

    /// The provider's stream is over, and the answer is not.
    pub(crate) fn cut_short(provider: &str) -> Self {
        Self::garbage(provider, "the stream ended before the answer did")
    }

    /// The meaning of a provider's error with HTTP `status`.
    pub(crate) fn of_provider(
        provider: &str,
        status: u16,
        error: &ProviderError,
        retry_after: Option<u64>,
    ) -> Self {
        let status = if error.refused { 401 } else { status };
        let kind = kind(status, error);
        let refused = matches!(status, 401 | 403) && kind == ErrorKind::BadGateway;
        let text = match &error.message {
            _ if refused => "refused the gateway's credential for it".to_owned(),
            Some(message) if !message.trim().is_empty() => scrub(message.trim()),
            _ => format!("answered with status {status}"),
        };
        let separator = if refused { " " } else { ": " };
        let mut api_error = ApiError::new(kind, format!("{provider}{separator}{text}"));
        if kind.status() < 500 {
            api_error.param = error.param.as_deref().map(scrub);
            if kind != ErrorKind::RateLimit {
                api_error.code = kind
                    .code()
                    .map(str::to_owned)
                    .or_else(|| error.code.as_deref().map(scrub));
            }
        }
        if matches!(kind, ErrorKind::RateLimit | ErrorKind::Unavailable) {
            api_error.retry_after = retry_after.or(error.retry_after);
        }
        Self {
            error: api_error,
            retryable: kind != ErrorKind::InvalidRequest,
        }
    }
}

fn kind(status: u16, error: &ProviderError) -> ErrorKind {
    let code = error.code.as_deref().unwrap_or_default();
    let message = error.message.as_deref().unwrap_or_default();
    match status {
        400 | 413 | 422 if is_context_length(code, message) => ErrorKind::ContextLength,
        400 | 403 | 422 if is_content_policy(code, message) => ErrorKind::ContentPolicy,
        // No credit on the provider's side is no more the client's fault than a wrong key.
        401..=403 => ErrorKind::BadGateway,
        404 if code == "model_not_found" || contains(message, "model") => ErrorKind::ModelNotFound,
        408 | 504 => ErrorKind::Timeout,
        413 => ErrorKind::TooLarge,
        429 => ErrorKind::RateLimit,
        503 | 529 => ErrorKind::Unavailable,
        404 | 405 | 407 | 409 | 421 | 425 | 426 => ErrorKind::BadGateway,
        400..=499 => ErrorKind::InvalidRequest,
        _ => ErrorKind::BadGateway,
    }
}

/// Words of OpenAI's, Anthropic's, Google's, xAI's, Moonshot's, and of the servers that people run
/// themselves (vLLM, llama.cpp, text-generation-inference).
fn is_context_length(code: &str, message: &str) -> bool {
    const PHRASES: [&str; 13] = [
        "context length",
        "context window",
        "context limit",
        "context size",
        "prompt is too long",
        "prompt too long",
        "exceeds the maximum number of tokens",
        "input token count is",
        "maximum prompt length is",
        "maximum model length",
        "exceeded model token limit",
        "`inputs` tokens + `max_new_tokens` must be",
        "reduce the length of the messages",
    ];
    code == "context_length_exceeded" || PHRASES.iter().any(|p| contains(message, p))
}

/// Words of OpenAI's, Azure's, Anthropic's, Google's, xAI's, DeepSeek's, Alibaba's, and of OpenRouter's.
fn is_content_policy(code: &str, message: &str) -> bool {
    const PHRASES: [&str; 10] = [
        "content management policy",
        "content filtering policy",
        "safety system",
        "usage policies",
        "violating our usage policy",
        "violates usage guidelines",
        "violate google's responsible ai",
        "content exists risk",
        "your input was flagged",
        "may contain inappropriate content",
    ];
    matches!(
        code,
        "content_policy_violation"
            | "content_filter"
            | "moderation_blocked"
            | "data_inspection_failed"
    ) || PHRASES.iter().any(|p| contains(message, p))
}

fn contains(text: &str, phrase: &str) -> bool {
    text.to_ascii_lowercase().contains(phrase)
}

/// The text without what looks like a key, a URL or an account, and not longer than a screen.
pub(crate) fn scrub(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(MAX_MESSAGE));
    let mut announced = false;
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "\"'`()[]{}<>,;=".contains(c)) {
        if clean.len() + word.len() > MAX_MESSAGE {
            clean.push('…');
            break;
        }
        let body = word.trim_end_matches(|c: char| {
            c.is_whitespace() || c.is_ascii_punctuation() && c != '*' && c != '-' && c != '_'
        });
        let secret = announced && !body.is_empty() || is_secret(body);
        announced = announces(word, body) || announced && body.is_empty();
        if secret {
            clean.push_str("[removed]");
            clean.push_str(word.get(body.len()..).unwrap_or_default());
        } else {
            clean.push_str(word);
        }
    }
    clean
}

/// Whether what follows a word is a key or an account: `Bearer x`, `org: x`.
fn announces(word: &str, body: &str) -> bool {
    const LABELS: [&str; 5] = ["org", "organization", "account", "project", "workspace"];
    let is_label = word.trim_end().ends_with(':');
    body.eq_ignore_ascii_case("bearer")
        || is_label && LABELS.iter().any(|label| body.eq_ignore_ascii_case(label))
}

/// Whether a word begins like a key, a URL or an account (or has a part that does, as in
/// `key:sk-…`), or is long and random.
fn is_secret(word: &str) -> bool {
    const STARTS: [&str; 14] = [
        "sk-", "sk_", "pk-", "gsk_", "xai-", "org-", "proj_", "AIza", "Bearer", "http://",
        "https://", "acct_", "nvapi-", "arn:aws",
    ];
    const RANDOM: usize = 32;
    let begins = STARTS.iter().any(|start| {
        word.match_indices(start).any(|(at, _)| {
            !word
                .get(..at)
                .is_some_and(|before| before.ends_with(char::is_alphanumeric))
        })
    });
    begins
        || word.len() >= RANDOM
            && word.bytes().all(|b| b.is_ascii_alphanumeric())
            && word.bytes().any(|b| b.is_ascii_digit())
            && word.bytes().any(|b| b.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, code: &str, message: &str) -> Failure {
        let error = ProviderError {
            code: Some(code.to_owned()).filter(|c| !c.is_empty()),
            message: Some(message.to_owned()),
            ..ProviderError::default()
        };
        Failure::of_provider("acme", status, &error, Some(3))
    }

    #[test]
    fn statuses_keep_their_meaning() {
        for (status, code, message, expected, retryable) in [
            (400, "", "bad", 400, false),
            (422, "", "bad", 400, false),
            (400, "context_length_exceeded", "long", 400, true),
            (
                400,
                "",
                "prompt is too long: 9 tokens > 8 maximum",
                400,
                true,
            ),
            (400, "content_filter", "no", 400, true),
            (401, "", "bad key", 502, true),
            (403, "", "no", 502, true),
            (402, "", "no credit", 502, true),
            (404, "", "The model `x` does not exist", 404, true),
            (404, "", "Not Found", 502, true),
            (408, "", "slow", 504, true),
            (429, "", "wait", 429, true),
            (500, "", "oops", 502, true),
            (503, "", "busy", 503, true),
            (504, "", "slow", 504, true),
            (529, "", "overloaded", 503, true),
            (302, "", "elsewhere", 502, true),
        ] {
            let failure = failure(status, code, message);
            assert_eq!(
                (failure.error.status(), failure.retryable),
                (expected, retryable),
                "{status} {message}"
            );
        }
    }

    /// Messages as the providers write them.
    #[test]
    fn a_prompt_that_does_not_fit_is_known_by_each_provider_s_words() {
        for message in [
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000.",
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
            "The input token count (1189807) exceeds the maximum number of tokens allowed (1048575).",
            "Unable to submit request because the input token count is 32825 but model only supports up \
             to 32768.",
            "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
            "The decoder prompt (length 5000) is longer than the maximum model length of 4096.",
            "the request exceeds the available context size, try increasing it",
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000",
            "Invalid request: Your request exceeded model token limit: 8192",
            "prompt too long; exceeded max context length by 40 tokens",
        ] {
            let failure = failure(400, "", message);
            let code = failure.error.code.as_deref();
            assert_eq!(code, Some("context_length_exceeded"), "{message}");
            assert!(failure.retryable, "{message}");
        }
        for message in [
            "max_tokens is above the maximum number of tokens",
            "temperature is too long",
        ] {
            assert_eq!(failure(400, "", message).error.code, None, "{message}");
        }
    }

    /// Messages as the providers write them.
    #[test]
    fn a_refused_prompt_is_known_by_each_provider_s_words() {
        for (status, message) in [
            (
                400,
                "Your prompt was flagged as potentially violating our usage policy.",
            ),
            (400, "Output blocked by content filtering policy"),
            (400, "Content Exists Risk"),
            (
                403,
                "Content violates usage guidelines. Failed check: SAFETY",
            ),
            (
                403,
                "x requires moderation on y. Your input was flagged for \"violence\"",
            ),
            (
                400,
                "The prompt contains sensitive words that violate Google's Responsible AI practices.",
            ),
            (400, "Input data may contain inappropriate content."),
        ] {
            let failure = failure(status, "", message);
            let code = failure.error.code.as_deref();
            assert_eq!(code, Some("content_policy_violation"), "{message}");
            assert_eq!(failure.error.status(), 400, "{message}");
        }
    }

    #[test]
    fn retry_after_is_kept_for_a_rate_limit() {
        assert_eq!(failure(429, "", "wait").error.retry_after, Some(3));
        assert_eq!(failure(400, "", "bad").error.retry_after, None);
    }

    #[test]
    fn nothing_secret_passes() {
        let text = "Incorrect API key provided: sk-proj-abc***xyz. See https://acme.test/keys, \
                    key:sk-123 in org-AbC 0123456789abcdef0123456789abcdef; Bearer abc.def (Authorization: \"Bearer  tok\")";
        let clean = scrub(text);
        for secret in ["sk-", "https", "org-AbC", "abc.def", "tok", "abcdef"] {
            assert!(!clean.contains(secret), "{secret} in {clean}");
        }
        assert!(clean.starts_with("Incorrect API key provided: [removed]"));
    }

    #[test]
    fn ordinary_words_pass() {
        let text = "risk-free task: 'temperature' must be <= 2, not 3 (disk-full).";
        assert_eq!(scrub(text), text);
    }

    #[test]
    fn a_refused_credential_says_nothing_of_it() {
        let failure = failure(401, "", "Incorrect API key provided: sk-abc");
        assert_eq!(
            failure.error.message,
            "acme refused the gateway's credential for it"
        );
    }
}
