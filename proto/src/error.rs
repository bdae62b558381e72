//! The one error shape that clients see, in the dialect that they spoke.

use serde::Serialize;

/// Whose API the client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientDialect {
    /// OpenAI's: `{"error": {"message", "type", "param", "code"}}`.
    #[default]
    OpenAi,
    /// Anthropic's: `{"type": "error", "error": {"type", "message"}}`.
    Anthropic,
}

/// What went wrong, as far as a client may react to it. Decides status, `type` and `code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// 400: the request is malformed or asks for what the target cannot do.
    InvalidRequest,
    /// 400 `context_length_exceeded`: the prompt does not fit the model.
    ContextLength,
    /// 400 `content_policy_violation`: the provider refuses the content.
    ContentPolicy,
    /// 401: no valid key.
    Authentication,
    /// 403: the key may not do this.
    PermissionDenied,
    /// 404 `model_not_found`.
    ModelNotFound,
    /// 404: no such endpoint.
    NotFound,
    /// 405: wrong method for this endpoint.
    MethodNotAllowed,
    /// 408: the client was too slow, or the provider answered so.
    RequestTimeout,
    /// 409: what is to be made exists.
    Conflict,
    /// 413: the body is over the cap.
    TooLarge,
    /// 415: a content type or encoding that is not read here.
    UnsupportedMedia,
    /// 431: too many headers, or too long ones.
    HeadersTooLarge,
    /// 429 `rate_limit_exceeded`: wait and it will pass.
    RateLimit,
    /// 429 `insufficient_quota`: a budget has no room; where it is exhausted, retrying does not help
    /// before it resets.
    InsufficientQuota,
    /// 500: a defect of ours.
    Internal,
    /// 502: the provider's answer is not what it should be, or it refused our credential.
    BadGateway,
    /// 503: the provider, or a dependency of ours, cannot be reached or is overloaded.
    Unavailable,
    /// 504: the provider did not answer in time.
    Timeout,
}

impl ErrorKind {
    /// The HTTP status.
    pub const fn status(self) -> u16 {
        match self {
            Self::InvalidRequest | Self::ContextLength | Self::ContentPolicy => 400,
            Self::Authentication => 401,
            Self::PermissionDenied => 403,
            Self::ModelNotFound | Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::Conflict => 409,
            Self::TooLarge => 413,
            Self::UnsupportedMedia => 415,
            Self::RateLimit | Self::InsufficientQuota => 429,
            Self::HeadersTooLarge => 431,
            Self::Internal => 500,
            Self::BadGateway => 502,
            Self::Unavailable => 503,
            Self::Timeout => 504,
        }
    }

    /// OpenAI's `type`.
    pub const fn openai_type(self) -> &'static str {
        match self {
            Self::InvalidRequest
            | Self::ContextLength
            | Self::ContentPolicy
            | Self::ModelNotFound
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::Conflict
            | Self::TooLarge
            | Self::HeadersTooLarge
            | Self::UnsupportedMedia => "invalid_request_error",
            Self::Authentication => "authentication_error",
            Self::PermissionDenied => "permission_error",
            Self::RateLimit => "rate_limit_error",
            Self::InsufficientQuota => "insufficient_quota",
            Self::RequestTimeout | Self::Timeout => "timeout_error",
            Self::Internal | Self::BadGateway => "api_error",
            Self::Unavailable => "service_unavailable_error",
        }
    }

    /// Anthropic's `type` (<https://docs.anthropic.com/en/api/errors>).
    pub const fn anthropic_type(self) -> &'static str {
        match self {
            Self::InvalidRequest
            | Self::ContextLength
            | Self::ContentPolicy
            | Self::MethodNotAllowed
            | Self::Conflict
            | Self::HeadersTooLarge
            | Self::UnsupportedMedia => "invalid_request_error",
            Self::Authentication => "authentication_error",
            Self::PermissionDenied => "permission_error",
            Self::ModelNotFound | Self::NotFound => "not_found_error",
            Self::TooLarge => "request_too_large",
            Self::RateLimit | Self::InsufficientQuota => "rate_limit_error",
            Self::Unavailable => "overloaded_error",
            Self::RequestTimeout | Self::Timeout => "timeout_error",
            Self::Internal | Self::BadGateway => "api_error",
        }
    }

    /// The `code` that goes with the kind when nothing more precise is known.
    pub const fn code(self) -> Option<&'static str> {
        match self {
            Self::ContextLength => Some("context_length_exceeded"),
            Self::ContentPolicy => Some("content_policy_violation"),
            Self::Authentication => Some("invalid_api_key"),
            Self::ModelNotFound => Some("model_not_found"),
            Self::RateLimit => Some("rate_limit_exceeded"),
            Self::InsufficientQuota => Some("insufficient_quota"),
            Self::TooLarge => Some("request_too_large"),
            Self::BadGateway => Some("bad_gateway"),
            Self::Unavailable => Some("service_unavailable"),
            Self::Timeout | Self::RequestTimeout => Some("timeout"),
            Self::InvalidRequest
            | Self::PermissionDenied
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::Conflict
            | Self::HeadersTooLarge
            | Self::UnsupportedMedia
            | Self::Internal => None,
        }
    }
}

