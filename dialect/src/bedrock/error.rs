//! Bedrock's errors: a type in the header `x-amzn-errortype`, in `__type`, or as the name of an
//! event; a message in the body
//! (<https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html>).

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    failure::{Failure, ProviderError},
    json,
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body<'a> {
    #[serde(borrow, rename = "__type")]
    kind: Option<&'a RawValue>,
    #[serde(borrow, alias = "Message", alias = "errorMessage")]
    message: Option<&'a RawValue>,
}

/// The error in a body; `None` when there is none in it.
pub(super) fn read(body: &[u8]) -> Option<ProviderError> {
    let found: Body<'_> = json::parse(body).ok()?;
    found.kind.or(found.message)?;
    let (status, error) = refusal(502, None, body);
    Some(ProviderError {
        status: Some(status),
        ..error
    })
}

/// What an answer with an error's `status` means, and the status that fits it better. `kind` is the
/// error's type, where it is told beside the body.
pub(super) fn refusal(status: u16, kind: Option<&str>, body: &[u8]) -> (u16, ProviderError) {
    let found: Body<'_> = json::parse(body).unwrap_or_default();
    let message = found.message.and_then(json::string).unwrap_or_default();
    let inner = found.kind.and_then(json::string);
    let kind = plain(kind.or(inner.as_deref()).unwrap_or_default());
    let (status, code, refused) = meaning(status, &kind, &message.to_ascii_lowercase());
    let error = ProviderError {
        message: Some(message.into_owned()).filter(|text| !text.is_empty()),
        code: code.map(str::to_owned),
        refused,
        ..ProviderError::default()
    };
    (status, error)
}

/// The failure in an exception or error of a stream.
pub(super) fn failure(provider: &str, name: &str, data: &[u8]) -> Failure {
    let (status, mut error) = refusal(502, Some(name), data);
    if error.message.is_none() {
        let text = String::from_utf8_lossy(data);
        let text = text.trim();
        let said = !text.is_empty() && !text.starts_with('{');
        error.message = Some(if said { text } else { name }.to_owned());
    }
    Failure::of_provider(provider, status, &error, None)
}

/// `com.amazon.coral.service#ThrottlingException:http://…` without what is around it, in lower case.
fn plain(kind: &str) -> String {
    let name = kind.rsplit('#').next().unwrap_or(kind);
    let name = name.split(':').next().unwrap_or(name).trim();
    let name = name.to_ascii_lowercase();
    name.strip_suffix("exception").unwrap_or(&name).to_owned()
}

/// Status, OpenAI's code, and whether our own credential is refused. The `message` is in lower case.
fn meaning(status: u16, kind: &str, message: &str) -> (u16, Option<&'static str>, bool) {
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| message.contains(phrase));
    match kind {
        "throttling" | "toomanyrequests" | "servicequotaexceeded" => (429, None, false),
        "modelnotready" | "serviceunavailable" => (503, None, false),
        "internalserver" | "internalfailure" | "internalerror" => (500, None, false),
        "modeltimeout" => (504, None, false),
        "modelerror" | "modelstreamerror" => (502, None, false),
        "resourcenotfound" => (404, Some("model_not_found"), false),
        "unrecognizedclient"
        | "invalidsignature"
        | "signaturedoesnotmatch"
        | "incompletesignature"
        | "missingauthenticationtoken"
        | "missingauthenticationtokens"
        | "expiredtoken"
        | "invalidclienttokenid"
        | "notauthorized"
        | "accessdenied"
        | "unauthorized" => (401, None, true),
        _ if status == 424 => (502, None, false),
        "validation" if has(&TOO_LONG) => (400, Some("context_length_exceeded"), false),
        "validation" if has(&NO_SUCH_MODEL) => (404, Some("model_not_found"), false),
        "validation" if has(&FILTERED) => (400, Some("content_filter"), false),
        "validation" => (400, None, false),
        _ => (status, None, false),
    }
}

/// How different models say that a prompt does not fit.
const TOO_LONG: [&str; 8] = [
    "input is too long",
    "input tokens exceeded",
    "number of input tokens exceeds",
    "too many input tokens",
    "too many tokens",
    "exceed context limit",
    "prompt is too long",
    "maximum context length",
];
/// How it says that it does not have the model, here or in this way.
const NO_SUCH_MODEL: [&str; 4] = [
    "model identifier is invalid",
    "on-demand throughput isn",
    "end of its life",
    "not supported in this region",
];
/// How some models refuse.
const FILTERED: [&str; 2] = ["blocked by our content filters", "content filtering policy"];
