//! `/v2/embed` (<https://docs.cohere.com/reference/embed>).

use std::borrow::Cow;

use dragoman_proto::ApiError;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{error, headers, path, schema::UsageIn};
use crate::{
    failure::Failure,
    hub::{self, prepare},
    json::{self, Object},
    meter::Meter,
    request::{Call, ResponseContext, Translated},
};

/// For a client that does not say what the vectors are for.
const DEFAULT_INPUT_TYPE: &str = "search_document";

/// What is read here; `user` and `metadata` are the gateway's.
const TRANSLATED: [&str; 8] = [
    "model",
    "input",
    "dimensions",
    "encoding_format",
    "input_type",
    "truncate",
    "user",
    "metadata",
];

/// A request to embed, also to models of Cohere's on other platforms.
#[derive(Debug, Serialize)]
pub(crate) struct EmbedRequest<'a> {
    /// Where the address does not say it.
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'a str>,
    texts: Vec<Cow<'a, str>>,
    input_type: Cow<'a, str>,
    embedding_types: [&'a str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    output_dimension: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truncate: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
struct EmbedAnswer<'a> {
    #[serde(borrow)]
    embeddings: Embeddings<'a>,
    #[serde(default)]
    meta: Option<UsageIn>,
}

/// Vectors by the type of their numbers, of which one is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Embeddings<'a> {
    #[serde(borrow)]
    pub(crate) float: Vec<&'a RawValue>,
}

impl<'a> EmbedRequest<'a> {
    /// The client's `request` to embed `texts` in vectors of this length.
    pub(crate) fn new(
        request: &'a Object<'_>,
        texts: Vec<Cow<'a, str>>,
        output_dimension: Option<&'a RawValue>,
    ) -> Self {
        Self {
            model: None,
            texts,
            input_type: request
                .some("input_type")
                .and_then(json::string)
                .unwrap_or(Cow::Borrowed(DEFAULT_INPUT_TYPE)),
            embedding_types: ["float"],
            output_dimension,
            truncate: request.some("truncate"),
        }
    }
}

/// The client's request for `/v2/embed`.
pub(super) fn request(call: &Call<'_>) -> Result<Translated, ApiError> {
    let mut request = call.object()?;
    let mut unsupported = prepare(&mut request, call.config);
    unsupported.refuse_strange(&mut request, &TRANSLATED);
    let mut response = call.context();
    response.base64 = hub::wants_base64(&request)?;
    let texts = hub::texts(&request, "Cohere")?;
    let embed = EmbedRequest {
        model: Some(&call.config.model),
        ..EmbedRequest::new(&request, texts, request.some("dimensions"))
    };
    call.sends(
        path(call, "/embed"),
        headers(call),
        &embed,
        unsupported,
        response,
    )
}

/// The client's answer.
pub(super) fn answer(
    context: &ResponseContext,
    body: &[u8],
    meter: &mut Meter,
) -> Result<Vec<u8>, Failure> {
    const MISSING: &str = "the answer has no `embeddings`";
    let provider = &context.provider;
    let answer: EmbedAnswer<'_> = json::parse(body)
        .map_err(|_| Failure::unreadable(provider, error::read(body).as_ref(), MISSING))?;
    match answer.meta.and_then(|meta| meta.usage()) {
        Some(usage) => meter.counted(usage),
        None => meter.output(0),
    }
    let tokens = meter.usage().input_tokens;
    hub::embeddings(context, &answer.embeddings.float, tokens)
        .ok_or_else(|| Failure::garbage(provider, MISSING))
}
