//! The parameters of a request that are for the gateway, and those that a target cannot express.

use dragoman_proto::{ApiError, Dialect, UpstreamConfig};

use crate::{edge, json::Object, multipart::Part, request::Call};

/// Parameters that LiteLLM's clients send to the gateway; no provider gets to see them. Among them
/// are those that would let a client choose where its request goes.
pub(crate) const GATEWAY_ONLY: [&str; 33] = [
    "additional_drop_params",
    "allowed_openai_params",
    "api_base",
    "api_key",
    "api_version",
    "base_url",
    "cache",
    "caching",
    "context_window_fallbacks",
    "custom_llm_provider",
    "disable_fallbacks",
    "drop_params",
    "fallbacks",
    "guardrails",
    "litellm_call_id",
    "litellm_metadata",
    "litellm_session_id",
    "litellm_trace_id",
    "max_retries",
    "mock_response",
    "mock_timeout",
    "mock_tool_calls",
    "model_info",
    "no-log",
    "num_retries",
    "prompt_id",
    "prompt_variables",
    "proxy_server_request",
    "request_timeout",
    "stream_timeout",
    "tags",
    "timeout",
    "user_config",
];

/// The fields of a form that are for the gateway.
#[derive(Debug)]
pub(crate) struct FormFields {
    drop: Option<bool>,
    extra: Vec<String>,
    allowed: Vec<String>,
}

impl FormFields {
    /// Reads them; lists are fields of the same name, with or without brackets.
    pub(crate) fn new(body: &[u8], parts: &[Part]) -> Self {
        let texts = |name: &str| {
            let named = parts.iter().filter(|part| {
                !part.is_file && part.name.strip_suffix("[]").unwrap_or(&part.name) == name
            });
            let text =
                named.filter_map(|part| std::str::from_utf8(body.get(part.range.clone())?).ok());
            text.map(|text| text.trim().to_owned()).collect::<Vec<_>>()
        };
        Self {
            drop: texts("drop_params")
                .last()
                .map(|text| text.eq_ignore_ascii_case("true")),
            extra: texts("additional_drop_params"),
            allowed: texts("allowed_openai_params"),
        }
    }

    /// The fields that do not go to the deployment as they are, besides those for the gateway.
    pub(crate) fn kept_out(&self, config: &UpstreamConfig) -> Vec<String> {
        let rejected = config.quirks.unsupported.iter();
        let rejected = rejected.filter(|name| !self.allowed.contains(name));
        rejected.chain(&self.extra).cloned().collect()
    }
}

/// Collects the parameters that a target cannot express.
#[derive(Debug)]
pub(crate) struct Unsupported {
    provider: String,
    drop: bool,
    allowed: Vec<String>,
    refused: Vec<String>,
    dropped: Vec<String>,
}

impl Unsupported {
    /// Nothing yet, under the rules of `request` and the deployment.
    pub(crate) fn new(request: &Object<'_>, config: &UpstreamConfig) -> Self {
        Self {
            provider: config.provider.clone(),
            drop: request.read("drop_params").unwrap_or(config.drop_params),
            allowed: request.read("allowed_openai_params").unwrap_or_default(),
            refused: Vec::new(),
            dropped: Vec::new(),
        }
    }

    /// The same of a form.
    pub(crate) fn of_form(fields: &FormFields, config: &UpstreamConfig) -> Self {
        Self {
            provider: config.provider.clone(),
            drop: fields.drop.unwrap_or(config.drop_params),
            allowed: fields.allowed.clone(),
            refused: Vec::new(),
            dropped: fields.extra.clone(),
        }
    }

    /// Whether a form's field does not go to the provider: it is for the gateway, or was refused.
    pub(crate) fn leaves_out(&self, param: &str) -> bool {
        let is = |name: &String| name == param;
        GATEWAY_ONLY.contains(&param)
            || param == "metadata"
            || self.dropped.iter().chain(&self.refused).any(is)
    }