/// An error on its way to a client. Messages are for people: what is wrong and what to do; they
/// never hold a key, an upstream URL or an account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What went wrong.
    pub kind: ErrorKind,
    /// For people.
    pub message: String,
    /// The request field that is at fault.
    pub param: Option<String>,
    /// More precise than the kind's own code: a provider's code that is worth keeping.
    pub code: Option<String>,
    /// Seconds after which trying again makes sense.
    pub retry_after: Option<u64>,
    /// What few errors have; boxed, because errors are returned by value everywhere.
    more: Option<Box<More>>,
}

/// What few errors have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct More {
    /// Whether a client should try again by itself, where the kind alone does not tell.
    should_retry: Option<bool>,
    /// What the client is told in headers: of its limits and its budget.
    told: Vec<(&'static str, String)>,
}

impl ApiError {
    /// An error of `kind` with `message` and nothing more.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            param: None,
            code: None,
            retry_after: None,
            more: None,
        }
    }

    /// A 400 with `message`.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message)
    }

    /// Names the request field at fault.
    #[must_use]
    pub fn param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// Sets a code that says more than the kind's own.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Seconds to wait before trying again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Says whether a client should try again by itself.
    #[must_use]
    pub fn should_retry(mut self, should_retry: bool) -> Self {
        self.more.get_or_insert_default().should_retry = Some(should_retry);
        self
    }

    /// Tells more in headers.
    #[must_use]
    pub fn tell(mut self, headers: Vec<(&'static str, String)>) -> Self {
        if !headers.is_empty() {
            self.more.get_or_insert_default().told = headers;
        }
        self
    }

    /// The HTTP status.
    pub const fn status(&self) -> u16 {
        self.kind.status()
    }

    /// Response headers that belong to the error, besides `content-type: application/json`.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = Vec::new();
        if let Some(seconds) = self.retry_after {
            headers.push(("retry-after", seconds.to_string()));
        }
        let hopeless = self.kind == ErrorKind::InsufficientQuota;
        let more = self.more.as_deref();
        let should_retry = more.and_then(|more| more.should_retry);
        if let Some(should_retry) = should_retry.or(hopeless.then_some(false)) {
            headers.push(("x-should-retry", should_retry.to_string()));
        }
        headers.extend(more.iter().flat_map(|more| more.told.iter().cloned()));
        headers
    }

    /// The JSON body (also the data of a stream's error event) in the client's dialect.
    pub fn body(&self, dialect: ClientDialect) -> Vec<u8> {
        let json = match dialect {
            ClientDialect::OpenAi => serde_json::to_vec(&OpenAiBody {
                error: OpenAiError {
                    message: &self.message,
                    r#type: self.kind.openai_type(),
                    param: self.param.as_deref(),
                    code: self.code.as_deref().or(self.kind.code()),
                },
            }),
            ClientDialect::Anthropic => serde_json::to_vec(&AnthropicBody {
                r#type: "error",
                error: AnthropicError {
                    r#type: self.kind.anthropic_type(),
                    message: &self.message,
                },
            }),
        };
        json.unwrap_or_default()
    }
}

#[derive(Serialize)]
struct OpenAiBody<'a> {
    error: OpenAiError<'a>,
}

#[derive(Serialize)]
struct OpenAiError<'a> {
    message: &'a str,
    r#type: &'a str,
    param: Option<&'a str>,
    code: Option<&'a str>,
}

#[derive(Serialize)]
struct AnthropicBody<'a> {
    r#type: &'a str,
    error: AnthropicError<'a>,
}

#[derive(Serialize)]
struct AnthropicError<'a> {
    r#type: &'a str,
    message: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn openai_clients_get_openai_s_shape() {
        let error = ApiError::new(ErrorKind::ModelNotFound, "no such model: x").param("model");
        assert_eq!(
            String::from_utf8(error.body(ClientDialect::OpenAi)).unwrap(),
            r#"{"error":{"message":"no such model: x","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#
        );
    }

    #[test]
    fn anthropic_clients_get_anthropic_s_shape() {
        let error = ApiError::new(ErrorKind::TooLarge, "too large");
        assert_eq!(
            String::from_utf8(error.body(ClientDialect::Anthropic)).unwrap(),
            r#"{"type":"error","error":{"type":"request_too_large","message":"too large"}}"#
        );
    }

    #[test]
    fn an_exhausted_budget_tells_clients_not_to_retry() {
        let error = ApiError::new(ErrorKind::InsufficientQuota, "spent").retry_after(60);
        assert_eq!(
            error.headers(),
            [
                ("retry-after", "60".to_owned()),
                ("x-should-retry", "false".to_owned())
            ]
        );
    }
}