    /// Whether `param` goes to the provider all the same, because the client said so.
    pub(crate) fn is_allowed(&self, param: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == param)
    }

    /// `param` cannot be expressed: dropped, or named in the error.
    pub(crate) fn refuse(&mut self, param: &str) {
        let list = if self.drop {
            &mut self.dropped
        } else {
            &mut self.refused
        };
        if !list.iter().any(|known| known == param) {
            list.push(param.to_owned());
        }
    }

    /// This value of `param` cannot be expressed: replaced by the nearest one, or named in the error.
    pub(crate) fn refuse_value(&mut self, param: &str, what: &str) {
        if self.drop {
            self.leave_out(param);
        } else {
            self.refused.push(what.to_owned());
        }
    }

    /// `param` is only a hint: left out, and reported.
    pub(crate) fn leave_out(&mut self, param: &str) {
        if !self.dropped.iter().any(|known| known == param) {
            self.dropped.push(param.to_owned());
        }
    }

    /// Takes hints out of `request`: left out, and reported.
    pub(crate) fn leave_out_hints(&mut self, request: &mut Object<'_>, hints: &[&str]) {
        for hint in hints {
            if request.some(hint).is_some() {
                self.leave_out(hint);
            }
            request.remove(hint);
        }
    }

    /// Lowers a temperature above 1, for a provider whose scale ends there.
    pub(crate) fn cool(&mut self, request: &mut Object<'_>) {
        const FIELD: &str = "temperature";
        let is_hot = request.read::<f64>(FIELD).is_some_and(|t| t > 1.0);
        if is_hot && !self.is_allowed(FIELD) {
            self.refuse_value(FIELD, "temperature above 1");
            request.set(FIELD, &1);
        }
    }

    /// Takes out of `request` what the provider cannot express: names, each with the value that asks
    /// for nothing, and goes without a word.
    pub(crate) fn refuse_demands(&mut self, request: &mut Object<'_>, table: &[(&str, &str)]) {
        for (name, neutral) in table {
            let Some(raw) = request.get(name) else {
                continue;
            };
            let value = raw.get();
            // `1.0` is `1`.
            let number = |text: &str| text.parse::<f64>().ok();
            let is_same = number(value).is_some_and(|value| number(neutral) == Some(value));
            let asks_for_nothing = value == "null" || value == *neutral || is_same;
            if asks_for_nothing || !self.is_allowed(name) {
                if !asks_for_nothing {
                    self.refuse(name);
                }
                request.remove(name);
            }
        }
    }

    /// Takes out of `request` whatever is not `known`, and refuses what of that asks for something.
    pub(crate) fn refuse_strange(&mut self, request: &mut Object<'_>, known: &[&str]) {
        let names = request.names().filter(|name| !known.contains(name));
        for name in names.map(str::to_owned).collect::<Vec<_>>() {
            if request.some(&name).is_some() {
                self.refuse(&name);
            }
            request.remove(&name);
        }
    }

    /// Takes out of `request` what this provider rejects; what asks for nothing goes without a word.
    pub(crate) fn refuse_quirks(&mut self, request: &mut Object<'_>, call: &Call<'_>) {
        for name in &call.config.quirks.unsupported {
            let Some(raw) = request.some(name).filter(|_| !self.is_allowed(name)) else {
                continue;
            };
            if edge::asks(call.admission.operation, name, raw) {
                self.refuse(name);
            }
            request.remove(name);
        }
    }

    /// What was dropped, or the error that names all that would have to be.
    pub(crate) fn finish(self) -> Result<Vec<String>, ApiError> {
        let Some(first) = self.refused.first() else {
            return Ok(self.dropped);
        };
        let names = self.refused.join(", ");
        Err(ApiError::invalid(format!(
            "{} does not support: {names}. Leave it out, or have it dropped with `drop_params: true` \
             (in the request, in the model's litellm_params or in litellm_settings)",
            self.provider
        ))
        .param(first.split(' ').next().unwrap_or_default())
        .code("unsupported_parameter"))
    }
}

/// Applies the deployment's defaults, and takes out what is for the gateway.
pub(crate) fn prepare(request: &mut Object<'_>, config: &UpstreamConfig) -> Unsupported {
    for (name, value) in &config.defaults {
        if request.some(name).is_none() {
            request.set(name, value);
        }
    }
    let extra: Vec<String> = request.read("additional_drop_params").unwrap_or_default();
    let mut unsupported = Unsupported::new(request, config);
    unsupported.dropped = extra
        .iter()
        .filter(|name| request.some(name).is_some())
        .cloned()
        .collect();
    request.retain(|name| !GATEWAY_ONLY.contains(&name) && !extra.iter().any(|e| e == name));
    if !reads_google_s_words(config) {
        for name in GOOGLE_S {
            if request.some(name).is_some() && !unsupported.is_allowed(name) {
                request.remove(name);
                unsupported.leave_out(name);
            }
        }
    }
    unsupported
}

/// What clients of Google's say in words of their own, which asks nothing of anybody else.
const GOOGLE_S: [&str; 2] = ["extra_body", "google"];

/// Whether a deployment may know these words: Google's, and OpenAI's imitators, of which Google is one.
fn reads_google_s_words(config: &UpstreamConfig) -> bool {
    match config.dialect {
        Dialect::OpenAi | Dialect::Azure | Dialect::Gemini => true,
        Dialect::VertexAi => !config.model.contains("claude"),
        _ => false,
    }
}
